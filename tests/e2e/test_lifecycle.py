"""A cluster and a topic from YAML; real text through real clients; SIGKILL half way; re-creation over the kept claim.

The tests of this module stand on each other, in the order of the file, once on this machine and once on Kubernetes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import AdminClient

from support.corpus import library_lines, write_pairs
from support.java import JavaProgram
from support.java_lines import PRODUCER, READER, acknowledged, check_read
from support.kubernetes import NAMESPACE
from support.ledger import Ledger, produce, read_by_group
from support.prerequisites import need_java
from support.waiting import eventually

if TYPE_CHECKING:
    from support.kubernetes import KubernetesApi

MANIFESTS = Path(__file__).parent / "manifests"
LINES = 200_000
HERE = ("-n", NAMESPACE)


def bootstrap(api: KubernetesApi) -> str:
    """Address of the listener that the world outside reaches."""
    listeners = api.get("kafkacluster", "orders", *HERE)["status"]["listeners"]
    return next(str(listener["bootstrapServers"]) for listener in listeners if listener["name"] == "external")


def pod_restarts(api: KubernetesApi) -> int:
    statuses = api.get("pod", "orders-broker-0", *HERE)["status"].get("containerStatuses", [])
    return sum(int(status["restartCount"]) for status in statuses)


def create(api: KubernetesApi) -> None:
    for name in ("cluster.yaml", "topic.yaml"):
        api.kubectl("apply", *HERE, "-f", str(MANIFESTS / name))
    api.wait("kafkacluster/orders", "condition=Ready", *HERE)
    api.wait("kafkatopic/lines", "condition=Ready", *HERE)


@pytest.fixture(scope="module")
def cluster(api: KubernetesApi) -> KubernetesApi:
    """The API with the cluster `orders` and its topic `lines` Ready."""
    create(api)
    return api


@pytest.fixture(scope="module")
def ledger(cluster: KubernetesApi) -> Ledger:
    """What the first producer sent; its broker was killed half way."""
    ledger = Ledger()
    before = pod_restarts(cluster)
    produce(
        bootstrap(cluster), "lines", library_lines(LINES)[:LINES], ledger,
        at_half=lambda: cluster.kill_broker(NAMESPACE, "orders-broker-0"), half=LINES // 2,
    )  # fmt: skip
    assert pod_restarts(cluster) > before, "the broker was not restarted: nothing was killed"
    assert len(ledger.acknowledged) == LINES
    return ledger


def test_kubectl_shows_that_all_is_well(cluster: KubernetesApi) -> None:
    assert "True" in cluster.kubectl("get", "kafkaclusters", "orders", "--no-headers", *HERE)
    assert "True" in cluster.kubectl("get", "kt", "lines", "--no-headers", *HERE)
    status = cluster.get("kafkatopic", "lines", *HERE)["status"]
    topic = AdminClient({"bootstrap.servers": bootstrap(cluster)}).list_topics("lines", timeout=10).topics["lines"]
    assert status["topicId"]
    assert status["partitions"] == len(topic.partitions) == 6


def test_a_group_of_two_reads_every_line_back_across_sigkill(cluster: KubernetesApi, ledger: Ledger) -> None:
    before = pod_restarts(cluster)
    counts = read_by_group(
        bootstrap(cluster), "lines", "readers", ledger,
        at_half=lambda: cluster.kill_broker(NAMESPACE, "orders-broker-0"),
    )  # fmt: skip
    assert pod_restarts(cluster) > before, "the broker was not restarted: nothing was killed"
    ledger.check()
    assert all(counts), f"one member read everything: {counts}"


def test_a_changed_config_rolls_the_pod_and_keeps_the_data(cluster: KubernetesApi, ledger: Ledger) -> None:
    old = cluster.get("pod", "orders-broker-0", *HERE)["metadata"]["uid"]
    cluster.kubectl(
        "patch", "kafkacluster", "orders", *HERE, "--type=merge",
        "-p", '{"spec": {"config": {"log.segment.bytes": 33554432}}}',
    )  # fmt: skip
    eventually(lambda: _uid(cluster, "orders-broker-0") not in (None, old), seconds=120, every=0.5, what="a new pod")
    cluster.wait("kafkacluster/orders", "condition=Ready", *HERE)
    again = Ledger(acknowledged=ledger.acknowledged)
    read_by_group(bootstrap(cluster), "lines", "after-roll", again, members=1)
    again.check()


def _uid(api: KubernetesApi, pod: str) -> str | None:
    result = api.run("kubectl", "get", "pod", pod, *HERE, "-o", "jsonpath={.metadata.uid}", check=False)
    return result.stdout or None


@pytest.mark.java
def test_javas_clients_do_the_same(cluster: KubernetesApi, tmp_path: Path) -> None:
    need_java()
    cluster.kubectl("apply", *HERE, "-f", str(MANIFESTS / "java-topic.yaml"))
    cluster.wait("kafkatopic/java-lines", "condition=Ready", *HERE)
    pairs = library_lines(LINES)[:LINES]
    at = ("--bootstrap", bootstrap(cluster), "--topic", "java-lines")
    source = ("--file", str(write_pairs(tmp_path / "lines", pairs)))
    before = pod_restarts(cluster)
    with JavaProgram(tmp_path / "acknowledgements", PRODUCER, *at, *source, "--rate", "20000") as producing:
        eventually(lambda: producing.running() and len(producing.lines()) > LINES // 3, seconds=90, every=0.1)
        cluster.kill_broker(NAMESPACE, "orders-broker-0")
        places = acknowledged(producing.wait(180))
    assert pod_restarts(cluster) > before, "the broker was not restarted: nothing was killed"
    reader = ("--group", "java-readers", "--out", str(tmp_path / "read"), "--count", str(LINES))
    with JavaProgram(tmp_path / "progress", READER, *at, *reader) as reading:
        reading.wait(180)
    assert all(check_read(pairs, places, tmp_path / "read")), "one member read everything"


def test_a_cluster_recreated_over_its_claim_has_its_data(cluster: KubernetesApi, ledger: Ledger) -> None:
    topic_id = cluster.get("kafkatopic", "lines", *HERE)["status"]["topicId"]
    cluster.kubectl("delete", "kafkatopic/lines", "kafkacluster/orders", *HERE, "--timeout=90s")
    cluster.wait("pod/orders-broker-0", "delete", *HERE, seconds=90)
    claim = cluster.get("pvc", "data-orders-broker-0", *HERE)
    assert claim["status"]["phase"] == "Bound"
    assert "deletionTimestamp" not in claim["metadata"]

    create(cluster)

    assert cluster.get("kafkatopic", "lines", *HERE)["status"]["topicId"] == topic_id
    again = Ledger(acknowledged=ledger.acknowledged)
    read_by_group(bootstrap(cluster), "lines", "after-recreation", again)
    again.check()


def test_deleting_with_reclaim_policy_delete_removes_the_claim(cluster: KubernetesApi) -> None:
    cluster.kubectl(
        "patch", "kafkacluster", "orders", *HERE, "--type=merge", "-p", '{"spec": {"reclaimPolicy": "Delete"}}'
    )
    cluster.kubectl("delete", "kafkatopic/lines", "kafkacluster/orders", *HERE, "--timeout=90s")
    cluster.wait("pvc/data-orders-broker-0", "delete", *HERE, seconds=90)
