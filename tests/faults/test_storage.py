"""The storage engine under kill -9, again and again, and on a disk that is full: what was acknowledged is there."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kopfka_broker.storage import KafkaStorageError, LogConfig
from kopfka_wire.records import Record, encode_batch
from support.disks import fill as fill_disk
from support.disks import small_disk
from support.storage import NOW, batch, crash, fill, log_files, new_log, open_manager, records_of, values_of

HERE = Path(__file__).parent
ROUNDS = 6


class Writer:
    """A child that appends, and what it reported as acknowledged."""

    def __init__(self, data: Path, seed: int) -> None:
        self._reading, writing = os.pipe()
        environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "storage_writer.py"), str(data), str(seed), str(writing)],
            pass_fds=[writing], env=environment, stderr=subprocess.PIPE,
        )  # fmt: skip
        os.close(writing)
        self._pipe = os.fdopen(self._reading, "rb")

    def wait_open(self) -> None:
        """Wait until it has recovered what is there."""
        line = self._pipe.readline()
        assert line == b"open\n", self._process.communicate()[1].decode()

    def read(self, count: int) -> list[bytes]:
        """Wait for `count` acknowledgements."""
        return [self._pipe.readline() for _ in range(count)]

    def kill(self) -> list[bytes]:
        """End it with SIGKILL; returns what it acknowledged since the last read."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()
        with self._pipe:
            return self._pipe.read().splitlines(keepends=True)


def test_killed_again_and_again_every_acknowledged_record_is_there(tmp_path):
    acknowledged: dict[tuple[int, int], bytes] = {}
    for seed in range(ROUNDS):
        writer = Writer(tmp_path / "data", seed)
        writer.wait_open()
        lines = writer.read(40 + seed * 60)
        lines += writer.kill()
        for line in lines:
            if line.endswith(b"\n"):
                index, offset, value = line.split()
                assert (int(index), int(offset)) not in acknowledged, "an offset was given twice"
                acknowledged[int(index), int(offset)] = value
    manager = open_manager(tmp_path / "data")
    found = {}
    for log in manager.topics["t"].partitions:
        offsets = []
        for record in records_of(log):
            found[log.partition, record.offset] = record.value.partition(b":")[0]
            offsets.append(record.offset)
        assert offsets == list(range(log.log_end_offset))
        assert len(log_files(log)) > 1
    assert acknowledged.items() <= found.items()
    assert len(acknowledged) >= 1000
    crash(manager)


@pytest.mark.root
@pytest.mark.parametrize("size", [900, 16_000, 300_000])
async def test_a_full_disk(tmp_path, size):
    """Appends fail and leave no trace, reads go on; when space is back writing goes on, with no restart."""
    with small_disk(tmp_path / "disk", 4) as disk:
        manager = open_manager(disk / "data", LogConfig(segment_bytes=700_000))
        log, other = new_log(manager), new_log(manager, "other")
        fill(other, [b"of another topic"])
        kept = [b"%d:" % number + b"v" * size for number in range(5)]
        fill(log, kept)
        ballast = disk / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1000))
        refusals: list[str] = []
        for number in range(2000):
            value = b"filling %d:" % number + b"f" * size
            try:
                fill(log, [value])
            except KafkaStorageError as error:
                refusals.append(str(error))
                if len(refusals) == 20:
                    break
            else:
                kept.append(value)
        assert sum("No space left" in refusal for refusal in refusals) == 20
        assert log.directory in manager.offline
        assert values_of(log) == kept
        assert values_of(other) == [b"of another topic"]
        for change in (lambda: new_log(manager, "new"), lambda: manager.add_partitions("t", 50)):
            with pytest.raises(KafkaStorageError):
                change()
        manager.save_checkpoints()

        ballast.unlink()
        fill(log, [b"space is back"])
        fill(other, [b"here too"])
        assert not manager.offline
        await log.flushed(log.log_end_offset)
        new_log(manager, "new")
        crash(manager)
        manager = open_manager(disk / "data")
        assert values_of(manager.topics["t"].partitions[0]) == [*kept, b"space is back"]
        assert values_of(manager.topics["other"].partitions[0]) == [b"of another topic", b"here too"]
        await manager.close()


@pytest.mark.root
def test_killed_on_a_full_disk(tmp_path):
    """Both at once: what was acknowledged before the disk was full is there after a kill and a restart."""
    with small_disk(tmp_path / "disk", 3) as disk:
        writer = Writer(disk / "data", 0)
        writer.wait_open()
        lines = writer.read(600)
        lines += writer.kill()
        acknowledged = {tuple(line.split()[:2]): line.split()[2] for line in lines if line.endswith(b"\n")}
        with contextlib.suppress(OSError), (disk / "ballast").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(100))
        manager = open_manager(disk / "data")
        found = {
            (b"%d" % log.partition, b"%d" % record.offset): record.value.partition(b":")[0]
            for log in manager.topics["t"].partitions
            for record in records_of(log)
        }
        assert acknowledged.items() <= found.items()
        with pytest.raises(KafkaStorageError):
            manager.topics["t"].partitions[0].append(batch(b"v" * 100_000), NOW)
        (disk / "ballast").unlink()
        fill(manager.topics["t"].partitions[0], [b"v" * 100_000])
        crash(manager)


COMPACTED = {"cleanup.policy": "compact", "segment.bytes": "100000", "min.cleanable.dirty.ratio": "0.01"}


@pytest.mark.root
def test_a_full_disk_stops_the_cleaner_and_topics_and_nothing_else(tmp_path):
    """What cannot be done on a full disk is refused or put off, reading goes on, and space makes all of it work."""
    with small_disk(tmp_path / "disk", 8) as disk:
        manager = open_manager(disk / "data")
        log = new_log(manager, config=COMPACTED | {"file.delete.delay.ms": "0"})
        for number in range(1500):
            log.append(batch_of(b"key %d" % (number % 40), b"%d " % number * 100), NOW)
        expected = {record.key: record.value for record in records_of(log)}
        size, ballast = log.size, fill_disk(disk)
        assert manager.cleaner.clean_now() == 1
        assert manager.cleaner.stats.runs == 0
        assert not manager.cleaner.uncleanable, "a full disk is no reason to give a log up"
        assert not list(log.directory.glob("*.cleaned"))
        assert not list(log.directory.glob("*.swap"))
        with pytest.raises(KafkaStorageError):
            log.append(batch_of(b"more", bytes(50_000)), NOW)
        with pytest.raises(KafkaStorageError):
            manager.create_topic("new", 3, {}, manager.defaults)
        assert "new" not in manager.topics
        manager.save_checkpoints()
        assert {record.key: record.value for record in records_of(log)} == expected

        ballast.unlink()
        log.append(batch_of(b"more", b"value"), NOW)
        assert len(manager.create_topic("new", 3, {}, manager.defaults).partitions) == 3
        assert manager.cleaner.clean_now() == 1
        assert manager.cleaner.stats.runs == 1
        assert log.size < size / 3
        manager.apply_retention()
        assert {record.key: record.value for record in records_of(log)} == expected | {b"more": b"value"}
        crash(manager)
        reopened = open_manager(disk / "data")
        log = reopened.topics["t"].partitions[0]
        assert {record.key: record.value for record in records_of(log)} == expected | {b"more": b"value"}
        crash(reopened)


def batch_of(key, value):
    return encode_batch([Record(0, NOW, key, value)])
