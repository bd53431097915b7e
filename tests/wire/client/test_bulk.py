"""Batches to many partitions at once, inside and outside of transactions, against a bundled broker."""

from __future__ import annotations

import asyncio

import pytest

from kopfka_wire.batches import read_header
from kopfka_wire.client.admin import Admin
from kopfka_wire.client.bulk import IN_FLIGHT, BulkWriter, parcel
from kopfka_wire.client.errors import ClosedError
from kopfka_wire.client.fetcher import EARLIEST, Fetcher, Isolation
from kopfka_wire.client.groups import GroupOffset, Groups
from kopfka_wire.client.session import Session
from kopfka_wire.client.transaction import Transaction
from kopfka_wire.error_codes import FencedError, RecordTooLargeError
from kopfka_wire.records import Record, encode_batch
from support.waiting import eventually_async


async def claimed(cluster, transactional_id=None):
    session = Session(cluster, transactional_id, 60.0)
    await cluster.retrying(session.claim, what="a producer id")
    return session


async def values(cluster, topic, partition=0):
    async with Fetcher(
        cluster, topic, partition, EARLIEST, isolation=Isolation.READ_COMMITTED, max_wait=0.05
    ) as fetcher:
        end = await fetcher.end_offset()
        return [record.value async for record in fetcher.records_until(end)]


def submitted(writer, topic, partition, value, told):
    batch = encode_batch([Record(0, 1, b"k", value)])
    writer.submit(topic, partition, parcel(read_header(batch), batch, lambda *result: told.append((value, *result))))


async def test_many_batches_to_many_partitions_arrive_in_order(cluster, name):
    await Admin(cluster).create_topic(name, 3)
    writer, told = BulkWriter(cluster, await claimed(cluster)), []
    for number in range(60):
        submitted(writer, name, number % 3, b"%d" % number, told)
    await writer.flush()
    assert writer.outstanding == 0
    for partition in range(3):
        expected = [b"%d" % number for number in range(partition, 60, 3)]
        assert await values(cluster, name, partition) == expected
        assert [each for each in told if each[0] in expected] == [
            (value, offset, None) for offset, value in enumerate(expected)
        ]
    await writer.close()
    with pytest.raises(ClosedError):
        submitted(writer, name, 0, b"late", told)


async def test_lost_connections_repeat_nothing(through, proxy, name):
    await Admin(through).create_topic(name, 2)
    writer, told = BulkWriter(through, await claimed(through)), []
    for number in range(300):
        submitted(writer, name, number % 2, b"%d" % number, told)
        if number % 60 == 30:
            await asyncio.sleep(0)
            proxy.cut()
    await writer.flush()
    assert not [each for each in told if each[2]]
    for partition in range(2):
        assert await values(through, name, partition) == [b"%d" % number for number in range(partition, 300, 2)]
    await writer.close()


async def test_what_a_topic_does_not_take_ends_its_partition_only(cluster, name):
    await Admin(cluster).create_topic(name, 2, configs={"max.message.bytes": "1000"})
    writer, told = BulkWriter(cluster, await claimed(cluster)), []
    for number in range(IN_FLIGHT + 3):
        submitted(writer, name, 0, b"x" * (10 if number != 1 else 5000), told)
        submitted(writer, name, 1, b"%d" % number, told)
    await writer.flush()
    assert len(await values(cluster, name, 1)) == IN_FLIGHT + 3
    assert len(await values(cluster, name, 0)) == 1
    failed = [each for each in told if each[2] is not None]
    assert len(failed) == IN_FLIGHT + 2
    assert isinstance(failed[0][2], RecordTooLargeError)
    await writer.close()


async def test_an_error_of_who_is_told_leaves_nobody_waiting(cluster, name):
    await Admin(cluster).create_topic(name)
    writer, told = BulkWriter(cluster, await claimed(cluster)), []

    def fails(*_):
        raise RuntimeError("a mistake")

    batch = encode_batch([Record(0, 1, b"k", b"v")])
    writer.submit(name, 0, parcel(read_header(batch), batch, fails))
    for number in range(20):
        submitted(writer, name, 0, b"%d" % number, told)
    await writer.flush()
    assert len(told) == 20
    assert any("a mistake" in str(error) for _, _, error in told)
    await writer.close()


async def test_batches_of_a_transaction_are_seen_when_it_is_committed(cluster, name):
    await Admin(cluster).create_topic(name, 2)
    session = await claimed(cluster, name)
    writer, transaction, told = BulkWriter(cluster, session), Transaction(cluster, session), []
    for commit in (True, False, True):
        await transaction.add([(name, 0), (name, 1)])
        assert transaction.partitions == {(name, 0), (name, 1)}
        submitted(writer, name, 0, b"%d" % commit, told)
        submitted(writer, name, 1, b"%d" % commit, told)
        await writer.flush()
        await transaction.end(commit=commit)
    assert not transaction.partitions
    await eventually_async(lambda: has(cluster, name, [b"1", b"1"]))
    await writer.close()


async def has(cluster, name, expected):
    return await values(cluster, name) == await values(cluster, name, 1) == expected


async def test_claiming_the_id_again_ends_what_was_open_and_fences(cluster, name):
    await Admin(cluster).create_topic(name)
    session = await claimed(cluster, name)
    writer, transaction, told = BulkWriter(cluster, session), Transaction(cluster, session), []
    await transaction.add([(name, 0)])
    submitted(writer, name, 0, b"never seen", told)
    await writer.flush()
    await claimed(cluster, name)
    with pytest.raises(FencedError):
        await transaction.end(commit=True)
    await eventually_async(lambda: has_none(cluster, name))
    with pytest.raises(ValueError, match="transactional id"):
        Transaction(cluster, await claimed(cluster))
    await writer.close()


async def has_none(cluster, name):
    return await values(cluster, name) == []


async def test_groups_from_outside(cluster, name):
    await Admin(cluster).create_topic(name, 2)
    groups = Groups(cluster)
    assert await groups.offsets(name) == {}
    offsets = {(name, 0): GroupOffset(5, 2, "said"), (name, 1): GroupOffset(0)}
    await groups.commit(name, offsets)
    assert await groups.offsets(name) == offsets
    listed = (await groups.list())[name]
    assert (listed.is_idle, listed.has_offsets) == (True, True)


async def test_more_partitions(cluster, name):
    admin = Admin(cluster)
    await admin.create_topic(name)
    await admin.create_partitions(name, 3)
    await admin.create_partitions(name, 3)
    assert len((await admin.describe_topic(name)).partitions) == 3
    assert len((await cluster.topics())[name].partitions) == 3
