"""Objects in process: what a create, an update, a patch and a delete do, whatever the kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from kopfka_local.api.errors import ApiError
from kopfka_local.api.objects import Options
from kopfka_local.api.resources import Gvr
from local.api import dialogue

if TYPE_CHECKING:
    from kopfka_local.api.cluster import Cluster

MAPS, PODS, NAMESPACES = Gvr("", "v1", "configmaps"), Gvr("", "v1", "pods"), Gvr("", "v1", "namespaces")
DEPLOYMENTS, EVENTS = Gvr("apps", "v1", "deployments"), Gvr("", "v1", "events")
NEW_EVENTS = Gvr("events.k8s.io", "v1", "events")
DEFINITIONS = Gvr("apiextensions.k8s.io", "v1", "customresourcedefinitions")
THINGS = Gvr("dialogue.kopfka.io", "v1", "things")


def refused(status: int, reason: str) -> Any:
    """Expect an ApiError of this status and reason."""

    class Expected:
        def __enter__(self) -> Expected:
            return self

        def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
            assert isinstance(error, ApiError), f"nothing was refused with {reason}"
            assert (error.status, error.reason) == (status, reason)
            self.error = error
            return True

    return Expected()


async def test_an_object_is_the_callers_own(cluster: Cluster) -> None:
    given = dialogue.config_map("a", k="1")
    created = await cluster.create(MAPS, "default", given)
    assert given == dialogue.config_map("a", k="1")
    created["data"]["k"] = "changed"
    assert (await cluster.get(MAPS, "default", "a"))["data"] == {"k": "1"}


async def test_revisions_only_grow_and_every_write_has_its_own(cluster: Cluster) -> None:
    first = await cluster.create(MAPS, "default", dialogue.config_map("a"))
    second = await cluster.patch(MAPS, "default", "a", {"data": {"x": "1"}})
    unchanged = await cluster.patch(MAPS, "default", "a", {"data": {"x": "1"}})
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    assert unchanged["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


async def test_a_stale_update_is_refused(cluster: Cluster) -> None:
    first = await cluster.create(MAPS, "default", dialogue.config_map("a"))
    await cluster.patch(MAPS, "default", "a", {"data": {"x": "1"}})
    with refused(409, "Conflict") as conflict:
        await cluster.update(MAPS, "default", "a", first)
    assert "please apply your changes to the latest version and try again" in conflict.error.message


async def test_generation_counts_changes_of_the_desired_state(cluster: Cluster) -> None:
    created = await cluster.create(DEPLOYMENTS, "default", dialogue.DEPLOYMENT)
    assert created["metadata"]["generation"] == 1
    labelled = await cluster.patch(DEPLOYMENTS, "default", "d1", {"metadata": {"labels": {"a": "b"}}})
    reported = await cluster.patch(DEPLOYMENTS, "default", "d1", {"status": {"replicas": 3}}, subresource="status")
    assert (labelled["metadata"]["generation"], reported["metadata"]["generation"]) == (1, 1)
    scaled = await cluster.patch(DEPLOYMENTS, "default", "d1", {"spec": {"replicas": 2}})
    assert scaled["metadata"]["generation"] == 2
    assert scaled["status"]["replicas"] == 3


async def test_status_changes_only_by_its_subresource(cluster: Cluster) -> None:
    await cluster.create(DEPLOYMENTS, "default", {**dialogue.DEPLOYMENT, "status": {"replicas": 9}})
    await cluster.patch(DEPLOYMENTS, "default", "d1", {"status": {"replicas": 9}})
    assert "replicas" not in (await cluster.get(DEPLOYMENTS, "default", "d1"))["status"]
    await cluster.patch(
        DEPLOYMENTS, "default", "d1", {"status": {"replicas": 4}, "spec": {"replicas": 8}}, subresource="status"
    )
    now = await cluster.get(DEPLOYMENTS, "default", "d1")
    assert (now["status"]["replicas"], now["spec"]["replicas"]) == (4, 0)


async def test_generated_names_differ(cluster: Cluster) -> None:
    names = {
        (await cluster.create(MAPS, "default", {"metadata": {"generateName": "x-"}}))["metadata"]["name"]
        for _ in range(20)
    }
    assert len(names) == 20
    assert all(name.startswith("x-") and len(name) == 7 for name in names)


async def test_a_dry_run_stores_nothing(cluster: Cluster) -> None:
    before = cluster.objects.storage.revision
    dry = cluster.objects.create(MAPS, "default", dialogue.config_map("dry"), Options(dry_run=True))
    assert dry["metadata"]["uid"]
    with refused(404, "NotFound"):
        await cluster.get(MAPS, "default", "dry")
    assert cluster.objects.storage.revision == before


async def test_finalizers_hold_an_object(cluster: Cluster) -> None:
    await cluster.create(MAPS, "default", {"metadata": {"name": "f", "finalizers": ["kopfka.io/f"]}})
    marked = await cluster.delete(MAPS, "default", "f")
    assert marked["metadata"]["deletionTimestamp"]
    with refused(422, "Invalid"):
        await cluster.patch(MAPS, "default", "f", {"metadata": {"finalizers": ["kopfka.io/f", "kopfka.io/g"]}})
    await cluster.patch(MAPS, "default", "f", {"metadata": {"finalizers": None}})
    with refused(404, "NotFound"):
        await cluster.get(MAPS, "default", "f")


async def test_propagation_is_left_to_the_garbage_collector(cluster: Cluster) -> None:
    await cluster.create(MAPS, "default", dialogue.config_map("o"))
    marked = await cluster.delete(MAPS, "default", "o", propagation="Foreground")
    assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]


async def test_preconditions_of_a_deletion(cluster: Cluster) -> None:
    created = await cluster.create(MAPS, "default", dialogue.config_map("p"))
    with refused(409, "Conflict"):
        await cluster.delete(MAPS, "default", "p", preconditions={"uid": "other"})
    with refused(409, "Conflict"):
        await cluster.delete(MAPS, "default", "p", preconditions={"resourceVersion": "1"})
    await cluster.delete(MAPS, "default", "p", preconditions={"uid": created["metadata"]["uid"]})


async def test_a_running_pod_ends_in_its_time_and_a_second_deletion_may_shorten_it(cluster: Cluster) -> None:
    await cluster.create(PODS, "default", dialogue.POD)
    await cluster.patch(PODS, "default", "p1", {"spec": {"nodeName": "n"}})
    first = await cluster.delete(PODS, "default", "p1")
    assert first["metadata"]["deletionGracePeriodSeconds"] == 30
    second = await cluster.delete(PODS, "default", "p1", grace_seconds=60)
    assert second["metadata"]["deletionTimestamp"] == first["metadata"]["deletionTimestamp"]
    assert (await cluster.delete(PODS, "default", "p1", grace_seconds=5))["metadata"]["deletionGracePeriodSeconds"] == 5
    # the node may still report while the pod ends
    await cluster.patch(PODS, "default", "p1", {"status": {"phase": "Running"}}, subresource="status")
    await cluster.delete(PODS, "default", "p1", grace_seconds=0)
    with refused(404, "NotFound"):
        await cluster.get(PODS, "default", "p1")


async def test_a_pod_that_never_ran_is_gone_at_once(cluster: Cluster) -> None:
    await cluster.create(PODS, "default", dialogue.POD)
    await cluster.delete(PODS, "default", "p1")
    with refused(404, "NotFound"):
        await cluster.get(PODS, "default", "p1")


async def test_a_pod_is_bound_once_and_little_else_of_it_changes(cluster: Cluster) -> None:
    await cluster.create(PODS, "default", dialogue.POD)
    await cluster.patch(PODS, "default", "p1", {"spec": {"nodeName": "n"}})
    for change in ({"nodeName": "other"}, {"hostNetwork": True}, {"containers": [{"name": "z", "image": "i"}]}):
        with refused(422, "Invalid"):
            await cluster.patch(PODS, "default", "p1", {"spec": change})


async def test_a_namespace_goes_when_it_is_empty(cluster: Cluster) -> None:
    await cluster.create(NAMESPACES, None, {"metadata": {"name": "n"}})
    await cluster.create(MAPS, "n", dialogue.config_map("a"))
    marked = await cluster.delete(NAMESPACES, None, "n")
    assert marked["status"]["phase"] == "Terminating"
    with refused(403, "Forbidden"):
        await cluster.create(MAPS, "n", dialogue.config_map("b"))
    await cluster.delete(MAPS, "n", "a")
    await cluster.update(NAMESPACES, None, "n", {**marked, "spec": {"finalizers": []}}, subresource="finalize")
    with refused(404, "NotFound"):
        await cluster.get(NAMESPACES, None, "n")


async def test_namespaces_a_cluster_needs_stay(cluster: Cluster) -> None:
    for name in ("default", "kube-system"):
        with refused(403, "Forbidden"):
            await cluster.delete(NAMESPACES, None, name)


async def test_lists_by_labels_and_fields(cluster: Cluster) -> None:
    for name, labels in (("a", {"app": "x"}), ("b", {"app": "y"}), ("c", {})):
        await cluster.create(MAPS, "default", {"metadata": {"name": name, "labels": labels}})

    async def names(labels: str = "", fields: str = "") -> list[str]:
        return [o["metadata"]["name"] for o in (await cluster.list(MAPS, None, labels, fields))[0]]

    assert await names("app=x") == ["a"]
    assert await names("app in (x, y),app!=y") == ["a"]
    assert await names("app") == ["a", "b"]
    assert await names("!app") == ["c"]
    assert await names("app notin (x)") == ["b", "c"]
    assert await names(fields="metadata.name!=a") == ["b", "c"]
    with refused(400, "BadRequest"):
        await names("app=(x")
    with refused(400, "BadRequest"):
        await names(fields="data.x=1")


async def test_events_are_one_resource_in_two_groups(cluster: Cluster) -> None:
    about = {"kind": "Pod", "namespace": "default", "name": "p"}
    await cluster.create(
        NEW_EVENTS, "default",
        {"metadata": {"name": "e"}, "regarding": about, "note": "text", "reason": "R", "type": "Normal",
         "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "c", "reportingInstance": "i",
         "action": "A"},
    )  # fmt: skip
    core = await cluster.get(EVENTS, "default", "e")
    assert (core["apiVersion"], core["message"], core["involvedObject"]["name"]) == ("v1", "text", "p")
    new = await cluster.get(NEW_EVENTS, "default", "e")
    assert (new["apiVersion"], new["note"], new["regarding"]["name"]) == ("events.k8s.io/v1", "text", "p")


async def test_old_events_are_forgotten(cluster: Cluster) -> None:
    about = {"kind": "Pod", "namespace": "default", "name": "p"}
    await cluster.create(EVENTS, "default", {"metadata": {"name": "e"}, "involvedObject": about})
    cluster.objects._housekeeping.forget_events(datetime.now(UTC))
    assert len((await cluster.list(EVENTS))[0]) == 1
    cluster.objects._housekeeping.forget_events(datetime.now(UTC) + timedelta(hours=2))
    assert (await cluster.list(EVENTS))[0] == []


async def test_a_definition_is_served_at_once_and_takes_its_instances_with_it(cluster: Cluster) -> None:
    created = await cluster.create(DEFINITIONS, None, dialogue.DEFINITION)
    assert {c["type"]: c["status"] for c in created["status"]["conditions"]} == {
        "NamesAccepted": "True",
        "Established": "True",
    }
    thing = await cluster.create(THINGS, "default", dialogue.thing("t", size=1, items=[{"name": "a"}]))
    assert thing["spec"] == {"size": 1, "mode": "safe", "replicas": 1, "items": [{"name": "a", "weight": 7}]}
    await cluster.create(
        THINGS,
        "default",
        {**dialogue.thing("held", size=1), "metadata": {"name": "held", "finalizers": ["kopfka.io/h"]}},
    )
    await cluster.delete(DEFINITIONS, None, "things.dialogue.kopfka.io")
    with refused(405, "MethodNotAllowed"):
        await cluster.create(THINGS, "default", dialogue.thing("late", size=1))
    assert [o["metadata"]["name"] for o in (await cluster.list(THINGS))[0]] == ["held"]
    await cluster.patch(THINGS, "default", "held", {"metadata": {"finalizers": None}})
    with refused(404, "NotFound"):
        await cluster.list(THINGS)
    with refused(404, "NotFound"):
        await cluster.get(DEFINITIONS, None, "things.dialogue.kopfka.io")


async def test_a_younger_default_shows_in_older_objects(cluster: Cluster) -> None:
    await cluster.create(DEFINITIONS, None, dialogue.DEFINITION)
    await cluster.create(THINGS, "default", dialogue.thing("t", size=1))
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/added"
    added = [{"op": "add", "path": path, "value": {"type": "string", "default": "new"}}]
    await cluster.patch(DEFINITIONS, None, "things.dialogue.kopfka.io", added, kind="json")
    assert (await cluster.get(THINGS, "default", "t"))["spec"]["added"] == "new"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scope": "Everywhere"}, "spec.scope"),
        ({"group": ""}, "spec.group"),
        ({"names": {"plural": "others", "kind": "Thing"}}, "metadata.name"),
        ({"versions": []}, "exactly one version"),
        ({"conversion": {"strategy": "Webhook"}}, "spec.conversion.strategy"),
    ],
)
async def test_definitions_that_make_no_sense(cluster: Cluster, change: dict[str, Any], words: str) -> None:
    definition = {**dialogue.DEFINITION, "spec": {**dialogue.DEFINITION["spec"], **change}}
    with refused(422, "Invalid") as invalid:
        await cluster.create(DEFINITIONS, None, definition)
    assert words in invalid.error.message


async def test_a_rule_that_does_not_compile_is_refused_with_the_definition(cluster: Cluster) -> None:
    path = "spec.versions.0.schema.openAPIV3Schema.properties.spec.x-kubernetes-validations"
    definition = dialogue.broken(dialogue.DEFINITION, path, [{"rule": "self.size >"}])
    with refused(422, "Invalid") as invalid:
        await cluster.create(DEFINITIONS, None, definition)
    assert "compilation failed" in invalid.error.message


async def test_a_full_disk_refuses_the_write_and_nothing_else(cluster: Cluster) -> None:
    await cluster.create(MAPS, "default", dialogue.config_map("before", k="1"))
    database = cluster.objects.storage._db
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count={pages + 1}")
    revision = cluster.objects.storage.revision
    with refused(500, "InternalError") as full:
        await cluster.create(MAPS, "default", dialogue.config_map("large", k="x" * 100_000))
    assert "make room on the disk" in full.error.message
    assert cluster.objects.storage.revision == revision
    with refused(404, "NotFound"):
        await cluster.get(MAPS, "default", "large")
    database.execute("PRAGMA max_page_count=100000")
    await cluster.create(MAPS, "default", dialogue.config_map("large", k="x" * 100_000))
