from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kopfka_local.controllers.base import template_hash
from kopfka_local.controllers.deployments import HASH_LABEL, REVISION, CreateSet, DeleteSet, Scale, SetRevision, plan
from local.objects import Object, meta

TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "new"}]}}
NEW = template_hash(TEMPLATE)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def deployment(replicas: int = 4, **spec: Any) -> Object:
    return {
        "metadata": meta("web"),
        "spec": {"replicas": replicas, "template": TEMPLATE, "selector": {"matchLabels": {"app": "web"}}} | spec,
    }


def replica_set(hashed: str, replicas: int, available: int | None = None, revision: int = 1) -> Object:
    there = replicas if available is None else available
    return {
        "metadata": meta(f"web-{hashed}", labels={HASH_LABEL: hashed}, annotations={REVISION: str(revision)}),
        "spec": {"replicas": replicas},
        "status": {"replicas": max(replicas, there), "availableReplicas": there, "readyReplicas": there},
    }


def steps(a_deployment: Object, *sets: Object) -> list[str]:
    names = []
    for action in plan(a_deployment, sets, NOW).actions:
        if isinstance(action, CreateSet):
            names.append(f"create {action.replica_set['metadata']['name']} {action.replica_set['spec']['replicas']}")
        elif isinstance(action, Scale):
            names.append(f"scale {action.name} {action.replicas}")
        elif isinstance(action, SetRevision):
            names.append(f"revision {action.name} {action.revision}")
        else:
            assert isinstance(action, DeleteSet)
            names.append(f"delete {action.name}")
    return names


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        ([], [f"create web-{NEW} 4"]),
        ([replica_set("old", 4)], [f"create web-{NEW} 1"]),  # a surge of 25 %
        ([replica_set("old", 4), replica_set(NEW, 1, 0, 2)], ["scale web-old 3"]),  # 25 % may be missing
        ([replica_set("old", 3), replica_set(NEW, 1, 0, 2)], [f"scale web-{NEW} 2"]),
        ([replica_set("old", 3), replica_set(NEW, 2, 0, 2)], []),
        ([replica_set("old", 3), replica_set(NEW, 2, 1, 2)], ["scale web-old 2"]),
        ([replica_set("old", 3, 1), replica_set(NEW, 2, 0, 2)], []),
        ([replica_set("old", 4, 2), replica_set(NEW, 1, 0, 2)], ["scale web-old 3"]),  # first those that serve nobody
        ([replica_set("old", 1), replica_set(NEW, 4, 4, 2)], ["scale web-old 0"]),
        ([replica_set("old", 0), replica_set(NEW, 4, 4, 2)], []),
        ([replica_set(NEW, 6, 6)], [f"scale web-{NEW} 4"]),
    ],
)
def test_rolling(sets: list[Object], expected: list[str]) -> None:
    assert steps(deployment(), *sets) == expected


def test_recreate_waits_for_the_old_pods_to_be_gone() -> None:
    a_deployment = deployment(2, strategy={"type": "Recreate"})
    assert steps(a_deployment, replica_set("old", 2)) == [f"create web-{NEW} 0"]
    assert steps(a_deployment, replica_set("old", 2), replica_set(NEW, 0, 0, 2)) == ["scale web-old 0"]
    assert steps(a_deployment, replica_set("old", 0, 1), replica_set(NEW, 0, 0, 2)) == []
    assert steps(a_deployment, replica_set("old", 0), replica_set(NEW, 0, 0, 2)) == [f"scale web-{NEW} 2"]
    assert steps(a_deployment) == [f"create web-{NEW} 2"]


def test_going_back_makes_the_old_set_the_newest_revision() -> None:
    assert steps(deployment(), replica_set("later", 4, revision=3), replica_set(NEW, 0, revision=2)) == [
        f"revision web-{NEW} 4", f"scale web-{NEW} 1",
    ]  # fmt: skip


def test_history_is_limited() -> None:
    old = [replica_set(f"old{number}", 0, revision=number) for number in range(1, 5)]
    assert steps(deployment(revisionHistoryLimit=2), replica_set(NEW, 4, revision=5), *old) == [
        "delete web-old1",
        "delete web-old2",
    ]


def test_paused() -> None:
    assert steps(deployment(paused=True), replica_set("old", 4)) == []
    assert steps(deployment(6, paused=True), replica_set(NEW, 4)) == [f"scale web-{NEW} 6"]


def conditions(status: Object) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}


def test_conditions() -> None:
    new = replica_set(NEW, 4, 3)
    new["status"]["replicas"] = 4
    status = plan(deployment(), [new], NOW).status
    assert conditions(status) == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "ReplicaSetUpdated"),
    }
    assert (status["unavailableReplicas"], status["updatedReplicas"]) == (1, 4)
    done = plan(deployment(), [replica_set(NEW, 4)], NOW).status
    assert conditions(done)["Progressing"] == ("True", "NewReplicaSetAvailable")


def test_a_roll_out_that_stands_still_runs_out_of_time() -> None:
    stuck = replica_set(NEW, 4, 0)
    a_deployment = deployment(progressDeadlineSeconds=60)
    begun = plan(a_deployment, [stuck], NOW)
    assert begun.again_in == 61
    a_deployment["status"] = begun.status
    before = plan(a_deployment, [stuck], NOW + timedelta(seconds=59))
    assert conditions(before.status)["Progressing"] == ("True", "ReplicaSetUpdated")
    late = plan(a_deployment, [stuck], NOW + timedelta(seconds=60))
    assert conditions(late.status)["Progressing"] == ("False", "ProgressDeadlineExceeded")


def test_a_converged_deployment_asks_for_nothing() -> None:
    a_deployment = deployment()
    a_deployment["status"] = plan(a_deployment, [replica_set(NEW, 4)], NOW).status
    again = plan(a_deployment, [replica_set(NEW, 4)], NOW + timedelta(hours=1))
    assert (again.actions, again.status, again.again_in) == ([], a_deployment["status"], None)
