"""Keys of the records of modern groups: the number of their kind, and the names of what they are about."""

from __future__ import annotations

import struct
from typing import Final

from kopfka_broker.coordinators.binary import Reader, Writer
from kopfka_broker.groups.errors import MalformedRecordError

GROUP_EPOCH_KINDS: Final = frozenset({3, 11, 17})
"""The kinds that hold a group's epoch: Kafka reads the end of it as the end of a group that has nothing else left."""


def encode_key(kind: int, *names: str) -> bytes:
    """Write a key: the kind of record by its number in Kafka, then the group and what there is below it."""
    writer = Writer().int16(kind)
    for name in names:
        writer.string(name)
    return writer.finish()


def decode_key(key: bytes) -> tuple[int, list[str]]:
    """Read a key back: the kind of the record, and the names.

    Raises:
        MalformedRecordError: it is none.
    """
    reader = Reader(key)
    try:
        kind = reader.int16()
        names = []
        while reader.left:
            names.append(reader.string())
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise MalformedRecordError(f"malformed key in __consumer_offsets: {error}") from error
    return kind, names


def kind_of(key: bytes) -> int:
    """Return the kind of record of a key that is known to be one."""
    return int.from_bytes(key[:2], "big", signed=True)


def tombstone_order(key: bytes) -> tuple[bool, int]:
    """Return the order in which a group's records are to end: its epoch last, members after what they were given."""
    kind = kind_of(key)
    return kind in GROUP_EPOCH_KINDS, -kind
