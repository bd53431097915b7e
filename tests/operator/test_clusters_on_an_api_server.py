"""`KafkaCluster` against a real API server: what is made, what is left alone, what is refused and how it is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from operator_fakes import NoBrokers

from kopfka_operator.errors import ApiError
from kopfka_operator.kafkacluster.reconciler import ClusterReconciler
from kopfka_operator.kube.resources import (
    BUDGETS,
    CLAIMS,
    CONFIG_MAPS,
    KAFKA_CLUSTERS,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STATEFUL_SETS,
    Ref,
)
from support.waiting import eventually_async

if TYPE_CHECKING:
    from conftest import Api, Bench


@pytest.fixture
def changes() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def clusters(bench: Bench, changes: list[tuple[str, str]]) -> ClusterReconciler:
    return ClusterReconciler(bench.context, NoBrokers(), lambda *key: changes.append(key))  # type: ignore[arg-type]


async def seen(bench: Bench, api: Api, name: str) -> None:
    """Wait until the mirror knows what the API server has."""
    body = await api.get(KAFKA_CLUSTERS, name)

    def caught_up() -> bool:
        known = bench.context.mirror.get(Ref(KAFKA_CLUSTERS, "default", name))
        return known is not None and known["metadata"]["resourceVersion"] == body["metadata"]["resourceVersion"]

    await eventually_async(caught_up)


async def pod_seen(bench: Bench, api: Api, name: str) -> None:
    version = (await api.get(PODS, f"{name}-broker-0"))["metadata"]["resourceVersion"]

    def caught_up() -> bool:
        pod = bench.context.mirror.get(Ref(PODS, "default", f"{name}-broker-0"))
        claim = bench.context.mirror.get(Ref(CLAIMS, "default", f"data-{name}-broker-0"))
        return claim is not None and pod is not None and pod["metadata"]["resourceVersion"] == version

    await eventually_async(caught_up)


async def collected(api: Api, bench: Bench, ref: Ref) -> None:
    """Do what the garbage collector does."""
    await api.delete(ref.type, ref.name)
    await eventually_async(lambda: bench.context.mirror.get(ref) is None)


async def running(api: Api, bench: Bench, clusters: ClusterReconciler, spec: dict[str, Any]) -> None:
    await api.create(KAFKA_CLUSTERS, "events", spec)
    await seen(bench, api, "events")
    await clusters.reconcile("default", "events")
    await api.start_pod("events")
    await pod_seen(bench, api, "events")
    await clusters.reconcile("default", "events")


async def test_a_cluster_becomes_its_objects_and_ready(
    api: Api, bench: Bench, clusters: ClusterReconciler, changes: list[tuple[str, str]]
) -> None:
    await api.create(KAFKA_CLUSTERS, "events", {})
    await seen(bench, api, "events")
    await clusters.reconcile("default", "events")

    names = {
        (type_.kind, body["metadata"]["name"])
        for type_ in (CONFIG_MAPS, SERVICE_ACCOUNTS, SERVICES, BUDGETS, STATEFUL_SETS)
        for body in await api.list(type_)
        if "kopfka.io/cluster" in body["metadata"].get("labels", {})
    }
    assert names == {
        ("ConfigMap", "events-config"),
        ("ServiceAccount", "events"),
        ("Service", "events-brokers"),
        ("Service", "events-bootstrap"),
        ("PodDisruptionBudget", "events"),
        ("StatefulSet", "events-broker"),
    }
    assert (await api.conditions(KAFKA_CLUSTERS, "events"))["Ready"] == ("False", "Starting")
    assert changes == []

    await api.start_pod("events")
    await pod_seen(bench, api, "events")
    await clusters.reconcile("default", "events")
    status = (await api.get(KAFKA_CLUSTERS, "events"))["status"]
    assert (await api.conditions(KAFKA_CLUSTERS, "events")) == {
        "Ready": ("True", "Ready"),
        "Progressing": ("False", "Reconciled"),
        "Degraded": ("False", "AsExpected"),
    }
    assert status["readyReplicas"] == 1
    assert status["observedGeneration"] == 1
    assert status["listeners"] == [
        {"name": "plain", "type": "internal", "bootstrapServers": "events-bootstrap.default.svc:9092"}
    ]
    assert changes == [("default", "events")]


async def test_a_converged_cluster_causes_no_write(api: Api, bench: Bench, clusters: ClusterReconciler) -> None:
    await running(
        api,
        bench,
        clusters,
        {
            "listeners": {"external": {"type": "LoadBalancer", "advertisedHost": "127.0.0.1", "port": 9092}},
            "config": {"num.partitions": 3, "auto.create.topics.enable": False},
            "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"memory": "1Gi"}},
            "template": {"pod": {"tolerations": [{"operator": "Exists"}], "nodeSelector": {"disk": "fast"}}},
        },
    )
    await seen(bench, api, "events")
    assert (await api.conditions(KAFKA_CLUSTERS, "events"))["Ready"][0] == "True"
    bench.writes.clear()
    for _ in range(3):
        await clusters.reconcile("default", "events")
    assert bench.writes == []


async def test_what_somebody_changed_is_put_right_and_what_they_added_stays(
    api: Api, bench: Bench, clusters: ClusterReconciler
) -> None:
    await running(api, bench, clusters, {})
    await api.patch(SERVICES, "events-bootstrap", {"metadata": {"annotations": {"mine": "yes"}}})
    await api.patch(CONFIG_MAPS, "events-config", {"data": {"server.properties": "listeners=none"}})
    ref = Ref(CONFIG_MAPS, "default", "events-config")
    await eventually_async(
        lambda: (bench.context.mirror.get(ref) or {})["data"] == {"server.properties": "listeners=none"}
    )
    bench.writes.clear()
    await clusters.reconcile("default", "events")
    assert [path for _, path in bench.writes] == ["/api/v1/namespaces/default/configmaps/events-config"]
    assert "PLAIN" in (await api.get(CONFIG_MAPS, "events-config"))["data"]["server.properties"]
    assert (await api.get(SERVICES, "events-bootstrap"))["metadata"]["annotations"]["mine"] == "yes"


async def test_a_quarrel_over_an_object_is_told_and_not_gone_on_with(
    api: Api, bench: Bench, clusters: ClusterReconciler
) -> None:
    await running(api, bench, clusters, {})
    ref = Ref(CONFIG_MAPS, "default", "events-config")
    for _ in range(12):
        await api.patch(CONFIG_MAPS, "events-config", {"data": {"server.properties": "mine"}})
        await eventually_async(lambda: (bench.context.mirror.get(ref) or {})["data"]["server.properties"] == "mine")
        await clusters.reconcile("default", "events")
    applies = [path for method, path in bench.writes if path == ref.path()]
    assert len(applies) == 5
    assert (await api.conditions(KAFKA_CLUSTERS, "events"))["Degraded"] == ("True", "ChangedByOthers")
    assert "--show-managed-fields" in await api.message(KAFKA_CLUSTERS, "events", "Degraded")


async def test_an_api_that_refuses_a_part_is_quoted_and_the_rest_goes_on(
    api: Api, bench: Bench, clusters: ClusterReconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    await running(api, bench, clusters, {"storage": {"size": "1Gi"}})
    apply = bench.context.client.apply

    async def refuse(ref: Ref, manifest: dict[str, Any], subresource: str = "") -> dict[str, Any]:
        if ref.type is CLAIMS:
            raise ApiError(403, "Forbidden", "only dynamically provisioned pvc can be resized")
        return await apply(ref, manifest, subresource)

    monkeypatch.setattr(bench.context.client, "apply", refuse)
    await api.patch(KAFKA_CLUSTERS, "events", {"spec": {"storage": {"size": "2Gi"}, "config": {"num.partitions": 5}}})
    await seen(bench, api, "events")
    await clusters.reconcile("default", "events")
    assert "num.partitions=5" in (await api.get(CONFIG_MAPS, "events-config"))["data"]["server.properties"]
    await api.start_pod("events")
    await pod_seen(bench, api, "events")
    await clusters.reconcile("default", "events")
    conditions = await api.conditions(KAFKA_CLUSTERS, "events")
    assert conditions["Ready"] == ("True", "Ready"), "clients are served, with the former size"
    assert conditions["Degraded"] == ("True", "StorageCannotGrow")
    message = await api.message(KAFKA_CLUSTERS, "events", "Degraded")
    assert "only dynamically provisioned pvc can be resized" in message
    assert "use a storage class with allowVolumeExpansion" in message
    for _ in range(8):
        await clusters.reconcile("default", "events")
    conditions = await api.conditions(KAFKA_CLUSTERS, "events")
    assert conditions["Degraded"] == ("True", "StorageCannotGrow"), "being refused again and again is no quarrel"


async def test_a_changed_setting_rolls_the_pod(api: Api, bench: Bench, clusters: ClusterReconciler) -> None:
    await running(api, bench, clusters, {})
    await api.patch(KAFKA_CLUSTERS, "events", {"spec": {"config": {"num.partitions": 7}}})
    await seen(bench, api, "events")
    await clusters.reconcile("default", "events")
    assert "num.partitions=7" in (await api.get(CONFIG_MAPS, "events-config"))["data"]["server.properties"]
    assert (await api.conditions(KAFKA_CLUSTERS, "events"))["Ready"] == ("False", "RollingOut")
    await api.start_pod("events")
    await pod_seen(bench, api, "events")
    await clusters.reconcile("default", "events")
    assert (await api.conditions(KAFKA_CLUSTERS, "events"))["Ready"] == ("True", "Ready")


async def test_storage_grows_by_the_claim_and_a_set_made_anew(
    api: Api, bench: Bench, clusters: ClusterReconciler
) -> None:
    await running(api, bench, clusters, {"storage": {"size": "1Gi"}})
    before = (await api.get(STATEFUL_SETS, "events-broker"))["metadata"]["uid"]
    await api.patch(KAFKA_CLUSTERS, "events", {"spec": {"storage": {"size": "2Gi"}}})
    await seen(bench, api, "events")
    await clusters.reconcile("default", "events")
    claim = await api.get(CLAIMS, "data-events-broker-0")
    assert claim["spec"]["resources"]["requests"]["storage"] == "2Gi"
    orphaned = await api.get(STATEFUL_SETS, "events-broker")
    assert orphaned["metadata"].get("deletionTimestamp"), "nobody collects here, so the orphan finalizer holds it"
    await api.patch(STATEFUL_SETS, "events-broker", {"metadata": {"finalizers": None}})
    ref = Ref(STATEFUL_SETS, "default", "events-broker")
    await eventually_async(lambda: bench.context.mirror.get(ref) is None)
    await clusters.reconcile("default", "events")
    after = await api.get(STATEFUL_SETS, "events-broker")
    assert after["metadata"]["uid"] != before
    assert after["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "2Gi"


async def test_a_claim_larger_than_the_spec_is_kept_and_said(
    api: Api, bench: Bench, clusters: ClusterReconciler
) -> None:
    await running(api, bench, clusters, {"storage": {"size": "4Gi"}})
    # a cluster of the same name made again with less storage finds the larger claim of before
    await api.delete(KAFKA_CLUSTERS, "events")
    await eventually_async(lambda: bench.context.mirror.get(Ref(KAFKA_CLUSTERS, "default", "events")) is None)
    await collected(api, bench, Ref(STATEFUL_SETS, "default", "events-broker"))
    await api.create(KAFKA_CLUSTERS, "events", {"storage": {"size": "1Gi"}})
    await seen(bench, api, "events")
    for type_, name in CHILD_NAMES:
        await collected(api, bench, Ref(type_, "default", name))
    await clusters.reconcile("default", "events")
    conditions = await api.conditions(KAFKA_CLUSTERS, "events")
    assert conditions["Degraded"] == ("True", "StorageCannotShrink")
    assert "write storage.size: 4Gi or more" in await api.message(KAFKA_CLUSTERS, "events", "Degraded")
    template = (await api.get(STATEFUL_SETS, "events-broker"))["spec"]["volumeClaimTemplates"][0]
    assert template["spec"]["resources"]["requests"]["storage"] == "4Gi"


CHILD_NAMES = (
    (CONFIG_MAPS, "events-config"),
    (SERVICE_ACCOUNTS, "events"),
    (SERVICES, "events-brokers"),
    (SERVICES, "events-bootstrap"),
    (BUDGETS, "events"),
)


async def test_a_name_that_is_somebody_elses_is_not_taken_over(
    api: Api, bench: Bench, clusters: ClusterReconciler
) -> None:
    await api.create(SERVICES, "events-bootstrap", {"ports": [{"port": 80}]})
    await api.create(KAFKA_CLUSTERS, "events", {})
    await seen(bench, api, "events")
    await clusters.reconcile("default", "events")
    assert (await api.get(SERVICES, "events-bootstrap"))["spec"]["ports"][0]["port"] == 80
    assert (await api.conditions(KAFKA_CLUSTERS, "events"))["Ready"] == ("False", "NameTaken")
    assert "Service default/events-bootstrap exists" in await api.message(KAFKA_CLUSTERS, "events", "Ready")


async def test_paused_says_so_and_does_nothing(api: Api, bench: Bench, clusters: ClusterReconciler) -> None:
    await api.create(KAFKA_CLUSTERS, "events", {}, annotations={"kopfka.io/paused": "true"})
    await seen(bench, api, "events")
    await clusters.reconcile("default", "events")
    assert await api.list(STATEFUL_SETS) == []
    assert (await api.conditions(KAFKA_CLUSTERS, "events"))["Progressing"] == ("False", "Paused")
    assert "observedGeneration" not in (await api.get(KAFKA_CLUSTERS, "events"))["status"]


async def test_settings_that_follow_from_the_spec_are_refused_with_a_remedy(
    api: Api, bench: Bench, clusters: ClusterReconciler
) -> None:
    await api.create(KAFKA_CLUSTERS, "events", {"config": {"log.dirs": "/tmp"}})
    await seen(bench, api, "events")
    await clusters.reconcile("default", "events")
    assert (await api.conditions(KAFKA_CLUSTERS, "events"))["Ready"] == ("False", "InvalidSpec")
    message = await api.message(KAFKA_CLUSTERS, "events", "Ready")
    assert "config sets log.dirs" in message
    assert "remove them from config" in message


async def test_reclaim_delete_makes_the_claim_go_with_the_cluster_and_retain_takes_that_back(
    api: Api, bench: Bench, clusters: ClusterReconciler
) -> None:
    await running(api, bench, clusters, {"reclaimPolicy": "Delete"})
    uid = (await api.get(KAFKA_CLUSTERS, "events"))["metadata"]["uid"]
    owners = (await api.get(CLAIMS, "data-events-broker-0"))["metadata"]["ownerReferences"]
    assert [owner["uid"] for owner in owners] == [uid]
    await api.patch(KAFKA_CLUSTERS, "events", {"spec": {"reclaimPolicy": "Retain"}})
    await seen(bench, api, "events")
    await clusters.reconcile("default", "events")
    claim = await api.get(CLAIMS, "data-events-broker-0")
    assert not claim["metadata"].get("ownerReferences")
    assert claim["spec"]["resources"]["requests"]["storage"] == "10Gi"


async def test_an_external_listener_is_told_the_port_that_was_chosen(
    api: Api, bench: Bench, clusters: ClusterReconciler
) -> None:
    spec = {"listeners": {"external": {"type": "NodePort", "advertisedHost": "node.example"}}}
    await api.create(KAFKA_CLUSTERS, "events", spec)
    await seen(bench, api, "events")
    await clusters.reconcile("default", "events")
    # here nobody gives out ports yet, so the broker is not started without one
    assert await api.list(STATEFUL_SETS) == []
    port = 30123
    given = {"name": "external", "port": 9094, "targetPort": "external", "protocol": "TCP", "nodePort": port}
    await api.patch(SERVICES, "events-external", {"spec": {"ports": [given]}})
    ref = Ref(SERVICES, "default", "events-external")
    await eventually_async(lambda: (bench.context.mirror.get(ref) or {})["spec"]["ports"] == [given])
    await clusters.reconcile("default", "events")
    properties = (await api.get(CONFIG_MAPS, "events-config"))["data"]["server.properties"]
    assert f"EXTERNAL://node.example:{port}" in properties
    status = (await api.get(KAFKA_CLUSTERS, "events"))["status"]
    assert {"name": "external", "type": "external", "bootstrapServers": f"node.example:{port}"} in status["listeners"]
    await api.patch(KAFKA_CLUSTERS, "events", {"spec": {"listeners": None}})
    await seen(bench, api, "events")
    await clusters.reconcile("default", "events")
    assert "events-external" not in {body["metadata"]["name"] for body in await api.list(SERVICES)}


async def test_a_failing_pod_is_quoted(api: Api, bench: Bench, clusters: ClusterReconciler) -> None:
    await api.create(KAFKA_CLUSTERS, "events", {})
    await seen(bench, api, "events")
    await clusters.reconcile("default", "events")
    await api.start_pod("events", ready=False)
    words = "kopfka: unknown setting num.partition: did you mean num.partitions?"
    broken = {
        "name": "broker",
        "image": "kopfka:test",
        "imageID": "",
        "ready": False,
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        "lastState": {"terminated": {"exitCode": 1, "message": f"some line\n{words}\n"}},
    }
    await api.patch(PODS, "events-broker-0", {"status": {"containerStatuses": [broken]}}, "status")
    ref = Ref(PODS, "default", "events-broker-0")
    await eventually_async(lambda: "containerStatuses" in (bench.context.mirror.get(ref) or {}).get("status", {}))
    await clusters.reconcile("default", "events")
    conditions = await api.conditions(KAFKA_CLUSTERS, "events")
    assert conditions["Ready"] == ("False", "PodFailing")
    assert conditions["Degraded"] == ("True", "PodFailing")
    assert words in await api.message(KAFKA_CLUSTERS, "events", "Degraded")
