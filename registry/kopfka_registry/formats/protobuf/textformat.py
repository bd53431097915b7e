"""Messages in braces as bytes: what `{ a: 1, [b.c]: "d" }` is for the type of an option.

Fields are written by number, as the runtime writes them; what the text format refuses is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf import encoding
from kopfka_registry.formats.protobuf.refusal import RefusalError
from kopfka_registry.formats.protobuf.scalars import text_scalar

if TYPE_CHECKING:
    from kopfka_registry.formats.protobuf.symbols import Linked, Symbol
    from kopfka_registry.formats.protobuf.types import FieldType, Types

_ANY: Final = "google.protobuf.Any"
_HOSTS: Final = ("type.googleapis.com", "type.googleprod.com")


class TextFormat:
    """Encodes messages in braces with the types of one file."""

    __slots__ = ("_linked", "_types")

    def __init__(self, linked: Linked, types: Types) -> None:
        self._linked = linked
        self._types = types

    def field(self, key: str, message: Symbol) -> FieldType | None:
        """Return the field or extension of a message that a key names; None where there is none."""
        if not key.startswith("["):
            return self._types.by_name(message).get(key)
        symbol = self._linked.resolve(key[1:-1], message.name, self._linked.main, types=False, options=True)
        if symbol is None or symbol.kind != "extension":
            return None
        extended = self._types.extendee(symbol)
        return self._types.extension(symbol) if extended is not None and extended.name == message.name else None

    def encode(self, value: e.Aggregate, message: Symbol) -> bytes:
        """Return the bytes of a message.

        Raises:
            RefusalError: a field is not known, or its value does not fit, or what must be there is not.
        """
        found: dict[int, list[bytes]] = {}
        fields: dict[int, FieldType] = {}
        oneofs: dict[str, str] = {}
        for key, item in value.entries:
            self._linked.steps.take()
            if message.name == _ANY and "/" in key:
                return self._any(key, item, single=len(value.entries) == 1)
            field = self.field(key, message)
            if field is None:
                raise RefusalError(f'"{message.name}" has no field "{key}"')
            if field.oneof and oneofs.setdefault(field.oneof, key) != key:
                raise RefusalError(f'"{key}" and "{oneofs[field.oneof]}" are both of the oneof "{field.oneof}"')
            items = item if isinstance(item, tuple) and field.repeated else (item,)
            # zero where there is no presence is as if it were not set
            if not field.repeated and any(found.get(field.number, ())):
                raise RefusalError(f'the field "{key}" is set twice')
            fields[field.number] = field
            found.setdefault(field.number, []).extend(self._element(field, one, key) for one in items)
        self._check_required(message, fields)
        if isinstance(message.element, e.Message) and message.element.is_map_entry:
            self._complete_entry(message, fields, found)
        return b"".join(_joined(fields[number], found[number]) for number in sorted(found))

    def _element(self, field: FieldType, value: e.Value, key: str) -> bytes:
        """Encode one value of a field; packed and unwritten ones without what stands before them."""
        if isinstance(value, tuple):
            raise RefusalError(f'the field "{key}" is not repeated and takes no list')
        if field.symbol is not None and field.symbol.kind == "message":
            if not isinstance(value, e.Aggregate):
                raise RefusalError(f'the field "{key}" takes a message in braces')
            return encoding.message(field, self.encode(value, field.symbol))
        if isinstance(value, e.Aggregate):
            raise RefusalError(f'the field "{key}" takes no message')
        scalar = text_scalar(field, value, key)
        if field.packed:
            return encoding.bare_scalar(field.scalar, scalar)[1]
        if field.implicit and (not scalar or scalar == b"") and str(scalar) != "-0.0":
            return b""
        return encoding.scalar(field, scalar)

    def _any(self, key: str, value: e.Value, *, single: bool) -> bytes:
        url = key[1:-1]
        host, _, name = url.partition("/")
        symbol = self._linked.resolve("." + name, "", self._linked.main, options=True) if host in _HOSTS else None
        if symbol is None or symbol.kind != "message" or not isinstance(value, e.Aggregate) or not single:
            raise RefusalError(f'"{url}" is no message that is known here, or not the only thing in its braces')
        content = self.encode(value, symbol)
        return encoding.delimited(1, url.encode()) + (encoding.delimited(2, content) if content else b"")

    def _check_required(self, message: Symbol, fields: dict[int, FieldType]) -> None:
        for number, field in self._types.by_number(message).items():
            if field.required and number not in fields:
                raise RefusalError(f'a message "{message.name}" needs its field "{field.name}"')

    def _complete_entry(self, message: Symbol, fields: dict[int, FieldType], found: dict[int, list[bytes]]) -> None:
        """Add key or value where they are not there: entries are written with both."""
        for number, field in self._types.by_number(message).items():
            if number in fields and any(found[number]):
                continue
            fields[number] = field
            if field.is_message:
                found[number] = [encoding.message(field, b"")]
            else:
                found[number] = [encoding.scalar(field, b"" if field.scalar in ("string", "bytes") else 0)]


def _joined(field: FieldType, elements: list[bytes]) -> bytes:
    content = b"".join(elements)
    return encoding.delimited(field.number, content) if field.packed and content else content
