"""The segments of one partition's log: where an offset is, and reading from there. Nothing here writes records."""

from __future__ import annotations

import struct
from bisect import bisect_right
from typing import TYPE_CHECKING

from kopfka_broker.storage.errors import (
    CorruptMessageError,
    DamagedSegmentError,
    KafkaStorageError,
    OffsetOutOfRangeError,
)
from kopfka_broker.storage.integrity import DamagedBatch, intact
from kopfka_broker.storage.segment import Segment
from kopfka_broker.storage.transactions import AbortedTransactions
from kopfka_wire.batches import HEADER_SIZE, LENGTH_OFFSET, LOG_OVERHEAD

if TYPE_CHECKING:
    from pathlib import Path

    from kopfka_broker.storage.config import LogConfig
    from kopfka_broker.storage.disk import Disk

_LENGTH = struct.Struct(">i")
_OFFSETS = struct.Struct(">q15xi")
_CURSORS = 8
"""Readers whose place is remembered: one that goes on where it stopped needs no look-up."""


class SegmentedLog:
    """Segments in the order of their offsets, of which the last one grows."""

    __slots__ = (
        "_bases", "_cursors", "_disk", "aborted", "closed", "config", "directory", "log_end_offset",
        "log_start_offset", "partition", "segments", "topic",
    )  # fmt: skip

    def __init__(self, topic: str, partition: int, *, directory: Path, config: LogConfig, disk: Disk) -> None:
        self.topic = topic
        self.partition = partition
        self.directory = directory
        self.config = config
        self.log_start_offset = 0
        self.log_end_offset = 0
        self.segments: list[Segment] = []
        self.aborted = AbortedTransactions(directory)
        self.closed: str | None = None
        """Why nothing can be read, appended or flushed any more: deleted, or closed."""
        self._bases: list[int] = []
        self._cursors: dict[int, tuple[Segment, int]] = {}
        self._disk = disk

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.topic}-{self.partition}, {self.log_start_offset}..{self.log_end_offset})"

    @property
    def high_watermark(self) -> int:
        """The log end offset: there is one replica."""
        return self.log_end_offset

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in self.segments)

    @property
    def active(self) -> Segment:
        """The segment that is written to."""
        return self.segments[-1]

    def read(
        self, offset: int, max_bytes: int, *, min_one: bool = True, before: int | None = None
    ) -> bytes | memoryview:
        """Return whole batches, beginning with the one that holds `offset`; empty at the log end offset.

        At most `max_bytes`, but the first batch whole even if it is larger where `min_one`; none that holds `before`
        or comes behind it. One call reads from one segment.

        Raises:
            OffsetOutOfRangeError: the offset is below the log start offset or above the log end offset.
            CorruptMessageError: what is on disk for this offset is not what was written.
            KafkaStorageError: the disk failed.
        """
        segment, position = self._locate(offset)
        left = segment.size - position
        if before is not None and left:
            left = min(left, self._position_in(segment, before) - position)
            max_bytes = min(max_bytes, left)
        if left <= 0:
            return b""
        data = segment.read(position, max_bytes)
        count = len(data)
        end = last = 0
        while count - end >= HEADER_SIZE:
            size = LOG_OVERHEAD + _LENGTH.unpack_from(data, end + LENGTH_OFFSET)[0]
            if size < HEADER_SIZE or end + size > count:
                break
            last, end = end, end + size
        if not end:
            if not min_one:
                return b""
            size = self._size_at(segment, position, offset)
            data = segment.read(position, size)
            count = end = size
        if position < segment.checked_below:
            good = intact(self, segment, position, data, end)
            if good.why:
                where = position + good.end
                self._damaged(segment, where, good.next_offset if good.end else offset, good.why)
                if not good.end:
                    raise CorruptMessageError(f"{segment.file.path} is damaged at {position}: {good.why}")
            end, last = good.end, good.last
        base_offset, delta = _OFFSETS.unpack_from(data, last)
        self._remember(base_offset + delta + 1, segment, position + end)
        return data if end == count else memoryview(data)[:end]

    def bytes_from(self, offset: int, before: int | None = None) -> int:
        """Return how many bytes reads from `offset` on, as far as `before`, could give now.

        Raises:
            OffsetOutOfRangeError: the offset is below the log start offset or above the log end offset.
        """
        if before is not None and before < self.log_end_offset:
            return 0 if offset >= before else self.bytes_from(offset) - self._bytes_behind(self.place_of(before))
        if offset == self.log_end_offset:
            return 0
        return self._bytes_behind(self.place_of(offset))  # remembered, as it is read next

    def place_of(self, offset: int) -> tuple[Segment, int]:
        """Return the segment and the position in it where the batch begins that holds `offset`; it is remembered.

        Raises:
            OffsetOutOfRangeError: the offset is below the log start offset or above the log end offset.
            KafkaStorageError: the disk failed.
        """
        place = self._locate(offset)
        self._remember(offset, *place)
        return place

    def segment_at(self, offset: int) -> int:
        """Return the index of the segment whose range holds `offset`."""
        return max(0, bisect_right(self._bases, offset) - 1)

    # For the manager and recovery.

    def add_segment(self, base_offset: int, now_ms: int) -> Segment:
        """Make a new, empty segment the active one; its file comes with its first write."""
        segment = Segment(self.directory, base_offset, self._disk.files, now_ms)
        segment.jitter_ms = self.config.jitter_ms()
        self.segments.append(segment)
        self._bases.append(base_offset)
        return segment

    def drop_segments(self, count: int) -> list[Segment]:
        """Take the oldest segments out of the log, which has at least one more; the files are left to the caller."""
        dropped, self.segments = self.segments[:count], self.segments[count:]
        del self._bases[:count]
        self._forget(dropped)
        self.log_start_offset = max(self.log_start_offset, self.segments[0].base_offset)
        return dropped

    def drop_tail(self, keep: int) -> list[Segment]:
        """Take all segments but the oldest `keep` out of the log; the files are left to the caller."""
        dropped, self.segments = self.segments[keep:], self.segments[:keep]
        del self._bases[keep:]
        self._forget(dropped)
        return dropped

    def replace_segments(self, group: list[Segment]) -> Segment | None:
        """Put a new, empty segment in the place of closed neighbours; None where they are no longer in the log.

        The files of all of them are left to the caller.
        """
        at = self.segments.index(group[0]) if group[0] in self.segments else len(self.segments)
        end = at + len(group)
        if self.closed or self.segments[at:end] != group or end >= len(self.segments):
            return None
        segment = Segment(self.directory, group[0].base_offset, self._disk.files, group[-1].created_ms)
        self.segments[at:end] = [segment]
        self._bases[at:end] = [segment.base_offset]
        self._cursors.clear()
        return segment

    def forget_places(self) -> None:
        """Forget where readers are; to be called after segments were cut."""
        self._cursors.clear()

    def _bytes_behind(self, place: tuple[Segment, int]) -> int:
        segment, position = place
        total = segment.size - position
        for later in reversed(self.segments):
            if later is segment:
                break
            total += later.size
        return total

    def _locate(self, offset: int) -> tuple[Segment, int]:
        if self.closed:
            raise KafkaStorageError(self.closed)
        if not self.log_start_offset <= offset <= self.log_end_offset:
            raise OffsetOutOfRangeError(
                f"offset {offset} of {self.topic}-{self.partition} is not within "
                f"{self.log_start_offset} and {self.log_end_offset}"
            )
        found = self._cursors.get(offset)
        at = -1
        if found is None:
            if offset == self.log_end_offset:
                return self.active, self.active.size
            at = self.segment_at(offset)
            try:
                found = self.segments[at], self.segments[at].position_of(offset)
            except DamagedSegmentError as error:
                self._damaged(self.segments[at], error.position, offset, str(error))
                raise
        segment, position = found
        while position >= segment.size and segment is not self.active:
            at = self.segments.index(segment) if at < 0 else at
            at += 1
            segment, position = self.segments[at], 0
        return segment, position

    def _size_at(self, segment: Segment, position: int, offset: int) -> int:
        """Return the size of a batch that was not read whole."""
        try:
            return segment.header_at(position).size
        except DamagedSegmentError as error:
            self._damaged(segment, position, offset, str(error))
            raise

    def _damaged(self, segment: Segment, position: int, offset: int, why: str) -> None:
        batch = DamagedBatch(self.topic, self.partition, segment.file.path, position, offset, why)
        self._disk.damage.found(batch)

    def _position_in(self, segment: Segment, offset: int) -> int:
        """Where `offset` is in a segment: its beginning or its end where it is in another one."""
        found, position = self.place_of(offset)
        if found is segment:
            return position
        return segment.size if found.base_offset > segment.base_offset else 0

    def _remember(self, offset: int, segment: Segment, position: int) -> None:
        cursors = self._cursors
        if len(cursors) >= _CURSORS and offset not in cursors:
            del cursors[next(iter(cursors))]
        cursors[offset] = (segment, position)

    def _forget(self, dropped: list[Segment]) -> None:
        self._cursors.clear()
        for segment in dropped:
            self.aborted.forget(segment.base_offset)
