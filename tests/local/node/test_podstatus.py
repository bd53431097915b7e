from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kopfka_local.node.podstatus import ContainerStatus, Situation, qos_class, render_status

if TYPE_CHECKING:
    from local.objects import Object

NOW = "2026-01-02T03:04:05Z"
EARLIER = "2026-01-01T00:00:00Z"
RUNNING: Object = {"running": {"startedAt": NOW}}


def ended(code: int) -> Object:
    return {"terminated": {"exitCode": code, "finishedAt": NOW}}


def one(name: str = "c", **fields: Any) -> ContainerStatus:
    return ContainerStatus(name, "kopfka", **fields)


def pod(status: Object | None = None, **spec: Any) -> Object:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]} | spec, "status": status or {}}


def situation(*containers: ContainerStatus, init: list[ContainerStatus] | None = None, **fields: Any) -> Situation:
    return Situation(
        **{"init": init or [], "containers": list(containers), "initialized": True, "address": "127.0.0.1"} | fields
    )


def conditions(status: Object) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in status["conditions"]}


@pytest.mark.parametrize(
    ("at", "phase", "ready"),
    [
        (situation(one(), initialized=False), "Pending", "False"),
        (situation(one()), "Pending", "False"),
        (situation(one(state=RUNNING)), "Running", "False"),
        (situation(one(state=RUNNING, ready=True)), "Running", "True"),
        (situation(one(state=RUNNING, ready=True), one("d", state=RUNNING)), "Running", "False"),
        (situation(one(state={"waiting": {"reason": "CrashLoopBackOff"}}, last_state=ended(1))), "Running", "False"),
        (situation(one(state=ended(0)), ended=True), "Succeeded", "False"),
        (situation(one(state=ended(0)), one("d", state=ended(3)), ended=True), "Failed", "False"),
        (situation(one(), init=[one("i", state=ended(1))], initialized=False, ended=True), "Failed", "False"),
    ],
)
def test_phases(at: Situation, phase: str, ready: str) -> None:
    status = render_status(pod(), at, NOW)
    assert (status["phase"], conditions(status)["Ready"]) == (phase, ready)


def test_conditions_change_when_they_do() -> None:
    before = {"conditions": [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": EARLIER},
        {"type": "Ready", "status": "False", "lastTransitionTime": EARLIER},
        {"type": "example.com/gate", "status": "True", "lastTransitionTime": EARLIER},
    ]}  # fmt: skip
    status = render_status(pod(before), situation(one(state=RUNNING, ready=True)), NOW)
    times = {condition["type"]: condition["lastTransitionTime"] for condition in status["conditions"]}
    assert (times["PodScheduled"], times["Ready"], times["example.com/gate"]) == (EARLIER, NOW, EARLIER)


def test_readiness_gates() -> None:
    gated = pod(readinessGates=[{"conditionType": "example.com/gate"}])
    at = situation(one(state=RUNNING, ready=True))
    closed = conditions(render_status(gated, at, NOW))
    assert (closed["ContainersReady"], closed["Ready"]) == ("True", "False")
    gated["status"] = {"conditions": [{"type": "example.com/gate", "status": "True"}]}
    assert conditions(render_status(gated, at, NOW))["Ready"] == "True"


def test_a_pod_without_an_address_says_why() -> None:
    status = render_status(pod(), situation(one(), address="", unscheduled="port 9092 is taken"), NOW)
    placed = next(condition for condition in status["conditions"] if condition["type"] == "PodScheduled")
    assert (placed["status"], placed["reason"], placed["message"]) == ("False", "Unschedulable", "port 9092 is taken")


def test_what_ran_when_kopfka_up_ended_has_been_restarted() -> None:
    before = {"state": RUNNING, "restartCount": 2, "containerID": "process://7"}
    status = ContainerStatus.of({"name": "c", "image": "kopfka"}, before)
    assert (status.restarts, status.ready, status.running) == (3, False, False)
    assert status.last_state["terminated"]["reason"] == "NodeRestart"
    once = ContainerStatus.of({"name": "c"}, before, restarts=False)
    assert (once.restarts, once.exit_code) == (2, 137)
    fresh = ContainerStatus.of({"name": "c"}, {"state": {"waiting": {}}, "restartCount": 2})
    assert (fresh.restarts, fresh.last_state) == (2, {})


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_quality_of_service(resources: Object, expected: str) -> None:
    assert qos_class(pod(containers=[{"name": "c", "resources": resources}])) == expected
