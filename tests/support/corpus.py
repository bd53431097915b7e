"""Real text for interop and end-to-end tests: the lines of Python's own library, keyed by the path of their file.

The same interpreter gives the same list each time. Also the file form in which our Java programs take and give keys and
values (`tests/interop/java/.../Lines.java`): each a 32-bit big-endian length and its bytes, length -1 for null.
"""

from __future__ import annotations

import functools
import itertools
import struct
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SKIPPED = frozenset({"site-packages", "dist-packages", "__pycache__"})
_LENGTH = struct.Struct(">i")
_POSITION = struct.Struct(">iq")


@functools.cache
def library_lines(at_least: int = 200_000) -> tuple[tuple[bytes, bytes], ...]:
    """Return (path, line) of Python's library sources: whole files in the order of their paths, until there are enough.

    A library with fewer lines than asked for is gone through again under other keys.
    """
    lines: list[tuple[bytes, bytes]] = []
    for turn in itertools.count():
        before = len(lines)
        for key, text in _sources():
            name = key if turn == 0 else b"%s#%d" % (key, turn)
            lines += ((name, line) for line in text.split(b"\n"))
            if len(lines) >= at_least:
                return tuple(lines)
        if len(lines) == before:
            raise RuntimeError(f"no Python sources in {sysconfig.get_path('stdlib')}")
    raise AssertionError("not reached")


def _sources() -> Iterator[tuple[bytes, bytes]]:
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        inner = path.relative_to(root)
        if not _SKIPPED.intersection(inner.parts):
            yield inner.as_posix().encode(), path.read_bytes()


def write_pairs(path: Path, pairs: Iterable[tuple[bytes | None, bytes | None]]) -> Path:
    """Write keys and values as `LinesProducer` takes them."""
    with path.open("wb") as file:
        for value in itertools.chain.from_iterable(pairs):
            file.write(_LENGTH.pack(-1 if value is None else len(value)))
            file.write(value or b"")
    return path


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A record as a member of `GroupReader` read and committed it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


def read_records(path: Path) -> list[ReadRecord]:
    """Read a file `member-N` of `GroupReader`; a record cut off by a kill at the end of the file is left out."""
    data = path.read_bytes()
    records: list[ReadRecord] = []
    position = 0
    while position + _POSITION.size <= len(data):
        partition, offset = _POSITION.unpack_from(data, position)
        position += _POSITION.size
        parts: list[bytes | None] = []
        for _ in range(2):
            if position + _LENGTH.size > len(data):
                return records
            (length,) = _LENGTH.unpack_from(data, position)
            position += _LENGTH.size
            parts.append(None if length < 0 else data[position : position + length])
            position += max(length, 0)
        if position > len(data):
            return records
        records.append(ReadRecord(partition, offset, *parts))
    return records
