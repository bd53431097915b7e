"""The consumer protocol of KIP-848 with real clients: Java and librdkafka, alone and mixed with the classic protocol.

Also Kafka's group tool with groups of each kind, and a Kafka Streams application with the protocol of KIP-1071.
"""

from __future__ import annotations

import re

import pytest
from confluent_kafka import Consumer, ConsumerGroupState, Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from support.corpus import write_pairs
from support.java import JavaProgram
from support.java_lines import PRODUCER, READER, acknowledged, check_read
from support.waiting import eventually

pytestmark = pytest.mark.java

GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
STREAMS_GROUPS = "org.apache.kafka.tools.streams.StreamsGroupCommand"
WORD_COUNT = "io.kopfka.interop.WordCount"
PAIRS = [(b"key-%d" % (number % 50), b"value %d" % number) for number in range(2000)]


def consumer(broker, group, protocol="consumer", **config):
    return Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": group,
            "group.protocol": protocol,
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
        | {name.replace("_", "."): value for name, value in config.items()}
    )


def produce(broker, topic, number, partitions):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for each in range(number):
        producer.produce(topic, b"%d" % each, partition=each % partitions)
    assert producer.flush(30) == 0


def set_group_config(broker, group, **configs):
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in configs.items()
    ]
    resource = ConfigResource(ResourceType.GROUP, group, incremental_configs=entries)
    for future in broker.admin.incremental_alter_configs([resource]).values():
        future.result(timeout=30)


def start_reader(broker, topic, folder, *options):
    arguments = ("--bootstrap", broker.bootstrap, "--topic", topic, "--group", topic, "--out", str(folder))
    return JavaProgram(folder.with_suffix(".lines"), READER, *arguments, *options)


@pytest.mark.client("Java", "consumer protocol: group of three, uniform and range, to and from classic")
@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_a_java_group_of_three_reads_everything_once(tools, broker, create_topic, tmp_path, assignor):
    topic = create_topic(6)
    sent = tools.run(
        PRODUCER, "--bootstrap", broker.bootstrap, "--topic", topic, "--file", str(write_pairs(tmp_path / "in", PAIRS))
    )
    tools.run(
        READER, "--bootstrap", broker.bootstrap, "--topic", topic, "--group", topic, "--out", str(tmp_path / "out"),
        "--members", "3", "--count", str(len(PAIRS)), "--set", "group.protocol=consumer",
        "--set", f"group.remote.assignor={assignor}",
    )  # fmt: skip
    check_read(PAIRS, acknowledged(sent.lines), tmp_path / "out")
    at = ("--bootstrap-server", broker.bootstrap)
    listed = tools.run(GROUPS, *at, "--list", "--state", "--type").lines
    assert any(re.fullmatch(rf"{topic}\s+Consumer\s+Empty", line.strip()) for line in listed)
    described = tools.run(GROUPS, *at, "--describe", "--group", topic).out
    assert len(re.findall(rf"^{topic}\s+{topic}\s+\d\s.*\s0\s+-\s+-\s+-", described, re.MULTILINE)) == 6
    tools.run(GROUPS, *at, "--reset-offsets", "--group", topic, "--topic", topic, "--to-earliest", "--execute")
    assert re.search(
        rf"{topic}\s+{topic}\s+0\s+-?\d*\s*0\s", tools.run(GROUPS, *at, "--describe", "--group", topic).out
    )
    tools.run(GROUPS, *at, "--delete", "--group", topic)
    assert topic not in tools.run(GROUPS, *at, "--list").lines


@pytest.mark.client("librdkafka (Python)", "consumer protocol: names, expressions, takeover")
def test_librdkafka_shares_by_name_and_by_expression_and_takes_over(broker, create_topic):
    topic = create_topic(4)
    set_group_config(broker, topic, consumer_heartbeat_interval_ms="5000", consumer_assignment_interval_ms="0")
    produce(broker, topic, 400, 4)
    first, second = consumer(broker, topic), consumer(broker, topic)
    got = []

    def turn(*consumers):
        for each in consumers:
            got.extend(message.value() for message in each.consume(500, timeout=0.1) if not message.error())

    first.subscribe([topic])
    eventually(lambda: turn(first) or len(first.assignment()) == 4)
    second.subscribe([f"^{topic[:-1]}{topic[-1]}$"])
    eventually(lambda: turn(first, second) or len(first.assignment()) == len(second.assignment()) == 2)
    described = broker.admin.describe_consumer_groups([topic])[topic].result(timeout=10)
    assert (described.state, described.type.name) == (ConsumerGroupState.STABLE, "CONSUMER")
    owned = sorted(at.partition for member in described.members for at in member.assignment.topic_partitions)
    assert owned == [0, 1, 2, 3]
    eventually(lambda: turn(first, second) or len(set(got)) == 400)
    second.close()
    eventually(lambda: turn(first) or len(first.assignment()) == 4)
    first.close()
    assert broker.admin.describe_consumer_groups([topic])[topic].result(timeout=10).state == ConsumerGroupState.EMPTY


@pytest.mark.client("Java", "consumer protocol: group of three, uniform and range, to and from classic")
def test_a_group_goes_from_the_classic_protocol_to_the_new_one_and_back(broker, create_topic, tmp_path):
    """Members of both protocols, of Java and librdkafka, read together; nothing is lost or read by two at once."""
    topic = create_topic(4)
    set_group_config(broker, topic, consumer_assignment_interval_ms="0")
    produce(broker, topic, 2_000, 4)
    old = consumer(broker, topic, "classic", session_timeout_ms=6000, heartbeat_interval_ms=500)
    got = []

    def turn(*consumers):
        for each in consumers:
            got.extend(message.value() for message in each.consume(20, timeout=0.1) if not message.error())

    def kind():
        return broker.admin.describe_consumer_groups([topic])[topic].result(timeout=10).type.name

    old.subscribe([topic])
    eventually(lambda: turn(old) or len(old.assignment()) == 4)
    assert kind() == "CLASSIC"
    options = ("--members", "1", "--idle-ms", "12000", "--set", "group.protocol=consumer")
    with start_reader(broker, topic, tmp_path / "java", *options) as java:
        eventually(lambda: turn(old) or (len(old.assignment()) == 2 and "assigned 0 2" in " ".join(_sizes(java))))
        assert kind() == "CONSUMER"
        eventually(lambda: turn(old) or not java.running())  # it read all there was, and leaves
    eventually(lambda: turn(old) or (len(old.assignment()) == 4 and kind() == "CLASSIC"))
    assert len(got) == len(set(got))
    old.close()


def _sizes(java):
    """Return each line about an assignment with the number of partitions instead of their names."""
    lines = [line.split() for line in java.lines() if line.startswith("assigned")]
    return [
        f"assigned {words[1]} {len(''.join(words[2:]).strip('[]').split(',')) if words[2:] else 0}" for words in lines
    ]


@pytest.mark.client("Kafka Streams", "streams protocol")
@pytest.mark.client("Kafka's command-line tools", "kafka-streams-groups")
def test_streams_group_tool_sees_an_application_of_the_streams_protocol(tools, broker, create_topic, tmp_path):
    topic = create_topic(2)
    application = f"{topic}-app"
    set_group_config(broker, application, streams_num_standby_replicas="1")
    produce(broker, topic, 50, 2)
    options = (
        "--bootstrap",
        broker.bootstrap,
        "--input",
        topic,
        "--output",
        f"{topic}-out",
        "--application",
        application,
    )
    at = ("--bootstrap-server", broker.bootstrap)
    with JavaProgram(
        tmp_path / "lines", WORD_COUNT, *options, "--state", str(tmp_path / "state"), "--port", "0",
        "--set", "group.protocol=streams", heap="256m",
    ) as program:  # fmt: skip

        def runs():
            assert program.running()
            out = tools.run(STREAMS_GROUPS, *at, "--describe", "--group", application, "--state", check=False).out
            return "Stable" in out

        eventually(runs, seconds=60)
        members = tools.run(STREAMS_GROUPS, *at, "--describe", "--group", application, "--members", "--verbose").out
        assert re.search(r"ACTIVE: .*0:\[0,1\]", members)
        assert re.search(r"1:\[0,1\]", members)
    assert application in tools.run(STREAMS_GROUPS, *at, "--list").out
