"""What a pod's status says: whether it serves, and what keeps it from starting. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_operator.api.reasons import Reason
from kopfka_operator.status import Problem

if TYPE_CHECKING:
    from kopfka_operator.kube.resources import Manifest, Ref

_PULL_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_FAILING = _PULL_REASONS | {
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
}


def is_ready(pod: Manifest) -> bool:
    """Tell whether a pod serves: ready, and not on its way out."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    says_so = any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
    return says_so and not pod["metadata"].get("deletionTimestamp")


def unplaced(ref: Ref, pod: Manifest) -> str | None:
    """Say why no node takes a pod; None where one does, or where that is not known."""
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{ref} cannot be placed on a node: {condition.get('message') or condition.get('reason')}"
    return None


def stuck(ref: Ref, pod: Manifest | None) -> Problem | None:
    """Return what keeps a pod from running, in its own last words."""
    statuses = ((pod or {}).get("status") or {}).get("containerStatuses") or []
    for status in statuses:
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason in _PULL_REASONS:
            words = waiting.get("message") or reason
            return Problem(Reason.POD_FAILING, f"{ref}: {words}: check spec.image and spec.imagePullPolicy")
        if reason in _FAILING:
            ended = (status.get("lastState") or {}).get("terminated") or {}
            words = _last_line(ended.get("message")) or waiting.get("message") or reason
            where = f"kubectl logs -n {ref.namespace} {ref.name} --previous"
            return Problem(Reason.POD_FAILING, f"{ref} keeps ending: {words} (more: {where})")
    return None


def _last_line(text: str | None) -> str:
    lines = (text or "").strip().splitlines()
    return lines[-1].strip() if lines else ""
