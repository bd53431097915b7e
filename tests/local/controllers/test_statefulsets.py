from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kopfka_local.controllers.statefulsets import (
    REVISION_LABEL,
    CreateClaim,
    CreatePod,
    DeletePod,
    OwnClaim,
    Plan,
    Revisions,
    plan,
)
from local.objects import TIME, Object, meta, pod

NEW, OLD = "web-new", "web-old"
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "new"}]}}
OLD_TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "old"}]}}
REVISIONS = Revisions(NEW, TEMPLATE, OLD, OLD_TEMPLATE)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def stateful_set(replicas: int = 3, **spec: Any) -> Object:
    return {
        "metadata": meta("web"),
        "spec": {"replicas": replicas, "serviceName": "webs", "selector": {"matchLabels": {"app": "web"}}, "template":
        TEMPLATE} | spec,
    }  # fmt: skip


def member(ordinal: int, revision: str = NEW, **more: Any) -> Object:
    return pod(f"web-{ordinal}", labels={REVISION_LABEL: revision}, **more)


def steps(planned: Plan) -> list[str]:
    """Name the actions."""
    names = []
    for action in planned.actions:
        if isinstance(action, CreatePod):
            names.append(f"create {action.pod['metadata']['name']} {action.pod['spec']['containers'][0]['image']}")
        elif isinstance(action, DeletePod):
            names.append(f"delete {action.name}")
        elif isinstance(action, CreateClaim):
            names.append(f"claim {action.claim['metadata']['name']}")
        else:
            names.append(f"own {action.name} by {','.join(one['uid'] for one in action.owners)}")
    return names


def planned(a_set: Object, *pods: Object, claims: dict[str, Object] | None = None) -> list[str]:
    return steps(plan(a_set, pods, claims or {}, REVISIONS, NOW))


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([], ["create web-0 new"]),
        ([member(0, ready=False)], []),  # one after the other
        ([member(0)], ["create web-1 new"]),
        ([member(0), member(2)], ["create web-1 new"]),
        ([member(0), member(1, phase="Failed")], ["delete web-1"]),
        ([member(0), member(1, phase="Failed", deleting=True)], []),
        ([member(0), member(1, deleting=True)], []),
        ([member(0), member(1), member(2)], []),
        ([member(0), member(1), member(2), member(3), member(4)], ["delete web-4"]),  # from the top
        ([member(0), member(1), member(2), member(3), member(4, deleting=True)], []),
    ],
)
def test_in_order(pods: list[Object], expected: list[str]) -> None:
    assert planned(stateful_set(), *pods) == expected


def test_in_parallel() -> None:
    a_set = stateful_set(podManagementPolicy="Parallel")
    assert planned(a_set) == ["create web-0 new", "create web-1 new", "create web-2 new"]
    assert planned(stateful_set(0, podManagementPolicy="Parallel"), member(0), member(1)) == [
        "delete web-1",
        "delete web-0",
    ]


def test_ordinals_may_start_elsewhere() -> None:
    a_set = stateful_set(2, ordinals={"start": 5})
    assert planned(a_set, member(5)) == ["create web-6 new"]
    assert planned(a_set, member(5), member(6), member(0)) == ["delete web-0"]


def test_a_set_that_is_being_deleted_does_nothing() -> None:
    a_set = stateful_set()
    a_set["metadata"]["deletionTimestamp"] = TIME
    assert planned(a_set, member(0)) == []


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([member(0, OLD), member(1, OLD), member(2, OLD)], ["delete web-2"]),
        ([member(0, OLD), member(1, OLD)], ["create web-2 new"]),
        ([member(0, OLD), member(1, OLD), member(2, ready=False)], []),  # guarded by readiness
        ([member(0, OLD), member(1, OLD), member(2)], ["delete web-1"]),
        ([member(0, OLD), member(1), member(2)], ["delete web-0"]),
    ],
)
def test_rolling_update_from_the_top(pods: list[Object], expected: list[str]) -> None:
    assert planned(stateful_set(), *pods) == expected


def test_a_partition_keeps_the_lower_ones_as_they_were() -> None:
    a_set = stateful_set(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    assert planned(a_set, member(0, OLD), member(1, OLD), member(2, OLD)) == ["delete web-2"]
    assert planned(a_set, member(0, OLD), member(1, OLD), member(2)) == []
    assert planned(a_set, member(0, OLD), member(2)) == ["create web-1 old"]


def test_on_delete_waits_for_the_user() -> None:
    a_set = stateful_set(updateStrategy={"type": "OnDelete"})
    assert planned(a_set, member(0, OLD), member(1, OLD), member(2, OLD)) == []
    assert planned(a_set, member(0, OLD), member(1, OLD)) == ["create web-2 new"]


def test_min_ready_seconds() -> None:
    a_set = stateful_set(2, minReadySeconds=10)
    early = plan(a_set, [member(0)], {}, REVISIONS, NOW + timedelta(seconds=4))
    assert (steps(early), early.again_in, early.status["availableReplicas"]) == ([], 6.0, 0)
    late = plan(a_set, [member(0)], {}, REVISIONS, NOW + timedelta(seconds=10))
    assert (steps(late), late.status["availableReplicas"]) == (["create web-1 new"], 1)


CLAIMED = {"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]}


def test_claims_come_before_the_pod_and_are_used_by_it() -> None:
    result = plan(stateful_set(1, **CLAIMED), [], {}, REVISIONS, NOW)
    assert steps(result) == ["claim data-web-0", "create web-0 new"]
    action = result.actions[1]
    assert isinstance(action, CreatePod)
    assert action.pod["spec"]["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}}]
    assert (action.pod["spec"]["hostname"], action.pod["spec"]["subdomain"]) == ("web-0", "webs")
    assert action.pod["metadata"]["labels"] == {
        "app": "web", REVISION_LABEL: NEW, "statefulset.kubernetes.io/pod-name": "web-0",
        "apps.kubernetes.io/pod-index": "0",
    }  # fmt: skip


def test_a_claim_that_is_there_is_used_again() -> None:
    assert planned(stateful_set(1, **CLAIMED), claims={"data-web-0": {"metadata": meta("data-web-0")}}) == [
        "create web-0 new"
    ]


@pytest.mark.parametrize(
    ("policy", "replicas", "owners", "expected"),
    [
        ({}, 2, [], []),
        ({"whenDeleted": "Delete"}, 2, [], ["own data-web-0 by uid-web", "own data-web-1 by uid-web"]),
        ({"whenDeleted": "Delete"}, 2, ["uid-web"], []),
        ({"whenDeleted": "Retain"}, 2, ["uid-web"], ["own data-web-0 by ", "own data-web-1 by "]),
        ({"whenScaled": "Delete"}, 1, [], ["own data-web-1 by uid-web-1", "delete web-1"]),
        (
            {"whenScaled": "Delete", "whenDeleted": "Delete"},
            1,
            ["uid-web"],
            ["own data-web-1 by uid-web-1", "delete web-1"],
        ),
        ({"whenScaled": "Delete"}, 2, ["uid-other"], []),
    ],
)
def test_retention_of_claims(policy: Object, replicas: int, owners: list[str], expected: list[str]) -> None:
    a_set = stateful_set(replicas, **CLAIMED, persistentVolumeClaimRetentionPolicy=policy)
    references = [{"uid": uid, "name": uid, "kind": "X", "apiVersion": "v1"} for uid in owners]
    claims = {name: {"metadata": meta(name, ownerReferences=references)} for name in ("data-web-0", "data-web-1")}
    assert planned(a_set, member(0), member(1), claims=claims) == expected


def test_status_while_rolling_and_after() -> None:
    rolling = plan(stateful_set(2), [member(0, OLD), member(1)], {}, REVISIONS, NOW).status
    assert rolling == {
        "observedGeneration": 1, "replicas": 2, "readyReplicas": 2, "availableReplicas": 2, "currentReplicas": 1,
        "updatedReplicas": 1, "currentRevision": OLD, "updateRevision": NEW, "collisionCount": 0,
    }  # fmt: skip
    done = plan(stateful_set(2), [member(0), member(1)], {}, REVISIONS, NOW).status
    assert (done["currentRevision"], done["currentReplicas"], done["updatedReplicas"]) == (NEW, 2, 2)


def test_a_converged_set_asks_for_nothing() -> None:
    a_set = stateful_set(2)
    a_set["status"] = plan(a_set, [member(0), member(1)], {}, REVISIONS, NOW).status
    again = plan(a_set, [member(0), member(1)], {}, REVISIONS, NOW)
    assert (again.actions, again.status, again.again_in) == ([], a_set["status"], None)


def test_own_claims_come_first() -> None:
    a_set = stateful_set(1, **CLAIMED, persistentVolumeClaimRetentionPolicy={"whenScaled": "Delete"})
    claims = {name: {"metadata": meta(name)} for name in ("data-web-0", "data-web-1")}
    assert isinstance(plan(a_set, [member(0), member(1)], claims, REVISIONS, NOW).actions[0], OwnClaim)
