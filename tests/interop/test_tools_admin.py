"""Kafka's administration tools against both brokers: what they print is the same, line by line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import NewTopic

from support.waiting import eventually

if TYPE_CHECKING:
    from interop.conftest import Peer
    from support.java import JavaTools

pytestmark = pytest.mark.java

TOPICS = "org.apache.kafka.tools.TopicCommand"
CONFIGS = "kafka.admin.ConfigCommand"
LOG_DIRS = "org.apache.kafka.tools.LogDirsCommand"
REASSIGN = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
ELECTION = "org.apache.kafka.tools.LeaderElectionCommand"
FEATURES = "org.apache.kafka.tools.FeatureCommand"
QUORUM = "org.apache.kafka.tools.MetadataQuorumCommand"
CLUSTER = "org.apache.kafka.tools.ClusterTool"
VERSIONS = "org.apache.kafka.tools.BrokerApiVersionsCommand"
OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
DELETE_RECORDS = "org.apache.kafka.tools.DeleteRecordsCommand"
CLIENT_METRICS = "org.apache.kafka.tools.ClientMetricsCommand"


@dataclass(frozen=True, slots=True)
class Both:
    """The two brokers, each with the same empty topics."""

    tools: JavaTools
    peers: tuple[Peer, Peer]
    topic: str

    def say(self, main: str, *arguments: str, bootstrap: str = "--bootstrap-server") -> list[str]:
        """Run a tool against both, hold what it prints against each other, and return it."""
        ours, theirs = (self._say(peer, main, arguments, bootstrap) for peer in self.peers)
        assert ours == theirs
        return ours

    def settled(self, words: str, main: str, *arguments: str) -> None:
        """Wait until a tool prints these words of both: Apache Kafka answers a change before it is in force."""
        for peer in self.peers:
            eventually(lambda peer=peer: words in "\n".join(self._say(peer, main, arguments, "--bootstrap-server")))

    def _say(self, peer: Peer, main: str, arguments: tuple[str, ...], bootstrap: str) -> list[str]:
        result = self.tools.run(main, bootstrap, peer.bootstrap, *arguments, check=False)
        return [f"exit {result.exit}", *(_masked(line, peer) for line in (result.out + result.err).splitlines())]


def _masked(line: str, peer: Peer) -> str:
    line = re.sub(" +", " ", line)
    # the controller: a listener of its own there, the broker's own here
    line = re.sub(r"(CONTROLLER://127\.0\.0\.1):\d+", r"\1:<port>", line)
    line = line.replace(peer.bootstrap, "<bootstrap>").replace(str(peer.data), "<folder>").rstrip()
    line = re.sub(r"(TopicId: |ClusterId:\s+|Cluster ID: )\S{22}", r"\1<id>", line)
    line = re.sub(r"((?:LeaderEpoch|HighWatermark|Epoch):\s+)\d+", r"\1<number>", line)
    return re.sub(r"^(1\s+\S{22}\s+)\d+(\s+\d+\s+)\d{13}(\s+)\d{13}", r"\1<offset>\2<time>\3<time>", line)


@pytest.fixture
def both(tools, kopfka, apache_kafka, name):
    for peer in (kopfka, apache_kafka):
        peer.admin.create_topics([NewTopic(name, 2, 1)])[name].result(timeout=30)
        eventually(lambda peer=peer: name in peer.admin.list_topics(timeout=10).topics)
    return Both(tools, (kopfka, apache_kafka), name)


@pytest.mark.client("Kafka's command-line tools", "kafka-topics")
def test_topics(both):
    topic = ("--topic", both.topic)
    assert both.say(TOPICS, "--describe", *topic)[0] == "exit 0"
    both.say(TOPICS, "--create", *topic)
    both.say(TOPICS, "--create", "--topic", "not a name")
    both.say(TOPICS, "--create", "--topic", f"{both.topic}-x", "--replication-factor", "2")
    both.say(TOPICS, "--create", "--topic", f"{both.topic}-x", "--config", "no.such=1")
    both.say(TOPICS, "--alter", *topic, "--partitions", "1")
    both.say(TOPICS, "--describe", "--topic", f"{both.topic}-missing")
    both.say(TOPICS, "--delete", "--topic", f"{both.topic}-missing")


@pytest.mark.client("Kafka's command-line tools", "kafka-configs: topics, brokers, groups, client metrics, loggers")
@pytest.mark.parametrize(
    ("kind", "of", "setting", "wrong"),
    [
        ("topics", "{topic}", "retention.ms=7000", "retention.ms=soon"),
        ("brokers", "1", "log.cleaner.threads=2", "node.id=7"),
        ("groups", "{topic}", "consumer.session.timeout.ms=50000", "consumer.session.timeout.ms=1"),
        ("client-metrics", "{topic}", "interval.ms=2000", "interval.ms=1"),
        ("broker-loggers", "1", "kafka.request.logger=ERROR", "kafka.request.logger=LOUD"),
    ],
)
def test_configs_of_every_kind(both, kind, of, setting, wrong):
    entity = ("--entity-type", kind, "--entity-name", of.format(topic=both.topic))
    key = setting.partition("=")[0]
    assert both.say(CONFIGS, *entity, "--alter", "--add-config", setting)[0] == "exit 0"
    both.settled(setting, CONFIGS, *entity, "--describe")
    if kind != "broker-loggers":  # each names the loggers it has
        both.say(CONFIGS, *entity, "--describe")
    assert both.say(CONFIGS, *entity, "--alter", "--add-config", wrong)[0] == "exit 1"
    assert both.say(CONFIGS, *entity, "--alter", "--add-config", "no.such.thing=1")[0] in ("exit 1", "exit 0")
    assert both.say(CONFIGS, *entity, "--alter", "--delete-config", key)[0] == "exit 0"
    if kind == "brokers":
        both.say(CONFIGS, *entity, "--alter", "--delete-config", "no.such.thing")


@pytest.mark.client("Kafka's command-line tools", "kafka-log-dirs, reassignments, leader election")
def test_log_dirs(both):
    lines = both.say(LOG_DIRS, "--describe", "--topic-list", both.topic)
    assert f'"partition":"{both.topic}-0"' in lines[-1].replace(" ", "")


@pytest.mark.client("Kafka's command-line tools", "kafka-log-dirs, reassignments, leader election")
def test_reassignments(both, tmp_path):
    plan = tmp_path / "plan.json"
    for replicas in ([1], [2]):
        moves = [{"topic": both.topic, "partition": 0, "replicas": replicas}]
        plan.write_text(json.dumps({"version": 1, "partitions": moves}))
        both.say(REASSIGN, "--reassignment-json-file", str(plan), "--execute")
    # not of the last one: the tool would wait for a broker that is not there
    plan.write_text(json.dumps({"version": 1, "partitions": [moves[0] | {"replicas": [1]}]}))
    both.say(REASSIGN, "--reassignment-json-file", str(plan), "--verify")
    both.say(REASSIGN, "--list")
    topics = tmp_path / "topics.json"
    topics.write_text(json.dumps({"version": 1, "topics": [{"topic": both.topic}]}))
    both.say(REASSIGN, "--topics-to-move-json-file", str(topics), "--broker-list", "1", "--generate")


@pytest.mark.client("Kafka's command-line tools", "kafka-log-dirs, reassignments, leader election")
def test_leader_elections(both):
    one = ("--topic", both.topic, "--partition", "0")
    for kind in ("preferred", "unclean"):
        both.say(ELECTION, "--election-type", kind, *one)
    both.say(ELECTION, "--election-type", "preferred", "--topic", both.topic, "--partition", "9")
    both.say(ELECTION, "--election-type", "preferred", "--all-topic-partitions")


@pytest.mark.client("Kafka's command-line tools", "kafka-cluster, kafka-broker-api-versions, kafka-features, quorum")
def test_quorum(both):
    lines = both.say(QUORUM, "describe", "--status")
    assert any(line.startswith("LeaderId:") for line in lines)
    both.say(QUORUM, "describe", "--replication")


@pytest.mark.client("Kafka's command-line tools", "kafka-cluster, kafka-broker-api-versions, kafka-features, quorum")
def test_cluster(both):
    ours, theirs = (
        both.tools.run(CLUSTER, "cluster-id", "--bootstrap-server", peer.bootstrap).out for peer in both.peers
    )
    assert re.sub(r"\S{22}", "<id>", ours) == re.sub(r"\S{22}", "<id>", theirs)
    listed = [
        _masked(both.tools.run(CLUSTER, "list-endpoints", "--bootstrap-server", peer.bootstrap).out, peer)
        for peer in both.peers
    ]
    assert re.sub(r"\d{4,5}", "<port>", listed[0]) == re.sub(r"\d{4,5}", "<port>", listed[1])


@pytest.mark.client("Kafka's command-line tools", "kafka-cluster, kafka-broker-api-versions, kafka-features, quorum")
def test_features(both):
    both.say(FEATURES, "upgrade", "--feature", "no.such=1")
    both.say(FEATURES, "downgrade", "--feature", "metadata.version=20")
    both.say(FEATURES, "upgrade", "--feature", "transaction.version=9")
    ours, theirs = (
        [
            _masked(line, peer)
            for line in both.tools.run(FEATURES, "--bootstrap-server", peer.bootstrap, "describe").lines
        ]
        for peer in both.peers
    )
    assert any("transaction.version" in line for line in ours)
    assert ours == theirs


@pytest.mark.client("Kafka's command-line tools", "kafka-get-offsets, kafka-delete-records")
def test_offsets_and_deleted_records(both, tmp_path):
    for peer in both.peers:
        both.tools.run(
            "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", peer.bootstrap, "--topic", both.topic,
            "--command-property", "partitioner.class=org.apache.kafka.clients.producer.RoundRobinPartitioner",
            stdin="a\nb\nc\nd\n",
        )  # fmt: skip
    earliest = ("--topic", f"{both.topic}:0", "--time", "earliest")
    both.say(OFFSETS, *earliest)
    plan = tmp_path / "delete.json"
    for offset in (1, 99):
        cut = [{"topic": both.topic, "partition": 0, "offset": offset}]
        plan.write_text(json.dumps({"version": 1, "partitions": cut}))
        both.say(DELETE_RECORDS, "--offset-json-file", str(plan))
    both.say(OFFSETS, *earliest)
    both.say(OFFSETS, "--topic", f"{both.topic}-missing")


@pytest.mark.client("Kafka's command-line tools", "kafka-client-metrics")
def test_client_metrics(both):
    name = ("--name", both.topic)
    both.say(CLIENT_METRICS, "--alter", *name, "--metrics", "org.apache.kafka.", "--interval", "2000")
    both.settled("2000", CLIENT_METRICS, "--describe", *name)
    both.say(CLIENT_METRICS, "--describe", *name)
    both.say(CLIENT_METRICS, "--alter", *name, "--interval", "1")
    both.say(CLIENT_METRICS, "--alter", *name, "--match", "nothing=1")
    both.say(CLIENT_METRICS, "--delete", *name)


@pytest.mark.client("Kafka's command-line tools", "kafka-cluster, kafka-broker-api-versions, kafka-features, quorum")
def test_api_versions(both):
    """Every API Apache Kafka names is named, and the same versions of it can be used."""
    ours, theirs = (
        {
            match.group(1): match.group(2)
            for match in re.finditer(
                r"(\w+\(\d+\)): (\S.*?) \[", both.tools.run(VERSIONS, "--bootstrap-server", peer.bootstrap).out
            )
        }
        for peer in both.peers
    )
    assert len(ours) > 70
    assert ours == theirs
