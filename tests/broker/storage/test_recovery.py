"""After an unclean end: a prefix of what was written, everything that was synced, and nothing else."""

from __future__ import annotations

import logging
import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kopfka_broker.storage import LogConfig, recovery
from kopfka_broker.storage.boot import BOOT_ID
from kopfka_wire.batches import split_batches
from support.storage import (
    NOW,
    batch,
    crash,
    fill,
    log_files,
    new_log,
    open_manager,
    records_of,
    replace_sync,
    values_of,
)

SEGMENTS = {"segment.bytes": "700", "index.interval.bytes": "100"}
VALUES = [b"value %d" % number for number in range(40)]


def reopened(directory):
    return open_manager(directory).topics["t"].partitions[0]


def index_files(log):
    return {path.name: path.read_bytes() for suffix in (".index", ".timeindex") for path in log_files(log, suffix)}


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def test_everything_that_was_written_is_there(data):
    manager = open_manager(data)
    fill(new_log(manager, config=SEGMENTS), VALUES)
    crash(manager)
    log = reopened(data)
    assert values_of(log) == VALUES
    assert log.append(batch(b"more"), NOW).first_offset == 40


def written_tail(data):
    """Four batches in one file, of which the first two are known to be synced."""
    manager = open_manager(data)
    log = new_log(manager, config={"index.interval.bytes": "50"})
    fill(log, VALUES[:2])
    assert manager._disk.flusher.flush_now(log.durability) is None
    manager.save_checkpoints()
    fill(log, VALUES[2:4])
    ends = [position + header.size for position, header in split_batches(log.read(0, 1 << 20))]
    crash(manager, system=True)
    return log_files(log)[0], ends


def test_cut_at_every_byte(data, tmp_path, caplog):
    file, ends = written_tail(data)
    whole = file.read_bytes()
    for size in range(ends[1], len(whole)):
        copy = tmp_path / "copy"
        shutil.copytree(data, copy)
        os.truncate(copy / "t-0" / file.name, size)
        caplog.clear()
        manager = open_manager(copy)
        log = manager.topics["t"].partitions[0]
        complete = sum(end <= size for end in ends)
        assert values_of(log) == VALUES[:complete]
        assert (copy / "t-0" / file.name).read_bytes() == whole[: ends[complete - 1]]
        if size not in ends:
            [said] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
            assert f"{file.name}: cut at position {ends[complete - 1]} (offset {complete})" in said
            assert f"{size - ends[complete - 1]} bytes" in said
        fill(log, [b"next"])
        assert values_of(log) == [*VALUES[:complete], b"next"]
        crash(manager)
        shutil.rmtree(copy)


def test_one_wrong_byte_at_every_place_after_the_recovery_point(data, tmp_path):
    file, ends = written_tail(data)
    whole = file.read_bytes()
    for at in range(ends[1], len(whole)):
        copy = tmp_path / "copy"
        shutil.copytree(data, copy)
        (copy / "t-0" / file.name).write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        manager = open_manager(copy)
        log = manager.topics["t"].partitions[0]
        hit = sum(end <= at for end in ends)
        before_crc = at - ([0, *ends][hit]) < 17
        found = values_of(log)
        # offset and epoch are outside of the checksum: such a batch may stay, its records are as they were
        allowed = [VALUES[:hit], VALUES[: hit + 1], VALUES] if before_crc else [VALUES[:hit]]
        assert found in [values[:4] for values in allowed]
        crash(manager)
        shutil.rmtree(copy)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(garbage=st.binary(min_size=1, max_size=300))
def test_any_bytes_after_the_end(tmp_path_factory, garbage):
    data = tmp_path_factory.mktemp("garbage") / "data"
    manager = open_manager(data)
    log = new_log(manager)
    fill(log, VALUES[:3])
    crash(manager)
    with log_files(log)[0].open("ab") as file:
        file.write(garbage)
    assert values_of(reopened(data)) == VALUES[:3]


def test_zeros_after_the_end(data):
    manager = open_manager(data)
    log = new_log(manager)
    fill(log, VALUES[:3])
    crash(manager)
    with log_files(log)[0].open("ab") as file:
        file.truncate(file.tell() + 1_000_000)
    assert values_of(reopened(data)) == VALUES[:3]


def test_segments_after_a_damaged_one_go(data, caplog):
    manager = open_manager(data)
    log = new_log(manager, config=SEGMENTS)
    fill(log, VALUES)
    crash(manager, system=True)
    files = log_files(log)
    assert len(files) > 4
    os.truncate(files[1], files[1].stat().st_size - 1)
    log = reopened(data)
    kept = int(files[2].stem) - 1
    assert values_of(log) == VALUES[:kept]
    assert log_files(log) == files[:2]
    assert sum("removed" in record.getMessage() for record in caplog.records) == len(files) - 2
    fill(log, [b"next"])
    assert values_of(log)[-1] == b"next"


def test_only_what_follows_the_recovery_point_is_checked(data, monkeypatch):
    manager = open_manager(data)
    log = new_log(manager, config=SEGMENTS)
    fill(log, VALUES)
    manager._disk.flusher.flush_now(log.durability)
    manager.save_checkpoints()
    fill(log, [b"late %d" % number for number in range(3)])
    crash(manager, system=True)
    checked = []
    monkeypatch.setattr(recovery, "verify_crc", lambda window, at, header: checked.append(header.base_offset))
    log = reopened(data)
    assert len(records_of(log)) == 43
    assert checked[-3:] == [40, 41, 42]
    assert len(checked) <= 6  # from the last index entry below the recovery point on


@pytest.mark.skipif(not BOOT_ID.exists(), reason="this system does not say when it was started")
def test_after_a_kill_only_what_follows_the_last_index_entry_is_checked(data, monkeypatch):
    manager = open_manager(data)
    log = new_log(manager, config=SEGMENTS)
    fill(log, VALUES[:37])
    manager.save_checkpoints()
    last = log.active.base_offset + (log.active.index.entries[-1] >> 32)
    fill(log, VALUES[37:38])
    assert log.recovery_point <= log.active.base_offset < last < 37
    crash(manager)
    checked = []
    monkeypatch.setattr(recovery, "verify_crc", lambda window, at, header: checked.append(header.base_offset))
    log = reopened(data)
    assert checked == list(range(last, 38))
    assert values_of(log) == VALUES[:38]


def test_after_a_failed_sync_a_kill_is_not_trusted(data, monkeypatch):
    manager = open_manager(data)
    log = new_log(manager, config=SEGMENTS)
    fill(log, VALUES)

    def fail(_):
        raise OSError(5, "Input/output error")

    replace_sync(monkeypatch, fail)
    assert manager._disk.flusher.flush_now(log.durability)
    crash(manager)
    monkeypatch.undo()
    checked = []
    monkeypatch.setattr(recovery, "verify_crc", lambda window, at, header: checked.append(header.base_offset))
    reopened(data)
    assert checked == list(range(40))


async def test_after_a_clean_shutdown_nothing_is_checked(data, monkeypatch):
    manager = open_manager(data)
    fill(new_log(manager, config=SEGMENTS), VALUES)
    await manager.close()
    assert (data / ".kafka_cleanshutdown").exists()
    monkeypatch.setattr(recovery, "verify_crc", lambda *_: pytest.fail("nothing is to be checked"))
    log = reopened(data)
    assert not (data / ".kafka_cleanshutdown").exists()
    assert values_of(log) == VALUES
    assert (log.leader_epoch, log.recovery_point) == (0, 40)


async def test_a_log_damaged_after_a_clean_shutdown_is_recovered(data, caplog):
    manager = open_manager(data)
    log = new_log(manager)
    fill(log, VALUES)
    await manager.close()
    os.truncate(log_files(log)[0], log_files(log)[0].stat().st_size - 3)
    assert values_of(reopened(data)) == VALUES[:-1]
    assert "although it was closed cleanly" in caplog.text


@pytest.mark.parametrize("damage", ["missing", "cut", "garbage", "empty", "zeros"])
@pytest.mark.parametrize("suffix", [".index", ".timeindex"])
@pytest.mark.parametrize("clean", [True, False])
async def test_indexes_are_written_anew(data, damage, suffix, clean):
    manager = open_manager(data, LogConfig(segment_bytes=1000, index_interval_bytes=100))
    log = new_log(manager)
    for number, value in enumerate(VALUES):
        log.append(batch(value, timestamp=NOW + number), NOW)
    if clean:
        await manager.close()
    else:
        manager.save_checkpoints()
        crash(manager)
    before = index_files(log)
    for path in log_files(log, suffix):
        content = path.read_bytes()
        if damage == "missing":
            path.unlink()
        else:
            changed = {
                "cut": content[:-1],
                "garbage": b"\xff" * len(content),
                "empty": b"",
                "zeros": content + bytes(24),
            }
            path.write_bytes(changed[damage])
    manager = open_manager(data, LogConfig(segment_bytes=1000, index_interval_bytes=100))
    log = manager.topics["t"].partitions[0]
    for number in range(40):
        assert log.offset_for_time(NOW + number)[1] == number
        assert records_of(log, number)[0].value == VALUES[number]
    await manager.close()
    if damage != "empty":  # an empty index is a sparse one: nothing contradicts it
        after = index_files(log)
        assert all(after[name].startswith(content) for name, content in before.items())


def test_an_unclean_end_begins_a_new_epoch(data):
    manager = open_manager(data)
    fill(new_log(manager), VALUES[:3])
    crash(manager)
    manager = open_manager(data)
    log = manager.topics["t"].partitions[0]
    assert log.leader_epoch == 1
    fill(log, VALUES[3:5])
    assert [log.end_offset_for_epoch(epoch) for epoch in (0, 1)] == [(0, 3), (1, 5)]
    crash(manager)
    assert reopened(data).leader_epoch == 2


def test_the_epoch_never_goes_back_when_its_records_are_cut(data):
    manager = open_manager(data)
    fill(new_log(manager), VALUES[:1])
    crash(manager)
    manager = open_manager(data)
    log = manager.topics["t"].partitions[0]
    fill(log, VALUES[1:3])
    assert log.leader_epoch == 1
    crash(manager)
    os.truncate(log_files(log)[0], 10)
    log = reopened(data)
    assert log.log_end_offset == 0
    fill(log, VALUES[:1])
    assert log.leader_epoch == 2


def test_leftovers_are_removed(data):
    manager = open_manager(data)
    log = new_log(manager)
    fill(log, VALUES)
    crash(manager)
    for name in (
        "00000000000000000000.log.deleted",
        "00000000000000000000.index.deleted",
        "leader-epoch-checkpoint.tmp",
    ):
        (log.directory / name).write_bytes(b"x")
    (data / "gone-0.abc-delete").mkdir()
    log = reopened(data)
    assert values_of(log) == VALUES
    assert not list(data.rglob("*.deleted")) + list(data.rglob("*.tmp")) + list(data.rglob("*-delete"))


def test_a_missing_folder_is_said_and_its_offsets_are_not_given_again(data, caplog):
    manager = open_manager(data)
    log = new_log(manager)
    fill(log, VALUES)
    manager._disk.flusher.flush_now(log.durability)
    manager.save_checkpoints()
    crash(manager)
    shutil.rmtree(log.directory)
    log = reopened(data)
    assert "its records are gone" in caplog.text
    assert log.append(batch(b"next"), NOW).first_offset == 40


def test_a_log_that_lost_more_than_was_deleted_begins_where_it_was_deleted_to(data):
    manager = open_manager(data)
    log = new_log(manager)
    fill(log, [b"a", b"b", b"c"])
    log.delete_records(2)
    [file] = log_files(log)
    os.truncate(file, 10)
    crash(manager, system=True)
    log = reopened(data)
    assert (log.log_start_offset, log.log_end_offset) == (2, 2)
    assert log.append(batch(b"d"), NOW).first_offset == 2
    assert values_of(log) == [b"d"]
