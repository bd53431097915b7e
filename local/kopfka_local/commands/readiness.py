"""Whether a resource is as it is wanted, and if not why: from what every kind's status says. Pure.

The rules are those of kstatus: a generation not yet observed is not ready; a Ready condition speaks for itself;
workloads count their pods; what has no status is ready once it is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_local.kinds import condition_of, deleting

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_local.kinds import Object

GROUP = "kopfka.io"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Ready or not, why in a word, and in a sentence."""

    ready: bool
    reason: str
    message: str = ""


def readiness(obj: Object) -> Readiness:
    """Return how a resource is."""
    status = obj.get("status") or {}
    if deleting(obj):
        return Readiness(False, "Deleting")
    observed = status.get("observedGeneration")
    if observed is not None and observed < obj["metadata"].get("generation", 0):
        return Readiness(False, "Reconciling", "the change has not been seen yet")
    if check := _KINDS.get(obj.get("kind", "")):
        return check(obj, status)
    condition = condition_of(obj, "Ready")
    if condition is not None:
        ready = condition.get("status") == "True"
        return Readiness(
            ready, condition.get("reason") or ("Ready" if ready else "NotReady"), condition.get("message") or ""
        )
    if obj.get("apiVersion", "").partition("/")[0] == GROUP:
        return Readiness(False, "Waiting", "the operator has not seen it yet")
    return Readiness(True, "Applied")


def _replicated(obj: Object, status: Object) -> Readiness:
    wanted = int(obj["spec"].get("replicas", 1))
    if observed := status.get("observedGeneration") is None:
        return Readiness(not observed, "Waiting")
    ready = int(status.get("availableReplicas", status.get("readyReplicas")) or 0)
    updated = int(status.get("updatedReplicas") or 0) if obj["kind"] != "ReplicaSet" else wanted
    text = f"{ready} of {wanted} ready"
    failing = condition_of(obj, "Progressing")
    if failing and failing.get("status") == "False":
        return Readiness(False, failing.get("reason") or "Failed", failing.get("message") or text)
    return Readiness(ready >= wanted and updated >= wanted, "Ready" if ready >= wanted else "Starting", text)


def _pod(obj: Object, status: Object) -> Readiness:
    if status.get("phase") == "Succeeded":
        return Readiness(True, "Completed")
    condition = condition_of(obj, "Ready") or {}
    for one in status.get("containerStatuses") or ():
        waiting = (one.get("state") or {}).get("waiting") or {}
        if waiting.get("message"):
            return Readiness(False, waiting.get("reason", "Waiting"), waiting["message"])
    placed = condition_of(obj, "PodScheduled") or {}
    if placed.get("status") == "False":
        return Readiness(False, placed.get("reason") or "Pending", placed.get("message") or "")
    ready = condition.get("status") == "True"
    return Readiness(ready, "Ready" if ready else status.get("phase") or "Pending", condition.get("message") or "")


def _job(obj: Object, status: Object) -> Readiness:
    if failed := condition_of(obj, "Failed"):
        return Readiness(False, failed.get("reason") or "Failed", failed.get("message") or "")
    done = condition_of(obj, "Complete") is not None
    return Readiness(done, "Completed" if done else "Running")


def _claim(obj: Object, status: Object) -> Readiness:
    phase = status.get("phase") or "Pending"
    return Readiness(phase == "Bound", phase)


_KINDS: dict[str, Callable[[Object, Object], Readiness]] = {
    "Deployment": _replicated,
    "StatefulSet": _replicated,
    "ReplicaSet": _replicated,
    "Pod": _pod,
    "Job": _job,
    "PersistentVolumeClaim": _claim,
}
