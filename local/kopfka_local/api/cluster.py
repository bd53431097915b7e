"""The cluster, in process: what controllers and the node of local mode use instead of HTTP, with the same semantics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from kopfka_local.api import patching
from kopfka_local.api.objects import Deletion, Objects, Options
from kopfka_local.api.resources import Gvr
from kopfka_local.api.selectors import parse_field_selector, parse_label_selector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    Object = dict[str, Any]

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class Cluster:
    """All objects of one local cluster. Objects given and returned are the caller's own: change them freely."""

    def __init__(self, state: Path) -> None:
        self.objects = Objects(state)
        self._bootstrap()

    def _bootstrap(self) -> None:
        namespaces = Gvr("", "v1", "namespaces")
        for name in NAMESPACES:
            if not self.objects.storage.get(self.objects.key(self.objects.resources.get(namespaces), None, name)):
                self.objects.create(namespaces, None, {"metadata": {"name": name}})

    async def get(self, gvr: Gvr, namespace: str | None, name: str) -> Object:
        """Return an object.

        Raises:
            ApiError: 404.
        """
        return self.objects.get(gvr, namespace, name)

    async def list(
        self, gvr: Gvr, namespace: str | None = None, label_selector: str = "", field_selector: str = ""
    ) -> tuple[list[Object], str]:
        """Return objects of a resource, of one namespace or of all, and the resourceVersion to watch from."""
        resource = self.objects.resources.get(gvr)
        labels = parse_label_selector(label_selector)
        fields = parse_field_selector(field_selector, self.objects.kinds.selectable(resource))
        found = []
        for _, body in self.objects.storage.items(resource.storage, namespace or None):
            obj = self.objects.kinds.outgoing(resource, orjson.loads(body))
            if labels.matches(obj["metadata"].get("labels") or {}) and fields.matches(obj):
                found.append(obj)
        return found, str(self.objects.storage.revision)

    async def create(self, gvr: Gvr, namespace: str | None, obj: Object, *, field_manager: str = "kopfka") -> Object:
        """Store a new object and return it as stored.

        Raises:
            ApiError: 400, 403, 404, 409, 422.
        """
        return self.objects.create(gvr, namespace, obj, Options(field_manager))

    async def update(
        self,
        gvr: Gvr,
        namespace: str | None,
        name: str,
        obj: Object,
        subresource: str = "",
        *,
        field_manager: str = "kopfka",
    ) -> Object:
        """Replace an object (with its `resourceVersion`: only if that is still the live one).

        Raises:
            ApiError: 400, 404, 409, 422.
        """
        return self.objects.update(gvr, namespace, name, obj, Options(field_manager), subresource)

    async def patch(
        self,
        gvr: Gvr,
        namespace: str | None,
        name: str,
        patch: Any,
        *,
        kind: str = "merge",
        subresource: str = "",
        field_manager: str = "kopfka",
        force: bool = False,
    ) -> Object:
        """Change an object by a patch of `kind` merge, json, strategic or apply.

        Raises:
            ApiError: 400, 404, 409, 422.
        """
        options = Options(field_manager, "Apply" if kind == "apply" else "Update", force=force)
        return patching.patch(self.objects, gvr, namespace, name, kind, patch, options, subresource)[0]

    async def delete(
        self,
        gvr: Gvr,
        namespace: str | None,
        name: str,
        *,
        propagation: str = "Background",
        preconditions: Object | None = None,
        grace_seconds: int | None = None,
    ) -> Object:
        """Delete an object, or mark it deleted where finalizers or a grace period keep it; return its last state.

        Raises:
            ApiError: 404, 409.
        """
        wanted = preconditions or {}
        deletion = Deletion(propagation, wanted.get("uid", ""), wanted.get("resourceVersion", ""), grace_seconds)
        return self.objects.delete(gvr, namespace, name, deletion)[0]

    async def watch(
        self,
        gvr: Gvr,
        namespace: str | None = None,
        *,
        resource_version: str | None = None,
        label_selector: str = "",
    ) -> AsyncIterator[tuple[str, Object]]:
        """Yield (ADDED, MODIFIED or DELETED, object) as things change; without a version, first all that is as ADDED.

        Raises:
            ApiError: 404, no such resource; 410, the version is too old.
        """
        resource = self.objects.resources.get(gvr)
        labels = parse_label_selector(label_selector)
        storage, outgoing = self.objects.storage, self.objects.kinds.outgoing
        since = storage.revision if resource_version is None else int(resource_version)
        subscription = storage.subscribe(resource.storage, namespace or None, since)
        try:
            if resource_version is None:
                for obj in (await self.list(gvr, namespace, label_selector))[0]:
                    yield "ADDED", obj
            while (changes := await subscription.next()) is not None:
                for change in changes:
                    before = orjson.loads(change.before) if change.before else None
                    after = orjson.loads(change.after) if change.after else None
                    was = before is not None and labels.matches(before["metadata"].get("labels") or {})
                    if after is not None and labels.matches(after["metadata"].get("labels") or {}):
                        yield ("MODIFIED" if was else "ADDED"), outgoing(resource, after)
                    elif was and before is not None:
                        before["metadata"]["resourceVersion"] = str(change.revision)
                        yield "DELETED", outgoing(resource, before)
        finally:
            subscription.close()

    def close(self) -> None:
        """End every watch and close the state file."""
        self.objects.storage.close()
