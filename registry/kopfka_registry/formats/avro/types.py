"""Avro schemas as objects: a graph, since a type that has a name may stand in many places, also within itself.

Two occurrences of a type without name are two objects, and comparisons tell them apart by that. Objects are not changed
once `reading` has put the graph together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_registry.formats.avro.text import Json

Props: TypeAlias = "Mapping[str, Json]"
"""Attributes that Avro does not define or (logical types) does not need; in the order they were written in."""

NO_PROPS: Final[Props] = MappingProxyType({})


def _no_props() -> Props:
    return NO_PROPS


PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
COMPLEX: Final = frozenset({"record", "enum", "array", "map", "union", "fixed"})


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a type, or one of its aliases."""

    simple: str
    space: str | None
    """Namespace; None is the null namespace."""

    @property
    def full(self) -> str:
        """The name with its namespace."""
        return self.simple if self.space is None else f"{self.space}.{self.simple}"

    def seen_from(self, space: str | None) -> str:
        """Return how the name is written where `space` is the namespace."""
        if self.space is None or self.space != space or self.simple in PRIMITIVES or self.simple in COMPLEX:
            return self.full
        return self.simple


@dataclass(slots=True, eq=False)
class Primitive:
    """A type without parts."""

    kind: str
    props: Props = field(default_factory=_no_props)


@dataclass(slots=True, eq=False)
class Array:
    """Items of one type."""

    kind: ClassVar[str] = "array"
    items: Type
    props: Props = field(default_factory=_no_props)


@dataclass(slots=True, eq=False)
class Map:
    """Values of one type by strings."""

    kind: ClassVar[str] = "map"
    values: Type
    props: Props = field(default_factory=_no_props)


@dataclass(slots=True, eq=False)
class Union:
    """A value of one of several types."""

    kind: ClassVar[str] = "union"
    branches: list[Type]
    props: Props = field(default_factory=_no_props)


@dataclass(slots=True, eq=False)
class Field:
    """A field of a record."""

    name: str
    type: Type
    has_default: bool = False
    default: Json = None
    doc: str | None = None
    order: str = "ascending"
    aliases: tuple[str, ...] = ()
    props: Props = field(default_factory=_no_props)


@dataclass(slots=True, eq=False, kw_only=True)
class _Named:
    name: Name
    doc: str | None = None
    aliases: tuple[Name, ...] = ()
    props: Props = field(default_factory=_no_props)


@dataclass(slots=True, eq=False, kw_only=True)
class Record(_Named):
    """Fields, each with a type."""

    kind: ClassVar[str] = "record"
    fields: list[Field] = field(default_factory=list)
    error: bool = False
    """Whether it was called an `error`, as in protocols."""


@dataclass(slots=True, eq=False, kw_only=True)
class Enum(_Named):
    """One of some symbols."""

    kind: ClassVar[str] = "enum"
    symbols: tuple[str, ...] = ()
    default: str | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class Fixed(_Named):
    """So many bytes."""

    kind: ClassVar[str] = "fixed"
    size: int = 0


@dataclass(slots=True, eq=False)
class Unresolved:
    """Stands for a type that is spoken of before it is defined, while a text is read; never in a graph that is done."""

    kind: ClassVar[str] = "unresolved"
    full: str
    other: str
    """The full name it may have besides, or the same one."""
    place: str
    props: Props = field(default_factory=_no_props)


NamedType: TypeAlias = Record | Enum | Fixed
Type: TypeAlias = Primitive | Array | Map | Union | Record | Enum | Fixed | Unresolved


def parts(of: Type) -> list[Type]:
    """Return the types a type is directly made of."""
    match of:
        case Array():
            return [of.items]
        case Map():
            return [of.values]
        case Union():
            return of.branches
        case Record():
            return [each.type for each in of.fields]
        case _:
            return []


def reachable(root: Type) -> list[Type]:
    """Return a type and all it is made of, each once, in the order of the text."""
    found: dict[int, Type] = {}
    waiting = [root]
    while waiting:
        each = waiting.pop()
        if id(each) not in found:
            found[id(each)] = each
            waiting += reversed(parts(each))
    return list(found.values())
