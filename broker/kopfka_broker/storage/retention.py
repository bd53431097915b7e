"""Which segments of a log are no longer wanted: by time, by size, or because records were deleted. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kopfka_broker.storage.log import PartitionLog


def expired_segments(partition: PartitionLog, now_ms: int) -> tuple[int, str]:
    """Return how many of the oldest segments are to go, and why (for the log).

    The active segment is among them only by time (`retention.ms`) and only if it holds records; it is rolled first.
    """
    by_start = _below_start(partition)
    if not partition.config.deletes:
        return by_start, f"below the log start offset {partition.log_start_offset}"
    by_time = _by_time(partition, now_ms)
    by_size = _by_size(partition)
    return max(
        (by_start, f"below the log start offset {partition.log_start_offset}"),
        (by_time, f"older than retention.ms {partition.config.retention_ms}"),
        (by_size, f"the log is larger than retention.bytes {partition.config.retention_bytes}"),
        key=lambda found: found[0],
    )


def _by_time(partition: PartitionLog, now_ms: int) -> int:
    limit = partition.config.retention_ms
    if limit < 0:
        return 0
    count = 0
    for segment in partition.segments:
        if not segment.size or now_ms - segment.largest_timestamp() <= limit:
            break
        count += 1
    return count


def _by_size(partition: PartitionLog) -> int:
    limit = partition.config.retention_bytes
    if limit < 0:
        return 0
    excess = partition.size - limit
    count = 0
    for segment in partition.segments[:-1]:
        if segment.size > excess:
            break
        excess -= segment.size
        count += 1
    return count


def _below_start(partition: PartitionLog) -> int:
    count = 0
    for following in partition.segments[1:]:
        if following.base_offset > partition.log_start_offset:
            break
        count += 1
    return count
