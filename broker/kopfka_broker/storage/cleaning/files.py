"""Cleaned segments on disk, put in the place of those they come from so that a kill at any moment loses nothing.

The suffixes and what they mean at a start are Apache Kafka's, so either finishes what the other began:

1. `.cleaned` files are being written; a start removes them.
2. Whole and synced they become `.swap`, the log file last; from here on a start puts them in place.
3. The segments they stand for become `.deleted`, and are no longer read.
4. Once that is on disk the suffix goes.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_broker.storage.checkpoints import sync_data, sync_directory
from kopfka_broker.storage.indexes import OffsetIndex, TimeIndex
from kopfka_broker.storage.segment import (
    INDEX_SUFFIX,
    LOG_SUFFIX,
    TIME_INDEX_SUFFIX,
    TXN_INDEX_SUFFIX,
    offset_name,
)
from kopfka_broker.storage.transactions import write_index
from kopfka_wire.batches import HEADER_SIZE, CorruptBatchError, read_header, verify_crc

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from kopfka_broker.storage.segment import Segment
    from kopfka_broker.storage.transactions import AbortedTransaction
    from kopfka_wire.batches import BatchHeader, Buffer

CLEANED_SUFFIX = ".cleaned"
SWAP_SUFFIX = ".swap"

_SUFFIXES = (INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, LOG_SUFFIX)
"""Of a segment, in the order in which they are renamed: where the log file is, the others are."""


@dataclass(frozen=True, slots=True)
class SourceSegment:
    """A segment to be read on another thread: nothing here changes while it is."""

    path: Path
    base_offset: int
    end_offset: int
    """Where the next one begins."""
    size: int

    @classmethod
    def of(cls, segments: Iterable[Segment], end_offset: int) -> list[SourceSegment]:
        """Take what is needed of closed neighbours that end at an offset."""
        segments = list(segments)
        ends = [*(segment.base_offset for segment in segments[1:]), end_offset]
        return [
            cls(segment.file.path, segment.base_offset, end, segment.size)
            for segment, end in zip(segments, ends, strict=True)
        ]

    def batches(self, chunk: int) -> Iterator[tuple[BatchHeader, memoryview]]:
        """Read every batch, in pieces of `chunk` bytes or one batch, and check it.

        Raises:
            CorruptBatchError: a batch is damaged; it says where.
            OSError: the disk failed.
        """
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            position, expected = 0, self.base_offset
            while position < self.size:
                window = os.pread(descriptor, min(chunk, self.size - position), position)
                header = read_header(window)
                if header.size > len(window):
                    window = os.pread(descriptor, min(header.size, self.size - position), position)
                view, at = memoryview(window), 0
                while len(window) - at >= HEADER_SIZE:
                    header = read_header(window, at)
                    if at + header.size > len(window):
                        break
                    verify_crc(window, at, header)
                    if not expected <= header.base_offset <= header.last_offset < self.end_offset:
                        raise CorruptBatchError(
                            f"offsets {header.base_offset} to {header.last_offset} where those from {expected} on are "
                            f"expected, below {self.end_offset}"
                        )
                    expected = header.next_offset
                    yield header, view[at : at + header.size]
                    at += header.size
                if not at:
                    raise CorruptBatchError(f"a batch of {header.size} bytes is cut")
                position += at
        except CorruptBatchError as error:
            raise CorruptBatchError(f"{self.path} is damaged in the batches from {position} on: {error}") from error
        finally:
            os.close(descriptor)


class CleanedSegment:
    """A segment being written beside those it is to replace."""

    def __init__(self, directory: Path, base_offset: int, interval: int, buffer_bytes: int) -> None:
        """Begin the file. May raise OSError."""
        self.directory = directory
        self.base_offset = base_offset
        self.index = OffsetIndex(self._path(INDEX_SUFFIX), base_offset)
        self.times = TimeIndex(self._path(TIME_INDEX_SUFFIX), base_offset)
        self.size = 0
        self.first_timestamp = -1
        self.max_timestamp = -1
        self.max_timestamp_offset = base_offset
        self._interval = interval
        self._since_index = 0
        self._buffer = bytearray()
        self._buffer_bytes = buffer_bytes
        self._descriptor = os.open(self._path(LOG_SUFFIX), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)

    def add(self, header: BatchHeader, batch: Buffer) -> None:
        """Write a batch behind the others. May raise OSError."""
        if header.max_timestamp > self.max_timestamp:
            self.max_timestamp, self.max_timestamp_offset = header.max_timestamp, header.last_offset
        if not self.size:
            self.first_timestamp = header.max_timestamp
        if self._since_index > self._interval:
            self.index.append(header.last_offset, self.size)
            self.times.maybe_append(self.max_timestamp, self.max_timestamp_offset)
            self._since_index = 0
        self.size += len(batch)
        self._since_index += len(batch)
        self._buffer += batch
        if len(self._buffer) >= self._buffer_bytes:
            self._write()

    def finish(self, aborted: Sequence[AbortedTransaction], modified_ns: int) -> None:
        """Put it on disk and make it the one that counts: `.swap`. May raise OSError."""
        self._write()
        if self.size:
            self.times.maybe_append(self.max_timestamp, self.max_timestamp_offset)
        self.index.store(create=True)
        self.times.store(create=True)
        if aborted:
            write_index(self._path(TXN_INDEX_SUFFIX), aborted)
        sync_data(self._descriptor)
        os.utime(self._descriptor, ns=(modified_ns, modified_ns))
        self._close()
        for suffix in _SUFFIXES[:-1]:
            with contextlib.suppress(FileNotFoundError):
                _sync(self._path(suffix))
        for suffix in _SUFFIXES:
            with contextlib.suppress(FileNotFoundError):
                self._path(suffix).rename(self._path(suffix, SWAP_SUFFIX))
        sync_directory(self.directory)

    def discard(self) -> None:
        """Remove what there is of it."""
        self._close()
        for suffix in reversed(_SUFFIXES):  # the log file first: without it a start takes no notice of the others
            for kind in (CLEANED_SUFFIX, SWAP_SUFFIX):
                with contextlib.suppress(OSError):
                    self._path(suffix, kind).unlink()

    def take_place(self, segment: Segment) -> None:
        """Be the files of `segment`, under the names that they have until `settle`."""
        segment.index, segment.times = self.index, self.times
        segment.file.path = self._path(LOG_SUFFIX, SWAP_SUFFIX)
        segment.index.path = self._path(INDEX_SUFFIX, SWAP_SUFFIX)
        segment.times.path = self._path(TIME_INDEX_SUFFIX, SWAP_SUFFIX)
        segment.size = self.size
        segment.first_timestamp = self.first_timestamp
        segment.max_timestamp, segment.max_timestamp_offset = self.max_timestamp, self.max_timestamp_offset

    def settle(self, segment: Segment) -> None:
        """Give the files of `segment` their lasting names. May raise OSError; the next start then does it."""
        for suffix in _SUFFIXES:
            with contextlib.suppress(FileNotFoundError):
                self._path(suffix, SWAP_SUFFIX).rename(self._path(suffix, ""))
        segment.file.path = self._path(LOG_SUFFIX, "")
        segment.index.path, segment.times.path = self._path(INDEX_SUFFIX, ""), self._path(TIME_INDEX_SUFFIX, "")

    def _path(self, suffix: str, kind: str = CLEANED_SUFFIX) -> Path:
        return self.directory / offset_name(self.base_offset, suffix + kind)

    def _write(self) -> None:
        view = memoryview(self._buffer)
        while view:
            view = view[os.write(self._descriptor, view) :]
        view.release()
        self._buffer = bytearray()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def finish_swaps(directory: Path) -> None:
    """Bring a folder in order in which a cleaning was cut short. May raise OSError."""
    names = os.listdir(directory)  # noqa: PTH208 - names are all that is needed
    cleaned = [directory / name for name in names if name.endswith(CLEANED_SUFFIX)]
    swaps = [directory / name for name in names if name.endswith(SWAP_SUFFIX)]
    unfinished = min((_base(path) for path in cleaned), default=None)
    for path in list(swaps):
        if unfinished is not None and _base(path) >= unfinished:
            path.unlink()
            swaps.remove(path)
    for path in cleaned:
        path.unlink()
    whole = [path for path in swaps if path.name.endswith(LOG_SUFFIX + SWAP_SUFFIX)]
    for path in whole:
        _remove_replaced(directory, _base(path), _next_offset(path))
    bases = {_base(path) for path in whole}
    for path in [path for path in swaps if path not in whole] + whole:
        _take_suffix_off(path, known=_base(path) in bases)
    sync_directory(directory)


def _take_suffix_off(path: Path, *, known: bool) -> None:
    target = path.with_name(path.name.removesuffix(SWAP_SUFFIX))
    transactions = target.name.endswith(TXN_INDEX_SUFFIX)
    if known or (transactions and not target.exists()):
        path.rename(target)
        return
    # Its log file is in place already, or was given up: the index is written anew from what is there.
    path.unlink()
    if not transactions:
        target.unlink(missing_ok=True)


def _remove_replaced(directory: Path, base: int, end: int) -> None:
    """Remove the segments whose records are in a cleaned one, but for those whose names it is about to take."""
    for name in os.listdir(directory):  # noqa: PTH208
        stem, dot, suffix = name.partition(".")
        if stem.isdigit() and dot + suffix in _SUFFIXES and base < int(stem) < end:
            (directory / name).unlink()


def _next_offset(path: Path) -> int:
    end, size, position = _base(path), path.stat().st_size, 0
    with path.open("rb") as file:
        while size - position >= HEADER_SIZE:
            file.seek(position)
            try:
                header = read_header(file.read(HEADER_SIZE))
            except CorruptBatchError:
                break
            end, position = header.next_offset, position + header.size
    return end


def _base(path: Path) -> int:
    stem = path.name.partition(".")[0]
    return int(stem) if stem.isdigit() else -1


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync_data(descriptor)
    finally:
        os.close(descriptor)
