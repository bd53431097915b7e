"""What may be appended: the checks that Apache Kafka makes of produced batches, on their headers where that is enough.

Records are looked at only where the topic's config speaks of single records: keys of a compacted topic, and timestamps
that the header shows to be out of bounds or that have a lower bound.
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
from kopfka_wire.compression import NAMES, UnsupportedCompressionError
from kopfka_wire.records import decode_batch

if TYPE_CHECKING:
    from kopfka_broker.storage.config import LogConfig
    from kopfka_wire.batches import BatchHeader

    Buffer = bytes | bytearray | memoryview

_MAX_LONG = 2**63 - 1


def validate(records: Buffer, config: LogConfig, now_ms: int) -> list[tuple[int, BatchHeader]]:
    """Return position and header of each batch.

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
        _check_header(header)
        if config.compacts:
            _check_keys(records, position)
        if not config.stamps_append_time:
            _check_timestamps(records, position, header, config, now_ms)
    return batches


def _check_header(header: BatchHeader) -> None:
    if header.record_count != header.last_offset_delta + 1:
        raise InvalidRecordError(
            f"a batch of {header.record_count} records has offset deltas up to {header.last_offset_delta}"
        )
    if header.is_control:
        raise InvalidRecordError("clients are not allowed to write control records")
    if header.producer_id != NO_PRODUCER_ID and header.base_sequence < 0:
        raise InvalidRecordError(f"producer {header.producer_id} sends sequence number {header.base_sequence}")
    if header.compression >= len(NAMES):
        raise UnsupportedCompressionTypeError(f"no compression has the number {header.compression}")


def _check_keys(records: Buffer, position: int) -> None:
    try:
        missing = tuple(index for index, record in enumerate(decode_batch(records, position)) if record.key is None)
    except UnsupportedCompressionError:
        return  # kept as it came; a reader finds out
    except CorruptBatchError as error:
        raise InvalidRecordError(str(error)) from error
    if missing:
        wrong = "a compacted topic takes no record without a key"
        raise InvalidRecordError(wrong, tuple((index, wrong) for index in missing))


def _check_timestamps(records: Buffer, position: int, header: BatchHeader, config: LogConfig, now_ms: int) -> None:
    if header.is_log_append_time:
        raise InvalidTimestampError("a producer may not set the timestamp type LogAppendTime")
    latest = min(now_ms + config.message_timestamp_after_max_ms, _MAX_LONG)
    earliest = now_ms - config.message_timestamp_before_max_ms
    if header.max_timestamp <= latest and earliest < 0:
        return
    try:
        times = [record.timestamp for record in decode_batch(records, position)]
    except UnsupportedCompressionError:
        times = [header.base_timestamp, header.max_timestamp]
    except CorruptBatchError as error:
        raise InvalidRecordError(str(error)) from error
    for time in times:
        if time != NO_TIMESTAMP and not earliest <= time <= latest:
            raise InvalidTimestampError(f"timestamp {time} is out of range: {earliest} to {latest} is accepted")
