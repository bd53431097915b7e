"""Where a share group begins to read a partition: `share.auto.offset.reset`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from kopfka_broker.share.states import ShareError

if TYPE_CHECKING:
    from kopfka_broker.storage import PartitionLog


def start_offset(log: PartitionLog, reset: str | int, now_ms: int) -> int:
    """Return the first offset that a group reads: of the beginning, of the end, or of so many milliseconds ago.

    Raises:
        ShareError: the log has no record that young.
    """
    if reset == "earliest":
        return log.log_start_offset
    if isinstance(reset, str):
        return log.high_watermark
    found = log.offset_for_time(now_ms - reset)
    if found is None:
        raise ShareError(
            ErrorCode.offset_not_available,
            f"Offset for timestamp {now_ms - reset} not found for topic partition: {log.topic}-{log.partition}",
        )
    return found[1]
