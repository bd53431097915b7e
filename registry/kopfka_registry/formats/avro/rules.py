"""The rules of Avro compatibility, as data: what a reader's schema must have in common with a writer's.

`resolution` applies them. Verdicts, error types, paths and messages are those of Avro's `SchemaCompatibility` (1.12),
which Confluent's registry asks; `docs` name where a rule is written down: a section of Avro's specification, or what
Confluent or Avro's Java library add to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_RESOLUTION = "Avro specification, Schema Resolution"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    says: str
    docs: str
    error: str = ""
    """`errorType` of what breaks it; empty where it permits something and nothing can break it."""
    text: str = ""
    """What is told of what breaks it, with `{reader}`, `{writer}`, `{path}` and `{about}`."""


class Rules(Enum):
    """All rules, by name; `tests/registry/formats/avro/test_rules.py` has a test for each."""

    TYPES_MATCH = Rule(
        "a reader reads a type with the same type",
        _RESOLUTION + ": for a match, both schemas are of the same type, or the writer's is promoted",
        "TYPE_MISMATCH",
        "The type (path '{path}') of a field in the {reader} schema does not match with the {writer} schema",
    )
    PROMOTION = Rule(
        "a reader reads numbers with a wider type, and strings and bytes with each other",
        _RESOLUTION + ": the writer's schema may be promoted to the reader's",
    )
    NAMES_MATCH = Rule(
        "records, enums and fixed types of one another's data have the same name; the namespace does not count",
        _RESOLUTION + ": both schemas are records, enums or fixed with the same (unqualified) name",
        "NAME_MISMATCH",
        "The name of the schema has changed (path '{path}')",
    )
    TYPE_ALIAS = Rule(
        "a reader's alias, with its namespace, is as good as the name",
        "Avro specification, Aliases: a writer's schema is rewritten using the reader's aliases",
    )
    FIXED_SIZE = Rule(
        "fixed types have the same size",
        _RESOLUTION + ": both schemas are fixed whose sizes and (unqualified) names match",
        "FIXED_SIZE_MISMATCH",
        "The size of FIXED type field at path '{path}' in the {reader} schema does not match with the {writer} schema",
    )
    ENUM_SYMBOLS = Rule(
        "a reader's enum has all symbols of the writer's",
        _RESOLUTION + ": an error where the writer's symbol is not in the reader's enum and that has no default",
        "MISSING_ENUM_SYMBOLS",
        "The {reader} schema is missing enum symbols '{about}' at path '{path}' in the {writer} schema",
    )
    ENUM_DEFAULT = Rule(
        "a reader's enum with a default takes it for symbols it does not have",
        _RESOLUTION + ": a symbol that is not in the reader's enum becomes the enum's default",
    )
    FIELDS_BY_NAME = Rule(
        "fields are matched by name; their order and those only the writer has do not count",
        _RESOLUTION + ": the ordering of fields may be different, and a field only the writer has is ignored",
    )
    FIELD_ALIAS = Rule(
        "a field of the reader is found under its aliases too",
        "Avro specification, Aliases: a writer's field is renamed to the reader's field that has the alias",
    )
    FIELD_DEFAULT = Rule(
        "a field that only the reader has must have a default",
        _RESOLUTION + ": an error where a field without default is in the reader's record only",
        "READER_FIELD_MISSING_DEFAULT_VALUE",
        "The field '{about}' at path '{path}' in the {reader} schema has no default value "
        "and is missing in the {writer} schema",
    )
    FIELD_OF_ENUM = Rule(
        "a field that only the reader has is told of as of another type where its enum has a default",
        "Avro's Java library, SchemaCompatibility: an enum's default is no default of its field",
    )
    FIELD_IS_ONE = Rule(
        "a field of the reader is not two fields of the writer, one by its name and one by an alias",
        "Avro's Java library, SchemaCompatibility: a reader's field that matches several is an error",
        "READER_FIELD_MATCHES_SEVERAL",
        "The field '{about}' at path '{path}' in the {reader} schema matches several fields in the {writer} schema "
        "by its name and aliases",
    )
    ITEMS = Rule(
        "the items of arrays follow the rules",
        _RESOLUTION + ": applied recursively to the item type of arrays",
    )
    VALUES = Rule(
        "the values of maps follow the rules",
        _RESOLUTION + ": applied recursively to the value type of maps",
    )
    UNIONS = Rule(
        "a reader's union reads each branch of a writer's union",
        _RESOLUTION + ": if both are unions, the first branch of the reader's that matches the chosen one is used",
        "MISSING_UNION_BRANCH",
        "The {reader} schema is missing a type inside a union field at path '{path}' in the {writer} schema",
    )
    READER_UNION = Rule(
        "a reader's union reads what one of its branches reads",
        _RESOLUTION + ": if the reader's is a union and the writer's is not, a branch must match",
        "MISSING_UNION_BRANCH",
        "The {reader} schema is missing a type inside a union field at path '{path}' in the {writer} schema",
    )
    WRITER_UNION = Rule(
        "a reader without union reads each branch of a writer's union",
        _RESOLUTION
        + ": if the writer's is a union and the reader's is not, the reader's must match the chosen branch; "
        "for all data to be read, every one",
    )
    RECURSION = Rule(
        "two types within themselves are compared once; they match unless something else in them does not",
        _RESOLUTION + ": the rules are applied recursively",
    )
    ATTRIBUTES = Rule(
        "logical types, documentation and other attributes do not count",
        "Avro's Java library, SchemaCompatibility: compares types, names, sizes, symbols and fields only",
    )

    @property
    def error(self) -> str:
        """`errorType` of what breaks the rule."""
        return self.value.error

    @property
    def text(self) -> str:
        """What is told of what breaks the rule."""
        return self.value.text


PROMOTIONS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "long": frozenset({"int"}),
        "float": frozenset({"int", "long"}),
        "double": frozenset({"int", "long", "float"}),
        "string": frozenset({"bytes"}),
        "bytes": frozenset({"string"}),
    }
)
"""The types besides its own that a reader's type reads."""
