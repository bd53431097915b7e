"""What a field holds, once names are resolved: what encoding, checking and comparing ask of it.

Of the message types that options use, too: their fields by name and by number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf.features import Features, is_required, refined
from kopfka_registry.formats.protobuf.loading import descriptor_alone
from kopfka_registry.formats.protobuf.reader import SCALARS
from kopfka_registry.formats.protobuf.symbols import entry_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_registry.formats.protobuf.symbols import Linked, Symbol, Table

PACKABLE: Final = SCALARS - {"string", "bytes"}


@dataclass(frozen=True, slots=True, eq=False)
class FieldType:
    """A field of a message, or an extension, with what it holds."""

    field: e.Field
    name: str
    """Its name; the full name of an extension."""
    extension: bool
    repeated: bool
    required: bool
    packed: bool
    delimited: bool
    """Whether a message in it is encoded as a group."""
    scalar: str
    """The name of a scalar type, or nothing."""
    symbol: Symbol | None
    """The message or enum; None for scalars and for what cannot be resolved."""
    oneof: str
    """The oneof it is in, or nothing."""
    implicit: bool
    """Whether zero and empty are not written."""
    closed: bool
    """Whether it holds an enum that knows only its own values."""
    values: Mapping[str, e.EnumValue]
    """The values of the enum it holds, by name."""
    value_numbers: frozenset[int]
    """Their numbers."""

    @property
    def number(self) -> int:
        """Its number."""
        return self.field.number

    @property
    def is_message(self) -> bool:
        """Whether it holds a message."""
        return self.symbol is not None and self.symbol.kind == "message"

    @property
    def is_enum(self) -> bool:
        """Whether it holds an enum."""
        return self.symbol is not None and self.symbol.kind == "enum"


class Types:
    """The fields of messages, worked out once each."""

    __slots__ = ("_extensions", "_linked", "_messages", "_options")

    def __init__(self, linked: Linked) -> None:
        self._linked = linked
        self._options = descriptor_alone()
        self._extensions: dict[Symbol, FieldType] = {}
        self._messages: dict[Symbol, tuple[dict[str, FieldType], dict[int, FieldType]]] = {}

    def options(self, kind: str) -> Symbol:
        """Return the message of options with this name: `FieldOptions`."""
        return self._options.main.symbols[f"google.protobuf.{kind}"]

    def by_name(self, message: Symbol) -> dict[str, FieldType]:
        """Return the fields of a message by name; a group also by the name of its message."""
        return self._fields(message)[0]

    def by_number(self, message: Symbol) -> dict[int, FieldType]:
        """Return the fields of a message by number."""
        return self._fields(message)[1]

    def extension(self, symbol: Symbol) -> FieldType:
        """Return what an extension holds."""
        known = self._extensions.get(symbol)
        if known is not None:
            return known
        field = symbol.element
        assert isinstance(field, e.Field)
        linked = self._options if symbol.table is self._options.main else self._linked
        features = linked.features(symbol.parent, symbol.table)
        known = field_type(linked, field, symbol.scope, symbol.table, features, name=symbol.name, extension=True)
        self._extensions[symbol] = known
        return known

    def extendee(self, symbol: Symbol) -> Symbol | None:
        """Return the message that an extension extends."""
        if symbol.extend is None:
            return None
        return self._linked.resolve(symbol.extend.name, symbol.scope, symbol.table, types=False, options=True)

    def _fields(self, message: Symbol) -> tuple[dict[str, FieldType], dict[int, FieldType]]:
        known = self._messages.get(message)
        if known is None:
            names: dict[str, FieldType] = {}
            linked = self._options if message.table is self._options.main else self._linked
            features = linked.features(message, message.table)
            element = message.element
            assert isinstance(element, e.Message)
            for field, oneof in element.all_fields():
                found = field_type(linked, field, message.name, message.table, features,
                                   oneof=oneof.name if oneof is not None else "")  # fmt: skip
                names[field.name] = found
                if found.delimited and found.symbol is not None:
                    names.setdefault(found.symbol.element.name, found)
            known = self._messages[message] = (names, {item.number: item for item in names.values()})
        return known


def field_type(
    linked: Linked,
    field: e.Field,
    scope: str,
    table: Table,
    outer: Features,
    *,
    name: str = "",
    extension: bool = False,
    oneof: str = "",
) -> FieldType:
    """Work out what a field holds; `scope` is the full name of what it is declared in, `outer` the features of that."""
    features = refined(outer, field.options)
    scalar, symbol = resolved(linked, field, scope, table)
    values: dict[str, e.EnumValue] = {}
    if symbol is not None and isinstance(symbol.element, e.Enum):
        values = {value.name: value for value in symbol.element.values}
        linked.steps.take(len(values))
    repeated = field.label == "repeated" or field.map is not None
    packable = scalar in PACKABLE or (symbol is not None and symbol.kind == "enum")
    packed = field.option("packed")
    return FieldType(
        field,
        name or field.name,
        extension,
        repeated,
        is_required(field, features),
        repeated
        and packable
        and (packed.value == "true" if packed is not None else features.repeated_field_encoding == "PACKED"),
        field.group is not None
        or (field.map is None and features.message_encoding == "DELIMITED" and symbol is not None
            and not (isinstance(symbol.element, e.Message) and symbol.element.is_map_entry)),
        scalar,
        symbol,
        oneof,
        not repeated and not oneof and not extension and field.label != "optional"
        and (symbol is None or symbol.kind != "message") and features.field_presence == "IMPLICIT",
        symbol is not None and linked.is_closed(symbol),
        values,
        frozenset(value.number for value in values.values()),
    )  # fmt: skip


def resolved(linked: Linked, field: e.Field, scope: str, table: Table) -> tuple[str, Symbol | None]:
    """Return the scalar type of a field, or the symbol of its message or enum."""
    if field.group is not None:
        return "", linked.anywhere(f"{scope}.{field.group.name}" if scope else field.group.name)
    if field.map is not None:
        return "", linked.anywhere(f"{scope}.{entry_name(field.name)}")
    if field.type in SCALARS:
        return field.type, None
    return "", linked.resolve(field.type, scope, table)
