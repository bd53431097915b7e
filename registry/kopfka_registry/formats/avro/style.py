"""What is written of a schema: all as it was read, or in the one form of `normalize=true`. `writing` has the order.

Normal are sorted aliases and attributes, no empty documentation, no `error` records, and defaults in the way their type
has them (a `float`'s 1 is 1.0). Confluent's registry drops a default that does not fit the first branch of its union;
here it stays, since without it readers fail.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.avro import logical, text
from kopfka_registry.formats.avro.types import Array, Fixed, Map, Primitive, Record, Union

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_registry.formats.avro.text import Json
    from kopfka_registry.formats.avro.types import Field, Name, NamedType, Props, Type

_FLOAT = struct.Struct("<f")
_MOST_FLOAT_FIGURES: Final = 9
_INT_BITS: Final = 32
_LONG_BITS: Final = 64


class AsRead:
    """Everything, in the order it was read."""

    def keyword(self, record: Record) -> str:
        """Return the `type` of a record."""
        return "error" if record.error else "record"

    def doc(self, of: NamedType) -> str | None:
        """Return the documentation of a type with a name."""
        return of.doc

    def aliases(self, aliases: tuple[Name, ...]) -> Iterable[Name]:
        """Return the aliases of a type with a name."""
        return aliases

    def field_aliases(self, aliases: tuple[str, ...]) -> Iterable[str]:
        """Return the aliases of a field."""
        return aliases

    def default(self, field: Field) -> str:
        """Return the default of a field, as JSON."""
        return text.write(field.default)

    def props(self, of: Type | Field) -> str:
        """Return the attributes of a type or a field, each after a comma, as JSON."""
        return _members(of.props, of.props)


class Normal(AsRead):
    """The form that all spellings of a schema share."""

    def keyword(self, record: Record) -> str:
        """Return the `type` of a record."""
        return "record"

    def doc(self, of: NamedType) -> str | None:
        """Return the documentation of a type with a name."""
        return of.doc or None

    def aliases(self, aliases: tuple[Name, ...]) -> Iterable[Name]:
        """Return the aliases of a type with a name."""
        return sorted(aliases, key=lambda alias: text.utf16(alias.full))

    def field_aliases(self, aliases: tuple[str, ...]) -> Iterable[str]:
        """Return the aliases of a field."""
        return sorted(aliases, key=text.utf16)

    def default(self, field: Field) -> str:
        """Return the default of a field, as JSON."""
        return text.write(_fitted(field.default, field.type, {}), ordered=True)

    def props(self, of: Type | Field) -> str:
        """Return the attributes of a type or a field, each after a comma, as JSON."""
        if not of.props:
            return ""
        first = logical.leading(of) if isinstance(of, (Primitive, Fixed)) else ()
        rest = sorted((key for key in of.props if key not in first), key=text.utf16)
        return _members(of.props, (*first, *rest), ordered=True)


AS_READ: Final = AsRead()
NORMAL: Final = Normal()


def _members(props: Props, keys: Iterable[str], *, ordered: bool = False) -> str:
    return "".join([f",{text.string(key)}:{text.write(props[key], ordered=ordered)}" for key in keys])


def _fitted(  # noqa: PLR0911 - one way out for each type
    value: Json, of: Type | None, fields: dict[int, dict[str, Type]]
) -> Json:
    """Return a default as its type has it; what does not fit the type stays as it is. `fields` are of records met."""
    if isinstance(of, Union):
        of = of.branches[0] if of.branches else None
    match value:
        case None | bool():
            return value
        case int():
            return _number(value, of.kind) if of is not None and _bits(value) <= _LONG_BITS else value
        case float():
            return _single(value) if of is not None and of.kind == "float" else value
        case str():
            if of is not None and of.kind in ("bytes", "fixed"):
                return value.encode("latin-1", "replace").decode("latin-1")
            return value
        case list():
            items = of.items if isinstance(of, Array) else None
            return [_fitted(each, items, fields) for each in value]
        case dict():
            if isinstance(of, Map):
                return {key: _fitted(each, of.values, fields) for key, each in value.items()}
            types = _types(of, fields) if isinstance(of, Record) else {}
            return {key: _fitted(each, types.get(key), fields) for key, each in value.items()}


def _types(record: Record, fields: dict[int, dict[str, Type]]) -> dict[str, Type]:
    found = fields.get(id(record))
    if found is None:
        found = fields[id(record)] = {field.name: field.type for field in record.fields}
    return found


def _number(value: int, kind: str) -> int | float:
    if kind == "float":
        return _single(float(value))
    return float(value) if kind == "double" else value


def _bits(value: int) -> int:
    return (value if value >= 0 else ~value).bit_length() + 1


def _single(value: float) -> float:
    """Return the number that a `float` makes of a double, with the fewest figures that tell it from its neighbours."""
    try:
        single = _FLOAT.unpack(_FLOAT.pack(value))[0]
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    for figures in range(1, _MOST_FLOAT_FIGURES):
        short = float(f"{single:.{figures}g}")
        if _FLOAT.pack(short) == _FLOAT.pack(single):
            return short
    return float(f"{single:.{_MOST_FLOAT_FIGURES}g}")
