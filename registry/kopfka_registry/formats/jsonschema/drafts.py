"""The drafts of JSON Schema: which one a text is written in, and what each of its keywords may be.

The tables say what the drafts' metaschemas say, and a test holds the two against each other on random schemas. They
are tables, and not the metaschemas run by a validator, since that takes a minute for some schemas of a megabyte.
"""

from __future__ import annotations

from enum import Enum, auto
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Draft(Enum):
    """A draft; the later, the greater its value."""

    DRAFT_4 = 4
    DRAFT_6 = 6
    DRAFT_7 = 7
    DRAFT_2019_09 = 2019
    DRAFT_2020_12 = 2020

    @property
    def id_keyword(self) -> str:
        """The keyword that names a schema."""
        return "id" if self is Draft.DRAFT_4 else "$id"

    @property
    def modern(self) -> bool:
        """Whether `$ref` is one keyword among others; before, it hides all that stands beside it."""
        return self.value >= Draft.DRAFT_2019_09.value


class Shape(Enum):
    """What the value of a keyword may be."""

    SCHEMA = auto()
    SCHEMA_OR_BOOLEAN = auto()
    """Of draft 4, which has no boolean schemas."""
    SCHEMAS = auto()
    """One or more."""
    SCHEMA_OR_SCHEMAS = auto()
    SCHEMAS_BY_NAME = auto()
    SCHEMAS_OR_NAMES_BY_NAME = auto()
    NAMES_BY_NAME = auto()
    BOOLEANS_BY_NAME = auto()
    NAMES = auto()
    """Different ones."""
    SOME_NAMES = auto()
    """At least one, and different ones."""
    STRING = auto()
    ID = auto()
    """Without a fragment, or with an empty one."""
    ANCHOR = auto()
    BOOLEAN = auto()
    NUMBER = auto()
    POSITIVE = auto()
    COUNT = auto()
    ARRAY = auto()
    SOME_VALUES = auto()
    """At least one, and different ones."""
    TYPES = auto()


_4, _6, _7, _2019, _2020 = Draft

_KEYWORDS: Final[tuple[tuple[str, Shape, Draft, Draft], ...]] = (
    ("id", Shape.STRING, _4, _4),
    ("$id", Shape.STRING, _6, _7),
    ("$id", Shape.ID, _2019, _2020),
    ("$schema", Shape.STRING, _4, _2020),
    ("$ref", Shape.STRING, _4, _2020),
    ("$anchor", Shape.ANCHOR, _2019, _2020),
    ("$dynamicRef", Shape.STRING, _2020, _2020),
    ("$dynamicAnchor", Shape.ANCHOR, _2020, _2020),
    ("$recursiveRef", Shape.STRING, _2019, _2020),
    ("$recursiveAnchor", Shape.BOOLEAN, _2019, _2019),
    ("$recursiveAnchor", Shape.ANCHOR, _2020, _2020),
    ("$vocabulary", Shape.BOOLEANS_BY_NAME, _2019, _2020),
    ("$comment", Shape.STRING, _7, _2020),
    ("$defs", Shape.SCHEMAS_BY_NAME, _2019, _2020),
    ("definitions", Shape.SCHEMAS_BY_NAME, _4, _2020),
    ("title", Shape.STRING, _4, _2020),
    ("description", Shape.STRING, _4, _2020),
    ("examples", Shape.ARRAY, _6, _2020),
    ("readOnly", Shape.BOOLEAN, _7, _2020),
    ("writeOnly", Shape.BOOLEAN, _2019, _2020),
    ("deprecated", Shape.BOOLEAN, _2019, _2020),
    ("multipleOf", Shape.POSITIVE, _4, _2020),
    ("maximum", Shape.NUMBER, _4, _2020),
    ("minimum", Shape.NUMBER, _4, _2020),
    ("exclusiveMaximum", Shape.BOOLEAN, _4, _4),
    ("exclusiveMinimum", Shape.BOOLEAN, _4, _4),
    ("exclusiveMaximum", Shape.NUMBER, _6, _2020),
    ("exclusiveMinimum", Shape.NUMBER, _6, _2020),
    ("maxLength", Shape.COUNT, _4, _2020),
    ("minLength", Shape.COUNT, _4, _2020),
    ("pattern", Shape.STRING, _4, _2020),
    ("format", Shape.STRING, _4, _2020),
    ("items", Shape.SCHEMA_OR_SCHEMAS, _4, _2019),
    ("items", Shape.SCHEMA, _2020, _2020),
    ("prefixItems", Shape.SCHEMAS, _2020, _2020),
    ("additionalItems", Shape.SCHEMA_OR_BOOLEAN, _4, _4),
    ("additionalItems", Shape.SCHEMA, _6, _2019),
    ("unevaluatedItems", Shape.SCHEMA, _2019, _2020),
    ("maxItems", Shape.COUNT, _4, _2020),
    ("minItems", Shape.COUNT, _4, _2020),
    ("uniqueItems", Shape.BOOLEAN, _4, _2020),
    ("contains", Shape.SCHEMA, _6, _2020),
    ("maxContains", Shape.COUNT, _2019, _2020),
    ("minContains", Shape.COUNT, _2019, _2020),
    ("maxProperties", Shape.COUNT, _4, _2020),
    ("minProperties", Shape.COUNT, _4, _2020),
    ("required", Shape.SOME_NAMES, _4, _4),
    ("required", Shape.NAMES, _6, _2020),
    ("properties", Shape.SCHEMAS_BY_NAME, _4, _2020),
    ("patternProperties", Shape.SCHEMAS_BY_NAME, _4, _2020),
    ("additionalProperties", Shape.SCHEMA_OR_BOOLEAN, _4, _4),
    ("additionalProperties", Shape.SCHEMA, _6, _2020),
    ("unevaluatedProperties", Shape.SCHEMA, _2019, _2020),
    ("propertyNames", Shape.SCHEMA, _6, _2020),
    ("dependencies", Shape.SCHEMAS_OR_NAMES_BY_NAME, _4, _2020),
    ("dependentRequired", Shape.NAMES_BY_NAME, _2019, _2020),
    ("dependentSchemas", Shape.SCHEMAS_BY_NAME, _2019, _2020),
    ("enum", Shape.SOME_VALUES, _4, _4),
    ("enum", Shape.ARRAY, _6, _2020),
    ("type", Shape.TYPES, _4, _2020),
    ("contentMediaType", Shape.STRING, _7, _2020),
    ("contentEncoding", Shape.STRING, _7, _2020),
    ("contentSchema", Shape.SCHEMA, _2019, _2020),
    ("if", Shape.SCHEMA, _7, _2020),
    ("then", Shape.SCHEMA, _7, _2020),
    ("else", Shape.SCHEMA, _7, _2020),
    ("allOf", Shape.SCHEMAS, _4, _2020),
    ("anyOf", Shape.SCHEMAS, _4, _2020),
    ("oneOf", Shape.SCHEMAS, _4, _2020),
    ("not", Shape.SCHEMA, _4, _2020),
)
"""Keyword, what it may be, the first draft where it is so and the last one."""

_BY_ADDRESS: Final = {
    # the address without a draft means draft 4 to Confluent
    "json-schema.org/schema": Draft.DRAFT_4,
    "json-schema.org/draft-04/schema": Draft.DRAFT_4,
    "json-schema.org/draft-06/schema": Draft.DRAFT_6,
    "json-schema.org/draft-07/schema": Draft.DRAFT_7,
    "json-schema.org/draft/2019-09/schema": Draft.DRAFT_2019_09,
    "json-schema.org/draft/2020-12/schema": Draft.DRAFT_2020_12,
}


OF_OBJECTS: Final = frozenset(
    {
        "properties",
        "required",
        "minProperties",
        "maxProperties",
        "dependencies",
        "patternProperties",
        "additionalProperties",
        "propertyNames",
        "dependentRequired",
        "dependentSchemas",
        "unevaluatedProperties",
    }
)
OF_ARRAYS: Final = frozenset(
    {
        "items",
        "prefixItems",
        "additionalItems",
        "unevaluatedItems",
        "minItems",
        "maxItems",
        "uniqueItems",
        "contains",
        "minContains",
        "maxContains",
    }
)
OF_NUMBERS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
OF_STRINGS: Final = frozenset({"minLength", "maxLength", "pattern"})
IN_PLACE: Final = frozenset({"allOf", "anyOf", "oneOf", "not", "if"})
"""What applies schemas to the value itself, and not to what is in it."""
ASSERTING: Final = OF_OBJECTS | OF_ARRAYS | OF_NUMBERS | OF_STRINGS | IN_PLACE | {"type", "enum", "const"}


@cache
def keywords(draft: Draft) -> Mapping[str, Shape]:
    """Return the keywords of a draft that have a shape."""
    return {keyword: shape for keyword, shape, first, last in _KEYWORDS if first.value <= draft.value <= last.value}


def draft_of(schema: object, default: Draft = Draft.DRAFT_7) -> Draft:
    """Return the draft that a schema names by `$schema`; one that names none or another has the default."""
    named = schema.get("$schema") if isinstance(schema, dict) else None
    if not isinstance(named, str):
        return default
    address = named.removesuffix("#").removeprefix("http://").removeprefix("https://")
    return _BY_ADDRESS.get(address, Draft.DRAFT_7)
