"""Flipped bytes on disk: never served as records, reported by file, position and offset, and all else is served on."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kopfka_broker.storage import CorruptMessageError
from kopfka_wire.batches import HEADER_SIZE, split_batches
from kopfka_wire.records import decode_batch
from support.storage import NOW, batch, close_descriptors, crash, log_files, new_log, open_manager

SEGMENTS = {"segment.bytes": "2000", "index.interval.bytes": "300"}
RECORDS = 60


def flip(path, at, bit=0):
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)


def written(directory, clean=True):
    manager = open_manager(directory)
    log = new_log(manager, config=SEGMENTS)
    for number in range(RECORDS):
        log.append(batch(b"%03d" % number + b"." * 30), NOW)
    if clean:
        asyncio.run(manager.close())
    else:
        crash(manager)
    return log


def read_around_damage(log):
    """Read all that can be read as a stubborn consumer does: at an error it tries the next offset."""
    values, refused, offset = {}, [], 0
    while offset < log.log_end_offset:
        try:
            data = log.read(offset, 500)
        except CorruptMessageError:
            refused.append(offset)
            offset += 1
            continue
        assert data
        following = offset + 1
        for position, header in split_batches(data):
            values |= {each.offset: each.value for each in decode_batch(data, position) if each.offset >= offset}
            following = max(following, header.next_offset)
        offset = following
    return values, refused


def expected(number):
    return b"%03d" % number + b"." * 30


@pytest.mark.parametrize("segment", [0, 3, -1])
def test_a_flipped_byte_of_a_record_is_found_and_the_rest_is_served(tmp_path, caplog, segment):
    written(tmp_path / "data")
    manager = open_manager(tmp_path / "data")
    log = manager.topics["t"].partitions[0]
    path = log_files(log)[segment]
    bad = log.segments[segment].base_offset + 2
    at = path.read_bytes().index(b"%03d..." % bad)
    flip(path, at)
    values, refused = read_around_damage(log)
    assert refused == [bad]
    assert values == {number: expected(number) for number in range(RECORDS) if number != bad}
    assert f"{path} is damaged at position" in caplog.text
    assert f"offset {bad} of t-0" in caplog.text
    assert manager.damage.by_partition() == {("t", 0): 1}
    read_around_damage(log)
    assert caplog.text.count("is damaged at position") == 1
    log.append(batch(b"more"), NOW)
    assert log.read(RECORDS, 1000)
    crash(manager)


def test_what_was_written_a_while_ago_is_checked_in_a_running_broker(tmp_path):
    manager = open_manager(tmp_path / "data")
    log = new_log(manager, config=SEGMENTS)
    for number in range(RECORDS):
        log.append(batch(expected(number)), NOW)
    manager.apply_retention()
    for path in (log_files(log)[1], log_files(log)[-1]):
        flip(path, HEADER_SIZE + 10)
    values, refused = read_around_damage(log)
    assert refused == [log.segments[1].base_offset, log.active.base_offset]
    assert len(values) == RECORDS - 2
    crash(manager)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder that was closed cleanly, and one that was not."""
    made = {clean: tmp_path_factory.mktemp("written") / "data" for clean in (True, False)}
    for clean, directory in made.items():
        written(directory, clean)
    return made


@settings(max_examples=50, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), segment=st.integers(0, 4), clean=st.booleans())
def test_no_flipped_bit_becomes_a_wrong_record(folders, share, bit, segment, clean):
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary) / "data"
        shutil.copytree(folders[clean], directory)
        path = sorted((directory / "t-0").glob("*.log"))[segment]
        content = path.read_bytes()
        at = int(share * len(content))
        # where the log ends, no neighbour says what the last offsets are to be
        assume(segment < 4 or not any(position <= at < position + 8 for position, _ in split_batches(content)))
        flip(path, at, bit)
        manager = open_manager(directory)
        log = manager.topics["t"].partitions[0]
        values, refused = read_around_damage(log)
        for offset, value in values.items():
            assert value == expected(offset)
        lost = set(range(RECORDS)) - set(values)
        leader_epoch = any(position + 12 <= at < position + 16 for position, _ in split_batches(content))
        assert lost or leader_epoch, "the one field that neither checksum nor neighbours tell of"
        assert len(lost) <= 6, "the damaged batch, or what its header hides up to the next entry of the index"
        assert refused or segment == 4 or leader_epoch
        crash(manager)
        close_descriptors()


def test_a_synced_batch_that_is_damaged_does_not_end_the_log_after_a_crash(tmp_path):
    manager = open_manager(tmp_path / "data")
    log = new_log(manager)
    for number in range(20):
        log.append(batch(expected(number)), NOW)
    assert manager._disk.flusher.flush_now(log.durability) is None
    manager.save_checkpoints()
    log.append(batch(expected(20)), NOW)
    log.append(batch(expected(21)), NOW)
    crash(manager, system=True)
    content = log_files(log)[0].read_bytes()
    for number in (7, 21):  # one that was synced; one that was not, and may be torn
        flip(log_files(log)[0], content.index(b"%03d..." % number))
    manager = open_manager(tmp_path / "data")
    log = manager.topics["t"].partitions[0]
    values, refused = read_around_damage(log)
    assert (sorted(values), refused, log.log_end_offset) == ([*range(7), *range(8, 21)], [7], 21)
    crash(manager)


def test_times_are_not_taken_from_damaged_batches(tmp_path):
    written(tmp_path / "data")
    manager = open_manager(tmp_path / "data")
    log = manager.topics["t"].partitions[0]
    path = log_files(log)[0]
    flip(path, HEADER_SIZE + 3)
    with pytest.raises(CorruptMessageError):
        log.offset_for_time(NOW)
    crash(manager)


def test_a_patrol_finds_what_no_one_reads(tmp_path, caplog):
    written(tmp_path / "data")
    manager = open_manager(tmp_path / "data")
    log = manager.topics["t"].partitions[0]
    path = log_files(log)[1]
    manager.patrol.check_now()
    assert not manager.damage
    flip(path, HEADER_SIZE + 3)
    manager.patrol.check_now()
    assert manager.damage.by_partition() == {("t", 0): 1}
    assert f"{path} is damaged at position 0: offset {log.segments[1].base_offset} of t-0" in caplog.text
    crash(manager)


def test_a_patrol_goes_on_beside_the_event_loop_and_ends_with_it(tmp_path, monkeypatch):
    written(tmp_path / "data")
    manager = open_manager(tmp_path / "data")
    flip(log_files(manager.topics["t"].partitions[0])[0], HEADER_SIZE + 3)
    monkeypatch.setattr("kopfka_broker.storage.patrol.FIRST_SECONDS", 0.0)

    async def scenario():
        stop = asyncio.Event()
        running = asyncio.create_task(manager.run(stop))
        async with asyncio.timeout(30):
            while not manager.damage:
                await asyncio.sleep(0.01)
        stop.set()
        await running
        await manager.close()

    asyncio.run(scenario())
