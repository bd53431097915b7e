"""A producer against the bundled broker: what is acknowledged is there once, whatever is killed or cut meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import Producer as OtherProducer

from kopfka_wire.client.admin import Admin
from kopfka_wire.client.errors import DeliveryTimeoutError
from kopfka_wire.client.fetcher import Fetcher
from kopfka_wire.client.producer import Producer
from kopfka_wire.compression import NAMES
from kopfka_wire.error_codes import FencedError, InvalidRecordError, RecordTooLargeError
from kopfka_wire.records import Record
from support.waiting import eventually_async
from support.wire_clients import connected


async def values(cluster, topic, partition=0):
    async with Fetcher(cluster, topic, partition, max_wait=0.05) as fetcher:
        end = await fetcher.end_offset()
        return [record.value async for record in fetcher.records_until(end)]


async def test_records_and_where_they_are(cluster, name):
    await Admin(cluster).create_topic(name, 2)
    async with Producer(cluster) as producer:
        writer = producer.partition(name, 1)
        assert producer.partition(name, 1) is writer
        first = await writer.send(b"value", b"key", headers=(("a", b"1"), ("b", None)), timestamp=1234)
        assert (first.offset, first.timestamp) == (0, 1234)
        later = await writer.send_records([Record(99, -1, None, b"one"), Record(98, 5, b"k", None)])
        assert later.offset == 1
        assert later.timestamp > 1_700_000_000_000
    async with Fetcher(cluster, name, 1) as fetcher:
        records = [record async for record in fetcher.records_until(3)]
    assert records[0] == Record(0, 1234, b"key", b"value", (("a", b"1"), ("b", None)))
    assert [(record.offset, record.value, record.timestamp) for record in records[1:]] == [
        (1, b"one", later.timestamp),
        (2, None, 5),
    ]


async def test_the_time_of_the_log(cluster, name):
    await Admin(cluster).create_topic(name, 1, configs={"message.timestamp.type": "LogAppendTime"})
    async with Producer(cluster) as producer:
        sent = await producer.partition(name, 0).send(b"value", timestamp=5)
    assert sent.timestamp > 1_700_000_000_000


@pytest.mark.parametrize("compression", NAMES)
async def test_compressions(cluster, name, compression):
    await Admin(cluster).create_topic(name)
    async with Producer(cluster, compression=compression) as producer:
        writer = producer.partition(name, 0)
        await asyncio.gather(*(writer.send(b"value %d" % number) for number in range(200)))
    async with Fetcher(cluster, name, 0) as fetcher:
        (batch,) = await fetcher.poll()
        assert NAMES[batch.header.compression] == compression
        assert [record.value for record in batch.records()] == [b"value %d" % number for number in range(200)]


async def test_ready_made_batches_are_written_as_they_are(shared, cluster, name):
    """A batch of a transaction is read, and written to another topic, where it is part of none."""
    await Admin(cluster).create_topic(name)
    await Admin(cluster).create_topic(name + "-copy")
    other = OtherProducer(
        {"bootstrap.servers": shared.bootstrap, "transactional.id": name, "compression.type": "zstd", "linger.ms": 50}
    )
    other.init_transactions()
    other.begin_transaction()
    for number in range(100):
        other.produce(name, b"value %d" % number, headers={"h": b"x"})
    other.commit_transaction()
    async with Fetcher(cluster, name, 0) as fetcher, Producer(cluster) as producer:
        batches = await fetcher.poll()
        assert all(batch.header.is_transactional for batch in batches)
        writer = producer.partition(name + "-copy", 0)
        sent = await asyncio.gather(*(writer.send_batch(batch.data) for batch in batches))
        assert [each.offset for each in sent] == [batch.header.base_offset for batch in batches]
        async with Fetcher(cluster, name + "-copy", 0) as copy:
            copied = await copy.poll()
    assert [bytes(batch.data[61:]) for batch in copied] == [bytes(batch.data[61:]) for batch in batches]
    assert {batch.header.producer_id for batch in copied} == {producer.producer_id}
    assert not any(batch.header.is_transactional for batch in copied)


async def test_a_record_that_is_not_taken_hinders_no_other(cluster, name):
    await Admin(cluster).create_topic(name, configs={"cleanup.policy": "compact", "max.message.bytes": "2000"})
    async with Producer(cluster) as producer:
        writer = producer.partition(name, 0)
        calls = [writer.send(b"x" * 100, b"%d" % number) for number in range(40)]
        calls.insert(7, writer.send(b"no key"))
        calls.insert(20, writer.send(b"x" * 3000, b"large"))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(outcomes[7], InvalidRecordError)
        assert isinstance(outcomes[20], RecordTooLargeError)
        await writer.send(b"and on", b"last")
    async with Fetcher(cluster, name, 0) as fetcher:
        keys = [record.key async for record in fetcher.records_until(41)]
    assert keys == [*(b"%d" % number for number in range(40)), b"last"]


async def test_a_topic_that_comes_late(cluster, name):
    async with Producer(cluster) as producer:
        waiting = asyncio.ensure_future(producer.partition(name, 0).send(b"value"))
        await eventually_async(lambda: name in cluster._topics)
        await Admin(cluster).create_topic(name)
        assert (await waiting).offset == 0


async def test_a_topic_that_does_not_come(cluster, name):
    producer = Producer(cluster, delivery_timeout=0.3)
    with pytest.raises(DeliveryTimeoutError, match="there is no such topic") as caught:
        await producer.partition(name, 0).send(b"value")
    assert not caught.value.sent
    await producer.close()


async def test_a_topic_that_is_created_again(cluster, name):
    admin = Admin(cluster)
    await admin.create_topic(name)
    async with Producer(cluster) as producer:
        writer = producer.partition(name, 0)
        await writer.send(b"old")
        await admin.delete_topic(name)
        await admin.create_topic(name)
        assert (await writer.send(b"new")).offset == 0
    assert await values(cluster, name) == [b"new"]


# -- fencing ------------------------------------------------------------------------------------------------------


async def test_the_older_of_two_writers_is_deposed_for_good(shared, cluster, name):
    await Admin(cluster).create_topic(name)
    async with connected(shared.bootstrap) as other:
        older, newer = Producer(cluster, transactional_id=name), Producer(other, transactional_id=name)
        await older.start()
        await older.partition(name, 0).send(b"1")
        await newer.start()
        assert (newer.producer_id, newer.epoch) == (older.producer_id, older.epoch + 1)
        await newer.partition(name, 0).send(b"2")
        for _ in range(2):
            with pytest.raises(FencedError):
                await older.partition(name, 0).send(b"3")
        with pytest.raises(FencedError):
            await older.partition(name, 7).send(b"3")
        await newer.partition(name, 0).send(b"4")
        await asyncio.gather(older.close(), newer.close())
    assert await values(cluster, name) == [b"1", b"2", b"4"]


async def test_what_an_older_writer_has_on_its_way_is_refused_as_well(through, proxy, name):
    """The older one's request waits in the network while the newer one takes over."""
    await Admin(through).create_topic(name)
    async with connected(proxy.bootstrap) as other:
        older, newer = Producer(through, transactional_id=name), Producer(other, transactional_id=name)
        await older.partition(name, 0).send(b"1")
        proxy.cut()
        with proxy.refusing():
            late = asyncio.ensure_future(older.partition(name, 0).send(b"late"))
            await eventually_async(lambda: older.partition(name, 0)._last_trouble)
        await newer.partition(name, 0).send(b"2")
        outcome = (await asyncio.gather(late, return_exceptions=True))[0]
        written = await values(other, name)
        # it got through before the newer one's first batch (its answer may be lost all the same), or never does
        assert written in ([b"1", b"2"], [b"1", b"late", b"2"])
        assert isinstance(outcome, FencedError) or b"late" in written
        with pytest.raises(FencedError):
            await older.partition(name, 0).send(b"later")
        await asyncio.gather(older.close(), newer.close())


async def test_a_batch_whose_answer_is_lost_is_written_once(through, proxy, name):
    await Admin(through).create_topic(name)
    async with Producer(through, transactional_id=name) as producer:
        writer = producer.partition(name, 0)
        assert (await writer.send(b"0")).offset == 0
        with proxy.losing_answers():
            before = proxy.answers_lost
            waiting = asyncio.ensure_future(writer.send(b"1"))
            await eventually_async(lambda: proxy.answers_lost >= before + 3)
        assert (await waiting).offset == 1
        assert (await writer.send(b"2")).offset == 2
    assert await values(through, name) == [b"0", b"1", b"2"]


# -- faults -------------------------------------------------------------------------------------------------------


async def stream(writer, tasks, stop, least=30):
    """Send one record after the other until told to stop; each waits for nothing."""
    number = 0
    while not stop.is_set() or number < least:
        tasks.append(asyncio.ensure_future(writer.send(b"%d" % number)))
        number += 1
        await asyncio.sleep(0.001)


async def test_connections_that_are_cut_again_and_again(through, proxy, name):
    await Admin(through).create_topic(name)
    async with Producer(through, max_batch_bytes=60) as producer:
        writer, tasks, stop = producer.partition(name, 0), [], asyncio.Event()
        streaming = asyncio.ensure_future(stream(writer, tasks, stop))
        for _ in range(8):
            seen = proxy.connections
            proxy.cut()
            await eventually_async(lambda seen=seen: proxy.connections > seen)
            answered = sum(task.done() for task in tasks)
            await eventually_async(lambda answered=answered: sum(task.done() for task in tasks) > answered + 3)
        stop.set()
        await streaming
        sent = await asyncio.gather(*tasks)
    assert [each.offset for each in sent] == list(range(len(tasks)))
    assert await values(through, name) == [b"%d" % number for number in range(len(tasks))]


async def test_a_broker_that_is_killed_and_comes_back(own, name):
    async with connected(own.bootstrap) as cluster:
        await Admin(cluster).create_topic(name)
        async with Producer(cluster, transactional_id=name, max_batch_bytes=60) as producer:
            writer, tasks, stop = producer.partition(name, 0), [], asyncio.Event()
            streaming = asyncio.ensure_future(stream(writer, tasks, stop))
            for _ in range(3):
                answered = sum(task.done() for task in tasks)
                await eventually_async(lambda answered=answered: sum(task.done() for task in tasks) > answered + 10)
                own.kill()
                await asyncio.to_thread(own.start)
            stop.set()
            await streaming
            sent = await asyncio.gather(*tasks)
        assert [each.offset for each in sent] == list(range(len(tasks)))
        assert await values(cluster, name) == [b"%d" % number for number in range(len(tasks))]


async def test_a_broker_that_answers_rubbish_once_is_asked_again(through, proxy, name):
    """What is cut in the middle of an answer, or never was one, ends the connection and not the producer."""
    await Admin(through).create_topic(name)
    async with Producer(through) as producer:
        writer = producer.partition(name, 0)
        await writer.send(b"0")
        connection = await through.connection(1, producer._lane)
        connection.buffer_updated(_put(connection, b"\0\0\0\4\0\0\x7f\x7f"))
        assert (await writer.send(b"1")).offset == 1


def _put(connection, said):
    connection.get_buffer(-1)[: len(said)] = said
    return len(said)
