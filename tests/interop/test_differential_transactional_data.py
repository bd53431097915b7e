"""Produce, Fetch and offsets of transactions: the same answers as Apache Kafka's (see `support.differential`)."""

from __future__ import annotations

import struct

import pytest

from kopfka_bench.protocol.raw import CLOSED, record_batch
from support.differential import Scenarios, compare
from support.waiting import eventually

pytestmark = pytest.mark.java

SCENARIOS = Scenarios()
CLASSIC = (3, 8, 10, 11)
"""Versions of Produce whose clients add a partition to their transaction before they write to it."""
ADDING = (12, 13)
"""Versions that add it themselves (KIP-890, second part): each transaction has an epoch of its own."""


class Transactor:
    """A transactional producer made of raw requests."""

    def __init__(self, side, topic_id, name="p", version=None):
        self.side, self.topic_id = side, topic_id
        self.version = side.version if version is None else version
        self.id = f"{side.own}-{name}"
        self.init()

    def init(self):
        def begun():
            answer = self.side.call("init_producer_id", 4, transactional_id=self.id, transaction_timeout=60000)
            self.producer, self.epoch, self.sequence = answer["producer_id"], answer["producer_epoch"], 0
            return answer["error_code"] == "none"

        eventually(begun)

    def add(self, partition=0):
        return self.side.call(
            "add_partitions_to_txn",
            3,
            v3_and_below_transactional_id=self.id,
            v3_and_below_producer_id=self.producer,
            v3_and_below_producer_epoch=self.epoch,
            v3_and_below_topics=[{"name": self.side.own, "partitions": [partition]}],
        )

    def send(self, *values, partition=0, transactional=True, transactional_id=None, **changed):
        fields = {"producer_id": self.producer, "producer_epoch": self.epoch, "sequence": self.sequence} | changed
        data = record_batch(values or (b"x",), attributes=0x10 if transactional else 0, **fields)
        part = {"index": partition, "records": data}
        topic = {"name": self.side.own, "topic_id": self.topic_id, "partition_data": [part]}
        name = self.id if transactional_id is None else transactional_id
        answer = self.side.call(
            "produce",
            self.version,
            transactional_id=name if transactional else None,
            acks=-1,
            timeout=10000,
            topic_data=[topic],
        )
        if answer is not CLOSED and error_of(answer) == "none" and not changed:
            self.sequence += len(values or (b"x",))
        return answer

    def end(self, *, commit):
        """End the transaction, and wait until that is done."""
        version = 5 if self.version in ADDING else 3
        answer = self.side.call(
            "end_txn",
            version,
            transactional_id=self.id,
            producer_id=self.producer,
            producer_epoch=self.epoch,
            committed=commit,
        )
        assert answer["error_code"] == "none", answer
        if version == 5:
            self.producer, self.epoch, self.sequence = answer["producer_id"], answer["producer_epoch"], 0
        eventually(lambda: self.state().startswith("Complete"), what="the end of the transaction")

    def state(self):
        answer = self.side.call("describe_transactions", 0, transactional_ids=[self.id])
        return answer["transaction_states"][0]["transaction_state"]


def error_of(answer):
    return answer["responses"][0]["partition_responses"][0]["error_code"]


def latest(side, partition=0, isolation=0):
    asked = {"name": side.own, "partitions": [{"partition_index": partition, "timestamp": -1}]}
    answer = side.call("list_offsets", 4, replica_id=-1, isolation_level=isolation, topics=[asked])
    return answer["topics"][0]["partitions"][0]["offset"]


def described(side, *partitions):
    """Ask DescribeProducers, without the times: those of markers are the broker's own."""
    asked = [{"name": side.own, "partition_indexes": partitions or (0,)}]
    answer = side.call("describe_producers", 0, topics=asked)
    for partition in answer["topics"][0]["partitions"]:
        partition["active_producers"].sort(key=lambda each: each["producer_id"])
        for producer in partition["active_producers"]:
            del producer["last_timestamp"]
    return answer


def without_ids(answer):
    """Replace the records of a Fetch answer by what the batches' headers say, and the bodies of markers.

    Producer ids and the time of a marker are each broker's own.
    """
    for topic in answer["responses"]:
        for partition in topic["partitions"]:
            partition["records"] = list(batches(partition["records"] or b""))
    return answer


def batches(data):
    while data:
        offset, length, leader_epoch, magic, _, attributes, delta = struct.unpack_from(">qiibIhi", data)
        epoch, sequence, count = struct.unpack_from(">hii", data, 51)
        body = data[61 : 12 + length] if attributes & 0x20 else count
        yield offset, length, leader_epoch, magic, attributes, delta, epoch, sequence, body
        data = data[12 + length :]


@SCENARIOS.of("produce", *CLASSIC)
def produce_in_a_transaction_that_is_announced(side):
    one = Transactor(side, side.create(partitions=2))
    yield one.send(b"not added")
    yield one.add()
    yield one.send(b"a", b"b")
    yield one.send(b"c")
    yield one.send(b"other partition", partition=1)
    yield one.send(b"c", sequence=2)  # again
    yield one.send(b"gap", sequence=9)
    yield one.send(b"outside", transactional=False, sequence=3)
    yield one.send(b"newer", producer_epoch=one.epoch + 1, sequence=0)
    yield one.send(b"nobody", producer_id=one.producer + 1000)
    yield one.send(b"other id", transactional_id=f"{one.id}-unknown", partition=1)
    yield described(side, 0, 1)
    one.end(commit=True)
    yield one.send(b"after the end")
    yield one.send(b"outside of any", transactional=False)
    yield described(side, 0)
    yield one.send(b"no such partition", partition=7)
    one.init()
    yield one.add()
    yield one.send(b"new epoch", sequence=1)
    yield one.send(b"new epoch")
    one.end(commit=False)
    yield described(side, 0)
    yield latest(side, isolation=1)


@SCENARIOS.of("produce", *ADDING)
def produce_in_a_transaction_that_begins_with_it(side):
    one = Transactor(side, side.create(partitions=2))
    yield one.send(b"a", b"b")
    yield one.send(b"c")
    yield one.send(b"other partition", partition=1, sequence=4)
    yield one.send(b"other partition", partition=1, sequence=0)
    yield one.send(b"c", sequence=2)
    yield one.send(b"gap", sequence=9)
    yield one.send(b"outside", transactional=False, sequence=3)
    yield one.send(b"newer", producer_epoch=one.epoch + 1, sequence=0)
    yield one.send(b"nobody", producer_id=one.producer + 1000)
    yield one.send(b"other id", transactional_id=f"{one.id}-unknown", partition=1, sequence=1)
    yield described(side, 0, 1)
    old = one.epoch
    one.end(commit=True)
    yield one.send(b"epoch that is over", producer_epoch=old)
    yield one.send(b"sequence goes on", sequence=3)
    yield one.send(b"next")
    yield described(side, 0)
    one.end(commit=False)
    yield described(side, 0)
    yield latest(side, isolation=1)


@SCENARIOS.of("fetch", 4, 5, 7, 11, 12, 13, 18)
def fetch_committed(side):
    topic_id = side.create()

    def fetch(offset, isolation=1, **fields):
        fetched = side.fetch(offset, topic=side.own, topic_id=topic_id, isolation_level=isolation, **fields)
        return without_ids(fetched)

    def plain(value):
        side.produce(record_batch([value]), topic=side.own)

    one, two = (Transactor(side, topic_id, name, version=9) for name in ("one", "two"))
    plain(b"before")
    one.add()
    two.add()
    one.send(b"1", b"2")
    plain(b"between")
    two.send(b"3")
    two.end(commit=False)
    plain(b"behind")
    for offset in range(8):
        yield fetch(offset, max_wait=0)
    yield fetch(0, isolation=0)
    one.end(commit=True)
    for offset in range(8):
        yield fetch(offset)
    yield fetch(0, max_bytes=1, max_wait=0)
    two.add()
    two.send(b"4")
    two.end(commit=False)
    one.add()
    one.send(b"5")
    yield fetch(0)
    one.end(commit=False)
    yield fetch(0)
    yield fetch(9)
    yield fetch(-1)
    yield fetch(99)
    yield fetch(0, partition=3)
    yield fetch(0, epoch=9)


@SCENARIOS.of("list_offsets")
def list_offsets_committed(side):
    topic_id = side.create()
    one = Transactor(side, topic_id, version=9)
    side.produce(record_batch([b"plain"], timestamp=1_700_000_000_000), topic=side.own)
    one.add()
    one.send(b"open", timestamp=1_700_000_009_000)

    def ask(timestamp, isolation):
        part = {"partition_index": 0, "timestamp": timestamp, "current_leader_epoch": -1}
        topics = [{"name": side.own, "partitions": [part]}]
        return side.call("list_offsets", replica_id=-1, isolation_level=isolation, topics=topics)

    for isolation in (0, 1):
        for timestamp in (-1, -2, 1_700_000_000_000, 1_700_000_000_001, 1_700_000_009_001):
            yield ask(timestamp, isolation)
        if side.version >= 7:
            yield ask(-3, isolation)
    one.end(commit=True)
    yield ask(-1, 1)
    yield ask(1_700_000_000_001, 1)


@SCENARIOS.of("describe_producers")
def describe_producers(side):
    side.create(partitions=2)
    yield described(side, 0, 1, 2)
    yield side.call("describe_producers", topics=[{"name": f"{side.own}-missing", "partition_indexes": [0]}])
    yield side.call("describe_producers", topics=[{"name": "not a name!", "partition_indexes": [0, 1]}])
    yield side.call("describe_producers", topics=[])


@pytest.mark.parametrize(("run", "version"), SCENARIOS)
def test_answers_are_the_same(sides, run, version):
    compare(sides, run, version)
