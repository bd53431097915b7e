"""Readers of kio's entities for bytes nobody vouches for.

kio's own native reader reserves memory for as many elements as an array's length announces, before it looks at what
follows; four bytes from anyone end the process. These readers follow kio's schemas and check every length against the
bytes that are there, as Kafka's do. Records fields come as a `memoryview` of the buffer, so a batch is never copied
here. Bytes after the entity are the caller's business.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import MISSING, Field, fields
from datetime import UTC, datetime, timedelta
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin
from uuid import UUID

from kio.schema.errors import ErrorCode
from kio.serial._implicit_defaults import get_tagged_field_default

from kopfka_wire.errors import MalformedMessageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kio.static.protocol import Entity

    Buffer = bytes | bytearray | memoryview
    Reader = Callable[[Buffer, int], tuple[Any, int]]

T = TypeVar("T")

_ZERO_UUID = bytes(16)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@functools.cache
def reader(entity: type[Entity]) -> Reader:
    """Return a function that reads an entity of this type at a position and returns it with the position after it.

    That function raises MalformedMessageError for bytes that are no such entity.
    """
    read = _entity_reader(entity)

    def guarded(buffer: Buffer, position: int) -> tuple[Any, int]:
        try:
            return read(buffer, position)
        except (struct.error, IndexError):
            raise MalformedMessageError(f"{entity.__name__} v{entity.__version__} is cut short") from None
        except (ValueError, OverflowError) as error:
            raise MalformedMessageError(f"{entity.__name__} v{entity.__version__}: {error}") from None

    return guarded


def read_unsigned_varint(buffer: Buffer, position: int) -> tuple[int, int]:
    """Read an unsigned varint of at most five bytes; return it with the position after it."""
    byte = buffer[position]
    position += 1
    if byte < 0x80:
        return byte, position
    value, shift = byte & 0x7F, 7
    while True:
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 28:
            raise ValueError("a varint is longer than five bytes")


@functools.cache
def _entity_reader(entity: type[Entity]) -> Reader:
    plain: list[tuple[str, Reader]] = []
    tagged: dict[int, tuple[str, Reader]] = {}
    defaults: dict[str, object] = {}
    flexible = entity.__flexible__
    for field in fields(entity):
        tag = field.metadata.get("tag")
        if tag is None:
            # the client id of a request header keeps its old form in every version
            legacy = entity.__name__ == "RequestHeader" and field.name == "client_id"
            plain.append((field.name, _field_reader(field, flexible and not legacy)))
        else:
            tagged[tag] = (field.name, _field_reader(field, flexible))
            if field.default is MISSING:
                defaults[field.name] = get_tagged_field_default(field)

    def read(buffer: Buffer, position: int) -> tuple[Any, int]:
        values = dict(defaults)
        for name, read_field in plain:
            values[name], position = read_field(buffer, position)
        if flexible:
            count, position = read_unsigned_varint(buffer, position)
            if count:
                position = _read_tags(buffer, position, count, tagged, values)
        return entity(**values), position

    return read


def _read_tags(
    buffer: Buffer, position: int, count: int, tagged: dict[int, tuple[str, Reader]], values: dict[str, object]
) -> int:
    for _ in range(_checked(count, buffer, position)):
        tag, position = read_unsigned_varint(buffer, position)
        size, position = read_unsigned_varint(buffer, position)
        end = position + _checked(size, buffer, position)
        known = tagged.get(tag)
        if known is not None:
            values[known[0]], _ = known[1](buffer[position:end], 0)
        position = end
    return position


def _checked(length: int, buffer: Buffer, position: int) -> int:
    """Return `length` unless more is announced than there are bytes left; no element takes less than one."""
    if length < 0 or length > len(buffer) - position:
        raise ValueError(f"a length of {length} is announced, and {len(buffer) - position} bytes follow")
    return length


def _field_reader(field: Field[Any], flexible: bool) -> Reader:
    kind = field.type
    optional = False
    if get_origin(kind) in (Union, UnionType):
        inner = [choice for choice in get_args(kind) if choice is not type(None)]
        optional, kind = True, inner[0]
    if get_origin(kind) is tuple:
        element = get_args(kind)[0]
        nullable = get_origin(element) in (Union, UnionType)
        if nullable:
            element = next(choice for choice in get_args(element) if choice is not type(None))
        name = field.metadata.get("kafka_type")
        read = _entity_reader(element) if name is None else _primitive(name, flexible)
        if not nullable and name is not None and name not in _FIXED:
            read = _never_null(read, field.name)
        read = _array_reader(read, flexible)
        return read if optional else _never_null(read, field.name)
    if "kafka_type" in field.metadata:
        name = field.metadata["kafka_type"]
        read = _primitive(name, flexible)
        return read if optional or name in _FIXED else _never_null(read, field.name)
    read = _entity_reader(kind)  # type: ignore[arg-type]
    return _nullable(read) if optional and field.metadata.get("tag") is None else read


def _never_null(read: Reader, name: str) -> Reader:
    def read_value(buffer: Buffer, position: int) -> tuple[Any, int]:
        value, position = read(buffer, position)
        if value is None:
            raise ValueError(f"{name} is null, and may not be")
        return value, position

    return read_value


def _nullable(read: Reader) -> Reader:
    def read_nullable(buffer: Buffer, position: int) -> tuple[Any, int]:
        (present,) = _INT8.unpack_from(buffer, position)
        return read(buffer, position + 1) if present >= 0 else (None, position + 1)

    return read_nullable


def _array_reader(read: Reader, flexible: bool) -> Reader:
    def read_array(buffer: Buffer, position: int) -> tuple[Any, int]:
        if flexible:
            count, position = read_unsigned_varint(buffer, position)
            count -= 1
        else:
            (count,) = _INT32.unpack_from(buffer, position)
            position += 4
        if count == -1:
            return None, position
        values = []
        for _ in range(_checked(count, buffer, position)):
            value, position = read(buffer, position)
            values.append(value)
        return tuple(values), position

    return read_array


_INT8 = struct.Struct(">b")
_INT16 = struct.Struct(">h")
_INT32 = struct.Struct(">i")
_INT64 = struct.Struct(">q")


def _fixed(layout: struct.Struct, convert: Callable[[Any], Any] | None = None) -> Reader:
    unpack, size = layout.unpack_from, layout.size

    def read(buffer: Buffer, position: int) -> tuple[Any, int]:
        return unpack(buffer, position)[0], position + size

    if convert is None:
        return read

    def read_converted(buffer: Buffer, position: int) -> tuple[Any, int]:
        return convert(unpack(buffer, position)[0]), position + size

    return read_converted


def _span(layout: struct.Struct | None, what: Callable[[Buffer], Any]) -> Reader:
    """Read what a length stands before: compact (varint of length plus one) where `layout` is None."""

    def read(buffer: Buffer, position: int) -> tuple[Any, int]:
        if layout is None:
            length, position = read_unsigned_varint(buffer, position)
            length -= 1
        else:
            (length,) = layout.unpack_from(buffer, position)
            position += layout.size
        if length == -1:
            return None, position
        end = position + _checked(length, buffer, position)
        return what(buffer[position:end]), end

    return read


def _text(span: Buffer) -> str:
    return str(span, "utf-8")


def _uuid(span: Buffer) -> UUID | None:
    raw = bytes(span)
    return None if raw == _ZERO_UUID else UUID(bytes=raw)


def _read_uuid(buffer: Buffer, position: int) -> tuple[UUID | None, int]:
    end = position + 16
    if end > len(buffer):
        raise ValueError("a uuid is cut short")
    return _uuid(buffer[position:end]), end


def _duration(milliseconds: int) -> timedelta:
    try:
        return timedelta(milliseconds=milliseconds)
    except OverflowError:  # Long.MAX_VALUE says "for ever" as well as the longest time Python knows
        return timedelta.max if milliseconds > 0 else timedelta.min


def _instant(milliseconds: int) -> datetime | None:
    return None if milliseconds == -1 else _EPOCH + timedelta(milliseconds=milliseconds)


_FIXED: dict[str, Reader] = {
    "int8": _fixed(_INT8),
    "int16": _fixed(_INT16),
    "int32": _fixed(_INT32),
    "int64": _fixed(_INT64),
    "uint8": _fixed(struct.Struct(">B")),
    "uint16": _fixed(struct.Struct(">H")),
    "uint32": _fixed(struct.Struct(">I")),
    "uint64": _fixed(struct.Struct(">Q")),
    "float64": _fixed(struct.Struct(">d")),
    "bool": _fixed(_INT8, bool),
    "error_code": _fixed(_INT16, ErrorCode),
    "timedelta_i32": _fixed(_INT32, _duration),
    "timedelta_i64": _fixed(_INT64, _duration),
    "datetime_i64": _fixed(_INT64, _instant),
    "uuid": _read_uuid,
}
_TEXT = {True: _span(None, _text), False: _span(_INT16, _text)}
_BYTES = {True: _span(None, bytes), False: _span(_INT32, bytes)}
_RECORDS = {True: _span(None, memoryview), False: _span(_INT32, memoryview)}


def _primitive(name: str, flexible: bool) -> Reader:
    fixed = _FIXED.get(name)
    if fixed is not None:
        return fixed
    return {"string": _TEXT, "bytes": _BYTES, "records": _RECORDS}[name][flexible]
