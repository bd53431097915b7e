"""One segment: a log file, its two indexes, and what is known of it without reading (size, largest timestamp).

A segment takes batches as they are. Offsets, epochs and validation are the log's business (`log.py`).
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from kopfka_broker.storage.errors import DamagedSegmentError, KafkaStorageError
from kopfka_broker.storage.files import LogFile
from kopfka_broker.storage.indexes import OFFSET_ENTRY, TIME_ENTRY, OffsetIndex, TimeIndex
from kopfka_wire.batches import HEADER_SIZE, CorruptBatchError, read_header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kopfka_broker.storage.config import LogConfig
    from kopfka_broker.storage.files import OpenFiles
    from kopfka_wire.batches import BatchHeader

    Buffer = bytes | bytearray | memoryview

LOG_SUFFIX = ".log"
INDEX_SUFFIX = ".index"
TIME_INDEX_SUFFIX = ".timeindex"
TXN_INDEX_SUFFIX = ".txnindex"
SNAPSHOT_SUFFIX = ".snapshot"
DELETED_SUFFIX = ".deleted"

_SUFFIXES = (LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX)
_MOST_BUFFERS = 512
_PROBE_BYTES = 4096
_WALK_BYTES = 64 * 1024


def offset_name(offset: int, suffix: str) -> str:
    """Return the name of a segment's file: its base offset in 20 digits, and what it holds."""
    return f"{offset:020d}{suffix}"


class Segment:
    """A log file from `base_offset` on; only its last bytes change, and only while it is the active one."""

    __slots__ = (
        "base_offset", "bytes_since_index", "checked_below", "created_ms", "file", "first_timestamp", "index",
        "jitter_ms", "max_timestamp", "max_timestamp_offset", "size", "times", "torn",
    )  # fmt: skip

    def __init__(self, directory: Path, base_offset: int, files: OpenFiles, created_ms: int) -> None:
        self.base_offset = base_offset
        self.file = LogFile(directory / offset_name(base_offset, LOG_SUFFIX), files)
        self.index = OffsetIndex(directory / offset_name(base_offset, INDEX_SUFFIX), base_offset)
        self.times = TimeIndex(directory / offset_name(base_offset, TIME_INDEX_SUFFIX), base_offset)
        self.size = 0
        self.created_ms = created_ms
        self.jitter_ms = 0
        """By how much earlier than `segment.ms` it is to be rolled."""
        self.checked_below = 0
        """Reads that begin below this position are checked: what is there was not written a moment ago."""
        self.first_timestamp = -1
        self.max_timestamp = -1
        self.max_timestamp_offset = base_offset
        self.bytes_since_index = 0
        self.torn = False
        """Whether there may be bytes after `size`, left by a write that failed."""

    def write(self, buffers: list[Buffer], size: int) -> None:
        """Write at the end with one system call; a write that fails leaves the segment as it was.

        Raises:
            KafkaStorageError: the disk is full or failed.
        """
        try:
            descriptor = self.file.descriptor(create=not self.size)
            if self.torn:
                os.ftruncate(descriptor, self.size)
                self.torn = False
            if len(buffers) > _MOST_BUFFERS:
                buffers = [b"".join(buffers)]
            written = os.pwritev(descriptor, buffers, self.size)
            if written < size:  # a full disk takes what fits, and says ENOSPC to the rest
                rest = memoryview(b"".join(buffers))[written:]
                while rest:
                    written = os.pwrite(descriptor, rest, self.size + size - len(rest))
                    rest = rest[written:]
        except OSError as error:
            self._take_back()
            raise KafkaStorageError(f"cannot write {self.file.path}: {error.strerror}") from error

    def added(self, size: int, last_offset: int, max_timestamp: int, interval: int) -> None:
        """Account for a batch that was written (or found) at the end: size, timestamps, index entries."""
        if max_timestamp > self.max_timestamp:
            self.max_timestamp, self.max_timestamp_offset = max_timestamp, last_offset
        if self.first_timestamp < 0:
            self.first_timestamp = max_timestamp
        if self.bytes_since_index > interval:
            self.index.append(last_offset, self.size)
            self.times.maybe_append(self.max_timestamp, self.max_timestamp_offset)
            self.bytes_since_index = 0
        self.size += size
        self.bytes_since_index += size

    def is_full(self, config: LogConfig, adding: int) -> bool:
        """Tell whether `adding` more bytes go to a new segment, by size or because an index is full."""
        most = config.segment_index_bytes
        return self.size + adding > config.segment_bytes or (
            len(self.index.entries) >= most // OFFSET_ENTRY or len(self.times) >= most // TIME_ENTRY - 1
        )

    def waited_ms(self, timestamp: int, now_ms: int) -> int:
        """Return how long it has been active: by its records' time where they have one, by the clock otherwise."""
        if self.first_timestamp >= 0 and timestamp >= 0:
            return timestamp - self.first_timestamp
        return now_ms - self.created_ms

    def read(self, position: int, size: int, end: int | None = None) -> bytes:
        """Read at most `size` bytes, not beyond `end` (the segment's where None).

        Raises:
            KafkaStorageError: the disk failed.
        """
        end = self.size if end is None else end
        try:
            return os.pread(self.file.descriptor(), min(size, end - position), position)
        except OSError as error:
            raise KafkaStorageError(f"cannot read {self.file.path}: {error.strerror}") from error

    def walk(self, position: int = 0, end: int | None = None) -> Iterator[tuple[int, BatchHeader]]:
        """Read the header of each batch from `position` on, skipping what is between.

        Raises:
            CorruptBatchError: a header is impossible or a batch is cut.
            KafkaStorageError: the disk failed.
        """
        end = self.size if end is None else end
        start, window = position, b""
        while position < end:
            at = position - start
            if at + HEADER_SIZE > len(window):
                start, window, at = position, self.read(position, _WALK_BYTES, end), 0
            header = read_header(window, at)
            if position + header.size > end:
                raise CorruptBatchError(f"{self.file.path} ends inside the batch at {position}")
            yield position, header
            position += header.size

    def header_at(self, position: int) -> BatchHeader:
        """Read the header of the batch that begins at `position`.

        Raises:
            DamagedSegmentError: there is no whole batch.
            KafkaStorageError: the disk failed.
        """
        try:
            return next(header for _, header in self.walk(position))
        except (CorruptBatchError, StopIteration) as error:
            raise DamagedSegmentError(f"{self.file.path} is damaged at {position}: {error}", position) from error

    def position_of(self, offset: int) -> int:
        """Return where the batch begins that holds `offset`, or the first after it; the size where there is none.

        A header that makes no sense hides what is behind it, up to the next entry of the index.

        Raises:
            DamagedSegmentError: the offset is in such a place.
            KafkaStorageError: the disk failed.
        """
        at = self.index.lookup(offset)
        damaged: DamagedSegmentError | None = None
        while at < self.size:
            try:
                for position, header in self.walk(at):
                    at = position + header.size
                    if header.last_offset >= offset:
                        if damaged is not None and header.base_offset > offset:
                            raise damaged
                        return position
            except CorruptBatchError as error:
                damaged = damaged or DamagedSegmentError(f"{self.file.path} is damaged at {at}: {error}", at)
                at = self.index.position_above(at, self.size)
        if damaged is not None:
            raise damaged
        return self.size

    def truncate(self, position: int) -> None:
        """Cut the segment at the beginning of a batch; the index entries above go too. May raise OSError."""
        os.ftruncate(self.file.descriptor(), position)
        self.size = position
        self.torn = False

    def store_indexes(self, *, closing: bool = False) -> bool:
        """Write the indexes' new entries to their files; True where there was something to write.

        `closing`: the time index then ends with the largest timestamp.

        Raises:
            KafkaStorageError: the disk is full or failed; nothing is lost, the next call writes them.
        """
        try:
            if closing and self.size:
                self.times.maybe_append(self.max_timestamp, self.max_timestamp_offset)
            written = self.index.store(create=closing)
            return self.times.store(create=closing) or written
        except OSError as error:
            raise KafkaStorageError(f"cannot write the indexes of {self.file.path}: {error.strerror}") from error

    def largest_timestamp(self) -> int:
        """Return the largest timestamp of its batches; where none has one, the time the file was last written."""
        if self.max_timestamp >= 0:
            return self.max_timestamp
        try:
            return self.file.path.stat().st_mtime_ns // 1_000_000
        except OSError:
            return self.created_ms

    def release(self) -> None:
        """Give memory and descriptor back; everything is there again at the next use."""
        self.index.release()
        self.times.release()
        if not self.file.pins:
            self.file.close()

    def mark_deleted(self) -> list[Path]:
        """Rename its files so that a restart does not take them for data; returns the new paths. May raise OSError."""
        self.file.retired = True
        if not self.file.pins:
            self.file.close()
        renamed = []
        for suffix in _SUFFIXES:
            path = self.file.path.with_name(offset_name(self.base_offset, suffix))
            target = path.with_name(path.name + DELETED_SUFFIX)
            with contextlib.suppress(FileNotFoundError):
                path.rename(target)
                renamed.append(target)
        return renamed

    def probe(self) -> bool:
        """Tell whether the disk takes bytes at the end; none are left there."""
        try:
            os.pwrite(self.file.descriptor(create=not self.size), bytes(_PROBE_BYTES), self.size)
        except OSError:
            return False
        finally:
            self._take_back()
        return not self.torn

    def remove(self) -> None:
        """Remove its files at once. May raise OSError."""
        for path in self.mark_deleted():
            path.unlink()

    def _take_back(self) -> None:
        self.torn = True
        with contextlib.suppress(OSError):
            os.ftruncate(self.file.descriptor(), self.size)
            self.torn = False
