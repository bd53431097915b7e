"""What may be appended: the checks that Apache Kafka makes of produced batches, on their headers where that is enough.

Records are looked at only where the topic's config speaks of single records: keys of a compacted topic, and timestamps
that the header shows to be out of bounds or that have a lower bound (also where a batch gets another codec:
`recompression.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_broker.storage.errors import (
    CorruptMessageError,
    InvalidRecordError,
    InvalidTimestampError,
    MessageTooLargeError,
    RecordListTooLargeError,
    UnsupportedCompressionTypeError,
)
from kopfka_wire.batches import NO_PRODUCER_ID, NO_TIMESTAMP, CorruptBatchError, split_batches, verify_crc
from kopfka_wire.compression import NAMES
from kopfka_wire.records import records_section, walk_records

if TYPE_CHECKING:
    from kopfka_broker.storage.config import LogConfig
    from kopfka_wire.batches import BatchHeader
    from kopfka_wire.records import RawRecord

    Buffer = bytes | bytearray | memoryview

_MAX_LONG = 2**63 - 1
_NO_KEY = "Compacted topic cannot accept message without key"


def validate(
    records: Buffer, config: LogConfig, now_ms: int, *, coordinator: bool = False
) -> list[tuple[int, BatchHeader]]:
    """Return position and header of each batch; those of a coordinator in this broker need no sequence numbers.

    Raises:
        StorageError: a batch may not be appended; the class says which error code a producer gets.
    """
    try:
        batches = list(split_batches(records))
        for position, header in batches:
            if header.size > config.max_message_bytes:
                raise MessageTooLargeError(
                    f"a batch of {header.size} bytes, and max.message.bytes is {config.max_message_bytes}"
                )
            verify_crc(records, position, header)
    except CorruptBatchError as error:
        raise CorruptMessageError(str(error)) from error
    if not batches:
        raise InvalidRecordError("there is no record batch in the request")
    if len(records) > config.segment_bytes:
        raise RecordListTooLargeError(f"{len(records)} bytes at once, and segment.bytes is {config.segment_bytes}")
    for position, header in batches:
        _check_header(header, coordinator=coordinator)
        _check_records(records, position, header, config, now_ms)
    return batches


def _check_header(header: BatchHeader, *, coordinator: bool) -> None:
    if header.record_count != header.last_offset_delta + 1:
        raise InvalidRecordError(
            f"a batch of {header.record_count} records has offset deltas up to {header.last_offset_delta}"
        )
    if header.is_control:
        raise InvalidRecordError("clients are not allowed to write control records")
    if header.producer_id != NO_PRODUCER_ID and header.base_sequence < 0 and not coordinator:
        raise InvalidRecordError(f"producer {header.producer_id} sends sequence number {header.base_sequence}")
    if header.compression >= len(NAMES):
        raise UnsupportedCompressionTypeError(f"no compression has the number {header.compression}")


def raw_records(records: Buffer, position: int, header: BatchHeader) -> tuple[bytes, list[RawRecord]]:
    """Return the records section of a batch, decompressed, and where its records are.

    Raises:
        InvalidRecordError: it cannot be decompressed, or a record contradicts itself.
    """
    try:
        section = records_section(records, position, header)
        return section, list(walk_records(section, header.record_count))
    except CorruptBatchError as error:
        raise InvalidRecordError(str(error)) from error


def _check_records(records: Buffer, position: int, header: BatchHeader, config: LogConfig, now_ms: int) -> None:
    timed = not config.stamps_append_time
    if timed and header.is_log_append_time:
        raise InvalidTimestampError("a producer may not set the timestamp type LogAppendTime")
    latest = min(now_ms + config.message_timestamp_after_max_ms, _MAX_LONG)
    earliest = now_ms - config.message_timestamp_before_max_ms
    bounded = timed and (header.max_timestamp > latest or earliest >= 0)
    if not (bounded or config.compacts):
        return
    _, found = raw_records(records, position, header)
    if bounded:
        for record in found:
            time = header.base_timestamp + record.timestamp_delta
            if time != NO_TIMESTAMP and not earliest <= time <= latest:
                raise InvalidTimestampError(f"timestamp {time} is out of range: {earliest} to {latest} is accepted")
    if config.compacts:
        missing = tuple((index, _NO_KEY) for index, record in enumerate(found) if record.key is None)
        if missing:
            raise InvalidRecordError(_NO_KEY, missing)
