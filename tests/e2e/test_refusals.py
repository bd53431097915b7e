"""What the API refuses at `kubectl apply`, and what the operator says to what cannot be done: words with a remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.kubernetes import NAMESPACE
from support.waiting import eventually

if TYPE_CHECKING:
    from support.kubernetes import KubernetesApi

HERE = ("-n", NAMESPACE)


def cluster_yaml(name: str, spec: str) -> str:
    return f"apiVersion: kopfka.io/v1alpha1\nkind: KafkaCluster\nmetadata: {{name: {name}}}\nspec: {spec}\n"


def topic_yaml(name: str, spec: str) -> str:
    return f"apiVersion: kopfka.io/v1alpha1\nkind: KafkaTopic\nmetadata: {{name: {name}}}\nspec: {spec}\n"


def condition(api: KubernetesApi, what: str, kind: str) -> dict[str, str]:
    found = api.get(what, *HERE).get("status", {}).get("conditions", [])
    return next((c for c in found if c["type"] == kind), {})


@pytest.fixture(scope="module")
def cluster(api: KubernetesApi) -> KubernetesApi:
    """The API with a small cluster `small` and a topic `kept` of three partitions, both Ready."""
    api.kubectl("apply", *HERE, "-f", "-", stdin=cluster_yaml("small", "{engine: bundled, storage: {size: 1Gi}}"))
    api.kubectl("apply", *HERE, "-f", "-", stdin=topic_yaml("kept", "{cluster: small, partitions: 3}"))
    api.wait("kafkacluster/small", "condition=Ready", *HERE)
    api.wait("kafkatopic/kept", "condition=Ready", *HERE)
    return api


def test_a_bundled_cluster_of_three_is_refused_with_what_to_set(cluster: KubernetesApi) -> None:
    said = cluster.refused("apply", *HERE, "-f", "-", stdin=cluster_yaml("big", "{engine: bundled, replicas: 3}"))
    assert "engine: apache-kafka" in said


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ("{cluster: small, partitions: 0}", "spec.partitions"),
        ("{cluster: small, partitions: many}", "spec.partitions"),
        ("{cluster: small, partitons: 3}", "partitons"),
        ("{partitions: 3}", "spec.cluster"),
        ("{cluster: small, reclaimPolicy: Keep}", "reclaimPolicy"),
    ],
)
def test_a_bad_topic_is_refused_by_name_of_its_field(cluster: KubernetesApi, spec: str, named: str) -> None:
    assert named in cluster.refused("apply", *HERE, "-f", "-", stdin=topic_yaml("bad", spec))


def test_a_topic_cannot_move_to_another_cluster(cluster: KubernetesApi) -> None:
    said = cluster.refused("patch", "kafkatopic", "kept", *HERE, "--type=merge", "-p", '{"spec": {"cluster": "other"}}')
    assert "cluster" in said


def test_fewer_partitions_are_refused_by_a_condition_and_change_nothing(cluster: KubernetesApi) -> None:
    cluster.kubectl("patch", "kafkatopic", "kept", *HERE, "--type=merge", "-p", '{"spec": {"partitions": 1}}')
    refused = eventually(lambda: _not_ready(cluster, "kafkatopic/kept"), seconds=60, every=0.5)
    assert "3" in refused["message"]
    assert cluster.get("kafkatopic", "kept", *HERE)["status"]["partitions"] == 3
    cluster.kubectl("patch", "kafkatopic", "kept", *HERE, "--type=merge", "-p", '{"spec": {"partitions": 3}}')
    cluster.wait("kafkatopic/kept", "condition=Ready", *HERE)


def test_an_unknown_topic_config_becomes_a_condition_with_the_brokers_words(cluster: KubernetesApi) -> None:
    cluster.kubectl("apply", *HERE, "-f", "-", stdin=topic_yaml("odd", "{cluster: small, config: {retention.mss: 5}}"))
    refused = eventually(lambda: _not_ready(cluster, "kafkatopic/odd"), seconds=60, every=0.5)
    assert "retention.mss" in refused["message"]
    cluster.kubectl("delete", "kafkatopic", "odd", *HERE, "--timeout=60s")


def test_smaller_storage_is_refused_with_a_sentence(cluster: KubernetesApi) -> None:
    result = cluster.run(
        "kubectl", "patch", "kafkacluster", "small", *HERE, "--type=merge",
        "-p", '{"spec": {"storage": {"size": "512Mi"}}}', check=False,
    )  # fmt: skip
    if result.returncode:
        assert "shrink" in result.stderr
        return
    refused = eventually(lambda: condition(cluster, "kafkacluster/small", "Degraded"), seconds=60, every=0.5)
    assert "shrink" in refused["message"]


def test_an_unknown_broker_setting_becomes_a_condition(cluster: KubernetesApi) -> None:
    spec = "{engine: bundled, storage: {size: 1Gi}, config: {log.retention.hourss: 1}}"
    cluster.kubectl("apply", *HERE, "-f", "-", stdin=cluster_yaml("typo", spec))
    refused = eventually(lambda: _named(cluster, "kafkacluster/typo", "log.retention.hourss"), seconds=90, every=0.5)
    assert "log.retention.hours" in refused["message"]
    cluster.kubectl("delete", "kafkacluster", "typo", *HERE, "--timeout=60s")


def test_deleting_a_cluster_first_does_not_hold_its_topics(cluster: KubernetesApi) -> None:
    cluster.kubectl("delete", "kafkacluster", "small", *HERE, "--timeout=90s")
    cluster.kubectl("delete", "kafkatopic", "kept", *HERE, "--timeout=60s")


def _not_ready(api: KubernetesApi, what: str) -> dict[str, str] | None:
    ready = condition(api, what, "Ready")
    return (
        ready
        if ready.get("status") == "False" and ready.get("reason") not in ("Progressing", "WaitingForCluster")
        else None
    )


def _named(api: KubernetesApi, what: str, words: str) -> dict[str, str] | None:
    conditions = api.get(what, *HERE).get("status", {}).get("conditions", [])
    return next((c for c in conditions if words in c["message"]), None)
