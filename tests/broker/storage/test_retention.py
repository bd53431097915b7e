"""Which segments go, when their files go, and that a restart in between changes nothing."""

from __future__ import annotations

import pytest

from kopfka_broker.storage import LogConfig
from support.clocks import Clock
from support.storage import NOW, batch, crash, fill, log_files, new_log, open_manager, values_of

VALUES = [b"value %02d" % number for number in range(40)]
SEGMENTS = {"segment.bytes": "700", "file.delete.delay.ms": "60000"}


@pytest.fixture
def clock():
    return Clock(NOW)


@pytest.fixture
def manager(tmp_path, clock):
    return open_manager(tmp_path / "data", clock=clock)


def bases(log):
    return [segment.base_offset for segment in log.segments]


def test_by_time(manager, clock):
    log = new_log(manager, config=SEGMENTS | {"retention.ms": "1000"})
    for number, value in enumerate(VALUES):
        log.append(batch(value, timestamp=NOW + number * 100), clock.now)
    before = bases(log)
    assert len(before) > 4
    clock.now = NOW + 3000
    manager.apply_retention()
    # a segment goes when its newest record is older than the limit
    assert bases(log) == [base for base, following in zip(before, [*before[1:], 41], strict=True) if following > 20]
    assert log.log_start_offset == bases(log)[0] <= 20
    assert values_of(log) == VALUES[log.log_start_offset :]


def test_by_time_the_last_segment_too(manager, clock):
    log = new_log(manager, config=SEGMENTS | {"retention.ms": "1000"})
    fill(log, VALUES)
    clock.now = NOW + 2000
    manager.apply_retention()
    assert (log.log_start_offset, log.log_end_offset, log.size) == (40, 40, 0)
    assert log.append(batch(b"next"), clock.now).first_offset == 40
    manager.apply_retention()
    assert values_of(log) == []
    manager.apply_retention()
    assert log.log_end_offset == 41


def test_by_size(manager):
    log = new_log(manager, config=SEGMENTS | {"retention.bytes": "1500"})
    fill(log, VALUES)
    manager.apply_retention()
    sizes = [segment.size for segment in log.segments]
    assert 1500 <= sum(sizes) < 1500 + 700
    manager.apply_retention()
    assert [segment.size for segment in log.segments] == sizes


def test_unlimited(manager, clock):
    log = new_log(manager, config=SEGMENTS | {"retention.ms": "-1"})
    fill(log, VALUES)
    clock.now += 10**12
    manager.apply_retention()
    assert values_of(log) == VALUES


def test_compacted_topics_are_not_deleted_from(manager, clock):
    log = new_log(manager, config=SEGMENTS | {"cleanup.policy": "compact", "retention.ms": "1", "retention.bytes": "1"})
    fill(log, VALUES)
    clock.now += 10**12
    manager.apply_retention()
    assert values_of(log) == VALUES


def test_segments_below_the_log_start_offset(manager):
    log = new_log(manager, config=SEGMENTS)
    fill(log, VALUES)
    before = bases(log)
    log.delete_records(before[2] + 1)
    manager.apply_retention()
    assert bases(log) == before[2:]
    log.delete_records(-1)
    manager.apply_retention()
    assert bases(log) == before[-1:]
    assert (log.log_start_offset, log.log_end_offset) == (40, 40)


def test_files_go_when_the_delay_is_over(manager, clock):
    log = new_log(manager, config=SEGMENTS | {"retention.bytes": "700"})
    fill(log, VALUES)
    files = {path.name for path in log_files(log)}
    manager.apply_retention()
    kept = {path.name for path in log_files(log)}
    assert len(kept) == len(log.segments) == 2
    waiting = {path.name.removesuffix(".deleted") for path in log.directory.glob("*.log.deleted")}
    assert waiting == files - kept
    assert {path.stem for path in log.directory.glob("*.index.deleted")} == {name[:-4] + ".index" for name in waiting}
    clock.now += 59_999
    manager.apply_retention()
    assert list(log.directory.glob("*.deleted"))
    clock.now += 1
    manager.apply_retention()
    assert not list(log.directory.glob("*.deleted"))
    assert {path.stem for path in log.directory.glob("*.snapshot")} <= {path.stem for path in log_files(log)}


def test_deleted_records_stay_deleted_after_a_crash(manager, tmp_path):
    log = new_log(manager, config=SEGMENTS | {"retention.bytes": "700"})
    fill(log, VALUES)
    log.delete_records(39)
    crash(manager)
    manager = open_manager(tmp_path / "data")
    log = manager.topics["t"].partitions[0]
    assert (log.log_start_offset, log.log_end_offset) == (39, 40)
    assert values_of(log) == VALUES[39:]
    manager.apply_retention()
    crash(manager)
    log = open_manager(tmp_path / "data").topics["t"].partitions[0]
    assert values_of(log) == VALUES[39:]


def test_an_emptied_log_keeps_its_offsets_after_a_crash(manager, clock, tmp_path):
    log = new_log(manager, config=SEGMENTS | {"retention.ms": "1000"})
    fill(log, VALUES)
    clock.now = NOW + 2000
    manager.apply_retention()
    crash(manager)
    log = open_manager(tmp_path / "data").topics["t"].partitions[0]
    assert (log.log_start_offset, log.log_end_offset) == (40, 40)
    assert log.append(batch(b"next"), NOW).first_offset == 40


@pytest.mark.parametrize("step", [0, 100])
def test_a_segment_is_closed_by_age(manager, clock, step):
    """By the age of its records where they tell, by the clock where all records have the same time."""
    log = new_log(manager, config={"segment.ms": "1000"})
    for number in range(30):
        clock.now = NOW + number * 100
        log.append(batch(b"v", timestamp=NOW + number * step), clock.now)
    assert bases(log) == ([0] if not step else [0, 11, 22])


def test_a_segment_without_timestamps_is_closed_by_the_clock(manager, clock):
    log = new_log(manager, config={"segment.ms": "1000"})
    for number in range(30):
        clock.now = NOW + number * 100
        log.append(batch(b"v", timestamp=-1), clock.now)
    assert bases(log) == [0, 11, 22]


def test_a_segment_is_closed_when_its_index_is_full(tmp_path):
    config = LogConfig(segment_index_bytes=80, index_interval_bytes=1)
    log = new_log(open_manager(tmp_path / "data", config))
    fill(log, VALUES)
    assert max(len(segment.index.entries) for segment in log.segments) <= 10
    assert len(log.segments) > 3
    assert values_of(log) == VALUES


async def test_the_schedule_runs_what_is_due_and_ends_at_once(tmp_path):
    import asyncio

    from kopfka_broker.storage import LogManager, StorageSettings
    from support.waiting import eventually_async

    manager = LogManager(
        tmp_path / "data", LogConfig(), lambda: NOW + 10**9,
        settings=StorageSettings(retention_check_interval_ms=5, checkpoint_interval_ms=5),
    )  # fmt: skip
    manager.open()
    log = new_log(manager, config=SEGMENTS | {"retention.ms": "1000"})
    stop = asyncio.Event()
    task = asyncio.create_task(manager.run(stop))
    log.append(batch(b"old", timestamp=NOW), NOW)
    await eventually_async(lambda: log.log_start_offset == 1)
    checkpoint = manager.directory / "log-start-offset-checkpoint"
    await eventually_async(lambda: checkpoint.exists() and "t 0 1" in checkpoint.read_text())
    stop.set()
    await task
    await manager.close()
