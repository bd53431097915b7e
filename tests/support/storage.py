"""Logs of the broker's storage engine in a test: batches to append, what a log holds, and an end without a shutdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_broker.storage import LogConfig, LogManager, syncs
from kopfka_broker.storage.transactions import decode_marker, fetch_upper_bound
from kopfka_wire.batches import split_batches
from kopfka_wire.records import Record, decode_batch, encode_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import pytest

    from kopfka_broker.storage import Appended, PartitionLog

NOW = 1_800_000_000_000
_opened: list[LogManager] = []


def batch(
    *values: bytes,
    timestamp: int = NOW,
    sequence: int = -1,
    producer: int = -1,
    epoch: int | None = None,
    transactional: bool = False,
) -> bytes:
    """Return a batch as a producer sends it, one record a value, each with the value as its key."""
    if epoch is None:
        epoch = -1 if producer < 0 else 0
    records = [Record(0, timestamp + index, value, value) for index, value in enumerate(values)]
    return encode_batch(
        records, producer_id=producer, producer_epoch=epoch, base_sequence=sequence, transactional=transactional
    )


def append_in_transaction(
    log: PartitionLog, *values: bytes, producer: int, sequence: int, epoch: int = 0, now: int = NOW
) -> Appended:
    """Append a batch of a transaction as Produce does: with a pass where the producer has nothing open."""
    data = batch(*values, timestamp=now, producer=producer, sequence=sequence, epoch=epoch, transactional=True)
    verified = None
    if log.producers.open_transaction(producer, epoch) is None:
        verified = log.producers.begin_verification(producer, epoch, sequence, now, bumps_epoch=False)
    return log.append(data, now, verified=verified)


def committed_records(log: PartitionLog, offset: int | None = None, max_bytes: int = 1 << 20) -> list[Record]:
    """Read what a reader of committed records sees, by the rules Kafka's clients go by."""
    position, stable = log.log_start_offset if offset is None else offset, log.last_stable_offset
    start, found = position, []
    while position < stable:
        data = log.read(position, max_bytes, before=stable)
        upper = fetch_upper_bound(log, position, len(data))
        waiting = sorted(log.aborted_transactions(position, upper), key=lambda each: each.first_offset)
        aborting: set[int] = set()
        for at, header in split_batches(data):
            while waiting and waiting[0].first_offset <= header.last_offset:
                aborting.add(waiting.pop(0).producer_id)
            position = header.next_offset
            if header.is_control:
                marker = decode_marker(header, bytes(data)[at : at + header.size])
                if marker is not None and not marker.commit:
                    aborting.discard(header.producer_id)
            elif not (header.is_transactional and header.producer_id in aborting):
                found += [record for record in decode_batch(data, at) if record.offset >= start]
    return found


def open_manager(
    directory: Path, config: LogConfig | None = None, clock: Callable[[], int] = lambda: NOW
) -> LogManager:
    """Open a data folder."""
    manager = LogManager(directory, config or LogConfig(), clock)
    _opened.append(manager)
    manager.open()
    return manager


def replace_sync(monkeypatch: pytest.MonkeyPatch, sync: Callable[[int], object]) -> None:
    """Have files that are flushed synced by this function, one by one."""
    monkeypatch.setattr(syncs, "sync_data", sync)
    monkeypatch.setattr(syncs, "kernel_syncs", lambda: None)


def close_descriptors() -> None:
    """Give back what managers that were left as by `kill -9` still hold, as the kernel would."""
    while _opened:
        manager = _opened.pop()
        for file in list(manager._disk.files._open):
            file.close()
        if manager._lock is not None:
            manager._lock.release()


def new_log(manager: LogManager, name: str = "t", config: dict[str, str] | None = None) -> PartitionLog:
    """Create a topic of one partition and return that."""
    overrides = config or {}
    return manager.create_topic(name, 1, overrides, manager.defaults.overridden(overrides)).partitions[0]


def crash(manager: LogManager, *, system: bool = False) -> None:
    """Leave a data folder as `kill -9` does: nothing is written or closed, only the lock goes.

    `system`: as a crash of the whole machine does; the next start then trusts only what was synced.
    """
    if system:
        (manager.directory / ".kopfka_boot").write_text("another boot")
    assert manager._lock is not None
    manager._lock.release()
    manager._lock = None


def records_of(log: PartitionLog, offset: int | None = None, max_bytes: int = 1 << 20) -> list[Record]:
    """Read every record from `offset` (the log start offset where None) to the end, as a consumer does."""
    position = log.log_start_offset if offset is None else offset
    found: list[Record] = []
    while position < log.log_end_offset:
        data = log.read(position, max_bytes)
        assert data, f"nothing at {position} of {log}"
        for at, header in split_batches(data):
            found += [record for record in decode_batch(data, at) if record.offset >= position]
            following = header.next_offset
        position = following
    return found


def values_of(log: PartitionLog) -> list[bytes | None]:
    """Return every record's value."""
    return [record.value for record in records_of(log)]


def log_files(log: PartitionLog, suffix: str = ".log") -> list[Path]:
    """Return the files of a log, oldest first."""
    return sorted(log.directory.glob(f"*{suffix}"))


def fill(log: PartitionLog, values: Iterable[bytes]) -> None:
    """Append one batch a value."""
    for value in values:
        log.append(batch(value), NOW)
