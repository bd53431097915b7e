"""Metadata, Produce, Fetch and offsets: the same answers as Apache Kafka's (see `support.differential`)."""

from __future__ import annotations

import pytest

from kopfka_bench.protocol.raw import record_batch
from support.differential import BASE_TIME, MISSING_ID, Scenarios, compare

pytestmark = pytest.mark.java

SCENARIOS = Scenarios()


@SCENARIOS.of("metadata")
def metadata(side):
    yield side.call("metadata", topics=[{"name": side.topic}], allow_auto_topic_creation=False)
    if side.version >= 4:  # before, asking for a topic creates it: at once here, a moment later there
        yield side.call("metadata", topics=[{"name": f"{side.own}-missing"}], allow_auto_topic_creation=False)
    yield side.call("metadata", topics=[{"name": "not a name!"}], allow_auto_topic_creation=True)
    if side.version >= 1:
        yield side.call("metadata", topics=[])
    if side.version >= 8:
        yield side.call("metadata", topics=[{"name": side.topic}], include_topic_authorized_operations=True)


@SCENARIOS.of("metadata", 12, 13)
def metadata_by_id(side):
    yield side.call("metadata", topics=[{"name": None, "topic_id": side.topic_id}])
    yield side.call("metadata", topics=[{"name": "", "topic_id": side.topic_id}])  # as the Java admin client sends it
    yield side.call("metadata", topics=[{"name": "other", "topic_id": side.topic_id}])
    yield side.call("metadata", topics=[{"name": side.topic}, {"name": "", "topic_id": side.topic_id}])
    yield side.call("metadata", topics=[{"name": None, "topic_id": MISSING_ID}])


@SCENARIOS.of("describe_cluster")
def describe_cluster(side):
    yield side.call("describe_cluster")
    yield side.call("describe_cluster", include_cluster_authorized_operations=True)
    yield side.call("describe_cluster", endpoint_type=2)
    yield side.call("describe_cluster", endpoint_type=7)


@SCENARIOS.of("describe_topic_partitions")
def describe_topic_partitions(side):
    yield side.call("describe_topic_partitions", topics=[{"name": side.topic}], response_partition_limit=10)
    yield side.call("describe_topic_partitions", topics=[{"name": side.topic}], response_partition_limit=1)
    yield side.call("describe_topic_partitions", topics=[{"name": f"{side.own}-missing"}])
    cursor = {"topic_name": side.topic, "partition_index": 1}
    yield side.call("describe_topic_partitions", topics=[{"name": side.topic}], cursor=cursor)


@SCENARIOS.of("produce", *range(3, 14))  # what lower ones are answered is in test_differential
def produce(side):
    topic_id = side.create(max_message_bytes="300", partitions=2)

    def send(batch, **at):
        return side.produce(batch, **({"version": side.version, "topic": side.own, "topic_id": topic_id} | at))

    yield send(record_batch([b"a", b"b"]))
    yield send(record_batch([b"c"]), acks=1)
    yield send(record_batch([b"d"]), partition=7)
    yield send(record_batch([b"d"]), topic=f"{side.own}-missing", topic_id=MISSING_ID)
    yield send(record_batch([b"d"]), acks=2)
    yield send(record_batch([b"large" * 100]))
    good = record_batch([b"flipped"])
    yield send(good[:-3] + bytes([good[-3] ^ 1]) + good[-2:])
    yield send(record_batch([b"old format"], magic=1))
    yield send(record_batch([b"two"]) + record_batch([b"batches"]))
    yield send(good[:-5])
    yield send(b"")
    yield send(record_batch([b"future"], timestamp=4_102_444_800_000))
    yield send(record_batch([b"transactional"], attributes=0x10, producer_id=5, producer_epoch=0, sequence=0))
    yield send(record_batch([b"control"], attributes=0x20))
    # not compared: codec 6, an UNKNOWN_SERVER_ERROR there and UNSUPPORTED_COMPRESSION_TYPE here
    yield side.call(
        "list_offsets",
        4,
        replica_id=-1,
        topics=[{"name": side.own, "partitions": [{"partition_index": 0, "timestamp": -1}]}],
    )


@SCENARIOS.of("produce", 3, 8, 9, 13)
def produce_idempotent(side):
    topic_id = side.create()
    producer = side.call("init_producer_id", 4, transactional_id=None, transaction_timeout=60000)["producer_id"]

    def send(sequence, epoch=0, values=(b"x",), who=producer):
        batch = record_batch(values, producer_id=who, producer_epoch=epoch, sequence=sequence)
        return side.produce(batch, version=side.version, topic=side.own, topic_id=topic_id)

    yield send(0, values=(b"a", b"b"))
    yield send(2)
    yield send(2)  # a duplicate: the offsets of the first
    yield send(0, values=(b"a", b"b"))
    yield send(5)  # a gap
    for sequence in range(3, 10):
        yield send(sequence)
    yield send(2)  # older than the five batches that are remembered
    yield send(0, epoch=1)
    yield send(1, epoch=0)  # an epoch that is over
    yield send(7, epoch=2)  # a new epoch starts at 0
    yield send(3, who=producer + 1000)  # a producer no one knows


@SCENARIOS.of("produce", 3, 9, 13)
def produce_where_more_replicas_are_asked_for(side):
    topic_id = side.create(min_insync_replicas="2")
    for acks in (-1, 1, -1):
        yield side.produce(record_batch([b"x"]), version=side.version, topic=side.own, topic_id=topic_id, acks=acks)
    yield side.fetch(0, version=12, topic=side.own, topic_id=topic_id)


@SCENARIOS.of("delete_records")
def delete_records(side):
    side.create(partitions=2)
    for value in (b"a", b"b", b"c", b"d"):
        side.produce(record_batch([value]), topic=side.own)

    def delete(*wanted, topic=side.own):
        parts = [{"partition_index": partition, "offset": offset} for partition, offset in wanted]
        answer = side.call("delete_records", topics=[{"name": topic, "partitions": parts}], timeout=10000)
        for each in answer["topics"]:
            each["partitions"].sort(key=lambda part: part["partition_index"])
        return answer

    yield delete((0, 5))
    yield delete((0, -2))
    yield delete((0, 0))
    yield delete((0, 2), (1, 0), (7, 0))
    yield delete((0, 1))
    yield side.fetch(1, version=12, topic=side.own)
    yield side.fetch(2, version=12, topic=side.own)
    yield delete((0, -1))
    earliest = {"partition_index": 0, "timestamp": -2}
    yield side.call("list_offsets", 4, replica_id=-1, topics=[{"name": side.own, "partitions": [earliest]}])
    yield delete((0, 0), topic=f"{side.own}-missing")
    yield delete((0, 0), topic="not a name!")
    part = {"partition_index": 0, "committed_offset": 1, "committed_leader_epoch": -1, "committed_metadata": ""}
    committed = {"generation_id_or_member_epoch": -1, "member_id": "", "retention_time": -1}
    topics = [{"name": side.topic, "partitions": [part]}]
    side.call("offset_commit", 4, group_id=side.own, **committed, topics=topics)
    yield delete((0, 0), (77, 0), topic="__consumer_offsets")
    yield side.call("delete_records", topics=[], timeout=10000)
    side.own += "-compacted"
    side.create(cleanup_policy="compact")
    yield delete((0, 0), topic=side.own)


@SCENARIOS.of("init_producer_id")
def init_producer_id(side):
    yield side.call("init_producer_id", transactional_id=None, transaction_timeout=60000)
    yield side.call("init_producer_id", transactional_id="", transaction_timeout=60000)


@SCENARIOS.of("fetch")
def fetch(side):
    yield side.fetch(0)
    yield side.fetch(7)
    yield side.fetch(10)
    yield side.fetch(11)
    yield side.fetch(-1)
    yield side.fetch(0, partition=1)
    yield side.fetch(0, partition=7)
    yield side.fetch(0, topic=f"{side.own}-missing", topic_id=MISSING_ID)
    yield side.fetch(0, max_bytes=1)
    yield side.fetch(4, epoch=0)
    yield side.fetch(4, epoch=5)
    yield side.fetch(0, isolation_level=1)


@SCENARIOS.of("fetch", 7, 12, 13, 18)
def fetch_session(side):
    opened = side.fetch(8, session_id=0, session_epoch=0)
    yield opened
    session = opened["session_id"]
    yield side.call(
        "fetch", max_wait=100, min_bytes=1, max_bytes=1 << 20, session_id=session, session_epoch=1, replica_id=-1
    )
    side.produce(record_batch([b"more"]), partition=1)
    moved = {"partition": 1, "fetch_offset": 0, "partition_max_bytes": 1 << 20, "current_leader_epoch": -1}
    topic = {"topic": side.topic, "topic_id": side.topic_id, "partitions": [moved]}
    yield side.call(
        "fetch",
        max_wait=100,
        min_bytes=1,
        max_bytes=1 << 20,
        session_id=session,
        session_epoch=2,
        topics=[topic],
        replica_id=-1,
    )
    yield side.call(
        "fetch", max_wait=100, min_bytes=1, max_bytes=1 << 20, session_id=session, session_epoch=9, replica_id=-1
    )
    yield side.call(
        "fetch", max_wait=100, min_bytes=1, max_bytes=1 << 20, session_id=session + 1, session_epoch=1, replica_id=-1
    )


@SCENARIOS.of("list_offsets")
def list_offsets(side):
    def ask(timestamp, partition=0, topic=side.topic, epoch=-1):
        part = {"partition_index": partition, "timestamp": timestamp, "current_leader_epoch": epoch}
        return side.call("list_offsets", replica_id=-1, topics=[{"name": topic, "partitions": [part]}])

    for timestamp in (-1, -2, 0, BASE_TIME, BASE_TIME + 2500, BASE_TIME + 9000, BASE_TIME + 9001):
        yield ask(timestamp)
    for timestamp in (-3, -4, -5, -6, -9):
        yield ask(timestamp)
    yield ask(-1, partition=7)
    yield ask(-1, topic=f"{side.own}-missing")
    yield ask(-1, epoch=0)
    yield ask(-1, epoch=9)


@SCENARIOS.of("offset_for_leader_epoch")
def offset_for_leader_epoch(side):
    for partition, current, epoch in ((0, -1, 0), (0, 0, 0), (0, 0, 3), (0, 9, 0), (7, -1, 0), (0, -1, -1)):
        part = {"partition": partition, "current_leader_epoch": current, "leader_epoch": epoch}
        yield side.call("offset_for_leader_epoch", replica_id=-1, topics=[{"topic": side.topic, "partitions": [part]}])


@pytest.mark.parametrize(("run", "version"), SCENARIOS)
def test_answers_are_the_same(sides, run, version):
    compare(sides, run, version)
