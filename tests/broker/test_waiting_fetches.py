"""Fetches that wait: what ends the waiting, what does not, and that an append costs them no walk over everything."""

from __future__ import annotations

import pytest

from broker.live import batch
from kopfka_broker.apis.fetch_sessions import FetchPosition
from kopfka_broker.storage import PartitionLog
from kopfka_wire.apis import ApiKey
from support.waiting import eventually_async

RECORDS = batch(b"x" * 100)


def logs(live, topic="t"):
    return live.broker.cluster.logs.topics[topic].partitions


async def waiting_fetch(live, *wanted, **fields):
    """Send a fetch and return its connection once the fetch waits."""
    client = await live.client()
    client.send(ApiKey.FETCH, 11, **client.fetch_fields(*wanted, wait=600, **fields))
    topic, partition, _ = wanted[-1]
    await eventually_async(lambda: bool(logs(live, topic)[partition]._watchers), what="the fetch to wait")
    return client


def with_records(answer):
    return sorted(part.partition_index for topic in answer.responses for part in topic.partitions if part.records)


async def test_bytes_are_counted_over_all_partitions(live):
    other = await live.client()
    await other.create("t", partitions=3)
    waiting = await waiting_fetch(live, *[("t", at, 0) for at in range(3)], min_bytes=3 * len(RECORDS))
    await other.produce("t", RECORDS, partition=1)
    await other.produce("t", RECORDS, partition=1)
    assert all(log._watchers for log in logs(live))  # two thirds: it waits on
    await other.produce("t", RECORDS, partition=2)
    _, answer = await waiting.receive(ApiKey.FETCH, 11)
    assert with_records(answer) == [1, 2]
    assert not any(log._watchers for log in logs(live))


async def test_of_one_partition_no_more_counts_than_may_be_read_of_it(live):
    other = await live.client()
    await other.create("t", partitions=2)
    limits = {"min_bytes": 2 * len(RECORDS), "partition_max_bytes": len(RECORDS)}
    waiting = await waiting_fetch(live, ("t", 0, 0), ("t", 1, 0), **limits)
    for _ in range(3):
        await other.produce("t", RECORDS, partition=0)
    assert logs(live)[1]._watchers
    await other.produce("t", RECORDS, partition=1)
    _, answer = await waiting.receive(ApiKey.FETCH, 11)
    assert with_records(answer) == [0, 1]


async def test_an_append_is_looked_at_where_it_was_made(live, monkeypatch):
    looks = []
    bytes_from, is_at_end = PartitionLog.bytes_from, FetchPosition.is_at_end

    def noted_bytes(log, offset, before=None):
        looks.append(log.partition)
        return bytes_from(log, offset, before)

    def noted_end(position, log):
        looks.append(("walk", log.partition))
        return is_at_end(position, log)

    other = await live.client()
    await other.create("t", partitions=50)
    waiting = await waiting_fetch(live, *[("t", at, 0) for at in range(50)], min_bytes=3 * len(RECORDS))
    monkeypatch.setattr(PartitionLog, "bytes_from", noted_bytes)
    monkeypatch.setattr(FetchPosition, "is_at_end", noted_end)
    for at in (7, 7, 23):
        await other.produce("t", RECORDS, partition=at)
    _, answer = await waiting.receive(ApiKey.FETCH, 11)
    assert with_records(answer) == [7, 23]
    assert looks == [7, 7, 23, *[("walk", at) for at in range(50)]]  # the answer looks at all of them, once


async def test_one_of_several_topics_is_deleted(live):
    other = await live.client()
    for name in ("a", "t"):
        await other.create(name)
    waiting = await waiting_fetch(live, ("a", 0, 0), ("t", 0, 0))
    await live.broker.cluster.delete_topic("a")
    _, answer = await waiting.receive(ApiKey.FETCH, 11)
    codes = {topic.topic: topic.partitions[0].error_code.name for topic in answer.responses}
    assert codes == {"a": "unknown_topic_or_partition", "t": "none"}


async def test_a_topic_that_is_not_there_keeps_no_one_from_waiting(live):
    other = await live.client()
    await other.create("t")
    waiting = await waiting_fetch(live, ("a", 0, 0), ("t", 0, 0))
    await other.produce("t", RECORDS)
    _, answer = await waiting.receive(ApiKey.FETCH, 11)
    assert with_records(answer) == [0]


@pytest.mark.parametrize("wait", [0.0, 600.0])
async def test_a_session_finds_what_was_deleted_and_created_again(live, wait):
    client = await live.client()
    await client.create("t")
    await client.produce("t", RECORDS)
    opened = await client.fetch(("t", 0, 1), session_epoch=0)
    session = {"session_id": opened.session_id}
    await live.broker.cluster.delete_topic("t")
    gone = await client.fetch(session_epoch=1, wait=wait, **session)
    assert gone.responses[0].partitions[0].error_code.name == "unknown_topic_or_partition"
    await client.create("t")
    back = await client.fetch(session_epoch=2, wait=wait, **session)
    assert back.responses[0].partitions[0].error_code.name == "offset_out_of_range"
    await client.produce("t", RECORDS)
    news = await client.fetch(("t", 0, 0), session_epoch=3, wait=wait, **session)
    assert bytes(news.responses[0].partitions[0].records)[61:] == RECORDS[61:]
    assert (await client.fetch(("t", 0, 1), session_epoch=4, **session)).responses == ()


async def test_every_partition_read_is_counted_answered_or_not(live):
    client = await live.client()
    await client.create("t", partitions=2)
    opened = await client.fetch(("t", 0, 0), ("t", 1, 0), session_epoch=0)
    assert (await client.fetch(session_id=opened.session_id, session_epoch=1)).responses == ()
    assert live.broker.cluster.metrics.topic("t").fetch_requests == 4
