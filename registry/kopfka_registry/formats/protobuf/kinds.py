"""What fields hold, as comparing sees it: scalars in groups that read each other's bytes, maps, messages, groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf.features import refined
from kopfka_registry.formats.protobuf.types import resolved

if TYPE_CHECKING:
    from kopfka_registry.formats.protobuf.symbols import Linked, Symbol

_GROUPS: Final = {
    **dict.fromkeys(("int32", "int64", "uint32", "uint64", "bool", "enum"), "varint"),
    **dict.fromkeys(("sint32", "sint64"), "zigzag"),
    **dict.fromkeys(("string", "bytes"), "bytes"),
    **dict.fromkeys(("fixed32", "sfixed32"), "fixed32"),
    **dict.fromkeys(("fixed64", "sfixed64"), "fixed64"),
}
"""Scalars that are written alike; float and double are alone."""


def same_kind_of_scalar(one: str, other: str) -> bool:
    """Tell whether what was written as one scalar type can be read as another; an enum is `enum`."""
    return _GROUPS.get(one, one) == _GROUPS.get(other, other)


@dataclass(frozen=True, slots=True)
class Held:
    """What a field holds: `kind` is `scalar`, `message`, `group` or `map`.

    `scalar` is also the name of a message that is not there.
    """

    kind: str
    scalar: str = ""
    symbol: Symbol | None = None
    key: Held | None = None
    value: Held | None = None


class Side:
    """One of the two schemas."""

    __slots__ = ("_linked", "file")

    def __init__(self, linked: Linked) -> None:
        self._linked = linked
        self.file = linked.main.file

    def at(self, path: tuple[str, ...]) -> Symbol | None:
        """Return the message of the file itself whose name within it has these parts."""
        name = ".".join(path)
        return self.message(f"{self.file.package}.{name}" if self.file.package else name)

    def message(self, name: str) -> Symbol | None:
        """Return the message with this full name."""
        found = self._linked.anywhere(name)
        return found if found is not None and found.kind == "message" else None

    def is_own(self, symbol: Symbol) -> bool:
        """Tell whether a message is declared in the file itself."""
        return symbol.table is self._linked.main

    def local_name(self, symbol: Symbol) -> str:
        """Return a message's name within its file, without the package."""
        package = symbol.table.file.package
        return symbol.name.removeprefix(f"{package}.") if package else symbol.name

    def label(self, field: e.Field, message: Symbol) -> str:
        """Return the label of a field, as it is written or as an edition's features say it; it may be empty."""
        if field.label or not message.table.file.is_edition or field.map is not None:
            return field.label
        presence = refined(self._linked.features(message, message.table), field.options).field_presence
        return {"LEGACY_REQUIRED": "required", "EXPLICIT": "optional"}.get(presence, "")

    def held(self, field: e.Field, message: Symbol) -> Held:
        """Return what a field of a message holds."""
        scalar, symbol = resolved(self._linked, field, message.name, message.table)
        if scalar:
            return Held("scalar", scalar)
        element = symbol.element if symbol is not None else None
        if isinstance(element, e.Enum):
            return Held("scalar", "enum")
        if symbol is None or not isinstance(element, e.Message):
            return Held("message", field.type)
        outer = message.element
        if element.is_map_entry and not (isinstance(outer, e.Message) and outer.is_map_entry):
            parts = {inner.name: self.held(inner, symbol) for inner in element.fields}
            return Held("map", key=parts.get("key"), value=parts.get("value"))
        delimited = field.group is not None or (
            message.table.file.is_edition
            and refined(self._linked.features(message, message.table), field.options).message_encoding == "DELIMITED"
        )
        return Held("group" if delimited else "message", symbol=symbol)
