"""Which offset of the source is which offset of the target, exactly, for one partition.

Records are mirrored in order, so the map is a list of runs: from a source offset on, so many offsets one after another
are so many on the target. A run ends where either side has a gap: markers of transactions, records that compaction or
an abort took. It is kept in chunks, each a record of its own on the target: writing down what is new costs little.
"""

from __future__ import annotations

import bisect
import struct
from array import array
from typing import Final

from kopfka_wire.writing import unsigned_varint

CHUNK: Final = 256
"""Runs in one record."""
_INT16: Final = struct.Struct(">h")
_PARTITION_AND_START: Final = struct.Struct(">iq")
_FORMAT: Final = b"\1"


class OffsetMap:
    """The runs of one partition, in order."""

    __slots__ = ("_dirty_from", "_gone", "_lengths", "_sources", "_targets")

    def __init__(self) -> None:
        self._sources = array("q")
        self._targets = array("q")
        self._lengths = array("q")
        self._dirty_from = 0
        """The first run that is not written down as it is."""
        self._gone: list[int] = []
        """Starts of chunks that are to be taken back."""

    def __len__(self) -> int:
        return len(self._sources)

    def add(self, source: int, target: int, length: int) -> None:
        """Say that `length` offsets from `source` on are those from `target` on; after what was said before.

        A target offset that is not after those before means that the target's log began anew: they are forgotten.
        """
        if self._sources:
            last = len(self._sources) - 1
            source_gap = source - self._sources[last] - self._lengths[last]
            target_gap = target - self._targets[last] - self._lengths[last]
            if source_gap < 0:
                raise ValueError(f"source offset {source} is not after {self._sources[last]} + {self._lengths[last]}")
            if target_gap < 0:
                self.clear()
            elif source_gap == 0 and target_gap == 0:
                self._lengths[last] += length
                self._dirty_from = min(self._dirty_from, last)
                return
        self._sources.append(source)
        self._targets.append(target)
        self._lengths.append(length)

    def translate(self, offset: int, end: int) -> int | None:
        """Return where on the target the next unread record is, for who has read the source up to `offset`.

        Never beyond a record that is not read: where all that is mirrored (up to `end`) is read, that is the offset
        after the last of it. None where nothing is mirrored yet, or what comes before was not by this replicator.
        """
        offset = min(offset, end)
        at = bisect.bisect_right(self._sources, offset) - 1
        if at < 0:
            return None
        if offset < self._sources[at] + self._lengths[at]:
            return self._targets[at] + offset - self._sources[at]
        if at + 1 < len(self._sources) and self._sources[at + 1] < end:
            return self._targets[at + 1]
        return self._targets[at] + self._lengths[at] if self._lengths[at] else None

    def begin(self) -> None:
        """Say that there is nothing below what comes next: mirroring begins with the source's first record."""
        self.add(0, 0, 0)

    def latest(self) -> tuple[int, int] | None:
        """Return the last source offset that is mapped, and what it is on the target."""
        if not self._sources or not self._lengths[-1]:
            return None
        return self._sources[-1] + self._lengths[-1] - 1, self._targets[-1] + self._lengths[-1] - 1

    def truncate(self, source: int) -> None:
        """Forget everything from a source offset on."""
        at = bisect.bisect_left(self._sources, source)
        self._gone += self._sources[-(-at // CHUNK) * CHUNK :: CHUNK]
        for column in (self._sources, self._targets, self._lengths):
            del column[at:]
        if at and self._sources[-1] + self._lengths[-1] > source:
            self._lengths[-1] = source - self._sources[-1]
            at -= 1
        self._dirty_from = min(self._dirty_from, at)

    def clear(self) -> None:
        """Forget everything, written down or not."""
        self.truncate(-1)

    def prune(self, source: int) -> None:
        """Forget whole chunks that are below a source offset, as nobody reads there any more."""
        keep = max(0, bisect.bisect_right(self._sources, source) - 1) // CHUNK * CHUNK
        self._gone += self._sources[:keep:CHUNK]
        for column in (self._sources, self._targets, self._lengths):
            del column[:keep]
        self._dirty_from = max(0, self._dirty_from - keep)

    # -- written down -----------------------------------------------------------------------------------------------

    def dirty_chunks(self) -> list[tuple[int, bytes | None]]:
        """Return start and content of each chunk that is not written down as it is, and take it for written.

        Those that are to be taken back come first, with None.
        """
        chunks: list[tuple[int, bytes | None]] = [(start, None) for start in self._gone]
        self._gone.clear()
        for first in range(self._dirty_from // CHUNK * CHUNK, len(self), CHUNK):
            chunks.append((self._sources[first], self._chunk(first)))
        self._dirty_from = len(self)
        return chunks

    def _chunk(self, first: int) -> bytes:
        out = bytearray(_FORMAT)
        source = target = 0
        for at in range(first, min(first + CHUNK, len(self))):
            out += unsigned_varint(self._sources[at] - source)
            out += unsigned_varint(self._targets[at] - target)
            out += unsigned_varint(self._lengths[at])
            source = self._sources[at] + self._lengths[at]
            target = self._targets[at] + self._lengths[at]
        return bytes(out)

    def rewrite(self) -> None:
        """Take nothing for written: a writing failed."""
        self._dirty_from = 0

    def load(self, start: int, chunk: bytes) -> None:
        """Take a chunk as it was written down, in the order in which that was done: later ones win.

        Raises:
            ValueError: its format is not known.
        """
        if chunk[:1] != _FORMAT:
            raise ValueError(f"a chunk of the offset map has format {chunk[:1].hex() or 'none'}; this version knows 01")
        self.truncate(start)
        position, source, target = 1, 0, 0
        while position < len(chunk):
            gap, position = _read_varint(chunk, position)
            source += gap
            gap, position = _read_varint(chunk, position)
            target += gap
            length, position = _read_varint(chunk, position)
            self._sources.append(source)
            self._targets.append(target)
            self._lengths.append(length)
            source += length
            target += length
        self._dirty_from = len(self)


def _read_varint(buffer: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def map_key(topic: str, partition: int, start: int) -> bytes:
    """Return the key of a chunk; the topic by its name at the source."""
    raw = topic.encode()
    return _INT16.pack(len(raw)) + raw + _PARTITION_AND_START.pack(partition, start)


def read_map_key(key: bytes) -> tuple[str, int, int]:
    """Return topic, partition and start of a chunk.

    Raises:
        ValueError: this is no such key.
    """
    try:
        (size,) = _INT16.unpack_from(key)
        partition, start = _PARTITION_AND_START.unpack_from(key, 2 + size)
        return key[2 : 2 + size].decode(), partition, start
    except struct.error as error:
        raise ValueError(f"{key!r} is no key of the offset map: {error}") from None
