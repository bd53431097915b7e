"""The primitive types of Kafka's schemas, as records of internal topics use them. Messages on the wire are kio's."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Self
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping

_INT8 = struct.Struct(">b")
_INT16 = struct.Struct(">h")
_INT32 = struct.Struct(">i")
_INT64 = struct.Struct(">q")


class Writer:
    """Appends primitive values to a buffer; every method but `finish` returns the writer."""

    def __init__(self, *, flexible: bool = False) -> None:
        """Write strings, bytes and counts in their compact form where `flexible`."""
        self._parts = bytearray()
        self._flexible = flexible

    def int8(self, value: int) -> Self:
        """Append INT8."""
        self._parts += _INT8.pack(value)
        return self

    def int16(self, value: int) -> Self:
        """Append INT16."""
        self._parts += _INT16.pack(value)
        return self

    def int32(self, value: int) -> Self:
        """Append INT32."""
        self._parts += _INT32.pack(value)
        return self

    def int64(self, value: int) -> Self:
        """Append INT64."""
        self._parts += _INT64.pack(value)
        return self

    def varint(self, value: int) -> Self:
        """Append UNSIGNED_VARINT."""
        while value > 0x7F:
            self._parts.append(value & 0x7F | 0x80)
            value >>= 7
        self._parts.append(value)
        return self

    def uuid(self, value: UUID) -> Self:
        """Append UUID."""
        return self.raw(value.bytes)

    def string(self, value: str) -> Self:
        """Append STRING, or COMPACT_STRING in a flexible version."""
        if self._flexible:
            return self.compact_string(value)
        data = value.encode()
        return self.int16(len(data)).raw(data)

    def nullable_string(self, value: str | None) -> Self:
        """Append NULLABLE_STRING, or its compact form in a flexible version."""
        if value is None:
            return self.varint(0) if self._flexible else self.int16(-1)
        return self.string(value)

    def compact_string(self, value: str) -> Self:
        """Append COMPACT_STRING."""
        data = value.encode()
        return self.varint(len(data) + 1).raw(data)

    def sized(self, value: bytes) -> Self:
        """Append BYTES, or COMPACT_BYTES in a flexible version."""
        return self.count(len(value)).raw(value)

    def count(self, count: int) -> Self:
        """Append the number of an array's elements."""
        return self.varint(count + 1) if self._flexible else self.int32(count)

    def tagged_fields(self, fields: Mapping[int, bytes] | None = None) -> Self:
        """Append the tagged fields that end a flexible structure, in the order of their tags."""
        fields = fields or {}
        self.varint(len(fields))
        for tag in sorted(fields):
            self.varint(tag).varint(len(fields[tag])).raw(fields[tag])
        return self

    def raw(self, value: bytes) -> Self:
        """Append bytes as they are."""
        self._parts += value
        return self

    def finish(self) -> bytes:
        """Return everything appended."""
        return bytes(self._parts)


class Reader:
    """Reads primitive values from a buffer; what ends too early raises ValueError or struct.error."""

    def __init__(self, buffer: bytes, *, flexible: bool = False) -> None:
        self._buffer = buffer
        self._position = 0
        self.flexible = flexible
        """Whether strings, bytes and counts are in their compact form."""

    @property
    def left(self) -> int:
        """How many bytes were not read yet."""
        return len(self._buffer) - self._position

    def int8(self) -> int:
        """Read INT8."""
        return int(self._unpack(_INT8))

    def uuid(self) -> UUID:
        """Read UUID."""
        return UUID(bytes=self.raw(16))

    def int16(self) -> int:
        """Read INT16."""
        return int(self._unpack(_INT16))

    def int32(self) -> int:
        """Read INT32."""
        return int(self._unpack(_INT32))

    def int64(self) -> int:
        """Read INT64."""
        return int(self._unpack(_INT64))

    def varint(self) -> int:
        """Read UNSIGNED_VARINT."""
        value = shift = 0
        while True:
            byte = self.raw(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 28:
                raise ValueError("a varint is longer than five bytes")

    def string(self) -> str:
        """Read STRING, or COMPACT_STRING in a flexible version."""
        value = self.nullable_string()
        if value is None:
            raise ValueError("a string is null that may not be")
        return value

    def nullable_string(self) -> str | None:
        """Read NULLABLE_STRING, or its compact form in a flexible version."""
        length = self.varint() - 1 if self.flexible else self.int16()
        return None if length < 0 else str(self.raw(length), "utf-8")

    def compact_string(self) -> str:
        """Read COMPACT_STRING."""
        length = self.varint() - 1
        if length < 0:
            raise ValueError("a string is null that may not be")
        return str(self.raw(length), "utf-8")

    def sized(self) -> bytes:
        """Read BYTES, or COMPACT_BYTES in a flexible version."""
        length = self.varint() - 1 if self.flexible else self.int32()
        return self.raw(length)

    def count(self) -> int:
        """Read the number of an array's elements."""
        count = self.varint() - 1 if self.flexible else self.int32()
        if not 0 <= count <= len(self._buffer):
            raise ValueError(f"an array of {count} elements")
        return count

    def tagged_fields(self) -> dict[int, bytes]:
        """Read the tagged fields that end a flexible structure."""
        return {self.varint(): self.raw(self.varint()) for _ in range(self.varint())}

    def raw(self, length: int) -> bytes:
        """Read `length` bytes."""
        end = self._position + length
        if length < 0 or end > len(self._buffer):
            raise ValueError(f"{length} bytes wanted, {len(self._buffer) - self._position} left")
        data = self._buffer[self._position : end]
        self._position = end
        return data

    def _unpack(self, form: struct.Struct) -> int:
        (value,) = form.unpack_from(self._buffer, self._position)
        self._position += form.size
        return int(value)
