"""One partition's log: append, read, flush and look-ups over segments, as Apache Kafka's UnifiedLog with one replica.

Record batches are opaque: an append checks headers and checksums, puts offset and leader epoch into the header, and
writes with one system call. Nothing runs here on its own: retention, rolls by time and checkpoints are the manager's
(`manager.py`), loading and recovery are in `recovery.py`.
"""

from __future__ import annotations

import logging
import struct
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crc32c import crc32c

from kopfka_broker.storage.epochs import LeaderEpochs
from kopfka_broker.storage.errors import KafkaStorageError, OffsetOutOfRangeError
from kopfka_broker.storage.flusher import FlushJob, FlushPart
from kopfka_broker.storage.indexes import MAX_RELATIVE_OFFSET
from kopfka_broker.storage.producers import ProducerStates
from kopfka_broker.storage.segment import Segment
from kopfka_broker.storage.snapshots import save_snapshot
from kopfka_broker.storage.times import find_max_timestamp, find_offset_for_time
from kopfka_broker.storage.validation import validate
from kopfka_wire.batches import (
    ATTRIBUTES_OFFSET,
    HEADER,
    HEADER_SIZE,
    LENGTH_OFFSET,
    LOG_OVERHEAD,
    MAGIC_OFFSET,
    NO_PRODUCER_ID,
    NO_TIMESTAMP,
    TIMESTAMP_TYPE_MASK,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from uuid import UUID

    from kopfka_broker.storage.config import LogConfig
    from kopfka_broker.storage.disk import Disk
    from kopfka_wire.batches import BatchHeader

    Buffer = bytes | bytearray | memoryview

log = logging.getLogger(__name__)

_PLACE = struct.Struct(">qii")
_LENGTH = struct.Struct(">i")
_OFFSETS = struct.Struct(">q15xi")
_CURSORS = 8
"""Readers whose place is remembered: one that goes on where it stopped needs no look-up."""


@dataclass(frozen=True, slots=True)
class Appended:
    """Where the records of an append are."""

    first_offset: int
    last_offset: int
    log_append_time: int = NO_TIMESTAMP
    """The time given to the records where `message.timestamp.type` is LogAppendTime, -1 otherwise."""
    log_start_offset: int = 0


class PartitionLog:
    """One partition's log. To be used on one thread."""

    __slots__ = (
        "_bases", "_cursors", "_disk", "_new_files", "_unsafe", "_watchers", "closed", "config", "directory", "epochs",
        "last_flush_ms", "leader_epoch", "log_end_offset", "log_start_offset", "partition", "producers",
        "recovery_point", "segments", "topic", "topic_id",
    )  # fmt: skip

    def __init__(
        self, topic: str, partition: int, topic_id: UUID, *, directory: Path, config: LogConfig, disk: Disk
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.topic_id = topic_id
        self.directory = directory
        self.config = config
        self.log_start_offset = 0
        self.log_end_offset = 0
        self.recovery_point = 0
        """Everything below is on disk."""
        self.leader_epoch = 0
        self.epochs = LeaderEpochs(directory)
        self.producers = ProducerStates()
        self.segments: list[Segment] = []
        self.last_flush_ms = disk.clock()
        self.closed: str | None = None
        """Why nothing can be appended or flushed any more: deleted, or closed."""
        self._bases: list[int] = []
        self._cursors: dict[int, tuple[Segment, int]] = {}
        self._disk = disk
        self._new_files = True
        self._unsafe: str | None = None
        self._watchers: dict[object, Callable[[], None]] = {}

    def __repr__(self) -> str:
        return f"PartitionLog({self.topic}-{self.partition}, {self.log_start_offset}..{self.log_end_offset})"

    @property
    def high_watermark(self) -> int:
        """The log end offset: there is one replica."""
        return self.log_end_offset

    @property
    def last_stable_offset(self) -> int:
        """The high watermark: there are no transactions yet."""
        return self.log_end_offset

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in self.segments)

    @property
    def active(self) -> Segment:
        """The segment that is written to."""
        return self.segments[-1]

    def append(self, records: Buffer, now_ms: int) -> Appended:
        """Write whole batches at the end, with one system call.

        The batches keep their bytes but for base offset and leader epoch, and timestamp type, largest timestamp and
        checksum where the topic's timestamps are LogAppendTime. A batch of an idempotent producer that was written
        before is not written again: the answer is where it is.

        Raises:
            StorageError: nothing was written; the class says which error code the producer gets.
        """
        if self.closed or self._unsafe:
            self._refuse()
        batches = validate(records, self.config, now_ms)
        idempotent = any(header.producer_id != NO_PRODUCER_ID for _, header in batches)
        if idempotent:
            headers = [header for _, header in batches]
            seen = self.producers.duplicate(headers[0])
            if seen is not None:
                return self._appended(seen.first_offset, seen.last_offset, seen.timestamp)
            self.producers.check(headers)
        first = self.log_end_offset
        total = len(records)
        try:
            segment = self._writable(total, [header for _, header in batches], now_ms)
            segment.write(self._placed(memoryview(records), batches, now_ms), total)
        except KafkaStorageError as error:
            self._disk.failed(self.directory, str(error))
            raise
        if self._disk.offline:
            self._disk.recovered(self.directory)

        offset, interval = first, self.config.index_interval_bytes
        append_time = self.config.message_timestamp_type == "LogAppendTime"
        for _, header in batches:
            last = offset + header.last_offset_delta
            time = now_ms if append_time else header.max_timestamp
            segment.added(header.size, last, time, interval)
            if idempotent:
                self.producers.update(header, offset, time)
            offset = last + 1
        self.log_end_offset = offset
        if offset - self.recovery_point >= self.config.flush_messages:
            self._disk.flusher.request(self)
        if self._watchers:
            self._wake()
        return self._appended(first, offset - 1, now_ms)

    async def flushed(self, offset: int) -> None:
        """Return once every record below `offset` is on disk.

        Raises:
            KafkaStorageError: it could not be put there, or the log is closed: the records must not be acknowledged.
        """
        if offset > self.recovery_point:
            await self._disk.flusher.flush(self)

    def read(self, offset: int, max_bytes: int, *, min_one: bool = True) -> bytes | memoryview:
        """Return whole batches, beginning with the one that holds `offset`; empty at the log end offset.

        At most `max_bytes`, but the first batch whole even if it is larger where `min_one`. One call reads from one
        segment.

        Raises:
            OffsetOutOfRangeError: the offset is below the log start offset or above the log end offset.
            KafkaStorageError: the disk failed.
        """
        segment, position = self._locate(offset)
        left = segment.size - position
        if not left:
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
            size = segment.header_at(position).size
            data = segment.read(position, size)
            count = end = size
        base_offset, delta = _OFFSETS.unpack_from(data, last)
        self._remember(base_offset + delta + 1, segment, position + end)
        return data if end == count else memoryview(data)[:end]

    def bytes_from(self, offset: int) -> int:
        """Return how many bytes reads from `offset` on could give now.

        Raises:
            OffsetOutOfRangeError: the offset is below the log start offset or above the log end offset.
        """
        if offset == self.log_end_offset:
            return 0
        segment, position = self._locate(offset)
        total = segment.size - position
        for later in reversed(self.segments):
            if later is segment:
                break
            total += later.size
        return total

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` called after each append, and when the log is deleted or closed; returns how to end that."""
        token = object()
        self._watchers[token] = callback
        return lambda: self._watchers.pop(token, None) and None

    def offset_for_time(self, timestamp_ms: int) -> tuple[int, int, int] | None:
        """Return timestamp, offset and leader epoch of the first record at or after a time, or None."""
        return find_offset_for_time(self, timestamp_ms)

    def max_timestamp(self) -> tuple[int, int, int] | None:
        """Return timestamp, offset and leader epoch of the (first) record with the largest timestamp, or None."""
        return find_max_timestamp(self)

    def end_offset_for_epoch(self, epoch: int) -> tuple[int, int]:
        """Return the largest epoch at or below `epoch` and the offset it ends at; (-1, -1) where that is unknown."""
        return self.epochs.end_offset_for(epoch, self.log_end_offset)

    def delete_records(self, before_offset: int) -> int:
        """Move the log start offset up to `before_offset` (-1: the high watermark) and return it.

        Segments that are wholly below are removed by the next round of retention.

        Raises:
            OffsetOutOfRangeError: it is above the high watermark.
            KafkaStorageError: the checkpoint cannot be written.
        """
        target = self.high_watermark if before_offset == -1 else before_offset
        if not 0 <= target <= self.high_watermark:
            raise OffsetOutOfRangeError(f"{target} is not within 0 and the high watermark {self.high_watermark}")
        if target > self.log_start_offset:
            before, self.log_start_offset = self.log_start_offset, target
            try:
                self._disk.save_log_starts()
            except KafkaStorageError:
                self.log_start_offset = before
                raise
            self.epochs.truncate_start(target)
        return self.log_start_offset

    # For the manager and recovery.

    def add_segment(self, base_offset: int, now_ms: int) -> Segment:
        """Make a new, empty segment the active one; its file comes with its first write."""
        segment = Segment(self.directory, base_offset, self._disk.files, now_ms)
        self.segments.append(segment)
        self._bases.append(base_offset)
        self._new_files = True
        return segment

    def drop_segments(self, count: int) -> list[Segment]:
        """Take the oldest segments out of the log, which has at least one more; the files are left to the caller."""
        dropped, self.segments = self.segments[:count], self.segments[count:]
        del self._bases[:count]
        self._cursors.clear()
        self.log_start_offset = max(self.log_start_offset, self.segments[0].base_offset)
        self.recovery_point = max(self.recovery_point, self.log_start_offset)
        return dropped

    def drop_tail(self, keep: int) -> list[Segment]:
        """Take all segments but the oldest `keep` out of the log; the files are left to the caller."""
        dropped, self.segments = self.segments[keep:], self.segments[:keep]
        del self._bases[keep:]
        self._cursors.clear()
        return dropped

    def roll(self, now_ms: int) -> Segment:
        """Close the active segment and begin a new one at the log end offset.

        Raises:
            KafkaStorageError: the disk is full or failed; the log is as it was.
        """
        self.active.store_indexes(closing=True)
        save_snapshot(self.directory, self.producers, self.log_end_offset)
        segment = self.add_segment(self.log_end_offset, now_ms)
        try:
            segment.write([], 0)  # the file must be there before older ones may go
        except KafkaStorageError:
            self.segments.pop()
            self._bases.pop()
            raise
        self._disk.flusher.request(self)
        return segment

    def begin_flush(self) -> FlushJob | None:
        """Pin what is not on disk yet (`flusher.Flushable`)."""
        if self.closed:
            raise KafkaStorageError(self.closed)
        if self.recovery_point >= self.log_end_offset and not self._unsafe:
            return None
        parts: list[FlushPart] = []
        for segment in self.segments[max(0, bisect_right(self._bases, self.recovery_point) - 1) :]:
            if not segment.size:
                continue
            start = segment.position_of(self.recovery_point) if self._unsafe else 0
            try:
                descriptor = segment.file.descriptor()
            except OSError as error:
                for part in parts:
                    part.file.pins -= 1
                raise KafkaStorageError(f"cannot open {segment.file.path}: {error.strerror}") from error
            segment.file.pins += 1
            parts.append(FlushPart(segment.file, descriptor, start, segment.size))
        directories = (self.directory, self.directory.parent) if self._new_files else ()
        self._new_files = False
        return FlushJob(tuple(parts), directories, self.log_end_offset, rewrite=self._unsafe is not None)

    def end_flush(self, job: FlushJob, wrong: str | None) -> None:
        """Unpin, and move the recovery point or take the log out of use (`flusher.Flushable`)."""
        for part in job.parts:
            part.file.pins -= 1
            if part.file.retired and not part.file.pins:
                part.file.close()
        if wrong is None:
            if self._unsafe:
                log.warning("%s-%s: written again and synced, takes records again", self.topic, self.partition)
                self._unsafe = None
                self._disk.recovered(self.directory)
            self.recovery_point = max(self.recovery_point, job.offset)
            self.last_flush_ms = self._disk.clock()
            return
        self._new_files = self._new_files or bool(job.directories)
        self._unsafe = f"{self.topic}-{self.partition} takes no records: its last sync failed ({wrong})"
        self._disk.failed(self.directory, self._unsafe)

    @property
    def unsafe(self) -> str | None:
        """Why the log takes no records although it is open: a sync failed, and what it covered is not on disk yet."""
        return self._unsafe

    def close(self, reason: str) -> None:
        """Take no more records; those who watch are called back. Files stay as they are."""
        self.closed = reason
        self._wake()
        self._watchers.clear()

    def forget_places(self) -> None:
        """Forget where readers are; to be called after segments were cut."""
        self._cursors.clear()

    def segment_at(self, offset: int) -> int:
        """Return the index of the segment whose range holds `offset`."""
        return max(0, bisect_right(self._bases, offset) - 1)

    def _refuse(self) -> None:
        if self.closed:
            raise KafkaStorageError(self.closed)
        raise KafkaStorageError(self._unsafe or "")

    def _appended(self, first: int, last: int, append_time: int) -> Appended:
        stamped = append_time if self.config.message_timestamp_type == "LogAppendTime" else NO_TIMESTAMP
        return Appended(first, last, stamped, self.log_start_offset)

    def _writable(self, adding: int, headers: list[BatchHeader], now_ms: int) -> Segment:
        """The segment that takes these batches: the active one, or a new one where a limit is reached."""
        if self.epochs.latest != self.leader_epoch:
            self.epochs.assign(self.leader_epoch, self.log_end_offset)
        segment = self.active
        if not segment.size:
            return segment
        append_time = self.config.message_timestamp_type == "LogAppendTime"
        newest = now_ms if append_time else max(header.max_timestamp for header in headers)
        end_offset = self.log_end_offset + sum(header.last_offset_delta + 1 for header in headers)
        if (
            segment.is_full(self.config, adding)
            or segment.waited_ms(newest, now_ms) > self.config.segment_ms
            or end_offset - segment.base_offset > MAX_RELATIVE_OFFSET
        ):
            return self.roll(now_ms)
        return segment

    def _placed(self, view: memoryview, batches: list[tuple[int, BatchHeader]], now_ms: int) -> list[Buffer]:
        """The batches with offset and epoch in place: new first bytes, and the rest as it came."""
        offset, epoch = self.log_end_offset, self.leader_epoch
        buffers: list[Buffer] = []
        if self.config.message_timestamp_type == "CreateTime":
            for position, header in batches:
                buffers.append(_PLACE.pack(offset, header.batch_length, epoch))
                buffers.append(view[position + MAGIC_OFFSET : position + header.size])
                offset += header.last_offset_delta + 1
            return buffers
        for position, header in batches:
            body = view[position + HEADER_SIZE : position + header.size]
            stamped = header._replace(
                base_offset=offset,
                partition_leader_epoch=epoch,
                attributes=header.attributes | TIMESTAMP_TYPE_MASK,
                max_timestamp=now_ms,
            )
            crc = crc32c(body, crc32c(HEADER.pack(*stamped)[ATTRIBUTES_OFFSET:]))
            buffers += (HEADER.pack(*stamped._replace(crc=crc)), body)
            offset += header.last_offset_delta + 1
        return buffers

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
            found = self.segments[at], self.segments[at].position_of(offset)
        segment, position = found
        while position >= segment.size and segment is not self.active:
            at = self.segments.index(segment) if at < 0 else at
            at += 1
            segment, position = self.segments[at], 0
        return segment, position

    def _remember(self, offset: int, segment: Segment, position: int) -> None:
        cursors = self._cursors
        if len(cursors) >= _CURSORS and offset not in cursors:
            del cursors[next(iter(cursors))]
        cursors[offset] = (segment, position)

    def _wake(self) -> None:
        for callback in list(self._watchers.values()):
            callback()
