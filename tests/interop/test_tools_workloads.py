"""Kafka's tools that make a load and account for it, with both group protocols; the one that resets applications."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from support.java import JavaProgram
from support.prerequisites import need_java

pytestmark = pytest.mark.java

TOOLS = "org.apache.kafka.tools"
PRODUCER = f"{TOOLS}.ConsoleProducer"
CONSUMER = f"{TOOLS}.consumer.ConsoleConsumer"
GROUPS = f"{TOOLS}.consumer.group.ConsumerGroupCommand"
COUNT = 300
PARTITIONS = 3


@pytest.fixture
def at(broker):
    return ("--bootstrap-server", broker.bootstrap)


def events(output, main, *arguments):
    """Run a verifiable client in a JVM of its own, as it prints to the end of one; return its events by their names."""
    with JavaProgram(output, f"{TOOLS}.{main}", *arguments) as program:
        told = [json.loads(line) for line in program.wait(60)]
    return {name: [each for each in told if each["name"] == name] for name in {each["name"] for each in told}}


@pytest.mark.client("Kafka's command-line tools", "verifiable producer and consumer, both group protocols")
def test_verifiable_producer_and_consumer(at, create_topic, tmp_path):
    need_java()
    topic = create_topic(PARTITIONS)
    of_topic = (*at, "--topic", topic, "--max-messages", str(COUNT))
    sent = events(tmp_path / "sent", "VerifiableProducer", *of_topic, "--acks", "-1")
    [summary] = sent["tool_data"]
    assert (summary["sent"], summary["acked"]) == (COUNT, COUNT)
    acknowledged = Counter(each["partition"] for each in sent["producer_send_success"])
    assert acknowledged.total() == COUNT

    for protocol in ("classic", "consumer"):
        group = ("--group-id", f"{topic}-{protocol}", "--group-protocol", protocol, "--reset-policy", "earliest")
        read = events(tmp_path / protocol, "VerifiableConsumer", *of_topic, *group)
        assert sum(each["count"] for each in read["records_consumed"]) == COUNT
        assert all(each["success"] for each in read["offsets_committed"])
        committed = {
            each["partition"]: each["offset"] for event in read["offsets_committed"] for each in event["offsets"]
        }
        assert {number: at for number, at in committed.items() if at} == acknowledged


@pytest.mark.client("Kafka's command-line tools", "console consumer and consumer groups, consumer protocol")
def test_consumer_protocol_at_the_console(tools, at, topic):
    of_group = ("--group", topic)
    modern = ("--command-property", "group.protocol=consumer")
    tools.run(PRODUCER, *at, "--topic", topic, stdin="a\nb\nc\nd\n")
    level = ("--isolation-level", "read_committed")
    limits = ("--max-messages", "3", "--timeout-ms", "30000")
    read = tools.run(CONSUMER, *at, "--topic", topic, *of_group, "--from-beginning", *modern, *level, *limits)
    assert read.lines == ["a", "b", "c"]
    listed = tools.run(GROUPS, *at, "--list", "--type", "consumer").out
    assert re.search(rf"^{topic}\s+Consumer\s*$", listed, re.MULTILINE)

    def offset():
        head, row = (line.split() for line in tools.run(GROUPS, *at, "--describe", *of_group).lines[-2:])
        return dict(zip(head, row, strict=False))["CURRENT-OFFSET"]

    assert offset() == "3"
    tools.run(GROUPS, *at, "--reset-offsets", *of_group, "--topic", topic, "--shift-by", "-2", "--execute")
    assert offset() == "1"
    tools.run(GROUPS, *at, "--delete", *of_group)
    assert topic not in tools.run(GROUPS, *at, "--list").lines


@pytest.mark.client("Kafka's command-line tools", "streams application reset")
def test_an_application_is_reset(tools, at, topic):
    tools.run(PRODUCER, *at, "--topic", topic, stdin="a\nb\nc\n")
    tools.run(
        CONSUMER, *at, "--topic", topic, "--group", topic, "--from-beginning", "--max-messages", "3", "--timeout-ms",
        "30000",
    )  # fmt: skip
    reset = tools.run(
        f"{TOOLS}.StreamsResetter", *at, "--application-id", topic, "--input-topics", topic, "--to-offset", "2"
    )
    assert re.search(rf"Topic: {topic} Partition: 0 Offset: 2", reset.out), reset.out
    again = tools.run(CONSUMER, *at, "--topic", topic, "--group", topic, "--max-messages", "1", "--timeout-ms", "30000")
    assert again.lines == ["c"]


@pytest.mark.client("Kafka's command-line tools", "share consumer performance test")
def test_share_consumer_performance(tools, at, topic):
    tools.run(
        "kafka.admin.ConfigCommand", *at, "--entity-type", "groups", "--entity-name", topic, "--alter", "--add-config",
        "share.auto.offset.reset=earliest",
    )  # fmt: skip
    tools.run(PRODUCER, *at, "--topic", topic, stdin="value\n" * COUNT)
    said = tools.run(
        f"{TOOLS}.ShareConsumerPerformance", *at, "--topic", topic, "--group", topic, "--num-records", str(COUNT),
        "--timeout", "30000",
    )  # fmt: skip
    head, row = (re.split(r",\s*", line) for line in said.lines[-2:])
    assert str(COUNT) in dict(zip(head, row, strict=True)).values(), said.out
