"""The files of transactional logs: Apache Kafka's tool reads ours, and each takes over what the other wrote.

What is asserted of our files is asserted of Apache Kafka's too, after the same transactions and the same kill.
"""

from __future__ import annotations

import re

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from support.kafka import ApacheKafka, running_kafka
from support.prerequisites import need_java
from support.processes import BrokerProcess, killed_at_the_end, running_broker
from support.waiting import eventually

pytestmark = pytest.mark.java

DUMP = "org.apache.kafka.tools.DumpLogSegments"
KINDS = ("kopfka", "apache-kafka")
CONFIG = (
    "node.id=1\ngroup.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=1\n"
    "transaction.state.log.num.partitions=1\n"
)
TOPIC = "banking"
COMMITTED = [b"before", b"a1", b"between", b"a2", b"after"]


def transactor(broker, name):
    producer = Producer(
        {"bootstrap.servers": broker.bootstrap, "transactional.id": name, "linger.ms": 0, "log_level": 0}
    )
    producer.init_transactions(30)
    return producer


def send(producer, value):
    producer.produce(TOPIC, value, partition=0)
    assert producer.flush(30) == 0


def interleave(broker):
    """Write what the tests expect: transactions of three producers, one of which is never ended."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(TOPIC, 1, 1, config={"retention.ms": "-1"})])[TOPIC].result(timeout=30)
    plain = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0, "log_level": 0})
    send(plain, b"before")  # offset 0
    first, second, third = (transactor(broker, name) for name in ("first", "second", "third"))
    first.begin_transaction()
    second.begin_transaction()
    send(first, b"a1")  # 1
    send(second, b"b1")  # 2
    send(plain, b"between")  # 3
    send(first, b"a2")  # 4
    second.abort_transaction(30)  # 5
    eventually(lambda: (end(broker), committed_end(broker)) == (6, 1), what="a marker, with nothing stable behind it")
    first.commit_transaction(30)  # 6
    eventually(lambda: (end(broker), committed_end(broker)) == (7, 7), what="the marker that makes all stable")
    send(plain, b"after")  # 7
    second.begin_transaction()
    send(second, b"b2")  # 8
    third.begin_transaction()
    send(third, b"c1")  # 9
    second.abort_transaction(30)  # 10
    eventually(lambda: (end(broker), committed_end(broker)) == (11, 9), what="the last marker")
    return third


def ends(broker, level):
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "e", "isolation.level": level})
    try:
        return consumer.get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=10)[1]
    finally:
        consumer.close()


def end(broker):
    return ends(broker, "read_uncommitted")


def committed_end(broker):
    return ends(broker, "read_committed")


def committed(broker):
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "check.crcs": True,
        }
    )
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    values = []

    def ended():
        for message in consumer.consume(100, timeout=0.5):
            if message.error():
                return True
            values.append(message.value())
        return False

    eventually(ended, seconds=30)
    consumer.close()
    return values


@pytest.fixture(scope="module", params=KINDS)
def written(request, tmp_path_factory):
    """Let each of the two write the transactions, kill it, start it again, and stop it."""
    need_java()
    running = running_broker if request.param == "kopfka" else running_kafka
    with running(tmp_path_factory.mktemp("transactions") / request.param, CONFIG) as broker:
        hanging = interleave(broker)
        assert committed(broker) == COMMITTED
        broker.kill()
        broker.start()
        eventually(lambda: committed(broker) == COMMITTED)
        del hanging
        broker.stop()
        yield broker.data / f"{TOPIC}-0"


def dump(tools, path):
    return tools.run(DUMP, "--files", str(path)).lines


@pytest.mark.client("Kafka's command-line tools", "kafka-dump-log: records, indexes, snapshots, internal topics")
def test_the_index_of_aborted_transactions_is_read(tools, written):
    [index] = written.glob("*.txnindex")
    entries = [line for line in dump(tools, index) if line.startswith("version:")]
    numbers = [tuple(map(int, re.findall(r"\w+: (\d+)", line))) for line in entries]
    assert [(version, *offsets) for version, _, *offsets in numbers] == [(0, 2, 5, 1), (0, 8, 10, 9)], entries
    assert numbers[0][1] == numbers[1][1]


@pytest.mark.client("Kafka's command-line tools", "kafka-dump-log: records, indexes, snapshots, internal topics")
def test_producers_and_what_they_have_open_are_read_of_a_snapshot(tools, written):
    newest = max(written.glob("*.snapshot"))
    lines = [line for line in dump(tools, newest) if line.startswith("producerId")]
    found = {}
    for line in lines:
        fields = dict(re.findall(r"(\w+): (?:Optional(?:Long)?\[)?(-?\w+(?:\.empty)?)", line))
        found[fields["firstSequence"], fields["lastSequence"], fields["lastOffset"]] = (
            fields["coordinatorEpoch"],
            fields["currentTxnFirstOffset"],
        )
    assert found == {
        ("1", "1", "4"): ("0", "OptionalLong.empty"),
        ("1", "1", "8"): ("0", "OptionalLong.empty"),
        ("0", "0", "9"): ("-1", "9"),
    }, lines


@pytest.mark.client("Kafka's command-line tools", "kafka-dump-log: records, indexes, snapshots, internal topics")
def test_markers_are_read(tools, written):
    [log] = written.glob("*.log")
    said = tools.run(DUMP, "--files", str(log), "--print-data-log").lines
    markers = [re.search(r"endTxnMarker: (\w+) coordinatorEpoch: (\d+)", line) for line in said]
    assert [match.groups() for match in markers if match] == [("ABORT", "0"), ("COMMIT", "0"), ("ABORT", "0")]


def test_a_folder_goes_from_one_to_the_other_and_back(tmp_path):
    need_java()
    folder, same = tmp_path / "data", tmp_path / "same"  # by two names: each has its own files beside it
    folder.mkdir()
    same.symlink_to(folder)
    kafka, ours = ApacheKafka(folder, CONFIG), BrokerProcess(same, CONFIG)
    with killed_at_the_end(kafka, ours):
        kafka.start()
        interleave(kafka)
        kafka.kill()

        ours.start()
        assert (committed_end(ours), end(ours)) == (9, 11)
        assert committed(ours) == COMMITTED
        third = transactor(ours, "third")  # ends what it had open before
        eventually(lambda: committed_end(ours) == end(ours) == 12)
        third.begin_transaction()
        send(third, b"d1")  # 12
        third.commit_transaction(30)
        third.begin_transaction()
        send(third, b"d2")  # 14
        third.abort_transaction(30)
        assert committed(ours) == [*COMMITTED, b"d1"]
        ours.kill()

        kafka.start()
        eventually(lambda: committed(kafka) == [*COMMITTED, b"d1"], seconds=30)
        third = transactor(kafka, "third")
        third.begin_transaction()
        send(third, b"e1")
        third.commit_transaction(30)
        eventually(lambda: committed(kafka) == [*COMMITTED, b"d1", b"e1"], seconds=30)
