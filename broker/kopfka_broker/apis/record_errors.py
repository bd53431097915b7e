"""Which records of a refused batch are at fault (KIP-467): worked out only once a batch is refused, from its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_runtime.errors import KopfkaError
from kopfka_wire.records import decode_batch

if TYPE_CHECKING:
    from kopfka_broker.storage import LogConfig

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
