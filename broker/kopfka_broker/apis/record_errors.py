"""What a producer is told of a batch that was refused, and which of its records are at fault (KIP-467).

Worked out only once a batch is refused, from its bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_broker.storage import InvalidRecordError
from kopfka_runtime.errors import KopfkaError
from kopfka_wire.produce import PartitionResult
from kopfka_wire.records import decode_batch

if TYPE_CHECKING:
    from kopfka_broker.storage import LogConfig, PartitionLog, StorageError

# numbers of kio's ErrorCode, as they go over the wire
_CORRUPT_MESSAGE: Final = 2
_UNKNOWN_TOPIC_OR_PARTITION: Final = 3
_NOT_LEADER: Final = 6
_MESSAGE_TOO_LARGE: Final = 10
_RECORD_LIST_TOO_LARGE: Final = 18
_INVALID_TIMESTAMP: Final = 32
_KAFKA_STORAGE_ERROR: Final = 56

# errors beside which Kafka says no more than the code (ReplicaManager)
_WITHOUT_DETAILS = frozenset(
    {
        _CORRUPT_MESSAGE,
        _UNKNOWN_TOPIC_OR_PARTITION,
        _NOT_LEADER,
        _MESSAGE_TOO_LARGE,
        _RECORD_LIST_TOO_LARGE,
        _KAFKA_STORAGE_ERROR,
    }
)

RecordErrors = tuple[tuple[int, str | None], ...]
_NO_TIMESTAMP = -1
_MAX_LONG = 2**63 - 1


def timestamps_out_of_range(records: memoryview, config: LogConfig, now_ms: int) -> RecordErrors:
    """Return the records whose time is too far from the broker's clock, in Kafka's words.

    Nothing is returned for records that cannot be read here.
    """
    earliest = now_ms - config.message_timestamp_before_max_ms
    latest = min(now_ms + config.message_timestamp_after_max_ms, _MAX_LONG)
    try:
        return tuple(
            (
                index,
                f"Timestamp {record.timestamp} of message with offset {record.offset} is out of range. "
                f"The timestamp should be within [{earliest}, {latest}]",
            )
            for index, record in enumerate(decode_batch(records))
            if record.timestamp != _NO_TIMESTAMP and not earliest <= record.timestamp <= latest
        )
    except KopfkaError:
        return ()


def rejected(errors: tuple[tuple[int, str], ...], partition: str) -> tuple[RecordErrors, str]:
    """Return what is said of each record at fault and of all of them, in Kafka's words."""
    full = tuple((index, f"{what} in topic partition {partition}") for index, what in errors)
    shown = ", ".join(f"RecordError(batchIndex={index}, message='{what}')" for index, what in full[:3])
    return full, (
        f"One or more records have been rejected due to {len(full)} record errors in total, "
        f"and only showing the first three errors at most: [{shown}]"
    )


def refused_batch(
    index: int, error: StorageError, log: PartitionLog, records: memoryview, now_ms: int
) -> PartitionResult:
    """Return the answer for a batch that storage, or what stands before it, did not take at `now_ms`."""
    out_of_range = error.number == _INVALID_TIMESTAMP
    return failed(index, error, log, timestamps_out_of_range(records, log.config, now_ms) if out_of_range else ())


def failed(index: int, error: StorageError, log: PartitionLog, details: RecordErrors = ()) -> PartitionResult:
    """Return what a client is told, which is no more than what Kafka tells: details where records are at fault."""
    if error.number in _WITHOUT_DETAILS:
        return PartitionResult(index, error.number)
    record_errors = details
    message = None
    if isinstance(error, InvalidRecordError) and error.record_errors:
        record_errors, message = rejected(error.record_errors, f"{log.topic}-{log.partition}")
    elif record_errors:
        message = "One or more records have been rejected due to invalid timestamp"
    return PartitionResult(
        index,
        error.number,
        log_start_offset=log.log_start_offset,
        error_message=message,
        record_errors=record_errors,
    )
