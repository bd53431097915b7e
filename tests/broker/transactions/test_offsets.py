"""Offsets committed in transactions: in wait until the marker, across restarts, deletion, expiry and compaction."""

from __future__ import annotations

import asyncio

import pytest
from kio.schema.errors import ErrorCode

from broker.groups.harness import OK
from broker.transactions.harness import TOPIC, World
from kopfka_broker.groups.pending import PendingOffsets
from kopfka_broker.groups.records import CommittedOffset
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec

UNSTABLE = (-1, ErrorCode.unstable_offset_commit)
NOTHING = (-1, OK)
PLACE = ("g", TOPIC, 0)


@pytest.fixture
async def world() -> World:
    return await World.started()


async def plain(world: World, offset: int) -> None:
    form = codec(ApiKey.OFFSET_COMMIT, 8)
    part = form.make(
        "OffsetCommitRequestPartition",
        partition_index=0,
        committed_offset=offset,
        committed_leader_epoch=-1,
        committed_metadata="",
    )
    topic = form.make("OffsetCommitRequestTopic", name=TOPIC, partitions=(part,))
    answer = await world.call(
        ApiKey.OFFSET_COMMIT, 8, group_id="g", generation_id_or_member_epoch=-1, member_id="", topics=(topic,)
    )
    assert answer.topics[0].partitions[0].error_code is OK


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize(("commit", "after"), [(True, (5, OK)), (False, NOTHING)])
async def test_they_count_when_the_transaction_is_committed(world, commit, after, crash):
    who = await world.producer("t")
    assert await world.commit_offset(who, 5) is OK
    assert await world.committed(stable=True) == UNSTABLE
    assert await world.committed() == NOTHING
    if crash:
        await world.crashed()
        assert await world.committed(stable=True) == UNSTABLE
    await world.end(who, commit)
    await world.settle()
    assert await world.committed(stable=True) == after
    await world.crashed()
    assert await world.committed(stable=True) == after


@pytest.mark.parametrize("crash", [False, True])
async def test_what_was_written_last_counts_whatever_ends_first(world, crash):
    first, second = await world.producer("t1"), await world.producer("t2")
    await world.commit_offset(first, 1)
    await world.commit_offset(second, 2)
    if crash:
        await world.crashed()
    await world.end(second, True)
    await world.settle()
    assert await world.committed() == (2, OK)
    assert await world.committed(stable=True) == UNSTABLE
    await world.end(first, True)
    await world.settle()
    assert await world.committed(stable=True) == (2, OK)
    await world.crashed()
    assert await world.committed(stable=True) == (2, OK)


@pytest.mark.parametrize("crash", [False, True])
async def test_a_later_commit_outside_of_the_transaction_counts(world, crash):
    who = await world.producer("t")
    await world.commit_offset(who, 1)
    await plain(world, 9)
    if crash:
        await world.crashed()
    await world.end(who, True)
    await world.settle()
    assert await world.committed(stable=True) == (9, OK)
    await world.crashed()
    assert await world.committed(stable=True) == (9, OK)


async def test_a_deleted_group_takes_what_is_in_wait_with_it(world):
    who = await world.producer("t")
    await world.commit_offset(who, 1)
    deleted = await world.call(ApiKey.DELETE_GROUPS, 2, groups_names=("g",))
    assert deleted.results[0].error_code is OK
    await world.crashed()
    await world.end(who, True)
    await world.settle()
    assert await world.committed(stable=True) == NOTHING
    listed = await world.call(ApiKey.LIST_GROUPS, 4, states_filter=())
    assert listed.groups == ()


async def test_nothing_expires_that_is_in_wait_nor_its_group(world):
    who = await world.producer("t", timeout=900_000)
    await plain(world, 1)
    await world.commit_offset(who, 2)
    world.clock.now += 30 * 86_400_000
    await world.groups.expire()
    assert await world.committed() == (1, OK)
    await world.end(who, False)
    await world.settle()
    await world.groups.expire()
    assert await world.committed() == NOTHING


async def test_a_log_is_not_written_anew_while_a_transaction_is_open_in_it(world):
    compaction = world.groups._core.compaction
    compaction.least = 5
    who = await world.producer("t", timeout=900_000)
    await world.commit_offset(who, 1)
    for number in range(40):
        await plain(world, number)
        await world.settle()
    assert not any(world.offsets.starts.values())
    await world.end(who, True)
    await world.settle()
    await plain(world, 77)
    await world.settle()
    assert any(world.offsets.starts.values())
    await world.crashed()
    assert await world.committed(stable=True) == (77, OK)


async def test_a_marker_for_a_group_waits_until_groups_are_loaded(world):
    who = await world.producer("t")
    await world.commit_offset(who, 5)
    world.groups._core.loaded = False
    await world.end(who, True)
    await world.settle()
    world.groups._core.loaded = True
    assert await world.committed(stable=True) == UNSTABLE
    await asyncio.sleep(1)
    assert await world.committed(stable=True) == (5, OK)


def test_pending_offsets_forget_what_is_over():
    pending = PendingOffsets()
    pending.put(0, 1, PLACE, CommittedOffset(5))
    pending.put(0, 2, PLACE, CommittedOffset(6))
    assert pending.open_in(0)
    assert not pending.open_in(1)
    pending.committed(PLACE)
    assert pending.end(0, 1, commit=True) == []
    assert pending.waits(*PLACE)
    pending.drop(PLACE)
    assert not pending.waits(*PLACE)
    assert pending.groups() == set()
    assert pending.end(0, 2, commit=True) == []
    pending.put(0, 3, PLACE, CommittedOffset(7))
    assert pending.end(0, 3, commit=True) == [(PLACE, CommittedOffset(7))]
    assert pending._newest == {}
