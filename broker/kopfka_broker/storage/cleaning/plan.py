"""Which part of a log may be cleaned and whether that pays, and which segments become one. Pure.

A log is, oldest first: clean (each key at most once), dirty, and what may not be cleaned yet: the active segment, what
an open transaction may still abort, what is not on disk yet, and records younger than `min.compaction.lag.ms`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_broker.storage.indexes import MAX_RELATIVE_OFFSET, OFFSET_ENTRY, TIME_ENTRY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_broker.storage.config import LogConfig
    from kopfka_broker.storage.log import PartitionLog
    from kopfka_broker.storage.segment import Segment

_NO_LIMIT = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Cleanable:
    """What of a log could be cleaned now."""

    first_dirty: int
    """Offset up to which the log was cleaned before."""
    end: int
    """Base offset of the first segment that must stay as it is."""
    clean_bytes: int
    dirty_bytes: int
    overdue: bool
    """Whether a dirty record is older than `max.compaction.lag.ms`."""

    @property
    def ratio(self) -> float:
        """Dirty bytes of all that could be cleaned: what `min.cleanable.dirty.ratio` is held against."""
        return self.dirty_bytes / max(1, self.clean_bytes + self.dirty_bytes)

    def pays(self, config: LogConfig) -> bool:
        """Tell whether the log is to be cleaned now."""
        return self.dirty_bytes > 0 and (self.overdue or self.ratio > config.min_cleanable_dirty_ratio)


def cleanable(log: PartitionLog, cleaned_to: int | None, now_ms: int) -> Cleanable:
    """Return what of a log could be cleaned, when it was cleaned up to the offset `cleaned_to` before."""
    config, segments = log.config, log.segments
    first_dirty = log.log_start_offset if cleaned_to is None else cleaned_to
    if not log.log_start_offset <= first_dirty <= log.log_end_offset:  # records were deleted, or the log was cut
        first_dirty = log.log_start_offset
    last = log.segment_at(min(log.last_stable_offset, log.recovery_point, log.active.base_offset))
    first = min(log.segment_at(first_dirty), last)
    if config.min_compaction_lag_ms > 0:
        youngest = now_ms - config.min_compaction_lag_ms
        last = next((at for at in range(first, last) if segments[at].largest_timestamp() > youngest), last)
    return Cleanable(
        first_dirty,
        segments[last].base_offset,
        sum(segment.size for segment in segments[:first]),
        sum(segment.size for segment in segments[first:last]),
        _overdue(segments[first:last], config, now_ms),
    )


def _overdue(dirty: Sequence[Segment], config: LogConfig, now_ms: int) -> bool:
    if config.max_compaction_lag_ms >= _NO_LIMIT:
        return False
    oldest = now_ms - max(config.max_compaction_lag_ms, 0)
    return any(segment.size and 0 < segment.header_at(0).max_timestamp < oldest for segment in dirty)


def grouped(segments: Sequence[Segment], end: int, config: LogConfig) -> list[list[Segment]]:
    """Return runs of neighbours that fit into one segment together, whose records end below the offset `end`."""
    groups: list[list[Segment]] = []
    room = entries = times = 0
    for at, segment in enumerate(segments):
        following = segments[at + 1].base_offset if at + 1 < len(segments) else end
        if (
            groups
            and segment.size <= room
            and len(segment.index) <= entries
            and len(segment.times) <= times
            and following - 1 - groups[-1][0].base_offset <= MAX_RELATIVE_OFFSET
        ):
            groups[-1].append(segment)
        else:
            groups.append([segment])
            room, entries = config.segment_bytes, config.segment_index_bytes // OFFSET_ENTRY
            times = config.segment_index_bytes // TIME_ENTRY
        room -= segment.size
        entries -= len(segment.index)
        times -= len(segment.times)
    return groups
