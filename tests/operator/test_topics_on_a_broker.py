"""`KafkaTopic` against a real API server and a real broker: created, altered, put right, refused, let go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kopfka_operator.actions import AddPartitions, AlterConfig, CreateTopic
from kopfka_operator.errors import BrokerUnreachableError, RetryLater
from kopfka_operator.kafka.admin import Admin
from kopfka_operator.kafka.brokers import Brokers
from kopfka_operator.kafkatopic.reconciler import TopicReconciler
from kopfka_operator.kube.resources import KAFKA_CLUSTERS, KAFKA_TOPICS, Ref
from support.processes import BrokerProcess, free_port, running_broker
from support.waiting import eventually_async

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Api, Bench

NEVER = "1970-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    folder: Path = tmp_path_factory.mktemp("broker") / "data"
    with running_broker(folder, "num.partitions=2\nauto.create.topics.enable=false\n") as process:
        yield process


@pytest.fixture
def brokers(bench: Bench) -> Brokers:
    return Brokers(bench.context.mirror)


@pytest.fixture
def topics(bench: Bench, brokers: Brokers) -> TopicReconciler:
    return TopicReconciler(bench.context, brokers)


@pytest.fixture
async def cluster(api: Api, bench: Bench, broker: BrokerProcess) -> str:
    """A KafkaCluster that is Ready, as its status says, at the broker."""
    await ready_cluster(api, bench, broker.bootstrap)
    return "events"


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A topic of the test's own, since they share the broker."""
    return str(request.node.originalname).replace("_", "-")[:50].strip("-")


async def ready_cluster(api: Api, bench: Bench, bootstrap: str, *, ready: bool = True) -> None:
    await api.create(KAFKA_CLUSTERS, "events", {})
    status = {
        "listeners": [{"name": "plain", "type": "internal", "bootstrapServers": bootstrap}],
        "conditions": [
            {
                "type": "Ready",
                "status": str(ready),
                "reason": "Ready",
                "message": "",
                "lastTransitionTime": NEVER,
            }
        ],
    }
    await api.patch(KAFKA_CLUSTERS, "events", {"status": status}, "status")
    await caught_up(api, bench, Ref(KAFKA_CLUSTERS, "default", "events"))


async def caught_up(api: Api, bench: Bench, ref: Ref) -> None:
    version = (await api.get(ref.type, ref.name))["metadata"]["resourceVersion"]

    def same() -> bool:
        known = bench.context.mirror.get(ref)
        return known is not None and known["metadata"]["resourceVersion"] == version

    await eventually_async(same)


async def apply(api: Api, bench: Bench, name: str, spec: dict[str, Any], **metadata: Any) -> None:
    spec = {"cluster": "events", **spec}
    if any(body["metadata"]["name"] == name for body in await api.list(KAFKA_TOPICS)):
        await api.patch(KAFKA_TOPICS, name, {"spec": spec})
    else:
        await api.create(KAFKA_TOPICS, name, spec, **metadata)
    await caught_up(api, bench, Ref(KAFKA_TOPICS, "default", name))


async def test_a_topic_is_made_changed_and_told(
    api: Api, bench: Bench, broker: BrokerProcess, topics: TopicReconciler, cluster: str, name: str
) -> None:
    await apply(api, bench, name, {"partitions": 3, "config": {"retention.ms": 60000, "cleanup.policy": "delete"}})
    await topics.reconcile("default", cluster)
    status = (await api.get(KAFKA_TOPICS, name))["status"]
    admin = Admin(broker.bootstrap)
    live = (await admin.topics([name]))[name]
    assert (live.partitions, live.replicas) == (3, 1)
    assert live.config == {"retention.ms": "60000", "cleanup.policy": "delete"}
    assert {key: status[key] for key in ("topicName", "topicId", "partitions", "replicas", "observedGeneration")} == {
        "topicName": name,
        "topicId": live.topic_id,
        "partitions": 3,
        "replicas": 1,
        "observedGeneration": 1,
    }
    assert (await api.conditions(KAFKA_TOPICS, name)) == {
        "Ready": ("True", "Ready"),
        "Progressing": ("False", "Reconciled"),
        "Degraded": ("False", "AsExpected"),
    }

    await api.patch(KAFKA_TOPICS, name, {"spec": {"config": None}})
    await apply(api, bench, name, {"partitions": 5, "config": {"segment.bytes": 1048576}})
    await topics.reconcile("default", cluster)
    live = (await admin.topics([name]))[name]
    assert live.partitions == 5
    assert live.config == {"segment.bytes": "1048576"}
    assert (await api.conditions(KAFKA_TOPICS, name))["Progressing"] == ("False", "Reconciled")


async def test_a_converged_topic_causes_no_write_in_kubernetes_or_kafka(
    api: Api, bench: Bench, topics: TopicReconciler, cluster: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"min.cleanable.dirty.ratio": "0.50", "cleanup.policy": "compact, delete", "preallocate": False}
    await apply(api, bench, name, {"partitions": 1, "config": config, "reclaimPolicy": "Delete"})
    await topics.reconcile("default", cluster)
    await caught_up(api, bench, Ref(KAFKA_TOPICS, "default", name))
    assert (await api.conditions(KAFKA_TOPICS, name))["Ready"][0] == "True"
    bench.writes.clear()
    changes: list[str] = []
    for method in ("create", "alter", "add_partitions", "delete"):
        monkeypatch.setattr(Admin, method, lambda self, action, method=method: changes.append(method))
    for _ in range(3):
        await topics.reconcile("default", cluster)
    assert bench.writes == []
    assert changes == []


async def test_partitions_and_replicas_left_out_are_the_clusters_default(
    api: Api, bench: Bench, topics: TopicReconciler, cluster: str, name: str
) -> None:
    await apply(api, bench, name, {})
    await topics.reconcile("default", cluster)
    status = (await api.get(KAFKA_TOPICS, name))["status"]
    assert (status["partitions"], status["replicas"]) == (2, 1)


async def test_fewer_partitions_are_refused_and_the_rest_is_done(
    api: Api, bench: Bench, broker: BrokerProcess, topics: TopicReconciler, cluster: str, name: str
) -> None:
    await apply(api, bench, name, {"partitions": 4})
    await topics.reconcile("default", cluster)
    await apply(api, bench, name, {"partitions": 2, "replicas": 3, "config": {"retention.ms": 5000}})
    await topics.reconcile("default", cluster)
    live = (await Admin(broker.bootstrap).topics([name]))[name]
    assert live.partitions == 4
    assert live.config == {"retention.ms": "5000"}
    conditions = await api.conditions(KAFKA_TOPICS, name)
    assert conditions["Ready"] == ("False", "PartitionsCannotShrink")
    assert conditions["Degraded"] == ("True", "PartitionsCannotShrink")
    message = await api.message(KAFKA_TOPICS, name, "Degraded")
    assert "write partitions: 4 or more" in message
    assert "write replicas: 1" in message


async def test_drift_is_put_right_and_told(
    api: Api, bench: Bench, broker: BrokerProcess, topics: TopicReconciler, cluster: str, name: str
) -> None:
    await apply(api, bench, name, {"partitions": 1, "config": {"retention.ms": 60000}})
    await topics.reconcile("default", cluster)
    await caught_up(api, bench, Ref(KAFKA_TOPICS, "default", name))
    admin = Admin(broker.bootstrap)
    await admin.alter(AlterConfig(name, {"retention.ms": "1", "segment.bytes": "1048576"}, ()))
    await topics.reconcile("default", cluster)
    assert (await admin.topics([name]))[name].config == {"retention.ms": "60000"}
    assert (await api.conditions(KAFKA_TOPICS, name))["Progressing"] == ("False", "DriftCorrected")
    message = await api.message(KAFKA_TOPICS, name, "Progressing")
    assert "retention.ms was set to 1, is 60000 again" in message
    assert "segment.bytes was set to 1048576, has its default again" in message
    # and it stays told until the next change of the spec
    await caught_up(api, bench, Ref(KAFKA_TOPICS, "default", name))
    bench.writes.clear()
    await topics.reconcile("default", cluster)
    assert bench.writes == []

    former = (await admin.topics([name]))[name].topic_id
    await admin.delete(name)
    await topics.reconcile("default", cluster)
    status = (await api.get(KAFKA_TOPICS, name))["status"]
    assert status["topicId"] not in (None, former)
    assert "was deleted outside Kopfka" in await api.message(KAFKA_TOPICS, name, "Progressing")

    await caught_up(api, bench, Ref(KAFKA_TOPICS, "default", name))
    await admin.add_partitions(AddPartitions(name, 3))
    await topics.reconcile("default", cluster)
    assert (await api.conditions(KAFKA_TOPICS, name))["Ready"] == ("False", "PartitionsCannotShrink")


async def test_an_existing_topic_is_taken_over_as_it_is(
    api: Api, bench: Bench, broker: BrokerProcess, topics: TopicReconciler, cluster: str, name: str
) -> None:
    admin = Admin(broker.bootstrap)
    await admin.create(CreateTopic(name, 4, 1, {}))
    former = (await admin.topics([name]))[name].topic_id
    await apply(api, bench, name, {})
    await topics.reconcile("default", cluster)
    status = (await api.get(KAFKA_TOPICS, name))["status"]
    assert (status["topicId"], status["partitions"]) == (former, 4)
    assert (await api.conditions(KAFKA_TOPICS, name))["Progressing"] == ("False", "Reconciled")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"config": {"retention.ms": "soon"}}, "retention.ms"),
        ({"config": {"no.such.setting": "1"}}, "no.such.setting"),
        ({"replicas": 3}, "INVALID_REPLICATION_FACTOR"),
    ],
)
async def test_the_broker_is_quoted(
    api: Api, bench: Bench, topics: TopicReconciler, cluster: str, name: str, spec: dict[str, Any], words: str
) -> None:
    name = f"quoted-{words.lower().replace('.', '-').replace('_', '-')}"
    await apply(api, bench, name, spec)
    await topics.reconcile("default", cluster)
    conditions = await api.conditions(KAFKA_TOPICS, name)
    assert conditions["Ready"] == ("False", "RefusedByBroker")
    assert words in await api.message(KAFKA_TOPICS, name, "Ready")


async def test_a_refused_setting_does_not_undo_what_was(
    api: Api, bench: Bench, broker: BrokerProcess, topics: TopicReconciler, cluster: str, name: str
) -> None:
    await apply(api, bench, name, {"partitions": 1, "config": {"retention.ms": 60000}})
    await topics.reconcile("default", cluster)
    await apply(api, bench, name, {"partitions": 2, "config": {"retention.ms": "soon"}})
    await topics.reconcile("default", cluster)
    live = (await Admin(broker.bootstrap).topics([name]))[name]
    assert (live.partitions, live.config) == (2, {"retention.ms": "60000"})
    assert (await api.conditions(KAFKA_TOPICS, name))["Degraded"] == ("True", "RefusedByBroker")


async def test_a_second_claim_to_a_topic_is_a_conflict_until_the_first_goes(
    api: Api, bench: Bench, broker: BrokerProcess, topics: TopicReconciler, cluster: str, name: str
) -> None:
    await apply(api, bench, f"a-{name}", {"topicName": name, "partitions": 1})
    await apply(api, bench, f"b-{name}", {"topicName": name, "partitions": 3, "reclaimPolicy": "Delete"})
    await topics.reconcile("default", cluster)
    assert (await api.conditions(KAFKA_TOPICS, f"a-{name}"))["Ready"] == ("True", "Ready")
    assert (await api.conditions(KAFKA_TOPICS, f"b-{name}"))["Ready"] == ("False", "Conflict")
    assert f"KafkaTopic a-{name} has the topic" in await api.message(KAFKA_TOPICS, f"b-{name}", "Ready")
    admin = Admin(broker.bootstrap)
    assert (await admin.topics([name]))[name].partitions == 1
    await api.delete(KAFKA_TOPICS, f"a-{name}")
    ref = Ref(KAFKA_TOPICS, "default", f"a-{name}")
    await eventually_async(lambda: bench.context.mirror.get(ref) is None)
    await topics.reconcile("default", cluster)
    assert (await api.conditions(KAFKA_TOPICS, f"b-{name}"))["Ready"] == ("True", "Ready")
    assert (await admin.topics([name]))[name].partitions == 3


@pytest.mark.parametrize(("policy", "stays"), [("Retain", True), ("Delete", False)])
async def test_deletion_does_what_the_policy_says(
    api: Api,
    bench: Bench,
    broker: BrokerProcess,
    topics: TopicReconciler,
    cluster: str,
    name: str,
    policy: str,
    stays: bool,
) -> None:
    name = f"{name}-{policy.lower()}"
    await apply(api, bench, name, {"partitions": 1, "reclaimPolicy": policy})
    await topics.reconcile("default", cluster)
    held = (await api.get(KAFKA_TOPICS, name))["metadata"].get("finalizers") or []
    assert held == ([] if stays else ["kopfka.io/cleanup"])
    await api.delete(KAFKA_TOPICS, name)
    ref = Ref(KAFKA_TOPICS, "default", name)
    await eventually_async(
        lambda: (known := bench.context.mirror.get(ref)) is None or known["metadata"].get("deletionTimestamp")
    )
    await topics.reconcile("default", cluster)
    assert name not in {body["metadata"]["name"] for body in await api.list(KAFKA_TOPICS)}
    assert (name in await Admin(broker.bootstrap).topics([name])) is stays


async def test_deletion_lets_go_when_the_cluster_is_gone(
    api: Api, bench: Bench, topics: TopicReconciler, cluster: str, name: str
) -> None:
    await apply(api, bench, name, {"reclaimPolicy": "Delete"})
    await topics.reconcile("default", cluster)
    await api.delete(KAFKA_CLUSTERS, cluster)
    await api.delete(KAFKA_TOPICS, name)
    await eventually_async(lambda: bench.context.mirror.get(Ref(KAFKA_CLUSTERS, "default", cluster)) is None)
    await caught_up(api, bench, Ref(KAFKA_TOPICS, "default", name))
    await topics.reconcile("default", cluster)
    assert name not in {body["metadata"]["name"] for body in await api.list(KAFKA_TOPICS)}


async def test_without_its_cluster_a_topic_waits_and_says_so(
    api: Api, bench: Bench, topics: TopicReconciler, name: str
) -> None:
    await apply(api, bench, name, {})
    await topics.reconcile("default", "events")
    assert (await api.conditions(KAFKA_TOPICS, name))["Ready"] == ("False", "ClusterNotFound")
    assert "create it, or correct spec.cluster" in await api.message(KAFKA_TOPICS, name, "Ready")
    await ready_cluster(api, bench, "127.0.0.1:1", ready=False)
    topics.ask("default", "events")
    await topics.reconcile("default", "events")
    assert (await api.conditions(KAFKA_TOPICS, name))["Ready"] == ("False", "ClusterNotReady")


async def test_a_broker_that_does_not_answer_is_tried_again(
    api: Api,
    bench: Bench,
    topics: TopicReconciler,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kopfka_operator.kafka.admin.REQUEST_SECONDS", 1.0)
    port = free_port()
    await ready_cluster(api, bench, f"127.0.0.1:{port}")
    await apply(api, bench, name, {"partitions": 1})
    with pytest.raises(RetryLater):
        await topics.reconcile("default", "events")
    assert (await api.conditions(KAFKA_TOPICS, name))["Ready"] == ("False", "BrokerUnreachable")
    late = BrokerProcess(tmp_path / "late", port=port)
    late.start()
    try:
        await topics.reconcile("default", "events")
        assert (await api.conditions(KAFKA_TOPICS, name))["Ready"] == ("True", "Ready")
    finally:
        late.stop()


async def test_a_broker_lost_in_the_middle_ends_the_pass_and_no_topic_is_called_ready(
    api: Api, bench: Bench, topics: TopicReconciler, cluster: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Admin.create

    async def lost(self: Admin, action: CreateTopic) -> None:
        if action.topic.startswith("b-"):
            raise BrokerUnreachableError("the connection is gone")
        await create(self, action)

    monkeypatch.setattr(Admin, "create", lost)
    await apply(api, bench, f"a-{name}", {"partitions": 1})
    await apply(api, bench, f"b-{name}", {"partitions": 1})
    with pytest.raises(RetryLater):
        await topics.reconcile("default", cluster)
    for each in (f"a-{name}", f"b-{name}"):
        assert (await api.conditions(KAFKA_TOPICS, each))["Ready"] == ("False", "BrokerUnreachable")
    monkeypatch.undo()
    await topics.reconcile("default", cluster)
    for each in (f"a-{name}", f"b-{name}"):
        assert (await api.conditions(KAFKA_TOPICS, each))["Ready"] == ("True", "Ready")


async def test_paused_topics_are_left_alone(
    api: Api, bench: Bench, broker: BrokerProcess, topics: TopicReconciler, cluster: str, name: str
) -> None:
    await apply(api, bench, name, {}, annotations={"kopfka.io/paused": "true"})
    await topics.reconcile("default", cluster)
    assert (await api.conditions(KAFKA_TOPICS, name))["Progressing"] == ("False", "Paused")
    assert await Admin(broker.bootstrap).topics([name]) == {}
