"""What every controller is made of: a worker fed by informers, and the few writes they share."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Protocol

from kopfka_local.api.errors import ApiError
from kopfka_local.kinds import Key, Object, controller_of, key_of, name_of, uid_of

if TYPE_CHECKING:
    from kopfka_local.api.cluster import Cluster
    from kopfka_local.api.resources import Gvr
    from kopfka_local.recorder import Recorder
    from kopfka_local.watching import Informer, Informers, Worker

_SAFE = "bcdfghjklmnpqrstvwxz2456789"  # letters that spell nothing, as Kubernetes uses for generated names


class Controller(Protocol):
    """Keeps one kind as its spec says."""

    worker: Worker


class Writer:
    """Writes through the API, and tells the informers at once; what an owner is refused, an event on it says."""

    def __init__(self, cluster: Cluster, informers: Informers, recorder: Recorder) -> None:
        self.cluster = cluster
        self._informers = informers
        self._recorder = recorder

    async def create(self, gvr: Gvr, obj: Object) -> Object:
        """Create an object; one of that name and owner that is there already is as good."""
        namespace = obj["metadata"].get("namespace")
        try:
            created = await self.cluster.create(gvr, namespace, obj)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                await self._report_refusal(obj, error)
                raise
            created = await self.cluster.get(gvr, namespace, name_of(obj))
            if _owner_uid(created) != _owner_uid(obj):
                raise
        self._remember(gvr, created)
        return created

    async def delete(self, gvr: Gvr, obj: Object, *, propagation: str = "Background") -> None:
        """Delete this very object; one that is gone is as good."""
        namespace, name = key_of(obj)
        try:
            left = await self.cluster.delete(
                gvr, namespace or None, name, propagation=propagation, preconditions={"uid": uid_of(obj)}
            )
        except ApiError as error:
            if error.status != 404:
                raise
            return
        if "deletionTimestamp" in left["metadata"]:
            self._remember(gvr, left)

    async def patch(self, gvr: Gvr, obj: Object, patch: Object, *, subresource: str = "") -> Object:
        """Merge a patch into an object."""
        namespace, name = key_of(obj)
        patched = await self.cluster.patch(gvr, namespace or None, name, patch, subresource=subresource)
        self._remember(gvr, patched)
        return patched

    async def status(self, gvr: Gvr, obj: Object, status: Object) -> Object:
        """Write a status where it differs in what it says."""
        before = obj.get("status") or {}
        if all(before.get(field) == value for field, value in status.items()):
            return obj
        return await self.patch(gvr, obj, {"status": status}, subresource="status")

    async def _report_refusal(self, obj: Object, error: ApiError) -> None:
        owner = controller_of(obj)
        if owner is not None:
            metadata = {"name": owner["name"], "namespace": obj["metadata"].get("namespace"), "uid": owner["uid"]}
            message = f"create {obj['kind']} {name_of(obj)} failed: {error}"
            await self._recorder.record(
                {"metadata": metadata}, owner["apiVersion"], owner["kind"], "FailedCreate", message, warning=True
            )

    def _remember(self, gvr: Gvr, obj: Object) -> None:
        self._informers[gvr].remember(obj)


def _owner_uid(obj: Object) -> str | None:
    owner = controller_of(obj)
    return owner["uid"] if owner else None


def owned_by(informer: Informer, owner: Object) -> list[Object]:
    """Return the objects whose controller is `owner`, by name."""
    uid = uid_of(owner)
    found = [obj for obj in informer.all(owner["metadata"].get("namespace", "")) if _owner_uid(obj) == uid]
    return sorted(found, key=name_of)


def enqueue_owner(informer: Informer, kind: str, worker: Worker) -> None:
    """Have the worker look at the controlling owner of that kind whenever an object of the informer changes."""

    def changed(before: Object | None, after: Object | None) -> None:
        for obj in (before, after):
            owner = controller_of(obj) if obj else None
            if obj and owner and owner["kind"] == kind:
                worker.add((obj["metadata"].get("namespace", ""), owner["name"]))

    informer.on_change(changed)


def enqueue_self(informer: Informer, worker: Worker) -> None:
    """Have the worker look at each object of the informer that changes."""

    def changed(before: Object | None, after: Object | None) -> None:
        worker.add(key_of(after or before or {}))

    informer.on_change(changed)


def template_hash(template: Object) -> str:
    """Return a short name for a pod template: equal templates, equal names."""
    text = json.dumps(template, sort_keys=True, separators=(",", ":"))
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")
    letters = []
    for _ in range(10):
        number, digit = divmod(number, len(_SAFE))
        letters.append(_SAFE[digit])
    return "".join(letters)


def keys_in_namespace(informer: Informer, namespace: str) -> list[Key]:
    """Return the keys of a namespace's objects."""
    return [key_of(obj) for obj in informer.all(namespace)]
