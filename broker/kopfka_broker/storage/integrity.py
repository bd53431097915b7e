"""Damage on disk: bytes that are no longer those that were written, found when they are read and by a slow patrol.

A read of what this process wrote a moment ago is not checked: it comes from the page cache, and its checksum was
checked on the way in. Every other read is, batch by batch, so that a damaged batch is an error to its reader and the
batches around it are served. Fields that the checksum does not cover (offset, length, epoch) are held against their
neighbours.
"""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from kopfka_wire.batches import (
    ATTRIBUTES_OFFSET,
    HEADER_SIZE,
    LOG_OVERHEAD,
    MAGIC,
    CorruptBatchError,
    read_header,
    verify_crc,
)
from kopfka_wire.checksum import crc32c

if TYPE_CHECKING:
    from pathlib import Path

    from kopfka_broker.storage.segment import Segment
    from kopfka_broker.storage.segmented import SegmentedLog

log = logging.getLogger(__name__)

_OFFSET = struct.Struct(">q")
_HEAD = struct.Struct(">qi4xbI2xi")
"""Base offset, length, format, checksum and last offset delta, from the beginning of a batch."""
_MOST = 1000
"""So many damaged places are remembered by name; each is in the process's log in any case."""


@dataclass(frozen=True, slots=True)
class DamagedBatch:
    """A batch that cannot be served."""

    topic: str
    partition: int
    path: Path
    position: int
    offset: int
    """The first offset that cannot be read because of it."""
    why: str


class Damage:
    """What was found damaged since the start."""

    def __init__(self) -> None:
        self._found: dict[tuple[Path, int], DamagedBatch] = {}

    def __len__(self) -> int:
        return len(self._found)

    def by_partition(self) -> dict[tuple[str, int], int]:
        """Return how many damaged places there are, by topic and partition; files that are gone do not count."""
        counts: dict[tuple[str, int], int] = {}
        for each in list(self._found.values()):
            if each.path.exists():
                key = (each.topic, each.partition)
                counts[key] = counts.get(key, 0) + 1
        return counts

    def found(self, batch: DamagedBatch) -> None:
        """Take note of a damaged batch, and say it once in the log."""
        place = (batch.path, batch.position)
        if place in self._found:
            return
        if len(self._found) < _MOST:
            self._found[place] = batch
        log.error(
            "%s is damaged at position %d: offset %d of %s-%d cannot be read (%s); what is before and after it can. "
            "Restore the file from a copy, or skip the offset in the consumers",
            batch.path, batch.position, batch.offset, batch.topic, batch.partition, batch.why,
        )  # fmt: skip


class Intact(NamedTuple):
    """How far batches are good."""

    end: int
    """Bytes of good batches."""
    last: int
    """Where the last of them begins."""
    next_offset: int
    """The offset behind them."""
    why: str
    """What is wrong with the batch behind them, empty where there is none."""


def intact(partition: SegmentedLog, segment: Segment, position: int, data: bytes, end: int) -> Intact:
    """Look at the batches in the first `end` bytes that were read at `position`."""
    found = _plainly_good(partition, segment, position, data, end)
    if found is not None:
        return found
    at = last = 0
    expected = segment.base_offset
    while at < end:
        try:
            header = read_header(data, at)
            verify_crc(data, at, header)
            following = _offset_at(partition, segment, position, data, at + header.size)
            if not expected <= header.base_offset <= header.last_offset < following:
                raise CorruptBatchError(
                    f"it says offsets {header.base_offset} to {header.last_offset}, and {expected} to {following - 1} "
                    "could be here"
                )
        except CorruptBatchError as error:
            return Intact(at, last, expected, str(error))
        expected = header.next_offset
        last, at = at, at + header.size
    return Intact(at, last, expected, "")


def _plainly_good(partition: SegmentedLog, segment: Segment, position: int, data: bytes, end: int) -> Intact | None:
    """Return the answer where nothing is wrong: this is what almost every read comes to, so it is to be short."""
    at = last = 0
    following = segment.base_offset
    with memoryview(data) as view:
        while at < end:
            base, length, magic, crc, delta = _HEAD.unpack_from(data, at)
            size = LOG_OVERHEAD + length
            if magic != MAGIC or size < HEADER_SIZE or at + size > end or base < following or delta < 0:
                return None
            with view[at + ATTRIBUTES_OFFSET : at + size] as covered:
                if crc32c(covered) != crc:
                    return None
            following = base + delta + 1
            last, at = at, at + size
    if following > _offset_at(partition, segment, position, data, end):
        return None
    return Intact(end, last, following, "")


def _offset_at(partition: SegmentedLog, segment: Segment, position: int, data: bytes, at: int) -> int:
    """Return the base offset of the batch that begins at `position + at`, wherever that is."""
    if len(data) - at < _OFFSET.size and position + at < segment.size:
        data, at = segment.read(position + at, _OFFSET.size), 0
    if len(data) - at >= _OFFSET.size:
        return int(_OFFSET.unpack_from(data, at)[0])
    following = partition.segment_at(segment.base_offset) + 1
    if following < len(partition.segments):
        return partition.segments[following].base_offset
    return partition.log_end_offset
