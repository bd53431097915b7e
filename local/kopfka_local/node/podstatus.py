"""The status of a pod, from what its containers do. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kopfka_local.kinds import condition_of

if TYPE_CHECKING:
    from kopfka_local.kinds import Object

OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


@dataclass(slots=True)
class ContainerStatus:
    """What is to be said of one container."""

    name: str
    image: str
    state: Object = field(default_factory=lambda: {"waiting": {"reason": "PodInitializing"}})
    last_state: Object = field(default_factory=dict)
    restarts: int = 0
    started: bool = False
    ready: bool = False
    container_id: str = ""

    @staticmethod
    def of(container: Object, before: Object | None, *, restarts: bool = True) -> ContainerStatus:
        """Begin where the status written by an earlier `kopfka up` ended: what ran then has ended since.

        With `restarts` it is to run again, without it has ended for good.
        """
        status = ContainerStatus(container["name"], container.get("image", ""))
        if before is None:
            return status
        state = before.get("state") or {}
        status.restarts = int(before.get("restartCount") or 0)
        status.last_state = before.get("lastState") or {}
        if "running" in state:
            state = {"terminated": {
                "exitCode": 137, "reason": "NodeRestart", "message": "kopfka up ended while the container ran",
                "startedAt": state["running"].get("startedAt"), "finishedAt": state["running"].get("startedAt"),
                "containerID": before.get("containerID", ""),
            }}  # fmt: skip
        if "terminated" in state and restarts:
            status.last_state = state
            status.restarts += 1
        elif "terminated" in state:
            status.state = state
        return status

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        """The exit code where it has ended."""
        return int(self.state["terminated"]["exitCode"]) if "terminated" in self.state else None

    def render(self) -> Object:
        """Return the `ContainerStatus` of the API."""
        return {
            "name": self.name, "image": self.image, "imageID": self.image,
            "state": self.state, "lastState": self.last_state, "restartCount": self.restarts,
            "started": self.started, "ready": self.ready, "containerID": self.container_id,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a pod's status is made of."""

    init: list[ContainerStatus]
    containers: list[ContainerStatus]
    initialized: bool
    ended: bool = False  # every container has ended for good
    address: str = ""
    started_at: str = ""
    reason: str = ""  # why the pod as a whole does not go on
    message: str = ""
    unscheduled: str = ""  # why it has no place on this node


def render_status(pod: Object, situation: Situation, time: str) -> Object:
    """Return the pod's new status; `time` is put where a condition changes."""
    phase = _phase(situation)
    finished = phase in ("Succeeded", "Failed")
    unready = [one.name for one in situation.containers if not one.ready]
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    closed = [gate for gate in gates if (condition_of(pod, gate) or {}).get("status") != "True"]
    because: Any = ("PodCompleted", "") if phase == "Succeeded" else ("PodFailed", "") if phase == "Failed" else None
    containers_ready = because or (
        ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]") if unready else None
    )
    gated = ("ReadinessGatesNotReady", f"the status of pod readiness gates {closed} is not True") if closed else None
    not_initialized = None
    if not situation.initialized and not finished:
        pending = [one.name for one in situation.init if one.exit_code != 0]
        not_initialized = ("ContainersNotInitialized", f"containers with incomplete status: [{' '.join(pending)}]")
    unscheduled = ("Unschedulable", situation.unscheduled) if situation.unscheduled else None
    wrong = {
        "PodReadyToStartContainers": None if situation.address and not finished else ("", ""),
        "Initialized": not_initialized,
        "Ready": containers_ready or gated,
        "ContainersReady": containers_ready,
        "PodScheduled": unscheduled,
    }
    status: Object = {
        "phase": phase,
        "conditions": _conditions(pod, wrong, time),
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "podIP": situation.address or None,
        "podIPs": [{"ip": situation.address}] if situation.address else None,
        "startTime": situation.started_at or None,
        "qosClass": qos_class(pod),
        "reason": situation.reason or None,
        "message": situation.message or None,
        "containerStatuses": [one.render() for one in situation.containers],
    }
    if situation.init:
        status["initContainerStatuses"] = [one.render() for one in situation.init]
    return status


def _phase(situation: Situation) -> str:
    if situation.ended:
        failed = any(one.exit_code for one in [*situation.init, *situation.containers])
        return "Failed" if failed or situation.reason else "Succeeded"
    begun = any("running" in one.state or "terminated" in one.state or one.last_state for one in situation.containers)
    return "Running" if situation.initialized and begun else "Pending"


def _conditions(pod: Object, wrong: dict[str, tuple[str, str] | None], time: str) -> list[Object]:
    conditions = []
    for kind, why in wrong.items():
        condition: Object = {
            "type": kind,
            "status": "False" if why else "True",
            "lastProbeTime": None,
            "lastTransitionTime": time,
        }
        before = condition_of(pod, kind)
        if before and before.get("status") == condition["status"]:
            condition["lastTransitionTime"] = before.get("lastTransitionTime") or time
        if why and why[0]:
            condition["reason"], condition["message"] = why
        conditions.append({key: value for key, value in condition.items() if value != ""})
    foreign = [one for one in (pod.get("status") or {}).get("conditions") or () if one["type"] not in OWN_CONDITIONS]
    return [*foreign, *conditions]


def qos_class(pod: Object) -> str:
    """Return Guaranteed, Burstable or BestEffort."""
    containers = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
    resources = [one.get("resources") or {} for one in containers]
    if not any(one.get("requests") or one.get("limits") for one in resources):
        return "BestEffort"
    for one in resources:
        limits = one.get("limits") or {}
        requests = limits | (one.get("requests") or {})
        if any(name not in limits or limits[name] != requests.get(name) for name in ("cpu", "memory")):
            return "Burstable"
    return "Guaranteed"
