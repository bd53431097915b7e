"""What the status of a pod says. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_local.kinds import condition_is_true, condition_of, deleting

if TYPE_CHECKING:
    from kopfka_local.kinds import Object


def phase(pod: Object) -> str:
    """Return Pending, Running, Succeeded or Failed."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_ended(pod: Object) -> bool:
    """Tell whether the pod will never run again."""
    return phase(pod) in ("Succeeded", "Failed")


def is_ready(pod: Object) -> bool:
    """Tell whether the pod's Ready condition is True."""
    return condition_is_true(pod, "Ready")


def is_active(pod: Object) -> bool:
    """Tell whether the pod counts as one of its controller's: neither ended nor on its way out."""
    return not is_ended(pod) and not deleting(pod)


def ready_since(pod: Object) -> str:
    """Return when the pod became ready, as RFC 3339, "" where it is not."""
    condition = condition_of(pod, "Ready")
    if condition is None or condition.get("status") != "True":
        return ""
    return str(condition.get("lastTransitionTime") or "")


def named_port(pod: Object, name: str) -> int | None:
    """Return the number of a named container port."""
    for container in [*(pod["spec"].get("initContainers") or ()), *pod["spec"].get("containers", ())]:
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    return None


def tcp_ports(pod: Object) -> set[int]:
    """Return the TCP ports the pod's containers declare."""
    containers = [*(pod["spec"].get("initContainers") or ()), *pod["spec"].get("containers", ())]
    ports = [port for container in containers for port in container.get("ports") or ()]
    return {int(port["containerPort"]) for port in ports if port.get("protocol", "TCP") == "TCP"}
