"""Copies of resources kept current by watches, and a queue of work on them: what each controller and the node stand on.

`Informer` holds all objects of one kind as the API server has them. `Worker` calls one function per key of an object,
never twice at a time for the same key, again where something changed meanwhile, and later where it failed. Thinking is
elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from kopfka_local.api.errors import ApiError
from kopfka_local.kinds import Key, Object, key_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from kopfka_local.api.cluster import Cluster
    from kopfka_local.api.resources import Gvr

    Handler = Callable[[Object | None, Object | None], None]  # (before, after)

log = logging.getLogger(__name__)

_SHORTEST_RETRY = 0.05
_LONGEST_RETRY = 30.0


class Informer:
    """All objects of one kind, current."""

    def __init__(self, cluster: Cluster, gvr: Gvr) -> None:
        self.gvr = gvr
        self._cluster = cluster
        self._objects: dict[Key, Object] = {}
        self._handlers: list[Handler] = []

    def get(self, namespace: str, name: str) -> Object | None:
        """Return an object, not to be changed, or None."""
        return self._objects.get((namespace, name))

    def all(self, namespace: str | None = None) -> list[Object]:
        """Return the objects of a namespace, or all; not to be changed."""
        if namespace is None:
            return list(self._objects.values())
        return [obj for (where, _), obj in self._objects.items() if where == namespace]

    def on_change(self, handler: Handler) -> None:
        """Have `handler(before, after)` called at each change, and for what is there when `run` begins."""
        self._handlers.append(handler)

    def remember(self, obj: Object) -> None:
        """Take over the result of a write of our own, before the watch brings it."""
        self._put(obj)

    async def run(self, synced: asyncio.Event) -> None:
        """Follow the API server for ever; `synced` is set once everything that is there has been seen."""
        while True:
            try:
                objects, version = await self._cluster.list(self.gvr)
            except ApiError:  # not served: there are none
                objects, version = [], ""
            seen = {key_of(obj) for obj in objects}
            for key in [key for key in self._objects if key not in seen]:
                self._drop(key, None)
            for obj in objects:
                self._put(obj)
            synced.set()
            if not version:
                await asyncio.sleep(_LONGEST_RETRY)
                continue
            try:
                async for kind, obj in self._cluster.watch(self.gvr, resource_version=version):
                    if kind == "DELETED":
                        self._drop(key_of(obj), obj)
                    elif kind in ("ADDED", "MODIFIED"):
                        self._put(obj)
            except ApiError as error:  # 410: we were too slow; list again
                log.warning("the watch of %s ended: %s", self.gvr.resource, error)

    def _put(self, obj: Object) -> None:
        key = key_of(obj)
        before = self._objects.get(key)
        if before is not None and _version(obj) <= _version(before):
            return
        self._objects[key] = obj
        self._tell(before, obj)

    def _drop(self, key: Key, last: Object | None) -> None:
        before = self._objects.get(key)
        if before is None or (last is not None and last["metadata"]["uid"] != before["metadata"]["uid"]):
            return
        del self._objects[key]
        self._tell(before, None)

    def _tell(self, before: Object | None, after: Object | None) -> None:
        for handler in self._handlers:
            try:
                handler(before, after)
            except Exception:
                log.exception("a handler of %s failed", self.gvr.resource)


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])


class Worker:
    """Calls `reconcile(key)` for keys that were added, one call at a time for each key."""

    def __init__(self, name: str, reconcile: Callable[[Key], Awaitable[float | None]]) -> None:
        """`reconcile` may return seconds after which it wants to be called again."""
        self._name = name
        self._reconcile = reconcile
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._running = False
        self._waiting: dict[Key, None] = {}

    def add(self, key: Key) -> None:
        """Have the key worked on soon."""
        if not self._running:
            self._waiting[key] = None
        elif key in self._tasks:
            self._again.add(key)
        else:
            if timer := self._timers.pop(key, None):
                timer.cancel()
            self._tasks[key] = asyncio.get_running_loop().create_task(
                self._work(key), name=f"{self._name} {'/'.join(key)}"
            )

    def add_all(self, keys: Iterable[Key]) -> None:
        """Add many."""
        for key in keys:
            self.add(key)

    def start(self) -> None:
        """Begin, with all that was added so far."""
        self._running = True
        waiting, self._waiting = self._waiting, {}
        self.add_all(waiting)

    async def stop(self) -> None:
        """End; what is under way is cancelled."""
        self._running = False
        for timer in self._timers.values():
            timer.cancel()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, key: Key) -> None:
        delay: float | None = None
        try:
            while True:
                self._again.discard(key)
                delay = await self._attempt(key)
                if key not in self._again:
                    break
        finally:
            self._tasks.pop(key, None)
        if delay is not None and self._running:
            self._timers[key] = asyncio.get_running_loop().call_later(delay, self._due, key)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def _attempt(self, key: Key) -> float | None:
        try:
            delay = await self._reconcile(key)
        except ApiError as error:
            if error.status not in (404, 409):
                log.warning("%s %s: %s", self._name, "/".join(key), error)
        except Exception:
            log.exception("%s %s failed", self._name, "/".join(key))
        else:
            self._failures.pop(key, None)
            return delay
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        return min(_SHORTEST_RETRY * 2.0 ** min(failures, 20), _LONGEST_RETRY)


class Informers:
    """One informer a kind, run together."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._informers: dict[Gvr, Informer] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def __getitem__(self, gvr: Gvr) -> Informer:
        """Return the informer of a kind; ask before `start`."""
        if gvr not in self._informers:
            assert not self._tasks, f"{gvr.resource} asked for too late"
            self._informers[gvr] = Informer(self.cluster, gvr)
        return self._informers[gvr]

    async def start(self) -> None:
        """Run all, and return once each has seen everything that is there."""
        events = []
        for gvr, informer in self._informers.items():
            synced = asyncio.Event()
            events.append(synced.wait())
            self._tasks.append(asyncio.create_task(informer.run(synced), name=f"informer {gvr.resource}"))
        await asyncio.gather(*events)

    async def stop(self) -> None:
        """End all watches."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
