"""Look-ups by time (ListOffsets): through the time index to a batch, and into the batch to the record.

Where a batch's compression is not read here, its first offset answers for its records: at most one batch too early.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_broker.storage.errors import KafkaStorageError
from kopfka_wire.batches import CorruptBatchError
from kopfka_wire.compression import UnsupportedCompressionError
from kopfka_wire.records import decode_batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kopfka_broker.storage.log import PartitionLog
    from kopfka_broker.storage.segment import Segment
    from kopfka_wire.batches import BatchHeader

Found = tuple[int, int, int]
"""Timestamp, offset, leader epoch."""


def find_offset_for_time(log: PartitionLog, timestamp: int) -> Found | None:
    """Return the first record at or above the log start offset whose timestamp is `timestamp` or later."""
    for segment in log.segments:
        if segment.max_timestamp < timestamp:
            continue
        start = max(segment.times.lookup(timestamp), log.log_start_offset)
        for position, header in _batches(segment, start):
            if header.max_timestamp >= timestamp and header.last_offset >= log.log_start_offset:
                found = _first_record(segment, position, header, timestamp, log.log_start_offset)
                if found is not None:
                    return found
    return None


def find_max_timestamp(log: PartitionLog) -> Found | None:
    """Return the first record that has the largest timestamp of the log."""
    segments = [segment for segment in log.segments if segment.max_timestamp >= 0]
    if not segments:
        return None
    segment = max(segments, key=lambda segment: segment.max_timestamp)
    largest = segment.max_timestamp
    for position, header in _batches(segment, segment.times.lookup(largest)):
        if header.max_timestamp == largest:
            return _first_record(segment, position, header, largest, log.log_start_offset)
    return None


def _batches(segment: Segment, offset: int) -> Iterator[tuple[int, BatchHeader]]:
    try:
        yield from segment.walk(segment.position_of(offset))
    except CorruptBatchError as error:
        raise KafkaStorageError(f"{segment.file.path} is damaged: {error}") from error


def _first_record(segment: Segment, position: int, header: BatchHeader, timestamp: int, start: int) -> Found | None:
    epoch = header.partition_leader_epoch
    try:
        for record in decode_batch(segment.read(position, header.size)):
            if record.timestamp >= timestamp and record.offset >= start:
                return record.timestamp, record.offset, epoch
    except UnsupportedCompressionError:
        return header.max_timestamp, max(header.base_offset, start), epoch
    except CorruptBatchError as error:
        raise KafkaStorageError(f"{segment.file.path} is damaged at {position}: {error}") from error
    return None
