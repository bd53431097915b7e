"""Look-ups by time (ListOffsets): through the time index to a batch, and into the batch to the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_broker.storage.errors import CorruptMessageError
from kopfka_wire.batches import CorruptBatchError, verify_crc
from kopfka_wire.records import decode_batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kopfka_broker.storage.log import PartitionLog
    from kopfka_broker.storage.segment import Segment
    from kopfka_wire.batches import BatchHeader
    from kopfka_wire.records import Record

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
    """Return the first record at or above the log start offset that has the largest timestamp."""
    best: Found | None = None
    start = log.log_start_offset
    for segment in log.segments:
        largest = best[0] if best else -1
        if segment.max_timestamp <= largest:
            continue
        whole = segment.base_offset >= start
        offset = segment.times.lookup(segment.max_timestamp) if whole else start
        for position, header in _batches(segment, offset):
            if header.max_timestamp > largest and header.last_offset >= start:
                found = _largest_record(segment, position, header, start)
                if found is not None and found[0] > largest:
                    best, largest = found, found[0]
            if whole and header.max_timestamp == segment.max_timestamp and header.record_count:
                break
    return best


def _batches(segment: Segment, offset: int) -> Iterator[tuple[int, BatchHeader]]:
    try:
        yield from segment.walk(segment.position_of(offset))
    except CorruptBatchError as error:
        raise CorruptMessageError(f"{segment.file.path} is damaged: {error}") from error


def _first_record(segment: Segment, position: int, header: BatchHeader, timestamp: int, start: int) -> Found | None:
    for record in _records(segment, position, header):
        if record.timestamp >= timestamp and record.offset >= start:
            return record.timestamp, record.offset, header.partition_leader_epoch
    return None


def _largest_record(segment: Segment, position: int, header: BatchHeader, start: int) -> Found | None:
    wanted = [record for record in _records(segment, position, header) if record.offset >= start]
    if not wanted:
        return None
    newest = max(wanted, key=lambda record: record.timestamp)
    return newest.timestamp, newest.offset, header.partition_leader_epoch


def _records(segment: Segment, position: int, header: BatchHeader) -> list[Record]:
    try:
        data = segment.read(position, header.size)
        verify_crc(data, 0, header)
        return list(decode_batch(data))
    except CorruptBatchError as error:
        raise CorruptMessageError(f"{segment.file.path} is damaged at {position}: {error}") from error
