"""Where a record says which schema it was written with (Confluent's wire format), and which message of a Protobuf one.

The data begins with a zero byte and the id, four bytes. Or a header says it, mostly by the schema's GUID: a byte 1 and
sixteen bytes. Behind either, Protobuf has the indexes of the message in its file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

SchemaKey = int | bytes
"""What a schema is called by: its id, or the sixteen bytes of its GUID."""

_BY_ID: Final = 0
_BY_GUID: Final = 1
_ID_END: Final = 5
_GUID_END: Final = 17
DEEPEST: Final = 64
"""Messages inside of each other that are followed; descriptors of more are refused by Protobuf itself."""
_LONGEST_VARINT: Final = 35
_FIRST: Final = (0,)


class Located(NamedTuple):
    """The key of a schema, and where its bytes end."""

    key: SchemaKey
    data: bytes
    end: int


class NoSchemaError(Exception):
    """A record does not say its schema; the message says what is there instead."""


def locate(payload: bytes, headers: Sequence[tuple[str, bytes | None]], header: str) -> Located:
    """Return the schema of a key or value, from the last header called `header`, else from the data.

    Raises:
        NoSchemaError: neither has one.
    """
    for name, content in reversed(headers):
        if name == header:
            if content is not None:
                return _located(content, f"header {header} begins")
            break
    return _located(payload, "it begins")


def _located(data: bytes, where: str) -> Located:
    first = data[0] if data else -1
    if first == _BY_ID and len(data) >= _ID_END:
        number = int.from_bytes(data[1:_ID_END], "big", signed=True)
        if number < 0:
            raise NoSchemaError(f"{number} is no schema id")
        return Located(number, data, _ID_END)
    if first == _BY_GUID and len(data) >= _GUID_END:
        return Located(data[1:_GUID_END], data, _GUID_END)
    raise NoSchemaError(f"there is no schema id: {where} with {data[:_ID_END].hex(' ') or 'nothing'}")


def message_indexes(data: bytes, at: int) -> tuple[int, ...] | None:
    """Return the indexes of a Protobuf message that stand at `at`, from the file inwards; None where there are none."""
    count, at = _zigzag(data, at)
    if count == 0:
        return _FIRST
    if not 0 < count <= DEEPEST:
        return None
    found = []
    for _ in range(count):
        index, at = _zigzag(data, at)
        if index < 0:
            return None
        found.append(index)
    return tuple(found)


def shown(key: SchemaKey) -> str:
    """Return what a schema is called by, for messages."""
    return f"GUID {UUID(bytes=key)}" if isinstance(key, bytes) else f"id {key}"


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    """Return a number and where it ends, -1 where it is cut or too long."""
    value = shift = 0
    while at < len(data) and shift < _LONGEST_VARINT:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
    return -1, at
