"""Loading a log from its folder, and recovering it after an unclean end.

After a clean shutdown nothing is checked and only the tail after the last index entry is read. After a kill of the
process alone (`boot.py`) the batches after the last index entry are checked, after anything else those from the
recovery point on; everything below it was synced. The first batch that is cut or fails its checksum ends the log: a
sync covers all that was written before it, so nothing behind such a batch was ever acknowledged as being on disk. What
is cut is said in the process's log.

What is known of producers and transactions comes from the newest snapshot and the batches after it. After a crash of
the system the aborted transactions of the segment with the recovery point, and of those after it, are found anew.
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING

from kopfka_broker.storage.cleaning.files import CLEANED_SUFFIX, SWAP_SUFFIX, finish_swaps
from kopfka_broker.storage.epochs import MAX_EPOCH
from kopfka_broker.storage.errors import KafkaStorageError
from kopfka_broker.storage.indexes import MAX_RELATIVE_OFFSET
from kopfka_broker.storage.segment import DELETED_SUFFIX, LOG_SUFFIX, SNAPSHOT_SUFFIX, TXN_INDEX_SUFFIX, offset_name
from kopfka_broker.storage.snapshots import load_snapshot, remove_useless_snapshots
from kopfka_broker.storage.transactions import AbortedTransaction, decode_marker
from kopfka_wire.batches import HEADER_SIZE, CorruptBatchError, read_header, verify_crc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kopfka_broker.storage.log import PartitionLog
    from kopfka_broker.storage.segment import Segment
    from kopfka_wire.batches import BatchHeader

log = logging.getLogger(__name__)

_LEFTOVERS = (DELETED_SUFFIX, ".tmp")
_CHUNK = 4 * 1024 * 1024
_FAR = 2**62
"""An offset above all others."""


def load(
    partition: PartitionLog, *, log_start: int, recovery_point: int, clean: bool, now_ms: int, same_boot: bool = False
) -> None:
    """Load the segments of a log that has none yet, and bring its end, its producers and its epochs into order.

    Args:
        log_start: from `log-start-offset-checkpoint`, 0 where it says nothing.
        recovery_point: from `recovery-point-offset-checkpoint`; everything below was synced.
        clean: the folder was shut down cleanly; nothing needs checking.
        now_ms: the time of a new first segment.
        same_boot: the process ended, but not the system: what was written whole is there, also if it was not synced.

    Raises:
        KafkaStorageError: the disk failed.
    """
    try:
        partition.epochs.load()
        snapshots, damaged = _load_segments(partition, log_start, now_ms)
        trusted = _FAR if same_boot else recovery_point
        _open_indexes(partition, len(partition.segments) - 1 if clean else partition.segment_at(trusted))
        if clean:
            clean = _load_end(partition)
        if not clean:
            _recover(partition, trusted, recovery_point)
            if partition.log_end_offset < partition.log_start_offset:
                _begin_at_start(partition, now_ms)
        end = partition.log_end_offset
        partition.log_start_offset = min(partition.log_start_offset, end)
        partition.durability.recovery_point = end if clean else min(recovery_point, end)
        doubtful = _FAR if clean or same_boot else partition.segments[partition.segment_at(recovery_point)].base_offset
        _load_producers(partition, snapshots, min(doubtful, damaged))
        _load_epochs(partition, clean=clean)
        for segment in partition.segments:
            segment.checked_below = segment.size
            segment.release()
        partition.aborted.release()
    except (OSError, CorruptBatchError) as error:
        raise KafkaStorageError(f"cannot load {partition.directory}: {error}") from error


def _load_segments(partition: PartitionLog, log_start: int, now_ms: int) -> tuple[list[int], int]:
    """Take the segments in the folder, removing what a crash left.

    Returns:
        The offsets of the snapshots, and that from which on indexes of aborted transactions are damaged.
    """
    bases, snapshots, aborted = [], [], []
    names = os.listdir(partition.directory)  # noqa: PTH208 - names are all that is needed
    if any(name.endswith((SWAP_SUFFIX, CLEANED_SUFFIX)) for name in names):
        finish_swaps(partition.directory)
        names = os.listdir(partition.directory)  # noqa: PTH208
    for name in names:
        stem, dot, suffix = name.partition(".")
        if name.endswith(_LEFTOVERS):
            with contextlib.suppress(OSError):
                (partition.directory / name).unlink()
        elif stem.isdigit() and dot + suffix == LOG_SUFFIX:
            bases.append(int(stem))
        elif stem.isdigit() and dot + suffix == SNAPSHOT_SUFFIX:
            snapshots.append(int(stem))
        elif stem.isdigit() and dot + suffix == TXN_INDEX_SUFFIX:
            aborted.append(int(stem))
    bases.sort()
    for base in bases:
        found = (partition.directory / offset_name(base, LOG_SUFFIX)).stat()
        partition.add_segment(base, found.st_mtime_ns // 1_000_000).size = found.st_size
    if not bases:
        partition.add_segment(log_start, now_ms)
    partition.log_start_offset = max(log_start, partition.segments[0].base_offset)
    damaged = partition.aborted.load(base for base in aborted if base in bases) if aborted else None
    if damaged is not None:
        log.warning("%s is damaged and written anew", partition.aborted.path(damaged))
    return sorted(snapshots), _FAR if damaged is None else damaged


def _open_indexes(partition: PartitionLog, trusted: int) -> None:
    """Take the indexes of the oldest segments as they are, or write them anew from the log file."""
    for segment in partition.segments[:trusted]:
        if not _indexes_fit(segment):
            _rebuild_indexes(partition, segment)
        segment.max_timestamp, segment.max_timestamp_offset = segment.times.last()
        segment.release()


def _load_end(partition: PartitionLog) -> bool:
    """Find the end of a log that was shut down cleanly; False where it turns out that it was not."""
    segment = partition.active
    size = segment.size
    partition.log_end_offset = segment.base_offset
    if not size:
        return True
    try:
        if _indexes_fit(segment):
            _scan(partition, segment, segment.index.last_position(), size, check=False)
        else:
            _rebuild_indexes(partition, segment)
    except CorruptBatchError as error:
        log.error("%s is damaged although it was closed cleanly (%s): recovering it", segment.file.path, error)
        segment.size = size
        return False
    return True


def _recover(partition: PartitionLog, trusted: int, synced: int) -> None:
    """Check every batch from the one that holds the offset `trusted` on, and end the log before the first bad one.

    What lies below `synced` was on disk: a batch there that fails its checksum is not torn but damaged, so it is left
    for its readers to be told of, and does not end the log.
    """
    first = partition.segment_at(trusted)
    for at in range(first, len(partition.segments)):
        segment = partition.segments[at]
        size = segment.size
        start = _checked_start(segment, trusted) if at == first else _forget_indexes(segment)
        partition.log_end_offset = segment.base_offset
        wrong = ""
        try:
            _scan(partition, segment, start, size, check=True, synced=synced)
        except CorruptBatchError as error:
            wrong = str(error)
        if wrong:
            log.warning(
                "%s: cut at position %d (offset %d), %d bytes that were never acknowledged as synced are gone: %s",
                segment.file.path, segment.size, partition.log_end_offset, size - segment.size, wrong,
            )  # fmt: skip
            segment.truncate(segment.size)
            _store_indexes(partition, segment, closing=False)  # no entry of what was cut stays behind
            for later in partition.drop_tail(at + 1):
                log.warning("%s: removed, %d bytes after the cut", later.file.path, later.size)
                later.remove()
            break
        if segment is not partition.active:
            _store_indexes(partition, segment, closing=True)
    partition.forget_places()


def _begin_at_start(partition: PartitionLog, now_ms: int) -> None:
    """Begin with no records at the log start offset: what is left was deleted, and offsets are never given twice."""
    start = partition.log_start_offset
    log.warning("%r ends below its log start offset: it begins anew at %d", partition, start)
    for segment in partition.drop_tail(0):
        segment.remove()
    partition.add_segment(start, now_ms)
    partition.log_end_offset = start


def _checked_start(segment: Segment, trusted: int) -> int:
    """Where to begin checking the segment that holds `trusted`: at an index entry below that agrees with the log."""
    if segment.index.open(segment.size, thorough=True) and segment.times.open(thorough=True):
        start = segment.index.lookup(trusted)
        with contextlib.suppress(CorruptBatchError):
            header = read_header(segment.read(start, HEADER_SIZE))
            if start and segment.index.has(header.last_offset, start):
                segment.index.truncate(start + 1)
                segment.times.truncate(header.last_offset + 1)
                return start
    return _forget_indexes(segment)


def _forget_indexes(segment: Segment) -> int:
    segment.index.truncate(0)
    segment.times.truncate(segment.base_offset)
    return 0


def _indexes_fit(segment: Segment) -> bool:
    """Take the indexes of a segment that was closed, the last entry of its time index being its largest timestamp."""
    return (
        segment.index.open(segment.size) and segment.times.open() and (segment.times.last()[0] >= 0 or not segment.size)
    )


def _rebuild_indexes(partition: PartitionLog, segment: Segment) -> None:
    log.warning("%s: indexes are missing or damaged and written anew", segment.file.path)
    _forget_indexes(segment)
    _scan(partition, segment, 0, segment.size, check=False)
    _store_indexes(partition, segment, closing=True)


def _store_indexes(partition: PartitionLog, segment: Segment, *, closing: bool) -> None:
    try:
        partition.durability.store_indexes(segment, closing=closing)
    except KafkaStorageError as error:  # a full disk is no reason not to serve what is there
        log.warning("%s; they are kept in memory", error)


def _scan(partition: PartitionLog, segment: Segment, start: int, size: int, *, check: bool, synced: int = 0) -> None:
    """Account for the batches from `start` on, as if they were appended now; the log then ends after the last one.

    Raises:
        CorruptBatchError: a batch is cut, impossible, or (where `check`) fails its checksum at or above the offset
            `synced`; the segment then ends before it.
    """
    segment.max_timestamp, segment.max_timestamp_offset = segment.times.last()
    segment.size, segment.bytes_since_index = start, 0
    interval = partition.config.index_interval_bytes
    for _, header in _batches(segment, start, size, check=check, synced=synced):
        if header.base_offset < partition.log_end_offset:
            raise CorruptBatchError(f"offset {header.base_offset} after {partition.log_end_offset - 1}")
        if header.last_offset - segment.base_offset > MAX_RELATIVE_OFFSET:
            raise CorruptBatchError(f"offset {header.last_offset} in a segment that begins at {segment.base_offset}")
        segment.added(header.size, header.last_offset, header.max_timestamp, interval)
        partition.log_end_offset = header.next_offset
        partition.epochs.found(header.partition_leader_epoch, header.base_offset)
    if segment.size and start:
        segment.first_timestamp = read_header(segment.read(0, HEADER_SIZE)).max_timestamp


def _batches(
    segment: Segment, position: int, end: int, *, check: bool, synced: int
) -> Iterator[tuple[int, BatchHeader]]:
    if not check:
        yield from segment.walk(position, end)
        return
    start, window = position, b""
    while position < end:
        if end - position < HEADER_SIZE:
            raise CorruptBatchError("the batch ends inside its header")
        at = position - start
        header = read_header(window, at) if len(window) - at >= HEADER_SIZE else None
        if header is None or len(window) - at < header.size:
            start, window, at = position, segment.read(position, _CHUNK, end), 0
            header = read_header(window)
            if position + header.size > end:
                raise CorruptBatchError(f"the batch has {header.size} bytes, of which {end - position} are there")
            if header.size > len(window):
                window = segment.read(position, header.size, end)
        if header.next_offset > synced:
            verify_crc(window, at, header)
        yield position, header
        position += header.size


def _load_producers(partition: PartitionLog, snapshots: list[int], doubtful: int) -> None:
    """Load the newest snapshot, and add what was written after it.

    Aborted transactions whose marker is at `doubtful` or above are found anew: for that, an older snapshot is used.
    """
    end = partition.log_end_offset
    bases = [segment.base_offset for segment in partition.segments]
    snapshots = remove_useless_snapshots(partition.directory, snapshots, bases, end)
    partition.aborted.truncate(min(doubtful, end))
    offset = load_snapshot(partition.directory, partition.producers, [at for at in snapshots if at <= doubtful])
    if offset is None:  # records below the log start offset are deleted, but their producers may still send the next
        offset = bases[0]
    if offset >= end:
        return
    for segment in partition.segments[partition.segment_at(offset) :]:
        for position, header in segment.walk(segment.position_of(offset)):
            if header.is_control:
                _replay_marker(partition, segment, position, header, doubtful)
            else:
                partition.producers.update(header, header.base_offset, header.max_timestamp)


def _replay_marker(
    partition: PartitionLog, segment: Segment, position: int, header: BatchHeader, doubtful: int
) -> None:
    marker = decode_marker(header, segment.read(position, header.size))
    if marker is None:
        return
    producers, offset = partition.producers, header.base_offset
    first = producers.open_transaction(marker.producer_id)
    if not marker.commit and first is not None and offset >= doubtful:
        entry = AbortedTransaction(marker.producer_id, first, offset, producers.stable_after(marker, offset))
        partition.durability.wrote(partition.aborted.add(segment.base_offset, entry))
    producers.complete(marker, header.max_timestamp)


def _load_epochs(partition: PartitionLog, *, clean: bool) -> None:
    """Bring the epochs in line with the log; after an unclean end a new one begins, so that readers notice a cut.

    The controller of a one-broker Kafka elects the leader anew at every start, which raises the epoch each time. What
    clients make of a newer epoch is one thing: they ask whether their position is still in the log. After a clean stop
    it is, so the epoch stays, and ten thousand partitions are started without ten thousand such questions.

    A new epoch is written with its first append, or at a clean shutdown: a start writes nothing to logs that no one
    uses.
    """
    epochs, end = partition.epochs, partition.log_end_offset
    seen = epochs.latest
    epochs.truncate_end(end + 1)
    empty = end == partition.segments[0].base_offset
    if epochs.latest < 0 and not empty:
        first = next(segment for segment in partition.segments if segment.size)
        epochs.found(first.header_at(0).partition_leader_epoch, partition.log_start_offset)
        seen = max(seen, epochs.latest)
    partition.leader_epoch = max(seen, 0) if clean or seen < 0 else min(seen + 1, MAX_EPOCH)
