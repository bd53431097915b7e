"""What the server itself does after a write: it empties a custom resource that is withdrawn, and forgets old events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from kopfka_local.api import crds, events
from kopfka_local.api.resources import Gvr
from kopfka_local.api.storage import Key

if TYPE_CHECKING:
    from kopfka_local.api.objects import Objects
    from kopfka_local.api.resources import Resource

    Object = dict[str, Any]

_DEFINITIONS = Gvr("apiextensions.k8s.io", "v1", "customresourcedefinitions")
_EVENTS_BETWEEN_SWEEPS = 64


class Housekeeping:
    """Follows the writes of `Objects`; it acts inside them, so that nothing is left half done by a crash."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._events = 0

    def written(self, resource: Resource, obj: Object) -> None:
        """Act on an object that was stored."""
        if resource.storage == crds.STORAGE:
            self._objects.kinds.serve_definition(obj)
            if obj["metadata"].get("deletionTimestamp"):
                self._empty(obj)
        elif resource.storage == "events":
            self._events += 1
            if self._events % _EVENTS_BETWEEN_SWEEPS == 0:
                self.forget_events(datetime.now(UTC))

    def removed(self, resource: Resource, obj: Object) -> None:
        """Act on an object that is gone."""
        if resource.storage == crds.STORAGE:
            self._objects.kinds.withdraw_definition(obj)
            self._objects.storage.end_watches(obj["metadata"]["name"])
        elif resource.custom is not None and not any(self._objects.storage.items(resource.storage)):
            body = self._objects.storage.get(Key(crds.STORAGE, "", resource.storage))
            if body is not None:
                self._release(orjson.loads(body))

    def resume(self) -> None:
        """Go on with definitions whose deletion a crash interrupted."""
        for _, body in list(self._objects.storage.items(crds.STORAGE)):
            definition = orjson.loads(body)
            if definition["metadata"].get("deletionTimestamp"):
                self._empty(definition)

    def _empty(self, definition: Object) -> None:
        storage = definition["metadata"]["name"]
        resource = next((each for each in self._objects.resources if each.storage == storage), None)
        instances = list(self._objects.storage.items(storage))
        if resource is None or not instances:
            self._release(definition)
            return
        for key, _ in instances:
            if self._objects.storage.get(key) is not None:
                self._objects.delete(resource.gvr, key.namespace, key.name)

    def _release(self, definition: Object) -> None:
        metadata = definition["metadata"]
        if not metadata.get("deletionTimestamp") or crds.CLEANUP not in (metadata.get("finalizers") or []):
            return

        def released(live: Object) -> Object:
            live["metadata"]["finalizers"] = [f for f in live["metadata"]["finalizers"] if f != crds.CLEANUP]
            return live

        self._objects.update(_DEFINITIONS, None, metadata["name"], released)

    def forget_events(self, now: datetime) -> None:
        """Delete events older than their time to live."""
        oldest = (now - timedelta(seconds=events.TTL_SECONDS)).strftime("%Y-%m-%dT%H:%M:%SZ")
        for key, body in list(self._objects.storage.items("events")):
            event = orjson.loads(body)
            series = (event.get("series") or {}).get("lastObservedTime")
            last = (
                series or event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
            )
            if max(last, event["metadata"]["creationTimestamp"]) < oldest:
                self._objects.storage.delete(key)
