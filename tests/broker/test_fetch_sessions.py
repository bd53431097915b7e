"""Fetch sessions (KIP-227): what is said once, what is answered, what is forgotten."""

from __future__ import annotations

from dataclasses import replace

from broker.live import batch
from kopfka_broker.apis.fetch_sessions import FetchPosition, FetchSessions
from kopfka_wire.apis import ApiKey
from kopfka_wire.fetch import FetchedPartition
from kopfka_wire.fetch_request import WantedPartition
from support.clocks import Clock


def position(offset=0):
    return FetchPosition(offset, 1000)


def test_sessions_end_by_themselves_when_others_need_the_room():
    clock = Clock()
    sessions = FetchSessions(lambda: 2, clock)
    first, second = (sessions.create(False, {("t", 0): position()}) for _ in range(2))
    assert sessions.create(False, {}) is None  # both are in use
    clock.now = 130
    sessions.touch(first)
    third = sessions.create(False, {})
    assert third is not None
    assert sessions.get(second.id) is None
    assert sessions.get(first.id) is first
    assert len({first.id, second.id, third.id}) == 3


def test_an_incremental_request_changes_adds_and_forgets():
    session = FetchSessions(lambda: 9).create(False, {("t", 0): position(1), ("t", 1): position(2)})
    session.change([WantedPartition("t", 1, 5, 10), WantedPartition("t", 2, 6, 10)], [("t", 0), ("t", 9)])
    assert {key: each.offset for key, each in session.positions.items()} == {("t", 1): 5, ("t", 2): 6}


def test_epochs_start_over_before_they_overflow():
    session = FetchSessions(lambda: 9).create(False, {})
    session.epoch = 2**31 - 1
    session.step(0)
    assert session.epoch == 1


def test_what_was_told_is_no_news():
    told = position()
    assert told.is_news(FetchedPartition(0, 0, 5, 5, 0))
    assert not told.is_news(FetchedPartition(0, 0, 5, 5, 0))
    assert told.is_news(FetchedPartition(0, 0, 6, 6, 0))
    assert told.is_news(FetchedPartition(0, 0, 6, 6, 1))
    assert told.is_news(FetchedPartition(0, 3))
    assert told.is_news(FetchedPartition(0, 0, 6, 6, 1))  # that the error is over
    assert told.is_news(FetchedPartition(0, 0, 6, 6, 1, records=b"x"))


async def test_at_the_end_of_a_log_epochs_count_as_elsewhere(live):
    client = await live.client()
    await client.create("t")
    await client.fetch(("t", 0, 0))
    for epoch, expected in ((-1, "none"), (0, "none"), (-2, "fenced_leader_epoch"), (1, "unknown_leader_epoch")):
        fields = client.fetch_fields(("t", 0, 0), session_epoch=0)
        (topic,) = fields["topics"]
        (wanted,) = topic.partitions
        fields["topics"] = (replace(topic, partitions=(replace(wanted, current_leader_epoch=epoch),)),)
        opened = await client.call(ApiKey.FETCH, 11, **fields)
        assert opened.responses[0].partitions[0].error_code.name == expected
        again = await client.fetch(session_id=opened.session_id, session_epoch=1)
        assert len(again.responses) == (expected != "none")


async def test_a_session_answers_only_what_has_changed(live):
    client = await live.client()
    await client.create("t", partitions=3)
    opened = await client.fetch(("t", 0, 0), ("t", 1, 0), ("t", 2, 0), session_epoch=0)
    session = opened.session_id
    assert session
    assert sum(len(topic.partitions) for topic in opened.responses) == 3
    quiet = await client.fetch(session_id=session, session_epoch=1)
    assert quiet.session_id == session
    assert quiet.responses == ()
    await client.produce("t", batch(b"x"), partition=1)
    news = await client.fetch(session_id=session, session_epoch=2)
    assert [part.partition_index for topic in news.responses for part in topic.partitions] == [1]
    moved = await client.fetch(("t", 1, 1), session_id=session, session_epoch=3)
    assert moved.responses == ()


async def test_a_session_gives_every_partition_its_turn(live):
    client = await live.client()
    await client.create("t", partitions=3)
    for partition in range(3):
        await client.produce("t", batch(bytes(1000)), partition=partition)
    wanted = [("t", partition, 0) for partition in range(3)]
    answer = await client.fetch(*wanted, session_epoch=0, max_bytes=1)
    seen = []
    for epoch in range(1, 4):
        seen += [part.partition_index for topic in answer.responses for part in topic.partitions if part.records]
        answer = await client.fetch(session_id=answer.session_id, session_epoch=epoch, max_bytes=1)
    assert sorted(seen) == [0, 1, 2]


async def test_a_session_no_one_knows_and_an_epoch_out_of_turn(live):
    client = await live.client()
    await client.create("t")
    assert (await client.fetch(session_id=5, session_epoch=1)).error_code.name == "fetch_session_id_not_found"
    session = (await client.fetch(("t", 0, 0), session_epoch=0)).session_id
    assert (await client.fetch(session_id=session, session_epoch=7)).error_code.name == "invalid_fetch_session_epoch"
    closed = await client.fetch(("t", 0, 0), session_id=session, session_epoch=-1)
    assert closed.session_id == 0
    assert (await client.fetch(session_id=session, session_epoch=1)).error_code.name == "fetch_session_id_not_found"
