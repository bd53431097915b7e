"""What a schema demands, sorted by what it demands it of. One node is one level: what is inside is built when needed.

The kinds are those in which Confluent's rules are told (the classes of the library it uses), as a change of kind is
itself a difference: a schema that says several things at once is `Combined` of one node for each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from kopfka_registry.formats.jsonschema.library import Located

Number: TypeAlias = "int | Decimal"


@dataclass(frozen=True, slots=True)
class About:
    """What is said of a schema, and demands nothing. Values are the numbers that `Keys` gives them."""

    id: str | None = None
    title: str | None = None
    description: str | None = None
    default: int | None = None
    connect_type: str | None = None
    """`connect.type`, by which Kafka Connect's converter remembers a type."""


NOTHING_SAID = About()


@dataclass(slots=True, eq=False)
class Node:
    """What every node has."""

    about: About = field(default=NOTHING_SAID, kw_only=True)


@dataclass(slots=True, eq=False)
class Everything(Node):
    """`true`, `{}`: every value is valid."""


@dataclass(slots=True, eq=False)
class Nothing(Node):
    """`false`: no value is valid."""


@dataclass(slots=True, eq=False)
class Opaque(Node):
    """What depends on the way that led to it (`$dynamicRef` with several answers): equal to nothing."""


@dataclass(slots=True, eq=False)
class Truth(Node):
    """`type: boolean`."""


@dataclass(slots=True, eq=False)
class Null(Node):
    """`type: null`."""


@dataclass(slots=True, eq=False)
class Text(Node):
    """What is demanded of strings."""

    shortest: int | None
    longest: int | None
    pattern: str | None
    format: str | None


@dataclass(slots=True, eq=False)
class Numeric(Node):
    """What is demanded of numbers."""

    least: Number | None
    most: Number | None
    above: Number | None
    """`exclusiveMinimum`."""
    below: Number | None
    """`exclusiveMaximum`."""
    least_excluded: bool
    """`exclusiveMinimum` of draft 4."""
    most_excluded: bool
    """`exclusiveMaximum` of draft 4."""
    multiple: Number | None
    integer: bool


@dataclass(slots=True, eq=False)
class Fields(Node):
    """What is demanded of objects."""

    properties: Mapping[str, Located]
    required: frozenset[str]
    fewest: int | None
    most: int | None
    additional: Located | bool
    """A schema; True for what is not said or `true`."""
    unevaluated: Located | None
    patterns: Mapping[str, Located]
    names: Located | None
    """`propertyNames`."""
    needs: Mapping[str, frozenset[str]]
    """`dependentRequired`, and `dependencies` that are arrays."""
    implied: Mapping[str, Located]
    """`dependentSchemas`, and `dependencies` that are schemas."""
    beside: Mapping[str, Located]
    """Schemas that are applied in the same place: what `unevaluatedProperties` concerns depends on them."""

    @property
    def open(self) -> bool:
        """Whether it is an open content model: what is not named may be there, and may be anything."""
        return not self.patterns and self.additional is True and self.unevaluated is None


@dataclass(slots=True, eq=False)
class Items(Node):
    """What is demanded of arrays."""

    each: Located | None
    """One schema for all items."""
    tuple: list[Located]
    """Schemas of the first items."""
    additional: Located | bool
    """A schema for those after them; True for what is not said or `true`."""
    unevaluated: Located | None
    effective: bool
    """Whether `additional` has a meaning: `additionalItems` has none without a tuple."""
    fewest: int | None
    most: int | None
    unique: bool
    contains: Located | None
    fewest_contained: int | None
    most_contained: int | None
    beside: Mapping[str, Located]

    @property
    def open(self) -> bool:
        """Whether it is an open content model: more items may be there, and may be anything."""
        return self.additional is True and self.unevaluated is None


@dataclass(slots=True, eq=False)
class Choices(Node):
    """`enum`; values are the numbers that `Keys` gives them."""

    values: frozenset[int]


@dataclass(slots=True, eq=False)
class Fixed(Node):
    """`const`."""

    value: int


@dataclass(slots=True, eq=False)
class Negation(Node):
    """`not`."""

    inner: Located


@dataclass(slots=True, eq=False)
class Condition(Node):
    """`if`, `then` and `else`."""

    test: Located
    then: Located | None
    otherwise: Located | None


class Criterion(Enum):
    """How many parts of a combined schema must hold; the value is the keyword."""

    ALL = "allOf"
    ANY = "anyOf"
    ONE = "oneOf"


@dataclass(slots=True, eq=False)
class Combined(Node):
    """`allOf`, `anyOf`, `oneOf`; several types; several things said at once."""

    criterion: Criterion
    parts: list[Node | Located]
