"""Transactions by clients and tools nobody here wrote, against both brokers: what is read committed is exact."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from interop.conftest import Peer
from kopfka_bench.protocol.raw import RawConnection
from support.java import JavaProgram
from support.kafka import ApacheKafka
from support.prerequisites import need_java
from support.processes import running_broker
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.java import ToolResult

pytestmark = pytest.mark.java

COPY = "io.kopfka.interop.TransactionalCopy"
TRANSACTIONS = "org.apache.kafka.tools.TransactionsCommand"
DUMP = "org.apache.kafka.tools.DumpLogSegments"
CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
TRANSACTION_LOG = "org.apache.kafka.tools.consumer.TransactionLogMessageFormatter"
COUNT = 600


def fill(bootstrap: str, topic: str, values: Iterable[bytes]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def committed_values(bootstrap: str, topic: str, count: int, level: str = "read_committed") -> list[bytes]:
    """Read every value from the beginning of all partitions to their ends, `count` at least."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": level, "enable.auto.commit": False,
        "enable.partition.eof": True,
    })  # fmt: skip
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    values, ended = [], set()

    def at_the_end() -> bool:
        for message in consumer.consume(500, timeout=0.2):
            if message.error():
                ended.add(message.partition())
            else:
                ended.discard(message.partition())
                values.append(message.value())
        return len(ended) == len(partitions) and len(values) >= count

    try:
        eventually(at_the_end, seconds=60, what=f"{count} values of {topic}, not {len(values)}")
    finally:
        consumer.close()
    return values


def copied_exactly(broker, name: str) -> None:
    """Check that the copy of `name` has each value once, and that the aborted ones are there for who wants them."""
    values = committed_values(broker.bootstrap, f"{name}-copy", COUNT)
    assert sorted(values) == sorted(b"%d" % number for number in range(COUNT))
    assert len(committed_values(broker.bootstrap, f"{name}-copy", COUNT, "read_uncommitted")) > COUNT


def table(result: ToolResult) -> list[dict[str, str]]:
    """Return the rows of a table that a tool printed, by the names of its columns."""
    head, *rows = [[cell.strip() for cell in line.split("\t")] for line in result.lines]
    return [dict(zip(head, row, strict=False)) for row in rows]


def topics(broker, name: str) -> tuple[str, str]:
    for future in broker.admin.create_topics([NewTopic(name, 2, 1), NewTopic(f"{name}-copy", 3, 1)]).values():
        future.result(timeout=30)
    fill(broker.bootstrap, name, (b"%d" % number for number in range(COUNT)))
    return name, f"{name}-copy"


@pytest.mark.client("Java", "transactions: read-process-write, both group protocols")
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_java_reads_processes_and_writes(broker, tools, name, protocol):
    source, copy = topics(broker, name)
    run = tools.run(
        COPY, "--bootstrap", broker.bootstrap, "--from", source, "--to", copy, "--group", name, "--transactional-id",
        name, "--count", str(COUNT), "--abort-every", "4", "--protocol", protocol,
    )  # fmt: skip
    assert run.lines[-1] == f"done {COUNT}"
    assert "aborted" in run.lines
    copied_exactly(broker, name)


@pytest.mark.client("librdkafka (Python)", "transactions: read-process-write")
def test_librdkafka_reads_processes_and_writes(broker, name):
    source, copy = topics(broker, name)
    consumer = Consumer({
        "bootstrap.servers": broker.bootstrap, "group.id": name, "isolation.level": "read_committed",
        "enable.auto.commit": False, "auto.offset.reset": "earliest",
    })  # fmt: skip
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": name})
    producer.init_transactions(30)
    consumer.subscribe([source])
    done = transactions = 0

    def copy_some() -> bool:
        nonlocal done, transactions
        messages = [each for each in consumer.consume(60, timeout=0.5) if not each.error()]
        if messages:
            producer.begin_transaction()
            for message in messages:
                producer.produce(copy, message.value())
            places = consumer.position(consumer.assignment())
            producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata(), 30)
            transactions += 1
            if transactions % 3 == 0:
                producer.flush(30)
                producer.abort_transaction(30)
                for place in consumer.committed(consumer.assignment(), timeout=30):
                    consumer.seek(TopicPartition(place.topic, place.partition, max(place.offset, 0)))
            else:
                producer.commit_transaction(30)
                done += len(messages)
        return done == COUNT

    eventually(copy_some, seconds=60, what="the copy")
    consumer.close()
    copied_exactly(broker, name)


@pytest.mark.client("librdkafka (Python)", "transactions: fencing")
def test_a_new_producer_fences_the_old_one(broker, topic, name):
    old = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": name})
    old.init_transactions(30)
    old.begin_transaction()
    old.produce(topic, b"lost")
    old.flush(30)
    new = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": name})
    new.init_transactions(30)
    new.begin_transaction()
    new.produce(topic, b"kept")
    new.commit_transaction(30)
    with pytest.raises(KafkaException) as fenced:
        old.commit_transaction(30)
    assert "FENCED" in fenced.value.args[0].name()
    assert committed_values(broker.bootstrap, topic, 1) == [b"kept"]


@pytest.mark.client("Kafka's command-line tools", "kafka-transactions: list, describe, find hanging, abort")
def test_kafka_transactions_lists_describes_and_aborts(broker, tools, topic, name):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": name})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"hanging")
    producer.flush(30)
    at = ("--bootstrap-server", broker.bootstrap)

    listed = table(tools.run(TRANSACTIONS, *at, "list"))
    assert [each["TransactionState"] for each in listed if each["TransactionalId"] == name] == ["Ongoing"]
    [described] = table(tools.run(TRANSACTIONS, *at, "describe", "--transactional-id", name))
    assert (described["TransactionState"], described["TopicPartitions"]) == ("Ongoing", f"{topic}-0")
    place = ("--topic", topic, "--partition", "0")
    [active] = table(tools.run(TRANSACTIONS, *at, "describe-producers", *place))
    assert active["ProducerId"] == described["ProducerId"]
    tools.run(TRANSACTIONS, *at, "find-hanging", "--broker-id", "1", "--max-transaction-timeout", "1")
    tools.run(TRANSACTIONS, *at, "abort", *place, "--start-offset", active["CurrentTransactionStartOffset"])
    [after] = table(tools.run(TRANSACTIONS, *at, "describe-producers", *place))
    assert after["CurrentTransactionStartOffset"] == "None"
    assert committed_values(broker.bootstrap, topic, 0) == []


@pytest.mark.client("Kafka's command-line tools", "kafka-dump-log: records, indexes, snapshots, internal topics")
def test_the_state_is_read_by_apache_kafkas_own_tool_after_a_kill(tools, tmp_path):
    with running_broker(tmp_path / "broker", "transaction.state.log.num.partitions=1\n") as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "dumped"})
        producer.init_transactions(30)
        for commit in (True, False):
            producer.begin_transaction()
            producer.produce("written", b"value", partition=0)
            producer.flush(30)
            producer.commit_transaction(30) if commit else producer.abort_transaction(30)
        broker.kill()  # perhaps before the markers of the last one
        broker.start()
        producer.begin_transaction()
        producer.produce("written", b"after", partition=0)
        producer.commit_transaction(60)
        assert committed_values(broker.bootstrap, "written", 2) == [b"value", b"after"]
        log = broker.data / "__transaction_state-0" / "00000000000000000000.log"
        dumped = tools.run(DUMP, "--files", str(log), "--transaction-log-decoder").out
        states = [json.loads(each)["data"]["transactionStatus"] for each in re.findall(r"payload: (\{.*\})", dumped)]
        assert states[:9] == [0, 1, 2, 4, 1, 3, 5, 1, 2], dumped


@pytest.mark.client("Kafka's command-line tools", "console consumer of internal topics")
def test_kafkas_consumer_reads_the_transaction_log_with_kafkas_formatter(broker, tools, topic, name):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": name})
    producer.init_transactions(30)
    for commit in (True, False):
        producer.begin_transaction()
        producer.produce(topic, b"value", partition=0)
        producer.flush(30)
        producer.commit_transaction(30) if commit else producer.abort_transaction(30)

    def states() -> list[int]:
        read = tools.run(
            CONSUMER, "--bootstrap-server", broker.bootstrap, "--topic", "__transaction_state", "--from-beginning",
            "--timeout-ms", "3000", "--formatter", TRANSACTION_LOG, check=False,
        )  # fmt: skip
        entries = [json.loads(f'{{"key":{each}') for each in read.out.split('{"key":')[1:]]  # with nothing between
        own = [each["value"] for each in entries if each["key"]["data"]["transactionalId"] == name]
        assert all(each["data"]["transactionTimeoutMs"] == 60_000 for each in own)
        return [each["data"]["transactionStatus"] for each in own]

    # empty, then twice: ongoing, to be ended, ended
    eventually(lambda: states() == [0, 1, 2, 4, 1, 3, 5], seconds=60, what="every state of the transactions")


@pytest.mark.client("Java", "transactions: read-process-write through SIGKILLs of the broker")
def test_a_copy_is_exact_though_the_broker_is_killed_again_and_again(tmp_path):
    need_java()
    with running_broker(tmp_path / "broker", "group.initial.rebalance.delay.ms=0\n") as broker:
        peer = Peer("kopfka", broker.bootstrap, broker.data, AdminClient({"bootstrap.servers": broker.bootstrap}))
        source, copy = topics(peer, "killed")
        arguments = (
            "--bootstrap", broker.bootstrap, "--from", source, "--to", copy, "--group", "killed", "--transactional-id",
            "killed", "--count", str(COUNT), "--abort-every", "5", "--batch", "10", "--idle-ms", "20000",
        )  # fmt: skip
        with JavaProgram(tmp_path / "copy", COPY, *arguments) as copying:
            for kills in range(1, 4):
                done = len(copying.lines())
                eventually(
                    lambda at=done: len(copying.lines()) > at + 3, seconds=60, what=f"progress before kill {kills}"
                )
                broker.kill()
                broker.start()
            lines = copying.wait(120)
        assert lines[-1] == f"done {COUNT}"
        copied_exactly(peer, "killed")


def test_a_folder_of_apache_kafka_is_taken_over_in_the_middle_of_a_transaction(tmp_path):
    need_java()
    data, config = tmp_path / "data", "node.id=1\noffsets.topic.num.partitions=2\n"
    config += "transaction.state.log.num.partitions=2\n"
    theirs = ApacheKafka(data, config)
    theirs.start()
    try:
        topics(
            Peer("apache-kafka", theirs.bootstrap, data, AdminClient({"bootstrap.servers": theirs.bootstrap})), "kept"
        )
        consumer = Consumer({
            "bootstrap.servers": theirs.bootstrap, "group.id": "kept", "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        })  # fmt: skip
        consumer.subscribe(["kept"])
        read: list[bytes] = []
        eventually(lambda: read.extend(each.value() for each in consumer.consume(100, 1)) or read, what="records")
        producer = Producer({"bootstrap.servers": theirs.bootstrap, "transactional.id": "kept"})
        producer.init_transactions(30)
        producer.begin_transaction()
        for value in read:
            producer.produce("kept-copy", value)
        places = consumer.position(consumer.assignment())
        producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata(), 30)
        producer.flush(30)
        theirs.stop()
        with running_broker(data, config, theirs.port) as ours:
            asked = {"group_id": "kept", "topics": None, "member_id": None, "member_epoch": -1}
            with RawConnection(ours.bootstrap) as connection:
                new = connection.call("init_producer_id", 4, transactional_id=None)
            producer.commit_transaction(60)
            assert sorted(committed_values(ours.bootstrap, "kept-copy", len(read))) == sorted(read)
            with RawConnection(ours.bootstrap) as connection:
                [group] = connection.call("offset_fetch", 8, groups=[asked], require_stable=True)["groups"]
                [state] = connection.call("describe_transactions", 0, transactional_ids=["kept"])["transaction_states"]
            committed = sum(part["committed_offset"] for part in group["topics"][0]["partitions"])
            assert committed == sum(max(place.offset, 0) for place in places)
            assert state["transaction_state"] == "CompleteCommit"
            assert new["producer_id"] > state["producer_id"]
            consumer.close()
    finally:
        theirs.stop()
