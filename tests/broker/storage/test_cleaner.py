"""Log compaction: what stays, what goes and when, offsets, producers and transactions; and no harm at any kill."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from kopfka_broker.storage import LogConfig
from kopfka_broker.storage.cleaning import CleanerSettings
from kopfka_broker.storage.schedule import StorageSettings
from kopfka_wire.batches import split_batches, verify_crc
from kopfka_wire.records import Record, encode_batch
from support.clocks import Clock
from support.storage import NOW, crash, log_files, new_log, open_manager, records_of

COMPACTED = {
    "cleanup.policy": "compact", "segment.bytes": "1000", "index.interval.bytes": "200",
    "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "1000",
}  # fmt: skip


@pytest.fixture
def clock():
    return Clock(NOW)


@pytest.fixture
def manager(tmp_path, clock):
    return open_manager(tmp_path / "data", clock=clock)


def put(log, key, value, time=NOW, **fields):
    return log.append(encode_batch([Record(0, time, key, value)], **fields), time)


def fill(log, pairs, time=NOW):
    for key, value in pairs:
        put(log, key, value, time)


def latest(log):
    """Return the newest value of each key, tombstones left out, as a reader from the start builds it up."""
    state = {}
    for record in records_of(log):
        if record.value is None:
            state.pop(record.key, None)
        else:
            state[record.key] = record.value
    return state


def headers_of(log):
    found, offset = [], log.log_start_offset
    while data := log.read(offset, 1 << 20):
        for position, header in split_batches(data):
            verify_crc(data, position, header)
            found.append(header)
        offset = found[-1].next_offset
    return found


def numbered(keys, rounds):
    return [
        (b"key-%d" % key, b"value %d of round %d " % (key, turn) + b"." * 50)
        for turn, key in itertools.product(range(rounds), range(keys))
    ]


def test_the_newest_of_each_key_stays(manager):
    log = new_log(manager, config=COMPACTED)
    fill(log, numbered(10, 20))
    before, active = latest(log), log.active.base_offset
    size, end = log.size, log.log_end_offset
    assert manager.cleaner.clean_now() == 1
    assert latest(log) == before
    assert log.size < size / 3
    assert (log.log_start_offset, log.log_end_offset) == (0, end)
    kept = [record for record in records_of(log) if record.offset < active]
    assert len({record.key for record in kept}) == len(kept)
    for record in kept:  # each is where it was
        assert record.value == numbered(10, 20)[record.offset][1]
    assert manager.cleaner.cleaned_to(log) == active
    assert manager.cleaner.clean_now() == 0


def test_small_neighbours_become_one(manager):
    log = new_log(manager, config=COMPACTED)
    for _ in range(2):
        fill(log, numbered(10, 20))
        manager.cleaner.clean_now()
    assert len(log.segments) < 60
    assert len(log_files(log)) == len(log.segments)
    assert max(segment.size for segment in log.segments) <= 1000


def test_reading_from_any_offset_goes_on_with_what_is_left(manager):
    log = new_log(manager, config=COMPACTED)
    fill(log, numbered(7, 20))
    places = [(offset, log.read(offset, 100)) for offset in range(0, 140, 9)]
    assert places
    manager.cleaner.clean_now()
    left = [record.offset for record in records_of(log)]
    for offset in range(141):
        assert [record.offset for record in records_of(log, offset)] == [at for at in left if at >= offset]


def test_it_is_the_same_after_a_restart(manager, tmp_path, clock):
    for end in ("crash", "close"):
        log = new_log(manager, end, COMPACTED) if end not in manager.topics else manager.topics[end].partitions[0]
        fill(log, numbered(10, 20))
        manager.cleaner.clean_now()
        before, headers = records_of(log), headers_of(log)
        if end == "crash":
            crash(manager, system=True)
        else:
            asyncio.run(manager.close())
        manager = open_manager(tmp_path / "data", clock=clock)
        log = manager.topics[end].partitions[0]
        assert (records_of(log), headers_of(log)) == (before, headers)
        assert log.offset_for_time(NOW)[1] == before[0].offset
        assert manager.cleaner.clean_now() == 0, "the checkpoint says that it is clean"


def test_files_that_were_replaced_are_removed_later(manager, clock):
    log = new_log(manager, config=COMPACTED | {"file.delete.delay.ms": "5000"})
    fill(log, numbered(10, 20))
    manager.cleaner.clean_now()
    assert list(log.directory.glob("*.deleted"))
    assert not list(log.directory.glob("*.swap"))
    assert not list(log.directory.glob("*.cleaned"))
    assert len(log_files(log)) == len(log.segments)
    clock.now += 5000
    manager.apply_retention()
    assert not list(log.directory.glob("*.deleted"))


def test_a_tombstone_stays_for_its_time_and_then_goes(manager, clock):
    log = new_log(manager, config=COMPACTED)
    put(log, b"gone", b"value")
    put(log, b"gone", None)
    put(log, b"stays", b"value")
    fill(log, numbered(3, 20))
    manager.cleaner.clean_now()
    [tombstone] = [record for record in records_of(log) if record.key == b"gone"]
    assert (tombstone.offset, tombstone.value, tombstone.timestamp) == (1, None, NOW)
    [header] = [header for header in headers_of(log) if header.base_offset == 1]
    assert header.delete_horizon == NOW + 1000
    fill(log, numbered(3, 20))
    clock.now += 999
    manager.cleaner.clean_now()
    assert [record.value for record in records_of(log) if record.key == b"gone"] == [None]
    fill(log, numbered(3, 20))
    clock.now += 1
    manager.cleaner.clean_now()
    assert not [record for record in records_of(log) if record.key == b"gone"]
    assert latest(log)[b"stays"] == b"value"


def test_the_dirty_ratio_decides(manager):
    log = new_log(manager, config=COMPACTED | {"min.cleanable.dirty.ratio": "0.5"})
    fill(log, numbered(30, 4))
    assert manager.cleaner.clean_now() == 1
    fill(log, numbered(30, 1)[:14])
    assert manager.cleaner.filthiest() is None
    assert manager.cleaner.dirtiest_percent() > 0
    fill(log, numbered(30, 4))
    assert manager.cleaner.clean_now() == 1


def test_young_records_are_left_alone(manager, clock):
    log = new_log(manager, config=COMPACTED | {"min.compaction.lag.ms": "1000", "max.compaction.lag.ms": "5000"})
    fill(log, numbered(3, 20))
    clock.now += 1000
    fill(log, numbered(3, 20), clock.now)
    manager.cleaner.clean_now()
    kept = [record.offset for record in records_of(log)]
    assert len(kept) > 60
    assert set(range(60, 120)) <= set(kept)
    assert len([offset for offset in kept if offset < 40]) <= 3


def test_old_records_are_cleaned_whatever_the_ratio(manager, clock):
    log = new_log(manager, config=COMPACTED | {"min.cleanable.dirty.ratio": "1", "max.compaction.lag.ms": "1000"})
    fill(log, numbered(3, 20))
    assert manager.cleaner.clean_now() == 0
    clock.now += 1001
    assert manager.cleaner.clean_now() == 1
    put(log, b"k", b"v", clock.now)
    assert log.active.base_offset == log.log_end_offset - 1, "max.compaction.lag.ms closes a segment as well"


def test_the_last_batch_of_a_producer_is_kept_empty(manager, tmp_path, clock):
    log = new_log(manager, config=COMPACTED)
    for sequence in range(5):
        put(log, b"k", b"v", producer_id=9, producer_epoch=1, base_sequence=sequence)
    fill(log, [*numbered(3, 20), (b"k", b"newest")])
    fill(log, numbered(3, 20))
    manager.cleaner.clean_now()
    [empty] = [header for header in headers_of(log) if header.producer_id == 9]
    assert (empty.base_offset, empty.base_sequence, empty.record_count, empty.compression) == (4, 4, 0, 0)
    crash(manager)
    for path in log.directory.glob("*.snapshot"):
        path.unlink()
    manager = open_manager(tmp_path / "data", clock=clock)
    log = manager.topics["t"].partitions[0]
    again = put(log, b"k", b"v", producer_id=9, producer_epoch=1, base_sequence=4)
    assert again.first_offset == 4, "a duplicate is known as one"
    put(log, b"k", b"v", producer_id=9, producer_epoch=1, base_sequence=5)


@pytest.mark.parametrize("codec", range(5))
def test_batches_keep_their_codec(manager, codec):
    log = new_log(manager, config=COMPACTED)
    for turn in range(20):
        records = [
            Record(0, NOW + turn * 10 + key, b"key-%d" % key, b"value %d " % turn * 9, (("h", b"x"),))
            for key in range(6)
        ]
        log.append(encode_batch(records[turn % 2 :: 2], compression=codec), NOW)
        log.append(encode_batch([*records, Record(0, NOW, b"%d" % turn, b"alone")], compression=codec), NOW)
    before, by_offset = latest(log), {record.offset: record for record in records_of(log)}
    manager.cleaner.clean_now()
    assert latest(log) == before
    assert {header.compression for header in headers_of(log) if header.record_count} == {codec}
    assert len(records_of(log)) < len(by_offset)
    for record in records_of(log):
        assert record == by_offset[record.offset]


def test_records_without_a_key_go(manager):
    log = new_log(manager, config=COMPACTED | {"cleanup.policy": "delete", "retention.ms": "-1"})
    for number in range(40):
        put(log, None, b"%d" % number * 20)
    log.config = log.config.overridden({"cleanup.policy": "compact"})
    active = log.active.base_offset
    manager.cleaner.clean_now()
    assert [record.offset for record in records_of(log)] == list(range(active, 40))


def test_more_keys_than_memory_has_room_for_are_cleaned_in_turns(tmp_path, clock):
    from kopfka_broker.storage import LogManager

    settings = StorageSettings(cleaner=CleanerSettings(dedupe_buffer_size=4000))
    manager = LogManager(tmp_path / "data", LogConfig(), clock, settings=settings)
    manager.open()
    log = new_log(manager, config=COMPACTED)
    fill(log, numbered(60, 6))
    before = latest(log)
    rounds = 0
    while manager.cleaner.clean_now():
        rounds += 1
        assert latest(log) == before
    assert rounds > 3
    assert len(records_of(log)) < 250
    crash(manager)


@pytest.mark.parametrize("at", [2, 10, 30, 70, 200])
def test_damage_is_not_cleaned_away(manager, caplog, at):
    log = new_log(manager, config=COMPACTED)
    fill(log, numbered(10, 20))
    path = log_files(log)[2]
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    assert manager.cleaner.clean_now() == 1
    assert log.directory in manager.cleaner.uncleanable
    assert str(path) in caplog.text
    assert path.read_bytes() == content
    assert manager.cleaner.clean_now() == 0
    assert manager.cleaner.uncleanable_bytes() == log.size


def test_it_runs_by_itself_and_ends_at_once(tmp_path, clock):
    from kopfka_broker.storage import LogManager

    async def scenario():
        settings = StorageSettings(cleaner=CleanerSettings(backoff_ms=10))
        manager = LogManager(tmp_path / "data", LogConfig(), clock, settings=settings)
        manager.open()
        log = new_log(manager, config=COMPACTED)
        fill(log, numbered(10, 40))
        before = latest(log)
        stop = asyncio.Event()
        running = asyncio.create_task(manager.run(stop))
        async with asyncio.timeout(30):
            while not manager.cleaner.stats.runs:
                await asyncio.sleep(0.01)
                fill(log, numbered(10, 1))
                assert latest(log).keys() == before.keys()
        stop.set()
        await running
        assert latest(log) == dict(numbered(10, 1)) or latest(log) == before
        await manager.close()

    asyncio.run(scenario())
