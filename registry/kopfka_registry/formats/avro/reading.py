"""Reads the text of an Avro schema into a graph of `types`, as Avro's Java library reads it.

The later of its generations decides: a type may be spoken of before it is defined (1.12), and defined twice if both
definitions are the same. Where 1.11 takes more, so does this: namespaces are not checked for letters, and a name may be
one of the null namespace also where it is an enclosing record's. Defaults are not checked against their types here;
`defaults` does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

from kopfka_registry.errors import InvalidSchemaError, SchemaTooComplexError
from kopfka_registry.formats.avro import text
from kopfka_registry.formats.avro.same import same
from kopfka_registry.formats.avro.types import (
    NO_PROPS,
    PRIMITIVES,
    Array,
    Enum,
    Field,
    Fixed,
    Map,
    Name,
    Primitive,
    Record,
    Union,
    Unresolved,
)
from kopfka_registry.formats.contract import DEEPEST

if TYPE_CHECKING:
    from kopfka_registry.formats.avro.budget import Budget
    from kopfka_registry.formats.avro.text import Json
    from kopfka_registry.formats.avro.types import NamedType, Props, Type

_RESERVED: Final = frozenset(
    {"doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases"}
)
_RESERVED_IN_ENUMS: Final = _RESERVED | {"default"}
_RESERVED_IN_FIELDS: Final = frozenset({"default", "doc", "name", "order", "type", "aliases"})
_CALLED: Final = {"record": "a record", "error": "a record", "enum": "an enum", "fixed": "a fixed type"}
_ORDERS: Final = frozenset({"ascending", "descending", "ignore"})
LARGEST_FIXED: Final = 2**31 - 9
"""Bytes of the longest array of a JVM."""
CHARACTERS_A_STEP: Final = 16

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# what `Double.parseDouble` takes; hexadecimal ones have an exponent
_JAVA_DOUBLE = re.compile(
    r"[\x00-\x20]*(?P<number>[+-]?(?:NaN|Infinity|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<hex>[+-]?0[xX](?:[0-9a-fA-F]+(?:\.[0-9a-fA-F]*)?|\.[0-9a-fA-F]+)[pP][+-]?\d+))(?P<suffix>[fFdD]?)[\x00-\x20]*",
    re.ASCII,
)


class Reader:
    """Reads texts one after the other; types of earlier ones are known to later ones."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._types: dict[str, NamedType] = {}
        self._open: set[str] = set()
        """The records around what is being read."""
        self._gaps: list[tuple[Any, str, Unresolved]] = []
        """Where an `Unresolved` stands: the object and its attribute."""
        self._unions: list[tuple[Union, str]] = []
        """Unions to be checked once nothing in them is unresolved, and their places."""

    def read(self, schema: str) -> Type:
        """Read a text.

        Raises:
            InvalidSchemaError: it is no Avro schema; with the place as a JSON pointer, or with line and column.
            SchemaTooComplexError: it is too large or too deep.
        """
        self._budget.spend(len(schema) // CHARACTERS_A_STEP + 1)
        root = self._type(text.read(schema), None, "", 1)
        if isinstance(root, Unresolved):
            root = self._resolved(root)
        for owner, attribute, gap in self._gaps:
            setattr(owner, attribute, self._resolved(gap))
        for union, place in self._unions:
            union.branches[:] = [
                self._resolved(each) if isinstance(each, Unresolved) else each for each in union.branches
            ]
            _check_union(union, place)
        self._gaps.clear()
        self._unions.clear()
        # a type that was defined before stays as it was defined first
        return self._types[root.name.full] if isinstance(root, (Record, Enum, Fixed)) else root

    def _type(  # noqa: PLR0911, PLR0912 - one way out for each type
        self, value: Json, space: str | None, place: str, level: int
    ) -> Type:
        self._budget.spend()
        if level > DEEPEST:
            raise SchemaTooComplexError(f"the schema is nested deeper than {DEEPEST} levels")
        if isinstance(value, str):
            return self._find(value, space, place)
        if isinstance(value, list):
            union = Union(
                [self._type(each, space, f"{place}/{i}", level + 1) for i, each in enumerate(value)],
            )
            if any(isinstance(each, Unresolved) for each in union.branches):
                self._unions.append((union, place))
            else:
                _check_union(union, place)
            return union
        if not isinstance(value, dict):
            _refuse(f"{text.shown(value)} is no type: write a name, an object or a list", place)
        kind = value.get("type")
        if not isinstance(kind, str):
            _refuse('a schema needs a "type" that is a string', place)
        if kind in PRIMITIVES:
            return Primitive(kind, self._props(value, _RESERVED, place))
        match kind:
            case "record" | "error":
                return self._record(value, space, place, level)
            case "enum":
                return self._enum(value, space, place)
            case "fixed":
                return self._fixed(value, space, place)
            case "array" | "map":
                part = "items" if kind == "array" else "values"
                if part not in value:
                    _refuse(f'{"an array" if kind == "array" else "a map"} needs "{part}"', place)
                inner = self._type(value[part], space, f"{place}/{part}", level + 1)
                props = self._props(value, _RESERVED, place)
                made = Array(inner, props) if kind == "array" else Map(inner, props)
                self._watch(made, part, inner)
                return made
        return self._find(kind, space, place)

    def _record(self, value: dict[str, Json], space: str | None, place: str, level: int) -> Record:
        record = Record(name=_name(value, space, place), doc=_doc(value), error=value["type"] == "error")
        fields = value.get("fields")
        if not isinstance(fields, list):
            _refuse('a record needs "fields" that are a list', place)
        around = self._open
        self._open = around | {record.name.full}
        names = set()
        for i, field in enumerate(fields):
            at = f"{place}/fields/{i}"
            if not isinstance(field, dict) or not isinstance(name := field.get("name"), str):
                _refuse('a field needs a "name" that is a string', at)
            if "type" not in field:
                _refuse(f'the field {text.shown(name)} needs a "type"', at)
            made = Field(
                _checked(name, f"{at}/name"), self._type(field["type"], record.name.space, f"{at}/type", level + 1)
            )
            if name in names:
                _refuse(f"there is another field {name}", at)
            names.add(name)
            self._watch(made, "type", made.type)
            self._describe(made, field, at)
            record.fields.append(made)
        self._open = around
        self._finish(record, value, _RESERVED, place)
        return record

    def _describe(self, field: Field, value: dict[str, Json], place: str) -> None:
        """Set what a field has beside its name and its type."""
        field.doc = _doc(value)
        field.aliases = _aliases(value, place)
        field.props = self._props(value, _RESERVED_IN_FIELDS, place)
        if "order" in value:
            order = value["order"]
            if not isinstance(order, str) or order.lower() not in _ORDERS:
                _refuse(f"{text.shown(order)} is no order: write one of {', '.join(sorted(_ORDERS))}", f"{place}/order")
            field.order = order.lower()
        if "default" in value:
            default = value["default"]
            if isinstance(default, str) and field.type.kind in ("float", "double"):
                default = _java_double(default, f"{place}/default")
            self._weigh(default, f"{place}/default")
            field.has_default, field.default = True, default

    def _enum(self, value: dict[str, Json], space: str | None, place: str) -> Enum:
        enum = Enum(name=_name(value, space, place), doc=_doc(value))
        symbols = value.get("symbols")
        if not isinstance(symbols, list):
            _refuse('an enum needs "symbols" that are a list', place)
        self._budget.spend(len(symbols))
        seen: set[str] = set()
        for i, symbol in enumerate(symbols):
            checked = _checked(symbol, f"{place}/symbols/{i}")
            if checked in seen:
                _refuse(f"the symbol {checked} is there twice", f"{place}/symbols/{i}")
            seen.add(checked)
        enum.symbols = tuple(map(str, symbols))
        # a default that is no string counts as none, in Java too
        default = value.get("default")
        if isinstance(default, str):
            if default not in seen:
                _refuse(f"the default {text.shown(default)} is none of the symbols", f"{place}/default")
            enum.default = default
        self._finish(enum, value, _RESERVED_IN_ENUMS, place)
        return enum

    def _fixed(self, value: dict[str, Json], space: str | None, place: str) -> Fixed:
        fixed = Fixed(name=_name(value, space, place), doc=_doc(value))
        size = value.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= LARGEST_FIXED:
            _refuse(f'a fixed type needs a "size" from 0 to {LARGEST_FIXED}', place)
        fixed.size = size
        self._finish(fixed, value, _RESERVED, place)
        return fixed

    def _finish(self, made: NamedType, value: dict[str, Json], reserved: frozenset[str], place: str) -> None:
        """Set what all types with a name may have, and make the type known."""
        made.props = self._props(value, reserved, place)
        made.aliases = tuple(
            dict.fromkeys(_qualified(each, made.name.space, f"{place}/aliases") for each in _aliases(value, place))
        )
        known = self._types.setdefault(made.name.full, made)
        if known is not made and not same(known, made, self._budget):
            _refuse(f"the name {made.name.full} is taken by another type", place)

    def _props(self, value: dict[str, Json], reserved: frozenset[str], place: str) -> Props:
        props = {key: each for key, each in value.items() if key not in reserved}
        if not props:
            return NO_PROPS
        self._budget.spend(len(props))
        for key, each in props.items():
            self._weigh(each, f"{place}/{key}")
        return props

    def _weigh(self, value: Json, place: str) -> None:
        """Make sure that a value is not deeper than what works on values."""
        if isinstance(value, (list, dict)) and text.depth(value) > DEEPEST:
            raise SchemaTooComplexError(f"the value at {text.shown(place)} is nested deeper than {DEEPEST} levels")

    def _find(self, name: str, space: str | None, place: str) -> Type:
        if name in PRIMITIVES:
            return Primitive(name)
        full = name if space is None or "." in name else f"{space}.{name}"
        known = self._types.get(full) or self._types.get(name)
        return known or Unresolved(full, name if name in self._open else full, place)

    def _resolved(self, gap: Unresolved) -> Type:
        found = self._types.get(gap.full) or self._types.get(gap.other)
        if found is None:
            _refuse(f"there is no type {text.shown(gap.full)}, here or in the references", gap.place)
        return found

    def _watch(self, owner: object, attribute: str, inner: Type) -> None:
        if isinstance(inner, Unresolved):
            self._gaps.append((owner, attribute, inner))


def _check_union(union: Union, place: str) -> None:
    seen: set[str] = set()
    for i, branch in enumerate(union.branches):
        if isinstance(branch, Union):
            _refuse("a union may not stand directly in a union", f"{place}/{i}")
        key = branch.name.full if isinstance(branch, (Record, Enum, Fixed)) else branch.kind
        if key in seen:
            _refuse(f"the union has {key} twice", f"{place}/{i}")
        seen.add(key)


def _name(value: dict[str, Json], space: str | None, place: str) -> Name:
    written, own = value.get("name"), value.get("namespace")
    if not isinstance(written, str):
        _refuse(f'{_CALLED[str(value["type"])]} needs a "name" that is a string', place)
    name = _qualified(written, own if isinstance(own, str) else space, f"{place}/name")
    if name.space is None and name.simple in PRIMITIVES:
        _refuse(f"{name.simple} is the name of a primitive type", f"{place}/name")
    return name


def _qualified(written: str, space: str | None, place: str) -> Name:
    if "." in written:
        space, _, written = written.rpartition(".")
    return Name(_checked(written, place), space or None)


def _checked(name: Json, place: str) -> str:
    """Return a name that is made of letters, digits and underscores: those of all scripts, as in Java."""
    if not isinstance(name, str) or not _is_name(name):
        _refuse(f"{text.shown(name)} is no name: write letters, digits and _, and no digit first", place)
    return name


def _is_name(name: str) -> bool:
    if _PLAIN_NAME.fullmatch(name):
        return True
    return (
        name != ""
        and all(each == "_" or (ord(each) <= 0xFFFF and (each.isalpha() or each.isdecimal())) for each in name)
        and not name[0].isdecimal()
    )


def _doc(value: dict[str, Json]) -> str | None:
    doc = value.get("doc")
    return doc if isinstance(doc, str) else None


def _aliases(value: dict[str, Json], place: str) -> tuple[str, ...]:
    if "aliases" not in value:
        return ()
    aliases = value["aliases"]
    if not isinstance(aliases, list) or not all(isinstance(each, str) for each in aliases):
        _refuse('"aliases" are a list of strings', f"{place}/aliases")
    return tuple(dict.fromkeys(map(str, aliases)))


def _java_double(written: str, place: str) -> float:
    """Return what Avro's Java library makes of the default of a `float` or `double` that is a string."""
    found = _JAVA_DOUBLE.fullmatch(written) if len(written) <= text.LONGEST_NUMBER else None
    if found is None or (found["suffix"] and found["number"].lstrip("+-") in ("NaN", "Infinity")):
        _refuse(f"{text.shown(written)} is no number", place)
    try:
        return float.fromhex(found["hex"]) if found["hex"] else float(found["number"])
    except OverflowError:
        return float("-inf") if found["hex"].startswith("-") else float("inf")


def _refuse(why: str, place: str) -> NoReturn:
    raise InvalidSchemaError(f"{why} (at {place or '/'})")
