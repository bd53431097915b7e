"""Namespaces: a `default` ServiceAccount for each, and the emptying of those that are being deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_local.api.errors import ApiError
from kopfka_local.controllers.base import Writer, enqueue_self
from kopfka_local.kinds import NAMESPACES, SERVICE_ACCOUNTS, Key, Object, deleting, name_of, uid_of
from kopfka_local.watching import Worker

if TYPE_CHECKING:
    from kopfka_local.api.cluster import Cluster
    from kopfka_local.watching import Informers

_LOOK_AGAIN = 0.2  # seconds; only while a namespace is being emptied


class Namespaces:
    """Keeps every Namespace."""

    def __init__(self, cluster: Cluster, writer: Writer, informers: Informers) -> None:
        self._cluster = cluster
        self._writer = writer
        self._namespaces, self._accounts = informers[NAMESPACES], informers[SERVICE_ACCOUNTS]
        self.worker = Worker("namespace", self.reconcile)
        enqueue_self(self._namespaces, self.worker)
        self._accounts.on_change(self._account_changed)

    def _account_changed(self, before: Object | None, after: Object | None) -> None:
        if after is None and before is not None and name_of(before) == "default":
            self.worker.add(("", before["metadata"]["namespace"]))

    async def reconcile(self, key: Key) -> float | None:
        """Furnish a namespace, or empty it."""
        namespace = self._namespaces.get(*key)
        if namespace is None:
            return None
        name = name_of(namespace)
        if not deleting(namespace):
            if self._accounts.get(name, "default") is None:
                account = {
                    "apiVersion": "v1",
                    "kind": "ServiceAccount",
                    "metadata": {"name": "default", "namespace": name},
                }
                await self._writer.create(SERVICE_ACCOUNTS, account)
            return None
        if await self._empty(name):
            return _LOOK_AGAIN
        finalizers = [one for one in namespace["spec"].get("finalizers") or () if one != "kubernetes"]
        final = namespace | {"spec": namespace["spec"] | {"finalizers": finalizers}}
        try:
            await self._cluster.update(NAMESPACES, None, name, final, subresource="finalize")
        except ApiError as error:
            if error.status != 404:
                raise
        return None

    async def _empty(self, namespace: str) -> int:
        """Delete all that is in a namespace; return how much was there."""
        found = 0
        for resource in [one for one in self._cluster.objects.resources if one.namespaced and "delete" in one.verbs]:
            objects, _ = await self._cluster.list(resource.gvr, namespace)
            found += len(objects)
            for obj in objects:
                if deleting(obj):
                    continue
                try:
                    await self._cluster.delete(
                        resource.gvr, namespace, name_of(obj), preconditions={"uid": uid_of(obj)}
                    )
                except ApiError as error:
                    if error.status not in (404, 409):
                        raise
        return found
