"""The share coordinator over a log in memory: what it says is what the log says, also after a failure and a restart."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kopfka_broker.share import records
from kopfka_broker.share.coordinator import ShareCoordinator
from kopfka_broker.share.records import ShareState, ShareUpdate
from kopfka_broker.share.settings import ShareSettings
from kopfka_broker.share.states import DeliveryState, ShareError, SharePartitionKey, StateBatch
from kopfka_runtime.errors import KopfkaError

TOPIC = UUID(int=7)
KEY = SharePartitionKey("group", TOPIC, 0)
OTHER = SharePartitionKey("group", TOPIC, 1)
ACKED = DeliveryState.ACKNOWLEDGED


class MemoryLog:
    """A trimmable internal topic of one partition; appending or flushing fails when told."""

    partition_count = 1

    def __init__(self):
        self.records = []
        self.start = 0
        self.fail_append = self.fail_flush = False

    def append(self, partition, batch, timestamp_ms):
        if self.fail_append:
            raise KopfkaError("the disk is full")
        self.records += batch
        return len(self.records)

    async def flushed(self, partition, offset):
        if self.fail_flush:
            del self.records[offset - 1 :]
            raise KopfkaError("the disk failed")

    def read_all(self, partition):
        return iter(self.records[self.start :])

    def trim(self, partition, before_offset):
        self.start = max(self.start, before_offset)


class Clock:
    now = 1_000

    def wall_ms(self):
        return self.now

    monotonic_ms = wall_ms


class Topics:
    def topic_name(self, topic_id):
        return "topic" if topic_id == TOPIC else None

    def partition_count(self, name):
        return 2


async def started(log, clock=None, **settings):
    coordinator = ShareCoordinator(log, ShareSettings(**settings), clock or Clock(), Topics())
    await coordinator.load()
    return coordinator


def batch(first, last, state=ACKED, count=1):
    return StateBatch(first, last, state, count)


async def test_a_restart_finds_what_was_written_through_snapshots_and_updates():
    log = MemoryLog()
    coordinator = await started(log, updates_per_snapshot=3)
    await coordinator.initialize(KEY, 1, 0)
    for first in range(0, 30, 2):
        await coordinator.write(KEY, (1, 0), first // 2, 0, [batch(first, first + 1, count=first % 3 + 1)])
        again = await started(log, updates_per_snapshot=3)
        assert await again.read(KEY) == await coordinator.read(KEY)
    kinds = [records.decode_key(record.key)[0] for record in log.records]
    assert kinds.count(records.SNAPSHOT) == 1 + 15 // 4
    state = await coordinator.read(KEY)
    assert state.start_offset == 14
    assert state.batches[0].first == 14


async def test_what_failed_to_become_durable_is_not_remembered():
    log = MemoryLog()
    coordinator = await started(log)
    await coordinator.initialize(KEY, 1, 0)
    before = await coordinator.read(KEY)
    log.fail_flush = True
    with pytest.raises(ShareError):
        await coordinator.write(KEY, (1, 0), 5, 0, [batch(5, 9)])
    log.fail_flush = False
    assert await coordinator.read(KEY) == before
    log.fail_append = True
    with pytest.raises(ShareError):
        await coordinator.write(KEY, (1, 0), 5, 0, [batch(5, 9)])
    assert await coordinator.read(KEY) == before


async def test_old_epochs_are_fenced_and_what_was_never_begun_is_refused():
    coordinator = await started(MemoryLog())
    with pytest.raises(ShareError, match="uninitialized"):
        await coordinator.read(KEY)
    with pytest.raises(ShareError, match="uninitialized"):
        await coordinator.write(KEY, (0, 0), 0, 0, [])
    await coordinator.initialize(KEY, 5, 0)
    for refused in (coordinator.write(KEY, (4, 0), 0, 0, []), coordinator.initialize(KEY, 4, 0)):
        with pytest.raises(ShareError) as error:
            await refused
        assert error.value.code is ErrorCode.fenced_state_epoch
    for key in (KEY._replace(partition=2), KEY._replace(topic_id=UUID(int=1))):
        with pytest.raises(ShareError) as error:
            await coordinator.initialize(key, 1, 0)
        assert error.value.code is ErrorCode.unknown_topic_or_partition


async def test_the_log_is_kept_short_and_says_the_same():
    log, clock = MemoryLog(), Clock()
    coordinator = await started(log, clock, cold_snapshot_ms=100)
    for key in (KEY, OTHER):
        await coordinator.initialize(key, 1, 0)
        for offset in range(10):
            await coordinator.write(key, (1, 0), offset, 0, [batch(offset + 1, offset + 1)])
    clock.now += 100
    await coordinator.keep_short()
    assert len(log.records) - log.start == 2
    again = await started(log)
    for key in (KEY, OTHER):
        assert await again.read(key) == await coordinator.read(key)


async def test_deleted_is_deleted():
    log = MemoryLog()
    coordinator = await started(log)
    for key in (KEY, OTHER):
        await coordinator.initialize(key, 1, 3)
    await coordinator.delete(KEY)
    assert coordinator.summary(KEY) is None
    await coordinator.topics_deleted([TOPIC])
    assert coordinator.summary(OTHER) is None
    assert (await started(log)).summary(OTHER) is None


def test_before_it_is_loaded_it_says_so():
    coordinator = ShareCoordinator(MemoryLog(), ShareSettings(), Clock(), Topics())
    with pytest.raises(ShareError) as error:
        asyncio.run(coordinator.read(KEY))
    assert error.value.code is ErrorCode.coordinator_load_in_progress


BATCHES = st.lists(
    st.builds(
        lambda first, size, state, count: StateBatch(first, first + size, state, count),
        st.integers(0, 40),
        st.integers(0, 10),
        st.sampled_from([DeliveryState.AVAILABLE, ACKED, DeliveryState.ARCHIVED]),
        st.integers(0, 5),
    ),
    max_size=8,
)


@given(BATCHES, BATCHES, st.integers(0, 30))
def test_newer_states_lie_over_older_ones(before, newer, start):
    found = records.overlay(records.overlay((), before, 0), newer, start)
    model = {}
    for each in (*before, *newer):
        for offset in range(each.first, each.last + 1):
            model[offset] = (each.state, each.count)
    said = {offset: (each.state, each.count) for each in found for offset in range(each.first, each.last + 1)}
    assert said == {offset: what for offset, what in model.items() if offset >= start}
    assert sum(each.last - each.first + 1 for each in found) == len(said)
    assert [each.first for each in found] == sorted(each.first for each in found)


@given(BATCHES, st.integers(-1, 2**31 - 1), st.integers(-1, 2**62))
def test_records_are_read_back(batches, number, start):
    state = ShareState(3, 4, number, start, number, tuple(batches), 5, 6)
    assert records.decode_snapshot(records.encode_snapshot(state)) == state
    update = ShareUpdate(3, number, start, number, tuple(batches))
    assert records.decode_update(records.encode_update(update)) == update
