"""Values of options as bytes, in Protobuf's wire format, and back. Only what is said in `types` is known of a field."""

from __future__ import annotations

import contextlib
import math
import struct
from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf.refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kopfka_registry.formats.protobuf.symbols import Symbol
    from kopfka_registry.formats.protobuf.types import FieldType, Types

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
START: Final = 3
STOP: Final = 4
FIXED32: Final = 5

_FORMATS: Final = {
    "double": "<d", "float": "<f", "fixed32": "<I", "sfixed32": "<i", "fixed64": "<Q", "sfixed64": "<q",
}  # fmt: skip
_DEEPEST: Final = 100
"""Levels of messages in encoded options, as deep as the runtime reads."""

Scalar = int | float | bytes
"""Integers, enums and booleans; floats; strings and bytes."""


def varint(value: int) -> bytes:
    """Encode an unsigned integer, or a negative one in ten bytes."""
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(number: int, wire_type: int) -> bytes:
    """Encode what stands before a field."""
    return varint(number << 3 | wire_type)


def delimited(number: int, content: bytes) -> bytes:
    """Encode a field with its length before it."""
    return tag(number, LENGTH) + varint(len(content)) + content


def message(field: FieldType, content: bytes) -> bytes:
    """Encode a field that holds a message."""
    if field.delimited:
        return tag(field.number, START) + content + tag(field.number, STOP)
    return delimited(field.number, content)


def bare_scalar(scalar: str, value: Scalar) -> tuple[int, bytes]:
    """Encode a value without its field's number; return its wire type too. `scalar` is empty for enums."""
    if isinstance(value, bytes):
        return LENGTH, varint(len(value)) + value
    layout = _FORMATS.get(scalar)
    if layout is not None:
        wire_type = FIXED32 if layout in ("<f", "<I", "<i") else FIXED64
        return wire_type, _packed(layout, value)
    assert isinstance(value, int)
    if scalar in ("sint32", "sint64"):
        value = value << 1 ^ value >> 63
    return VARINT, varint(value)


def scalar(field: FieldType, value: Scalar) -> bytes:
    """Encode a field that holds a scalar or an enum; an element of a packed one by itself, as protoc has it."""
    wire_type, content = bare_scalar(field.scalar, value)
    return tag(field.number, wire_type) + content


def _packed(layout: str, value: float) -> bytes:
    try:
        return struct.pack(layout, value)
    except OverflowError:
        return struct.pack(layout, math.copysign(math.inf, value))


class Decoder:
    """Reads messages whose fields are known from elements, as values of options."""

    __slots__ = ("_extensions", "_types")

    def __init__(self, types: Types, extensions: Mapping[str, Mapping[int, FieldType]]) -> None:
        self._types = types
        self._extensions = extensions

    def entries(self, content: bytes, symbol: Symbol, depth: int = 0) -> Iterable[tuple[str, e.Value]]:
        """Yield names of fields and values; unknown fields are left out."""
        if depth > _DEEPEST:
            raise RefusalError("an option is nested too deeply")
        fields = {**self._extensions.get(symbol.name, {}), **self._types.by_number(symbol)}
        for field, wire_type, value in together(raw_fields(content), fields):
            name = f"[{field.name}]" if field.extension else field.name
            if field.field.group is not None and not field.extension:
                name = field.field.group.name
            for item in self.values(field, wire_type, value, depth):
                yield name, item

    def values(self, field: FieldType, wire_type: int, value: int | bytes, depth: int = 0) -> Iterable[e.Value]:
        """Yield the values of a field: several where they are packed, none where the bytes do not fit it."""
        if field.symbol is not None and field.symbol.kind == "message":
            if isinstance(value, bytes) and wire_type in (LENGTH, START):
                yield e.Aggregate(tuple(self.entries(value, field.symbol, depth + 1)))
        elif field.scalar in ("string", "bytes"):
            if isinstance(value, bytes):
                yield value
        elif wire_type == LENGTH and isinstance(value, bytes):
            for item in _unpacked(field, value):
                yield _text(field, item)
        elif isinstance(value, int):
            yield _text(field, value)


def together(
    raw: Iterable[tuple[int, int, int | bytes]], fields: Mapping[int, FieldType]
) -> Iterator[tuple[FieldType, int, int | bytes]]:
    """Yield the known fields: of one that is not repeated the last, of a message all of it as one."""
    single: dict[int, tuple[int, int | bytes]] = {}
    found: list[tuple[FieldType, int, int | bytes | None]] = []
    for number, wire_type, value in raw:
        field = fields.get(number)
        if field is None:
            continue
        if field.repeated:
            found.append((field, wire_type, value))
            continue
        former = single.get(number)
        single[number] = (wire_type, value)
        if former is None:
            found.append((field, wire_type, None))
        elif field.is_message and isinstance(former[1], bytes) and isinstance(value, bytes):
            single[number] = (wire_type, former[1] + value)
    for field, wire_type, content in found:
        if content is None:
            yield (field, *single[field.number])
        else:
            yield field, wire_type, content


def raw_fields(content: bytes) -> Iterable[tuple[int, int, int | bytes]]:
    """Yield number, wire type and content of each field; fixed ones as unsigned integers, a group's as bytes.

    Raises:
        RefusalError: the bytes are cut short, or no message.
    """
    position = 0
    while position < len(content):
        number, wire_type, value, position = _field(content, position)
        yield number, wire_type, value


@contextlib.contextmanager
def _whole() -> Iterator[None]:
    """Refuse bytes that end within something."""
    try:
        yield
    except (IndexError, struct.error):
        raise RefusalError("the descriptor's options are cut short") from None


@_whole()
def _field(content: bytes, position: int) -> tuple[int, int, int | bytes, int]:
    head, position = _varint(content, position)
    number, wire_type = head >> 3, head & 7
    if wire_type == START:
        end, following = _end_of_group(content, position, number)
        return number, wire_type, content[position:end], following
    value, position = _value(content, position, wire_type)
    return number, wire_type, value, position


def _value(content: bytes, position: int, wire_type: int) -> tuple[int | bytes, int]:
    if wire_type == VARINT:
        return _varint(content, position)
    if wire_type == FIXED64:
        return struct.unpack_from("<Q", content, position)[0], position + 8
    if wire_type == FIXED32:
        return struct.unpack_from("<I", content, position)[0], position + 4
    if wire_type == LENGTH:
        size, position = _varint(content, position)
        if position + size > len(content):
            raise IndexError
        return content[position : position + size], position + size
    raise RefusalError("the descriptor's options are no message")


def _end_of_group(content: bytes, position: int, number: int) -> tuple[int, int]:
    """Return where a group's content ends, and where what follows it starts."""
    open_groups = [number]
    while open_groups:
        before = position
        head, position = _varint(content, position)
        if head & 7 == START:
            open_groups.append(head >> 3)
        elif head & 7 == STOP:
            if open_groups.pop() != head >> 3:
                raise RefusalError("the descriptor's options are no message")
        else:
            _, position = _value(content, position, head & 7)
    return before, position


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
        if shift > 63:
            raise RefusalError("the descriptor's options are no message")


def _unpacked(field: FieldType, content: bytes) -> Iterable[int]:
    wire_type = bare_scalar(field.scalar, 0)[0]
    position = 0
    while position < len(content):
        with _whole():
            value, position = _value(content, position, wire_type)
        assert isinstance(value, int)
        yield value


def _text(field: FieldType, value: int) -> str:
    """Write a value as options have it."""
    if field.is_enum and field.symbol is not None and isinstance(field.symbol.element, e.Enum):
        number = _signed(value, 32)
        return next((item.name for item in field.symbol.element.values if item.number == number), str(number))
    match field.scalar:
        case "bool":
            return "true" if value else "false"
        case "double" | "float":
            pair, mask = ("<d", "<Q"), 0xFFFFFFFFFFFFFFFF
            if field.scalar == "float":
                pair, mask = ("<f", "<I"), 0xFFFFFFFF
            return _float_text(struct.unpack(pair[0], struct.pack(pair[1], value & mask))[0])
        case "sint32" | "sint64":
            value = value >> 1 ^ -(value & 1)
        case "int32" | "sfixed32":
            value = _signed(value, 32)
        case "int64" | "sfixed64":
            value = _signed(value, 64)
    return str(value)


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _float_text(value: float) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return repr(value)
