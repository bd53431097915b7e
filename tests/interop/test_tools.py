"""Apache Kafka's own command-line tools, each as an administrator uses it."""

from __future__ import annotations

import re

import pytest

from support.waiting import eventually

pytestmark = pytest.mark.java

TOPICS = "org.apache.kafka.tools.TopicCommand"
CONFIGS = "kafka.admin.ConfigCommand"
PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
VERSIONS = "org.apache.kafka.tools.BrokerApiVersionsCommand"
CLUSTER = "org.apache.kafka.tools.ClusterTool"
LOG_DIRS = "org.apache.kafka.tools.LogDirsCommand"
DELETE_RECORDS = "org.apache.kafka.tools.DeleteRecordsCommand"


@pytest.fixture
def at(broker):
    return ("--bootstrap-server", broker.bootstrap)


@pytest.fixture
def produce(tools, at):
    def run(topic, text, *arguments):
        tools.run(PRODUCER, *at, "--topic", topic, *arguments, stdin=text)

    return run


def describe(tools, at, topic):
    """Return the fields of TopicCommand's lines for a topic: that of the topic first, then one a partition."""
    rows = [
        dict(re.findall(r"(\w+): ?([^\t]*)", line))
        for line in tools.run(TOPICS, *at, "--describe", "--topic", topic).lines
    ]
    return rows[0], rows[1:]


@pytest.mark.client("Kafka's command-line tools", "kafka-topics")
def test_topic_command_creates_lists_describes_grows_and_deletes(tools, at, name, broker):
    tools.run(TOPICS, *at, "--create", "--topic", name, "--partitions", "2", "--config", "retention.ms=3600000")
    eventually(lambda: name in tools.run(TOPICS, *at, "--list").lines)
    head, rows = describe(tools, at, name)
    assert (head["PartitionCount"], head["ReplicationFactor"]) == ("2", "1")
    assert "retention.ms=3600000" in head["Configs"].split(",")
    assert len(head["TopicId"]) == 22
    node = rows[0]["Leader"]
    assert [(row["Partition"], row["Leader"], row["Replicas"], row["Isr"]) for row in rows] == [
        ("0", node, node, node),
        ("1", node, node, node),
    ]

    tools.run(TOPICS, *at, "--alter", "--topic", name, "--partitions", "4")
    eventually(lambda: len(describe(tools, at, name)[1]) == 4)
    assert tools.run(TOPICS, *at, "--describe", "--under-replicated-partitions").lines == []
    assert tools.run(TOPICS, *at, "--describe", "--unavailable-partitions").lines == []

    tools.run(TOPICS, *at, "--delete", "--topic", name)
    eventually(lambda: name not in tools.run(TOPICS, *at, "--list").lines)


@pytest.mark.client("Kafka's command-line tools", "kafka-topics")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--create", "--topic", "{name}"), "Topic '{name}' already exists."),
        (
            ("--create", "--topic", "bad name!"),
            "'bad name!' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
        ),
        (
            ("--create", "--topic", "{name}-r", "--replication-factor", "3"),
            "The target replication factor of 3 cannot be reached",
        ),
        (
            ("--alter", "--topic", "{name}", "--partitions", "1"),
            "The topic {name} currently has 2 partition(s); 1 would not be an increase.",
        ),
        (("--alter", "--topic", "{name}", "--partitions", "2"), "Topic already has 2 partition(s)."),
        (("--delete", "--topic", "{name}-missing"), "Topic '{name}-missing' does not exist as expected"),
        (("--describe", "--topic", "{name}-missing"), "Topic '{name}-missing' does not exist as expected"),
    ],
)
def test_topic_command_is_told_what_is_wrong(tools, at, create_topic, arguments, says):
    name = create_topic(2)
    result = tools.run(TOPICS, *at, *(argument.format(name=name) for argument in arguments), check=False)
    assert result.exit == 1
    assert says.format(name=name) in result.out + result.err


@pytest.mark.client("Kafka's command-line tools", "kafka-configs: topics, brokers, groups, client metrics, loggers")
def test_config_command_alters_and_describes_a_topic(tools, at, topic):
    entity = ("--entity-type", "topics", "--entity-name", topic)

    def described_with(setting):
        out = tools.run(CONFIGS, *at, *entity, "--describe").out
        return out if setting in out else ""

    tools.run(CONFIGS, *at, *entity, "--alter", "--add-config", "retention.ms=1000,cleanup.policy=[compact,delete]")
    out = eventually(lambda: described_with("retention.ms=1000 "))
    assert "retention.ms=1000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=1000}" in out
    assert "cleanup.policy=compact,delete sensitive=false" in out

    tools.run(CONFIGS, *at, *entity, "--alter", "--delete-config", "retention.ms")
    eventually(lambda: "retention.ms" not in tools.run(CONFIGS, *at, *entity, "--describe").out)
    every = tools.run(CONFIGS, *at, *entity, "--describe", "--all").out
    assert re.search(r"^  retention\.ms=604800000 sensitive=false synonyms=\{", every, re.MULTILINE)
    assert re.search(
        r"^  segment\.bytes=1073741824 sensitive=false synonyms=\{.*DEFAULT_CONFIG:log\.segment\.bytes=",
        every,
        re.MULTILINE,
    )

    refused = tools.run(CONFIGS, *at, *entity, "--alter", "--add-config", "retention.ms=soon", check=False)
    assert refused.exit == 1
    assert "InvalidConfigurationException" in refused.out + refused.err


@pytest.mark.client("Kafka's command-line tools", "kafka-configs: topics, brokers, groups, client metrics, loggers")
def test_config_command_describes_a_broker(tools, at, broker):
    node = str(next(iter(broker.admin.list_topics(timeout=10).brokers)))
    out = tools.run(CONFIGS, *at, "--entity-type", "brokers", "--entity-name", node, "--describe", "--all").out
    assert re.search(
        r"^  offsets\.topic\.num\.partitions=4 sensitive=false synonyms=\{STATIC_BROKER_CONFIG:", out, re.MULTILINE
    )
    assert re.search(r"^  log\.retention\.hours=168 sensitive=false synonyms=\{DEFAULT_CONFIG:", out, re.MULTILINE)


@pytest.mark.client("Kafka's command-line tools", "console producer and consumer, all codecs")
def test_console_producer_and_consumer(tools, at, topic, produce):
    produce(
        topic,
        "k1:v1\nk2:zwei €\nk3:NIL\n",
        "--reader-property",
        "parse.key=true",
        "--reader-property",
        "key.separator=:",
        "--reader-property",
        "null.marker=NIL",
    )
    out = tools.run(
        CONSUMER,
        *at,
        "--topic",
        topic,
        "--from-beginning",
        "--max-messages",
        "3",
        "--timeout-ms",
        "20000",
        "--formatter-property",
        "print.key=true",
        "--formatter-property",
        "print.offset=true",
        "--formatter-property",
        "print.partition=true",
    )
    assert out.lines == [
        "Partition:0\tOffset:0\tk1\tv1",
        "Partition:0\tOffset:1\tk2\tzwei €",
        "Partition:0\tOffset:2\tk3\tnull",
    ]

    last = tools.run(
        CONSUMER,
        *at,
        "--topic",
        topic,
        "--partition",
        "0",
        "--offset",
        "1",
        "--max-messages",
        "2",
        "--timeout-ms",
        "20000",
    )
    assert last.lines == ["zwei €", "null"]


@pytest.mark.client("Kafka's command-line tools", "console producer and consumer, all codecs")
@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_console_producer_with_codecs(tools, at, topic, produce, codec):
    lines = [f"line {number} of some that compress well" for number in range(200)]
    produce(topic, "\n".join(lines) + "\n", "--compression-codec", codec, "--command-property", "acks=all")
    out = tools.run(
        CONSUMER, *at, "--topic", topic, "--from-beginning", "--max-messages", "200", "--timeout-ms", "20000"
    )
    assert out.lines == lines


@pytest.mark.client("Kafka's command-line tools", "kafka-get-offsets, kafka-delete-records")
def test_get_offset_shell(tools, at, create_topic, produce):
    topic = create_topic(2)
    produce(topic, "a\nb\nc\n", "--command-property", "partitioner.ignore.keys=true")
    latest = tools.run(OFFSETS, *at, "--topic", topic).lines
    assert [line.rsplit(":", 1)[0] for line in latest] == [f"{topic}:0", f"{topic}:1"]
    assert sum(int(line.rsplit(":", 1)[1]) for line in latest) == 3
    assert tools.run(OFFSETS, *at, "--topic", topic, "--time", "earliest").lines == [f"{topic}:0:0", f"{topic}:1:0"]
    biggest = tools.run(OFFSETS, *at, "--topic", topic, "--time", "max-timestamp").lines
    assert max(int(line.rsplit(":", 1)[1] or -1) for line in biggest) >= 0
    after = tools.run(OFFSETS, *at, "--topic", topic, "--time", "4102444800000").lines
    assert after == [f"{topic}:0:", f"{topic}:1:"] or after == []


@pytest.mark.client("Kafka's command-line tools", "kafka-consumer-groups: list, describe, reset, delete")
def test_consumer_group_command(tools, at, create_topic, produce):
    topic = create_topic(1)
    group = f"{topic}-group"
    of_group = ("--group", group)
    produce(topic, "a\nb\nc\nd\n")
    read = tools.run(
        CONSUMER, *at, "--topic", topic, *of_group, "--from-beginning", "--max-messages", "3", "--timeout-ms", "20000"
    )
    assert read.lines == ["a", "b", "c"]

    assert group in tools.run(GROUPS, *at, "--list").lines
    listed = tools.run(GROUPS, *at, "--list", "--state").lines
    assert any(re.fullmatch(rf"{group}\s+Empty", line.strip()) for line in listed)
    assert group in tools.run(GROUPS, *at, "--list", "--type", "classic").out
    rows = table(tools.run(GROUPS, *at, "--describe", *of_group))
    assert [(r["TOPIC"], r["PARTITION"], r["CURRENT-OFFSET"], r["LOG-END-OFFSET"], r["LAG"]) for r in rows] == [
        (topic, "0", "3", "4", "1")
    ]
    state = tools.run(GROUPS, *at, "--describe", *of_group, "--state").out
    assert re.search(rf"{group}\s+127\.0\.0\.1:\d+ +\(\d+\).* Empty\s+0", state)

    tools.run(GROUPS, *at, "--reset-offsets", *of_group, "--topic", topic, "--to-earliest", "--execute")
    again = tools.run(CONSUMER, *at, "--topic", topic, *of_group, "--max-messages", "4", "--timeout-ms", "20000")
    assert again.lines == ["a", "b", "c", "d"]
    moved = table(
        tools.run(GROUPS, *at, "--reset-offsets", *of_group, "--topic", f"{topic}:0", "--shift-by", "-2", "--execute")
    )
    assert [(row["TOPIC"], row["PARTITION"], row["NEW-OFFSET"]) for row in moved] == [(topic, "0", "2")]

    tools.run(GROUPS, *at, "--delete-offsets", *of_group, "--topic", topic)
    # without offsets an empty group is gone, or is removed now
    tools.run(GROUPS, *at, "--delete", *of_group, check=False)
    assert group not in tools.run(GROUPS, *at, "--list").lines
    missing = tools.run(GROUPS, *at, "--describe", *of_group, check=False)
    assert f"Group {group} not found." in missing.out + missing.err


def table(result):
    """Read the table a tool prints: its header line and rows of single words."""
    lines = [line for line in result.lines if not line.startswith(("Consumer group", "WARN"))]
    head = lines[0].split()
    return [dict(zip(head, line.split(), strict=False)) for line in lines[1:]]


@pytest.mark.client("Kafka's command-line tools", "kafka-cluster, kafka-broker-api-versions, kafka-features, quorum")
def test_cluster_tool_tells_the_cluster_id(tools, at, broker):
    out = tools.run(CLUSTER, "cluster-id", *at).out
    told = re.search(r"Cluster ID: (\S{22})", out)
    assert told
    assert broker.admin.list_topics(timeout=10).cluster_id == told.group(1)


@pytest.mark.client("Kafka's command-line tools", "producer and consumer performance tests")
def test_performance_tools(tools, broker, topic, tmp_path):
    produced = tools.run(
        "org.apache.kafka.tools.ProducerPerformance",
        "--topic",
        topic,
        "--num-records",
        "5000",
        "--record-size",
        "1000",
        "--throughput",
        "-1",
        "--bootstrap-server",
        broker.bootstrap,
        "--command-property",
        "acks=all",
    )
    assert "5000 records sent" in produced.out
    consumed = tools.run(
        "org.apache.kafka.tools.ConsumerPerformance",
        "--bootstrap-server",
        broker.bootstrap,
        "--topic",
        topic,
        "--num-records",
        "5000",
        "--timeout",
        "20000",
    )
    head, row = (re.split(r",\s*", line) for line in consumed.lines[-2:])
    assert dict(zip(head, row, strict=True))["data.consumed.in.nMsg"] == "5000"
