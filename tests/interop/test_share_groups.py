"""Share groups with Apache Kafka's Java share consumer and command-line tools."""

from __future__ import annotations

import json
import re
from collections import defaultdict

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from kopfka_bench.protocol.raw import RawConnection
from support.java import JavaProgram
from support.kafka import running_kafka
from support.prerequisites import need_java
from support.processes import running_broker
from support.waiting import eventually

pytestmark = pytest.mark.java

READER = "io.kopfka.interop.ShareReader"
DUMP = "org.apache.kafka.tools.DumpLogSegments"
GROUP_RESOURCE = 32
QUICK = (
    "group.share.min.heartbeat.interval.ms=200\ngroup.share.heartbeat.interval.ms=200\n"
    "group.share.min.record.lock.duration.ms=1000\ngroup.share.record.lock.duration.ms=3000\n"
)


def configure(bootstrap, group, **configs):
    settings = {"share.auto.offset.reset": "earliest"} | {name.replace("_", "."): v for name, v in configs.items()}
    resource = {
        "resource_type": GROUP_RESOURCE,
        "resource_name": group,
        "configs": [{"name": name, "config_operation": 0, "value": value} for name, value in settings.items()],
    }
    with RawConnection(bootstrap) as connection:
        answer = connection.call("incremental_alter_configs", 1, resources=[resource], validate_only=False)
    assert answer["responses"][0]["error_code"] == "none", answer


def produce(bootstrap, topic, numbers):
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "batch.num.messages": 20})
    for number in numbers:
        producer.produce(topic, b"%d" % number, partition=number % 2)
    assert producer.flush(30) == 0


class Story:
    """What ShareReader printed: deliveries and their ends, in order."""

    def __init__(self, lines):
        self.delivered = defaultdict(list)
        self.ended = defaultdict(list)
        self.values = {}
        for index, line in enumerate(lines):
            kind, *rest = line.split()
            if kind == "got":
                _, partition, offset, count, value = map(int, rest)
                self.values[partition, offset] = value
                self.delivered[value].append((index, count))
            elif kind in {"accepted", "released", "rejected", "unknown"}:
                _, partition, offset = map(int, rest)
                self.ended[self.values[partition, offset]].append((index, kind))

    def final(self, value):
        return [kind for _, kind in self.ended[value] if kind != "released"]


@pytest.mark.client("Java", "share groups: accept, release, reject")
def test_three_consumers_accept_release_and_reject(broker, create_topic, tmp_path):
    topic = create_topic(2)
    count = 400
    configure(broker.bootstrap, topic)
    produce(broker.bootstrap, topic, range(count))
    options = ("--bootstrap", broker.bootstrap, "--topic", topic, "--group", topic, "--members", "3")
    how = ("--mode", "explicit", "--release-every", "5", "--reject-every", "7", "--count", str(count))
    with JavaProgram(tmp_path / "story", READER, *options, *how) as reading:
        lines = reading.wait(90)
    assert lines[-1] == f"done {count}"
    story = Story(lines)
    assert sorted(story.delivered) == list(range(count))
    for value in range(count):
        deliveries = 2 if value % 5 == 0 else 1
        assert [each for _, each in story.delivered[value]] == list(range(1, deliveries + 1)), value
        assert story.final(value) == ["rejected" if value % 7 == 0 else "accepted"], value


@pytest.mark.client("Java", "share groups through SIGKILLs of the broker")
def test_what_was_accepted_never_comes_again_although_the_broker_is_killed(tmp_path):
    need_java()
    count = 3000
    with running_broker(tmp_path / "broker", QUICK) as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        admin.create_topics([NewTopic("queue", 2, 1)])["queue"].result(timeout=30)
        configure(broker.bootstrap, "workers")
        options = ("--bootstrap", broker.bootstrap, "--topic", "queue", "--group", "workers", "--members", "3")
        how = ("--mode", "explicit", "--release-every", "11", "--idle-ms", "40000")
        more = ("--set", "max.poll.records=20")
        with JavaProgram(tmp_path / "story", READER, *options, *how, *more) as reading:
            produce(broker.bootstrap, "queue", range(count))
            for part in (1, 2):
                eventually(lambda part=part: accepted(reading) > part * count // 4, seconds=60, every=0.02)
                broker.kill()
                broker.start()
            eventually(lambda: lag(broker.bootstrap, "workers") == 0, seconds=60, every=0.2, what="everything accepted")
            eventually(lambda: all(map(Story(reading.lines()).final, range(count))), what="every reader to say so")
            reading.kill()
            lines = reading.lines()
    story = Story(lines)
    assert sorted(story.delivered) == list(range(count)), "a record was lost"
    confirmed = 0
    for value in range(count):
        ends = [(index, kind) for index, kind in story.ended[value] if kind != "released"]
        times = [index for index, kind in ends if kind == "accepted"]
        # what was not confirmed was on its way when the broker was killed: it is done with all the same
        assert len(times) == 1 or (not times and ends[-1][1] == "unknown"), (value, ends)
        confirmed += len(times)
    assert confirmed > count * 3 // 4


def lag(bootstrap, group):
    """Return how many records are not done with, for all that is stored; None where that is not known."""
    with RawConnection(bootstrap) as connection:
        answer = connection.call("describe_share_group_offsets", 1, groups=[{"group_id": group, "topics": None}])
    parts = [part["lag"] for topic in answer["groups"][0]["topics"] for part in topic["partitions"]]
    return None if -1 in parts or len(parts) != 2 else sum(parts)


def accepted(reading):
    return sum(line.startswith("accepted") for line in reading.lines())


@pytest.mark.client("Kafka's command-line tools", "kafka-share-groups, console share consumer")
def test_tools(tools, broker, create_topic):
    topic = create_topic(2)
    configure(broker.bootstrap, topic)
    produce(broker.bootstrap, topic, range(20))
    at = ("--bootstrap-server", broker.bootstrap)
    groups = "org.apache.kafka.tools.consumer.group.ShareGroupCommand"
    read = tools.run(
        "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
        *at,
        *("--topic", topic, "--group", topic, "--max-messages", "20", "--timeout-ms", "30000"),
    )
    assert sorted(map(int, read.lines)) == list(range(20))

    def described(*what):
        return [line.split() for line in tools.run(groups, *at, "--describe", "--group", topic, *what).lines]

    eventually(lambda: any(row[:2] == [topic, "Empty"] or "Empty" in row for row in described("--state")))
    rows = sorted(row for row in described("--offsets") if row[:2] == [topic, topic])
    assert [(row[2], row[-1]) for row in rows] == [("0", "0"), ("1", "0")]
    listed = tools.run(groups, *at, "--list").lines
    assert topic in listed
    reset = ("--reset-offsets", "--group", topic, "--topic", topic, "--to-earliest", "--execute")
    tools.run(groups, *at, *reset)
    rows = sorted(row for row in described("--offsets") if row[:2] == [topic, topic])
    assert [(row[2], row[3]) for row in rows] == [("0", "0"), ("1", "0")]
    assert_files_are_read(tools, broker, topic)
    tools.run(groups, *at, "--delete-offsets", "--group", topic, "--topic", topic)
    assert not [row for row in described("--offsets") if row[:2] == [topic, topic]]
    tools.run(groups, *at, "--delete", "--group", topic)
    assert topic not in tools.run(groups, *at, "--list").lines


def assert_files_are_read(tools, broker, group):
    """Kafka's dump tool knows every record that was written about the group."""
    kinds = defaultdict(set)
    for internal, decoder in (("__share_group_state", "share-group-state"), ("__consumer_offsets", "offsets")):
        files = [str(path) for path in broker.data.glob(f"{internal}-*/*.log") if group.encode() in path.read_bytes()]
        dumped = tools.run(DUMP, f"--{decoder}-decoder", "--files", ",".join(files))
        for line in dumped.lines:
            assert "Could not" not in line, line
            found = re.search(r" key: (\{.*\}) payload: (\{.*\}|<DELETE>|.*)$", line)
            if (
                found
                and json.loads(found[1])["data"].get("groupId", json.loads(found[1])["data"].get("group")) == group
            ):
                assert found[2] == "<DELETE>" or json.loads(found[2])["version"] == "0", line
                kinds[internal].add(json.loads(found[1])["type"])
    assert {"0", "1"} >= kinds["__share_group_state"] >= {"0"}
    assert kinds["__consumer_offsets"] == {"10", "11", "12", "13", "14", "15"}


def test_a_folder_of_apache_kafka_is_taken_over_with_its_share_groups(tools, tmp_path):
    need_java()
    with running_kafka(tmp_path / "data", "node.id=1\n") as kafka:
        create(kafka.bootstrap, "queue")
        configure(kafka.bootstrap, "workers")
        produce(kafka.bootstrap, "queue", range(20))
        consume(tools, kafka.bootstrap, 12)
        before = eventually(lambda: described(kafka.bootstrap, "workers"))
        kafka.stop()
    with running_broker(tmp_path / "data") as ours:
        assert eventually(lambda: described(ours.bootstrap, "workers")) == before
        rest = consume(tools, ours.bootstrap, 8)
        eventually(lambda: lag(ours.bootstrap, "workers") == 0)
    assert len(set(rest)) == 8


def create(bootstrap, topic):
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(timeout=30)


def consume(tools, bootstrap, count):
    read = tools.run(
        "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
        *("--bootstrap-server", bootstrap, "--topic", "queue", "--group", "workers"),
        *("--max-messages", str(count), "--timeout-ms", "30000"),
    )
    return [int(line) for line in read.lines]


def described(bootstrap, group):
    """Return start offset and lag of each partition, None while no member has left anything."""
    with RawConnection(bootstrap) as connection:
        state = connection.call("share_group_describe", 1, group_ids=[group])["groups"][0]
        answer = connection.call("describe_share_group_offsets", 1, groups=[{"group_id": group, "topics": None}])
    parts = [part for topic in answer["groups"][0]["topics"] for part in topic["partitions"]]
    if state["group_state"] != "Empty" or len(parts) != 2:
        return None
    return sorted((part["partition_index"], part["start_offset"], part["lag"]) for part in parts)
