"""Group commit, and what a disk that fails does: nothing is acknowledged that is not on disk."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest

from kopfka_broker.storage import KafkaStorageError, durability, flusher, log, syncs
from support.storage import NOW, batch, crash, fill, log_files, new_log, open_manager, replace_sync, values_of
from support.waiting import eventually_async


@pytest.fixture
def manager(tmp_path):
    return open_manager(tmp_path / "data")


class Disk:
    """Stands between the flusher and the system: counts, holds and fails syncs."""

    def __init__(self, monkeypatch):
        self.synced = []
        self.error = None
        self.gate = threading.Event()
        self.gate.set()
        self._real = syncs.sync_data
        replace_sync(monkeypatch, self.sync)

    def sync(self, descriptor):
        self.gate.wait(30)
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        link = Path(f"/proc/self/fd/{descriptor}")
        self.synced.append(link.readlink() if link.exists() else descriptor)
        self._real(descriptor)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


async def test_one_sync_answers_for_all_who_wait(manager, disk):
    partition = new_log(manager)
    disk.gate.clear()
    fill(partition, [b"a"])
    first = asyncio.create_task(partition.flushed(1))
    await eventually_async(lambda: manager._disk.flusher._thread is not None)
    later = []
    for number in range(20):
        end = partition.append(batch(b"%d" % number), NOW).last_offset + 1
        later.append(asyncio.create_task(partition.flushed(end)))
    disk.gate.set()
    await asyncio.gather(first, *later)
    assert len(disk.synced) == 2
    assert partition.recovery_point == 21
    await partition.flushed(21)
    assert len(disk.synced) == 2


async def test_without_sync_before_the_answer_none_is_waited_for_and_one_in_doubt_is_told(manager, disk):
    partition = new_log(manager)
    manager._disk.sync_before_answer = False
    fill(partition, [b"a"])
    await partition.flushed(1)
    assert disk.synced == []
    assert partition.recovery_point == 0

    manager._disk.sync_before_answer = True  # from now on all is waited for, what came before too
    await partition.flushed(1)
    assert partition.recovery_point == 1

    manager._disk.sync_before_answer = False
    fill(partition, [b"b"])
    disk.error = errno.EIO
    assert manager._disk.flusher.flush_now(partition.durability)
    with pytest.raises(KafkaStorageError, match="last sync failed"):
        await partition.flushed(2)
    disk.error = None
    fill(other := new_log(manager, "other"), [b"a"])
    other.close("it is closed")
    with pytest.raises(KafkaStorageError, match="it is closed"):
        await other.flushed(1)


async def test_all_segments_since_the_recovery_point_are_synced(manager, disk):
    partition = new_log(manager, config={"segment.bytes": "300"})
    disk.gate.clear()
    fill(partition, [b"v" * 100] * 6)
    disk.gate.set()
    await partition.flushed(6)
    files = {path for path in log_files(partition) if path.stat().st_size}
    assert files <= set(disk.synced) or os.uname().sysname != "Linux"
    assert partition.recovery_point == 6


async def test_flush_messages_and_flush_ms(manager, disk):
    by_count = new_log(manager, "count", {"flush.messages": "3"})
    by_time = new_log(manager, "time", {"flush.ms": "1"})
    fill(by_count, [b"a", b"b"])
    fill(by_time, [b"a"])
    await eventually_async(lambda: by_time.recovery_point == 1)
    assert by_count.recovery_point == 0
    fill(by_count, [b"c"])
    await eventually_async(lambda: by_count.recovery_point == 3)
    fill(by_time, [b"b"])
    await eventually_async(lambda: by_time.recovery_point == 2)


async def test_a_failed_sync_is_never_acknowledged_until_the_bytes_were_written_again(manager, disk, monkeypatch):
    monkeypatch.setattr(durability, "REPAIR_INTERVAL_MS", 20)
    written_again = []
    real = flusher._write_again
    monkeypatch.setattr(
        flusher, "_write_again", lambda part: (written_again.append((part.start, part.end)), real(part))
    )
    partition = new_log(manager)
    fill(partition, [b"safe"])
    await partition.flushed(1)
    start = partition.size
    disk.error = errno.EIO
    fill(partition, [b"a", b"b"])
    with pytest.raises(KafkaStorageError, match="not on disk"):
        await partition.flushed(3)
    assert partition.recovery_point == 1
    assert str(partition.directory) in str(list(manager.offline))
    with pytest.raises(KafkaStorageError, match="last sync failed") as caught:
        fill(partition, [b"c"])
    assert caught.value.number == 56
    assert values_of(partition) == [b"safe", b"a", b"b"]
    with pytest.raises(KafkaStorageError):
        await partition.flushed(3)
    disk.error = None
    await eventually_async(lambda: not manager.offline)
    assert written_again[-1] == (start, partition.size)
    assert partition.recovery_point == 3
    fill(partition, [b"c"])
    await partition.flushed(4)
    assert values_of(partition) == [b"safe", b"a", b"b", b"c"]


async def test_what_cannot_be_read_back_is_never_acknowledged(manager, disk, monkeypatch):
    """The kernel dropped the pages of a failed write, and the disk gives back something else."""
    monkeypatch.setattr(durability, "REPAIR_INTERVAL_MS", 20)
    partition = new_log(manager)
    disk.error = errno.EIO
    fill(partition, [b"a" * 50])
    with pytest.raises(KafkaStorageError):
        await partition.flushed(1)
    with log_files(partition)[0].open("r+b") as file:
        file.seek(80)
        file.write(b"stale")
    disk.error = None
    with pytest.raises(KafkaStorageError, match="checksum"):
        await partition.flushed(1)
    assert partition.durability.unsafe
    await manager.close()
    assert not (manager.directory / ".kafka_cleanshutdown").exists()


async def test_one_failing_log_does_not_hold_up_others(manager, monkeypatch):
    good, bad = new_log(manager, "good"), new_log(manager, "bad")
    fill(good, [b"a"])
    fill(bad, [b"a"])
    broken = bad.active.file.descriptor()
    real = syncs.sync_data

    def sync(descriptor):
        if descriptor == broken:
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    replace_sync(monkeypatch, sync)
    outcomes = await asyncio.gather(good.flushed(1), bad.flushed(1), return_exceptions=True)
    assert outcomes[0] is None
    assert isinstance(outcomes[1], KafkaStorageError)


def full_after(monkeypatch, taken):
    """Let writes take `taken` bytes more, and then say ENOSPC; returns how to free space."""
    left = [taken]
    real_writev, real_write = os.pwritev, os.pwrite

    def take(size):
        if left[0] <= 0 and size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        size = min(size, left[0])
        left[0] -= size
        return size

    def pwritev(descriptor, buffers, position):
        data = b"".join(buffers)
        return (
            real_write(descriptor, data[: take(len(data))], position) if data else real_writev(descriptor, [], position)
        )

    monkeypatch.setattr(os, "pwritev", pwritev)
    monkeypatch.setattr(
        os, "pwrite", lambda descriptor, data, position: real_write(descriptor, data[: take(len(data))], position)
    )
    return lambda: left.__setitem__(0, 1 << 40)


@pytest.mark.parametrize("taken", [0, 1, 15, 16, 17, 61, 80])
def test_a_write_that_fails_half_way_leaves_no_trace(manager, monkeypatch, taken, tmp_path):
    partition = new_log(manager)
    fill(partition, [b"before"])
    size = partition.size
    free = full_after(monkeypatch, taken)
    with pytest.raises(KafkaStorageError, match="No space left"):
        fill(partition, [b"lost" * 10])
    assert partition.directory in manager.offline
    assert log_files(partition)[0].stat().st_size == partition.size == size
    assert values_of(partition) == [b"before"]
    free()
    fill(partition, [b"after"])
    assert not manager.offline
    crash(manager)
    assert values_of(open_manager(tmp_path / "data").topics["t"].partitions[0]) == [b"before", b"after"]


def test_a_file_that_cannot_even_be_cut_is_cut_before_the_next_write(manager, monkeypatch, tmp_path):
    partition = new_log(manager)
    fill(partition, [b"before"])
    free = full_after(monkeypatch, 70)
    real = os.ftruncate

    def ftruncate(descriptor, size):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "ftruncate", ftruncate)
    with pytest.raises(KafkaStorageError):
        fill(partition, [b"lost" * 50])
    assert log_files(partition)[0].stat().st_size > partition.size
    free()
    with pytest.raises(KafkaStorageError):
        fill(partition, [b"lost again"])
    monkeypatch.setattr(os, "ftruncate", real)
    fill(partition, [b"x"])
    crash(manager)
    assert values_of(open_manager(tmp_path / "data").topics["t"].partitions[0]) == [b"before", b"x"]


def test_an_idempotent_retry_after_a_full_disk_is_no_duplicate(manager, monkeypatch):
    partition = new_log(manager)
    sent = [batch(b"%d" % number, producer=1, sequence=number) for number in range(3)]
    partition.append(sent[0], NOW)
    free = full_after(monkeypatch, 10)
    with pytest.raises(KafkaStorageError):
        partition.append(sent[1], NOW)
    free()
    assert partition.append(sent[1], NOW).first_offset == 1
    assert partition.append(sent[2], NOW).first_offset == 2


async def test_much_data_brings_a_checkpoint_before_its_time(manager, monkeypatch):
    monkeypatch.setattr("kopfka_broker.storage.disk.CHECKPOINT_BYTES", 1000)
    partition = new_log(manager)
    fill(partition, [b"v" * 300])
    await partition.flushed(1)
    checkpoint = manager.directory / "recovery-point-offset-checkpoint"
    assert not checkpoint.exists()
    fill(partition, [b"v" * 300])
    await eventually_async(lambda: checkpoint.exists() and "t 0 1" in checkpoint.read_text())


async def test_that_space_is_back_is_noticed_without_a_producer(manager, monkeypatch):
    monkeypatch.setattr(log, "PROBE_INTERVAL_MS", 10)
    partition = new_log(manager)
    fill(partition, [b"before"])
    size = partition.size
    free = full_after(monkeypatch, 0)
    with pytest.raises(KafkaStorageError):
        fill(partition, [b"lost"])
    await asyncio.sleep(0)
    assert manager.offline
    free()
    await eventually_async(lambda: not manager.offline)
    assert log_files(partition)[0].stat().st_size == size


def test_a_roll_that_fails_leaves_the_log_as_it_was(manager, monkeypatch):
    partition = new_log(manager, config={"segment.bytes": "600"})
    fill(partition, [b"v" * 100])
    real = os.open

    def refuse(path, flags, *rest):
        if str(path).endswith(".log") and flags & os.O_CREAT:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(KafkaStorageError):
        fill(partition, [b"v" * 200])
    monkeypatch.setattr(os, "open", real)
    fill(partition, [b"v" * 200])
    assert len(partition.segments) == 2
    assert values_of(partition) == [b"v" * 100, b"v" * 200]


async def test_indexes_of_closed_segments_are_synced_with_their_data(manager, disk):
    partition = new_log(manager, config={"segment.bytes": "300"})
    fill(partition, [b"v" * 100] * 4)
    await partition.flushed(4)
    closed = [segment.index.path for segment in partition.segments[:-1]]
    assert closed
    assert set(closed) <= set(disk.synced) or not Path("/proc").exists()
    before = len(disk.synced)
    await manager.close()
    late = {partition.active.index.path, partition.active.times.path}
    assert late <= set(disk.synced[before:]) or not Path("/proc").exists()


async def test_a_mistake_in_a_round_leaves_no_one_waiting(manager, monkeypatch):
    partition = new_log(manager)
    fill(partition, [b"v"])
    monkeypatch.setattr(flusher, "_run_all", lambda jobs, sync: 1 / 0)
    with pytest.raises(KafkaStorageError, match="division"):
        await partition.flushed(1)
    monkeypatch.undo()
    await partition.flushed(1)
