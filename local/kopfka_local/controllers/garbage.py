"""The garbage collector: deletes what no longer has an owner, and sees foreground and orphan deletions through.

It follows every resource there is, custom ones as they come; of an object it keeps the metadata it needs. The
thinking is in `graph`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kopfka_local.api.errors import ApiError
from kopfka_local.controllers.graph import Action, Delete, DropFinalizer, DropOwners, Graph, Node, Owner, Ownership
from kopfka_local.kinds import DEFINITIONS, EVENTS, LEASES, Key, Object
from kopfka_local.watching import Worker

if TYPE_CHECKING:
    from kopfka_local.api.cluster import Cluster
    from kopfka_local.api.resources import Gvr
    from kopfka_local.watching import Informers

log = logging.getLogger(__name__)

_LOOK_AGAIN = 0.05
_IGNORED = frozenset({EVENTS, LEASES})  # change all the time and own or are owned by nothing here


class GarbageCollector:
    """Follows owner references. Its work is keyed by uid: `("", uid)`."""

    def __init__(self, cluster: Cluster, informers: Informers) -> None:
        self._cluster = cluster
        self._graph = Graph()
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by storage name of the resource
        self.worker = Worker("garbage", self.reconcile)
        informers[DEFINITIONS].on_change(lambda _before, _after: self._follow())

    async def start(self) -> None:
        """Begin to follow everything; the worker is started separately."""
        self._follow()
        await asyncio.sleep(0)

    async def stop(self) -> None:
        """Follow nothing any more."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _follow(self) -> None:
        served: dict[str, Gvr] = {}
        for resource in self._cluster.objects.resources:
            if "watch" in resource.verbs and resource.gvr not in _IGNORED and not resource.stored_as:
                served.setdefault(resource.storage, resource.gvr)
        for name in [name for name in self._tasks if name not in served]:
            self._tasks.pop(name).cancel()
            for uid in [uid for uid, node in self._graph.nodes.items() if node.gvr.storage == name]:
                self._look_at(self._graph.remove(uid))
        for name, gvr in served.items():
            if name not in self._tasks:
                self._tasks[name] = asyncio.get_running_loop().create_task(self._watch(gvr), name=f"garbage: {name}")

    async def _watch(self, gvr: Gvr) -> None:
        while True:
            try:
                objects, version = await self._cluster.list(gvr)
                seen = {obj["metadata"]["uid"] for obj in objects}
                for uid in [uid for uid, node in self._graph.nodes.items() if node.gvr == gvr and uid not in seen]:
                    self._look_at(self._graph.remove(uid))
                for obj in objects:
                    self._look_at(self._graph.put(Node.of(gvr, obj["metadata"])))
                async for kind, obj in self._cluster.watch(gvr, resource_version=version):
                    if kind == "DELETED":
                        self._look_at(self._graph.remove(obj["metadata"]["uid"]))
                    else:
                        self._look_at(self._graph.put(Node.of(gvr, obj["metadata"])))
                await asyncio.sleep(_LOOK_AGAIN)  # its definition changed, or went: the list tells
            except ApiError as error:
                if error.status == 404:
                    return
                log.info("following %s again: %s", gvr.resource, error)

    def _look_at(self, uids: set[str]) -> None:
        self.worker.add_all(("", uid) for uid in uids)

    async def reconcile(self, key: Key) -> float | None:
        """Do what is to be done about one object."""
        for action in self._graph.plan(key[1], self._ownership):
            try:
                await self._act(action)
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
                if error.status == 409:
                    return 0.1
        return None

    def _ownership(self, node: Node, owner: Owner) -> Ownership:
        known = self._graph.nodes.get(owner.uid)
        if known is not None and known.namespace in ("", node.namespace):
            return Ownership.WAITING if known.waits_for_dependents else Ownership.SOLID
        # what a watch has not brought yet may be there all the same: only the API server knows what is gone
        resource = self._cluster.objects.resources.of_kind(owner.api_version, owner.kind)
        if resource is None:
            return Ownership.SOLID  # a kind that is not served (any more): better keep too much
        try:
            found = self._cluster.objects.get(resource.gvr, node.namespace if resource.namespaced else None, owner.name)
        except ApiError as error:
            return Ownership.ABSENT if error.status == 404 else Ownership.SOLID
        return Ownership.SOLID if found["metadata"]["uid"] == owner.uid else Ownership.ABSENT

    async def _act(self, action: Action) -> None:
        node = action.node
        namespace = node.namespace or None
        if isinstance(action, Delete):
            await self._cluster.delete(
                node.gvr, namespace, node.name, propagation=action.propagation, preconditions={"uid": node.uid}
            )
            return
        live = await self._cluster.get(node.gvr, namespace, node.name)
        metadata = live["metadata"]
        if metadata["uid"] != node.uid:
            return
        patch: Object = {"resourceVersion": metadata["resourceVersion"]}
        if isinstance(action, DropOwners):
            owners = metadata.get("ownerReferences") or []
            patch["ownerReferences"] = [one for one in owners if one["uid"] not in action.uids]
            if len(patch["ownerReferences"]) == len(owners):
                return
        elif isinstance(action, DropFinalizer):
            patch["finalizers"] = [one for one in metadata.get("finalizers") or () if one != action.finalizer]
        await self._cluster.patch(node.gvr, namespace, node.name, {"metadata": patch})
