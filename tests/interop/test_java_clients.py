"""Apache Kafka's Java clients: codecs, and 200,000 lines through an idempotent producer, a kill, and a group of two."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from support.corpus import library_lines, write_pairs
from support.differential import differences
from support.java import JavaProgram
from support.java_lines import PRODUCER, READER, acknowledged, check_read
from support.kafka import CODECS, stored_codecs
from support.prerequisites import need_java
from support.processes import running_broker
from support.waiting import eventually

pytestmark = pytest.mark.java


@pytest.mark.client("Java", "idempotent producer, group of two, all codecs")
@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_is_read_back_by_a_group_of_two(tools, broker, create_topic, tmp_path, codec):
    topic = create_topic(4)
    pairs = [(b"key-%d" % (number % 50), b"value %d " % number * 20) for number in range(1000)]
    pairs += [(None, b"no key"), (b"no value", None), (b"", b"")]
    produced = tools.run(
        PRODUCER,
        "--bootstrap",
        broker.bootstrap,
        "--topic",
        topic,
        "--file",
        str(write_pairs(tmp_path / "in", pairs)),
        "--set",
        f"compression.type={codec}",
    )
    tools.run(
        READER,
        "--bootstrap",
        broker.bootstrap,
        "--topic",
        topic,
        "--group",
        topic,
        "--out",
        str(tmp_path / "out"),
        "--count",
        str(len(pairs)),
    )
    check_read(pairs, acknowledged(produced.lines), tmp_path / "out")
    assert stored_codecs(broker.data, topic) == {codec}


@pytest.mark.client("Java", "200,000 records through a SIGKILL of the broker")
def test_a_library_survives_sigkill_and_is_read_once(tmp_path):
    """With `running_kafka` in the place of `running_broker` it passes as well, and takes twice as long."""
    need_java()
    pairs = library_lines()
    source = write_pairs(tmp_path / "in", pairs)
    with running_broker(tmp_path / "broker", "group.initial.rebalance.delay.ms=0\n") as broker:
        create(broker.bootstrap, "library", partitions=6)
        at = ("--bootstrap", broker.bootstrap, "--topic", "library")
        reader = (
            "--group",
            "readers",
            "--out",
            str(tmp_path / "out"),
            "--count",
            str(len(pairs)),
            "--idle-ms",
            "60000",
        )
        with JavaProgram(tmp_path / "progress", READER, *at, *reader) as reading:
            eventually(lambda: both_assigned(reading), seconds=60, what="both members to have partitions")
            with JavaProgram(tmp_path / "acks", PRODUCER, *at, "--file", str(source), "--rate", "50000") as producing:
                eventually(lambda: len(producing.lines()) > len(pairs) // 2 and progress(reading), every=0.1)
                assert producing.running()
                broker.kill()
                assert producing.lines()[-1] != f"done {len(pairs)}", "the kill came too late to mean anything"
                broker.start()
                places = acknowledged(producing.wait(120))
            reading.wait(120)

        members = check_read(pairs, places, tmp_path / "out")
        assert all(members), "one member read nothing"
        ends = end_offsets(broker.bootstrap, "library")
        assert sum(ends.values()) == len(pairs), "records besides those acknowledged"
        assert committed(broker.bootstrap, "readers", "library") == ends
        check_order_within_keys(pairs, members)


def create(bootstrap, topic, partitions):
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for future in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
        future.result(timeout=30)


def both_assigned(program):
    """Tell whether the last assignment of each of two members has partitions."""
    last = dict(line.split(" ", 2)[1:] for line in program.lines() if line.startswith("assigned"))
    return len(last) == 2 and "[]" not in last.values()


def progress(program):
    return [line for line in program.lines() if line.startswith("progress")]


def end_offsets(bootstrap, topic):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none"})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    ends = {
        number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1] for number in partitions
    }
    consumer.close()
    return ends


def committed(bootstrap, group, topic):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    offsets = {
        at.partition: at.offset for at in consumer.committed([TopicPartition(topic, n) for n in partitions], timeout=10)
    }
    consumer.close()
    return offsets


def check_order_within_keys(pairs, members):
    """The lines of one file are in one partition, in the file's order."""
    expected, got, homes = defaultdict(list), defaultdict(list), defaultdict(set)
    for key, line in pairs:
        expected[key].append(line)
    for record in sorted((record for member in members for record in member), key=lambda r: (r.partition, r.offset)):
        got[record.key].append(record.value)
        homes[record.key].add(record.partition)
    assert got == expected
    assert {len(home) for home in homes.values()} == {1}


@pytest.mark.client("Java", "admin client: every answer compared")
def test_every_admin_call_is_answered_as_by_apache_kafka(tools, kopfka, apache_kafka, name):
    ours, theirs = (
        json.loads(tools.run("io.kopfka.interop.AdminCalls", peer.bootstrap, name).out)
        for peer in (kopfka, apache_kafka)
    )
    different = [f"{step}: {path}" for step in theirs for path in differences(ours[step], theirs[step])]
    assert not different, "\n".join(different)
