"""A reader of one partition against the bundled broker, and against one that says what a test needs."""

from __future__ import annotations

import asyncio
import contextlib
import uuid

import pytest
from confluent_kafka import Producer as OtherProducer
from kio.schema.errors import ErrorCode

from kopfka_wire.apis import ApiKey
from kopfka_wire.client.admin import Admin
from kopfka_wire.client.errors import LogTruncatedError, TopicRecreatedError
from kopfka_wire.client.fetcher import EARLIEST, LATEST, Fetcher, Isolation
from kopfka_wire.client.producer import Producer
from kopfka_wire.error_codes import OffsetOutOfRangeError, UnknownTopicError
from kopfka_wire.records import Record, encode_batch
from support.waiting import eventually_async
from support.wire_clients import connected
from wire.client.scripted import scripted


async def filled(cluster, topic, *batches, **configs):
    """Create a topic with these batches of values."""
    await Admin(cluster).create_topic(
        topic, 1, configs={key.replace("_", "."): value for key, value in configs.items()}
    )
    async with Producer(cluster) as producer:
        writer = producer.partition(topic, 0)
        for number, values in enumerate(batches):
            await writer.send_records([Record(0, 1000 + number, value[:2], value) for value in values])


async def test_raw_batches_and_what_is_known_of_the_log(cluster, name):
    await filled(cluster, name, [b"a", b"b"], [b"c"])
    async with Fetcher(cluster, name, 0) as fetcher:
        assert (fetcher.position, fetcher.high_watermark) == (EARLIEST, -1)
        first, second = await fetcher.poll()
        assert (first.header.base_offset, first.header.next_offset, second.header.base_offset) == (0, 2, 2)
        assert len(first.data) == first.header.size
        assert [record.value for batch in (first, second) for record in batch.records()] == [b"a", b"b", b"c"]
        assert (fetcher.position, fetcher.high_watermark, fetcher.last_stable_offset) == (3, 3, 3)
        assert fetcher.log_start_offset == 0
        assert fetcher.topic_id == (await Admin(cluster).describe_topic(name)).topic_id
        assert await fetcher.poll() == []
        assert (await fetcher.start_offset(), await fetcher.end_offset()) == (0, 3)


async def test_where_to_begin(cluster, name):
    await filled(cluster, name, [b"a", b"b", b"c"], [b"d"])
    async with Fetcher(cluster, name, 0, 1) as fetcher:
        (first, _) = await fetcher.poll()
        assert [record.offset for record in first.records()] == [1, 2]
    async with Fetcher(cluster, name, 0, LATEST, max_wait=0.05) as fetcher:
        assert await fetcher.poll() == []
        assert fetcher.position == 4
        async with Producer(cluster) as producer:
            await producer.partition(name, 0).send(b"e")
        (batch,) = await fetcher.poll()
        assert [record.value for record in batch.records()] == [b"e"]
        fetcher.seek(2)
        assert [record.value async for record in fetcher.records_until(4)] == [b"c", b"d"]
        assert fetcher.position == 4


async def test_what_was_not_taken_is_not_lost(cluster, name):
    """Readers stop in the middle of a batch, between batches, at an end; the next one goes on from there."""
    await filled(cluster, name, *([b"%d" % (3 * batch + index) for index in range(3)] for batch in range(10)))
    seen = []
    async with Fetcher(cluster, name, 0) as fetcher:
        async for record in fetcher.records():
            seen.append(record.offset)
            if len(seen) == 4:
                break
        assert fetcher.position == 4
        async for batch in fetcher.batches():
            seen += [record.offset for record in batch.records()]
            break
        assert fetcher.position == 6
        seen += [record.offset async for record in fetcher.records_until(8)]
        seen += [record.offset for batch in await fetcher.poll() for record in batch.records()]
        assert fetcher.position == 30
    assert seen == list(range(30))


async def test_a_seek_in_the_middle_of_a_batch(cluster, name):
    await filled(cluster, name, [b"a", b"b", b"c"])
    seen = []
    async with Fetcher(cluster, name, 0) as fetcher:
        async for record in fetcher.records():
            seen.append(record.offset)
            if len(seen) == 2:
                fetcher.seek(0)
            if len(seen) == 5:
                break
    assert seen == [0, 1, 0, 1, 2]


async def test_reading_on_while_it_is_written(cluster, name):
    await filled(cluster, name)
    async with Fetcher(cluster, name, 0) as fetcher, Producer(cluster) as producer:
        stream = fetcher.records()
        for number in range(20):
            waiting = asyncio.ensure_future(anext(stream))
            await producer.partition(name, 0).send(b"%d" % number)
            assert (await waiting).value == b"%d" % number


async def test_compaction_leaves_gaps(cluster, name):
    configs = {"cleanup_policy": "compact", "min_cleanable_dirty_ratio": "0.001", "segment_bytes": "1048576",
               "max_compaction_lag_ms": "1"}  # fmt: skip
    await filled(cluster, name, **configs)
    async with Producer(cluster) as producer:
        writer = producer.partition(name, 0)
        for number in range(300):
            await writer.send_records([Record(0, -1, b"%d" % (number % 7), b"x" * 10_000)])
    async with Fetcher(cluster, name, 0) as fetcher:
        end = await fetcher.end_offset()

        async def read():
            fetcher.seek(0)
            return [record async for record in fetcher.records_until(end)]

        records = await read()

        async def compacted():
            nonlocal records
            records = await read()
            return len(records) < 200

        await eventually_async(compacted, what="compaction")
        assert end == 300
        assert fetcher.position == end
        offsets = [record.offset for record in records]
        assert offsets == sorted(set(offsets))
        assert {record.key: record.offset for record in records} == {b"%d" % (n % 7): n for n in range(293, 300)}


@pytest.mark.parametrize("isolation", Isolation)
async def test_transactions(shared, cluster, name, isolation):
    await filled(cluster, name, [b"plain"])
    other = OtherProducer({"bootstrap.servers": shared.bootstrap, "transactional.id": name})
    other.init_transactions()
    for number, ends in enumerate((True, False, True)):
        other.begin_transaction()
        for part in range(2):
            other.produce(name, b"%d-%d" % (number, part))
            other.flush()
        other.commit_transaction() if ends else other.abort_transaction()
    other.begin_transaction()
    other.produce(name, b"open")
    other.flush()
    committed = [b"plain", b"0-0", b"0-1", b"2-0", b"2-1"]
    every = [b"plain", b"0-0", b"0-1", b"1-0", b"1-1", b"2-0", b"2-1", b"open"]
    async with Fetcher(cluster, name, 0, isolation=isolation) as fetcher:
        end = await fetcher.end_offset()
        values = [record.value async for record in fetcher.records_until(end)]
        assert fetcher.position == end
        assert fetcher.last_stable_offset == 10
        if isolation is Isolation.READ_COMMITTED:
            assert (values, end) == (committed, 10)
            waiting = asyncio.ensure_future(fetcher.poll())
            await asyncio.to_thread(other.commit_transaction)
            batches = await waiting or await fetcher.poll()
            assert [record.value for batch in batches for record in batch.records()] == [b"open"]
        else:
            assert (values, end) == (every, 11)
            other.abort_transaction()


async def test_an_offset_that_is_not_there(cluster, name):
    await filled(cluster, name, [b"a", b"b"])
    async with Fetcher(cluster, name, 0, 7) as fetcher:
        with pytest.raises(OffsetOutOfRangeError, match="from 0 to 2, and 7"):
            await fetcher.poll()
        assert (fetcher.log_start_offset, fetcher.high_watermark) == (0, 2)
        fetcher.seek(fetcher.high_watermark - 1)
        (batch,) = await fetcher.poll()
        assert [record.value for record in batch.records()] == [b"b"]


async def test_a_topic_that_was_created_again(cluster, name):
    await filled(cluster, name, [b"old"])
    async with Fetcher(cluster, name, 0, max_wait=0.05) as fetcher:
        await fetcher.poll()
        await Admin(cluster).delete_topic(name)
        await filled(cluster, name, [b"new", b"newer"])
        with pytest.raises(TopicRecreatedError):
            await eventually_async(fetcher.poll)
        fetcher.seek(EARLIEST)
        (batch,) = await fetcher.poll()
        assert [record.value for record in batch.records()] == [b"new", b"newer"]


async def test_a_topic_that_is_not_there(cluster, name):
    async with Fetcher(cluster, name, 0, must_exist=True) as fetcher:
        with pytest.raises(UnknownTopicError):
            await fetcher.poll()
    async with Fetcher(cluster, name, 0) as fetcher:
        waiting = asyncio.ensure_future(anext(fetcher.records()))
        await eventually_async(lambda: fetcher.errors_since)
        since, why = fetcher.errors_since
        assert since > 0
        assert isinstance(why, UnknownTopicError)
        await filled(cluster, name, [b"late"])
        assert (await waiting).value == b"late"
        assert fetcher.errors_since is None


async def test_connections_that_are_cut_again_and_again(through, proxy, name):
    await filled(through, name, *([b"%d" % number] for number in range(40)))
    seen = []
    async with Fetcher(through, name, 0, max_bytes=200) as fetcher:
        async for record in fetcher.records_until(40):
            seen.append(record.offset)
            if len(seen) % 5 == 0:
                proxy.cut()
    assert seen == list(range(40))


async def test_a_broker_that_is_killed_and_comes_back(own, name):
    async with connected(own.bootstrap) as cluster:
        await filled(cluster, name, *([b"%d" % number] for number in range(20)))
        seen = []
        async with Fetcher(cluster, name, 0, max_bytes=200, max_wait=10) as fetcher:
            stream = fetcher.records()
            while len(seen) < 20:
                seen.append((await anext(stream)).offset)
                if len(seen) == 7:
                    own.kill()
                    await asyncio.to_thread(own.start)
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            own.kill()
            await eventually_async(lambda: fetcher.errors_since)
            await asyncio.to_thread(own.start)
            async with Producer(cluster) as producer:
                await producer.partition(name, 0).send(b"after")
            seen.append((await waiting).offset)
    assert seen == list(range(21))


# -- what no test can have a real broker say -----------------------------------------------------------------------

TOPIC_ID = uuid.uuid4()


def one_topic(peer, version, number, port):
    make = peer.make(ApiKey.METADATA, version)
    partition = make("MetadataResponsePartition", error_code=ErrorCode.none, partition_index=0, leader_id=1,
                     leader_epoch=3, replica_nodes=(1,), isr_nodes=(1,), offline_replicas=())  # fmt: skip
    topic = make("MetadataResponseTopic", error_code=ErrorCode.none, name="topic", topic_id=TOPIC_ID, is_internal=False,
                 partitions=(partition,), topic_authorized_operations=0)  # fmt: skip
    broker = make("MetadataResponseBroker", node_id=1, host="127.0.0.1", port=port, rack=None)
    peer.answer(ApiKey.METADATA, version, number, brokers=(broker,), cluster_id="c", controller_id=1, topics=(topic,),
                error_code=0)  # fmt: skip


def answer_fetch(peer, version, number, **fields):
    make = peer.make(ApiKey.FETCH, version)
    none = {
        "partition_index": 0, "error_code": ErrorCode.none, "high_watermark": 10, "last_stable_offset": 10,
        "log_start_offset": 0, "diverging_epoch": make("EpochEndOffset", epoch=-1, end_offset=-1),
        "current_leader": make("LeaderIdAndEpoch", leader_id=-1, leader_epoch=-1),
        "snapshot_id": make("SnapshotId", end_offset=-1, epoch=-1), "aborted_transactions": (),
        "preferred_read_replica": -1, "records": b"",
    }  # fmt: skip
    partition = make("PartitionData", **none | fields)
    topic = make("FetchableTopicResponse", topic_id=TOPIC_ID, partitions=(partition,))
    peer.answer(ApiKey.FETCH, version, number, error_code=0, session_id=0, responses=(topic,), node_endpoints=())


def broker_that(*answers):
    """Return a handler that answers fetches by these fields, one after the other."""
    left = list(answers)
    asked = []

    async def serve(peer):
        await peer.serve_versions()
        port = peer.writer.get_extra_info("sockname")[1]
        while True:
            api, version, number, body = await peer.request()
            if api is ApiKey.METADATA:
                one_topic(peer, version, number, port)
            else:
                asked.append(body.topics[0].partitions[0])
                fields = left.pop(0)
                if "diverges" in fields:
                    make = peer.make(ApiKey.FETCH, version)
                    fields = {"diverging_epoch": make("EpochEndOffset", epoch=2, end_offset=fields["diverges"])}
                answer_fetch(peer, version, number, **fields)

    serve.asked = asked
    return serve


def batch_at(offset, **fields):
    return encode_batch([Record(0, 1, None, b"value")], base_offset=offset, **fields)


@contextlib.asynccontextmanager
async def reading(handler):
    async with (
        scripted(handler) as server,
        connected(server.bootstrap) as cluster,
        Fetcher(cluster, "topic", 0, 0) as fetcher,
    ):
        yield fetcher


async def test_nothing_is_left_below_the_end():
    """Compaction has removed the last records before an empty active segment."""
    handler = broker_that({"records": batch_at(3)}, {})
    async with reading(handler) as fetcher:
        assert [record.offset async for record in fetcher.records_until(10)] == [3]
        assert (fetcher.position, fetcher.high_watermark) == (4, 10)


async def test_a_log_that_is_another_one_than_was_read():
    handler = broker_that({"records": batch_at(3, leader_epoch=1)}, {"diverges": 2})
    async with reading(handler) as fetcher:
        await fetcher.poll()
        with pytest.raises(LogTruncatedError, match="another one from offset 2 on") as caught:
            await fetcher.poll()
        assert caught.value.offset == 2
    assert [(each.fetch_offset, each.last_fetched_epoch) for each in handler.asked] == [(0, -1), (4, 1)]
    assert {each.current_leader_epoch for each in handler.asked} == {3}


@pytest.mark.parametrize(
    "code", [ErrorCode.not_leader_or_follower, ErrorCode.fenced_leader_epoch, ErrorCode.unknown_leader_epoch,
             ErrorCode.unknown_topic_id, ErrorCode.kafka_storage_error, ErrorCode.offset_not_available],
)  # fmt: skip
async def test_what_passes_is_asked_again(code):
    handler = broker_that({"error_code": code}, {"error_code": code}, {"records": batch_at(0)})
    async with reading(handler) as fetcher:
        assert len(await fetcher.poll()) == 1
    assert len(handler.asked) == 3
