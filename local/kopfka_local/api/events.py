"""Events are one resource in two groups: stored as core `v1`, shown to who asks as `events.k8s.io/v1` too."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

#: Seconds an event is kept, as kube-apiserver's --event-ttl.
TTL_SECONDS = 3600

_RENAMED = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_BACK = {core: new for new, core in _RENAMED.items()}


def to_core(event: Object) -> Object:
    """Return an `events.k8s.io/v1` event as core `v1`."""
    return {**{_RENAMED.get(field, field): value for field, value in event.items()}, "apiVersion": "v1"}


def from_core(event: Object) -> Object:
    """Return a core `v1` event as `events.k8s.io/v1`."""
    return {**{_BACK.get(field, field): value for field, value in event.items()}, "apiVersion": "events.k8s.io/v1"}
