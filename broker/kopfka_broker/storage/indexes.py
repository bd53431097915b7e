"""The sparse indexes of a segment, in the files of Apache Kafka: `.index` (offset to position), `.timeindex`.

Entries live in compact arrays, searched by bisection, and are written to their file when the log says so (roll,
checkpoint, close): an append costs no second write. An index can always be rebuilt from its log file, so a file that
makes no sense is reported as absent. The arrays of segments no one reads are dropped, and read again when needed.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from bisect import bisect_left, bisect_right
from operator import le, lt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAX_RELATIVE_OFFSET = 0x7FFFFFFF
OFFSET_ENTRY = 8
TIME_ENTRY = 12

_NO_FILE = -1
"""Instead of how many entries the file has."""
_LOW = 0xFFFFFFFF
_TIME = struct.Struct(">qi")


class OffsetIndex:
    """Last offset of a batch, and the position of that batch in the log file; each entry is 8 bytes."""

    __slots__ = ("_entries", "_replaced", "_stored", "base_offset", "path")

    def __init__(self, path: Path, base_offset: int) -> None:
        self.path = path
        self.base_offset = base_offset
        self._entries: array[int] | None = array("Q")
        self._replaced: array[int] | None = None
        self._stored = _NO_FILE

    @property
    def entries(self) -> array[int]:
        """Entries as `relative offset << 32 | position`: the big-endian number that the 8 bytes of the file are."""
        if self._entries is None:
            self._entries = self._load()
        return self._entries

    def __len__(self) -> int:
        return self._stored if self._entries is None else len(self._entries)

    def append(self, offset: int, position: int) -> None:
        """Add an entry above all others."""
        self.entries.append((offset - self.base_offset) << 32 | position)

    def lookup(self, offset: int) -> int:
        """Return the position of the last indexed batch that ends at or below `offset`; 0 where there is none."""
        entries = self.entries
        at = bisect_right(entries, (offset - self.base_offset) << 32 | _LOW)
        return entries[at - 1] & _LOW if at else 0

    def position_above(self, position: int, otherwise: int) -> int:
        """Return the position of the first indexed batch that begins above `position`."""
        at = bisect_right(self.entries, position, key=lambda entry: entry & _LOW)
        return self.entries[at] & _LOW if at < len(self.entries) else otherwise

    def has(self, offset: int, position: int) -> bool:
        """Tell whether there is an entry that says `offset` and `position`."""
        entry = (offset - self.base_offset) << 32 | position
        at = bisect_left(self.entries, entry)
        return at < len(self.entries) and self.entries[at] == entry

    def last_position(self) -> int:
        """Return the position of the last indexed batch, 0 where there is none."""
        return self.entries[-1] & _LOW if self.entries else 0

    def truncate(self, position: int) -> None:
        """Drop the entries of batches that begin at `position` or above."""
        entries = self.entries
        keep = bisect_left(entries, position, key=lambda entry: entry & _LOW)
        if self._stored > keep:
            self._replaced, self._stored = entries[: self._stored], keep
        del entries[keep:]

    def store(self, *, create: bool) -> bool:
        """Write what the file does not have yet, an empty file only where `create`; may raise OSError.

        Returns:
            Whether there was something to write.
        """
        self._settle()
        if self._entries is None or (self._stored == len(self._entries) and self._replaced is None):
            return False
        if not self._entries and self._stored == _NO_FILE and not create:
            return False
        stored = max(self._stored, 0)
        fresh = self._entries[stored:]
        if sys.byteorder == "little":
            fresh.byteswap()
        _write_at(self.path, stored * OFFSET_ENTRY, fresh.tobytes())
        self._stored, self._replaced = len(self._entries), None
        return True

    def release(self) -> None:
        """Drop the array where the file has it all; it is read again at the next look-up."""
        self._settle()
        if self._entries is not None and self._stored == len(self._entries) and self._replaced is None:
            self._entries = None

    def open(self, log_size: int, *, thorough: bool = False) -> bool:
        """Take the file as it is; False (and no entries) where it is missing or contradicts itself or the log file.

        `thorough` looks at every entry, otherwise the last one speaks for all.
        """
        self._entries, self._stored, self._replaced = array("Q"), _NO_FILE, None
        found, tail = _read_tail(self.path, OFFSET_ENTRY)
        if found < 0 or found % OFFSET_ENTRY:
            return False
        last = int.from_bytes(tail)
        if found and (not last or last & _LOW >= log_size):
            return False
        if thorough and found:
            entries = self._load()
            positions = [entry & _LOW for entry in entries]
            if not (all(map(lt, entries, entries[1:])) and all(map(lt, positions, positions[1:]))):
                return False
            self._entries = entries
        elif found:
            self._entries = None
        self._stored = found // OFFSET_ENTRY
        return True

    def _settle(self) -> None:
        """Take note of it where recovery has found the same entries again that the file has."""
        if self._replaced is not None and self.entries[: len(self._replaced)] == self._replaced:
            self._stored, self._replaced = len(self._replaced), None

    def _load(self) -> array[int]:
        entries = array("Q")
        data = self.path.read_bytes()
        entries.frombytes(data[: len(data) - len(data) % OFFSET_ENTRY])
        if sys.byteorder == "little":
            entries.byteswap()
        return entries


class TimeIndex:
    """Largest timestamp so far, and the last offset of the batch that has it; each entry is 12 bytes."""

    __slots__ = ("_last", "_replaced", "_stored", "_times", "base_offset", "path")

    def __init__(self, path: Path, base_offset: int) -> None:
        self.path = path
        self.base_offset = base_offset
        self._times: tuple[array[int], array[int]] | None = (array("q"), array("i"))
        self._last = (-1, base_offset)
        self._replaced: tuple[array[int], array[int]] | None = None
        self._stored = _NO_FILE

    @property
    def times(self) -> tuple[array[int], array[int]]:
        """Timestamps and relative offsets of the entries."""
        if self._times is None:
            self._times = self._load()
        return self._times

    def __len__(self) -> int:
        return self._stored if self._times is None else len(self._times[0])

    def maybe_append(self, timestamp: int, offset: int) -> None:
        """Add an entry where it says something new: its timestamp is above the last one."""
        timestamps, offsets = self.times
        if timestamp >= 0 and (not timestamps or timestamp > timestamps[-1]):
            timestamps.append(timestamp)
            offsets.append(offset - self.base_offset)

    def last(self) -> tuple[int, int]:
        """Return the last entry: timestamp and offset; (-1, base offset) where there is none."""
        if self._times is None:
            return self._last
        timestamps, offsets = self._times
        return (timestamps[-1], offsets[-1] + self.base_offset) if timestamps else (-1, self.base_offset)

    def lookup(self, timestamp: int) -> int:
        """Return an offset at or below which every record is older than `timestamp`."""
        timestamps, offsets = self.times
        at = bisect_left(timestamps, timestamp)
        return offsets[at - 1] + self.base_offset if at else self.base_offset

    def truncate(self, offset: int) -> None:
        """Drop the entries of batches that end at `offset` or above."""
        timestamps, offsets = self.times
        keep = bisect_left(offsets, offset - self.base_offset)
        if self._stored > keep:
            self._replaced, self._stored = (timestamps[: self._stored], offsets[: self._stored]), keep
        del timestamps[keep:], offsets[keep:]

    def store(self, *, create: bool) -> bool:
        """Write what the file does not have yet, an empty file only where `create`; may raise OSError.

        Returns:
            Whether there was something to write.
        """
        self._settle()
        if self._times is None or (self._stored == len(self) and self._replaced is None):
            return False
        timestamps, offsets = self.times
        if not timestamps and self._stored == _NO_FILE and not create:
            return False
        stored = max(self._stored, 0)
        fresh = zip(timestamps[stored:], offsets[stored:], strict=True)
        _write_at(self.path, stored * TIME_ENTRY, b"".join(_TIME.pack(*entry) for entry in fresh))
        self._stored, self._replaced = len(timestamps), None
        return True

    def release(self) -> None:
        """Drop the arrays where the file has it all; it is read again at the next look-up."""
        self._settle()
        if self._times is not None and self._stored == len(self._times[0]) and self._replaced is None:
            self._last = self.last()
            self._times = None

    def open(self, *, thorough: bool = False) -> bool:
        """Take the file as it is; False (and no entries) where it is missing or contradicts itself.

        `thorough` looks at every entry, otherwise the last one speaks for all.
        """
        self._times, self._stored, self._replaced = (array("q"), array("i")), _NO_FILE, None
        found, tail = _read_tail(self.path, TIME_ENTRY)
        if found < 0 or found % TIME_ENTRY:
            return False
        if found:
            timestamp, offset = _TIME.unpack(tail)
            if timestamp < 0 or offset < 0 or not any(tail):  # zeros: preallocated by Apache Kafka, which then crashed
                return False
            timestamps, offsets = self._load() if thorough else (array("q"), array("i"))
            if not (all(map(lt, timestamps, timestamps[1:])) and all(map(le, offsets, offsets[1:]))):
                return False
            self._times = (timestamps, offsets) if thorough else None
            self._last = (timestamp, offset + self.base_offset)
        self._stored = found // TIME_ENTRY
        return True

    def _settle(self) -> None:
        """Take note of it where recovery has found the same entries again that the file has."""
        if self._replaced is not None:
            timestamps, offsets = self.times
            before = len(self._replaced[0])
            if (timestamps[:before], offsets[:before]) == self._replaced:
                self._stored, self._replaced = before, None

    def _load(self) -> tuple[array[int], array[int]]:
        pairs = list(_TIME.iter_unpack(self.path.read_bytes()))
        return array("q", (pair[0] for pair in pairs)), array("i", (pair[1] for pair in pairs))


def _read_tail(path: Path, entry: int) -> tuple[int, bytes]:
    """Return the size of a file and its last `entry` bytes; -1 and nothing where there is no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1, b""
    try:
        size = os.fstat(descriptor).st_size
        return size, os.pread(descriptor, entry, size - entry) if size >= entry else b""
    finally:
        os.close(descriptor)


def _write_at(path: Path, position: int, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.ftruncate(descriptor, position)
        while data:
            written = os.pwrite(descriptor, data, position)
            data, position = data[written:], position + written
    finally:
        os.close(descriptor)
