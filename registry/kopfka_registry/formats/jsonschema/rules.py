"""The rules by which two schemas go together: one table, and nothing else.

A rule is a kind of difference between what a writer's and a reader's schema say in the same place, and whether data
of such a writer is still valid for such a reader. Names, verdicts and words are those of Confluent Schema Registry,
which a user sees in verbose answers; rules marked `OURS` concern keywords that Confluent does not look at.

`LENIENT` lists where a verdict is kinder than JSON Schema itself, since Confluent's is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OURS: Final = "Kopfka"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of difference."""

    name: str
    """Confluent's `errorType`."""
    compatible: bool
    """Whether a reader that differs so can read what the writer wrote."""
    text: str
    """What verbose answers say of it; `{path}`, `{reader}` and `{writer}` are filled in."""
    source: str
    """What it follows from: sections of JSON Schema 2020-12 (Core, Validation), or whose rule it is."""


_KEYWORD = "The keyword at path '{path}' in the {reader} schema is not present in the {writer} schema"
_MORE = "The value at path '{path}' in the {reader} schema is more than its value in the {writer} schema"
_LESS = "The value at path '{path}' in the {reader} schema is less than its value in the {writer} schema"
_VALUE = "The value at path '{path}' is different between the {reader} and {writer} schema"
_FEWER = "An array or combined type at path '{path}' has fewer elements in the {reader} schema than the {writer} schema"
_LONGER = "An array or combined type at path '{path}' has more elements in the {reader} schema than the {writer} schema"
_TYPE = "A type at path '{path}' is different between the {reader} schema and the {writer} schema"
_OPEN = (
    "The {reader} schema has an open content model and has a property or item at path '{path}' which is missing in the "
    "{writer} schema"
)
_REQUIRED = (
    "The {reader} schema has an unopen content model and has a required property at path '{path}' which is missing in "
    "the {writer} schema"
)
_CLOSED = (
    "The {reader} schema has a closed content model and is missing a property or item present at path '{path}' in the "
    "{writer} schema"
)
_GONE = (
    "A property or item is missing in the {reader} schema but present at path '{path}' in the {writer} schema and is "
    "not covered by its partially open content model"
)
_COME = (
    "The {reader} schema has a property or item at path '{path}' which is missing in the {writer} schema and is not "
    "covered by its partially open content model"
)
# Confluent says nothing in words of these
_SCHEMA = "There is a schema at path '{path}' in the {reader} schema and none in the {writer} schema"
_WIDER = "The schema at path '{path}' allows more or other values in the {writer} schema than in the {reader} schema"
_NONE = ""

_ABOUT = "Validation 9"
_NUMBER, _STRING, _ARRAY, _OBJECT = "Validation 6.2", "Validation 6.3", "Validation 6.4", "Validation 6.5"
_PROPERTIES = "Core 10.3.2.1 to 10.3.2.3, content models as in Confluent's documentation of JSON Schema"
_ITEMS = "Core 10.3.1.1, 10.3.1.2"

_ROWS: Final[tuple[tuple[str, bool, str, str], ...]] = (
    # of any schema
    ("ID_CHANGED", True, _NONE, "Core 8.2.1"),
    ("TITLE_CHANGED", True, _NONE, f"{_ABOUT}.1"),
    ("DESCRIPTION_CHANGED", True, _NONE, f"{_ABOUT}.1"),
    ("DEFAULT_CHANGED", True, _NONE, f"{_ABOUT}.2"),
    ("SCHEMA_ADDED", False, _SCHEMA, "Core 4.3.2: no schema allows everything"),
    ("SCHEMA_REMOVED", True, _NONE, "Core 4.3.2"),
    ("TYPE_EXTENDED", True, _NONE, "Validation 6.1.1: integer is part of number"),
    ("TYPE_NARROWED", False, _TYPE, "Validation 6.1.1"),
    ("TYPE_CHANGED", False, _TYPE, "Validation 6.1.1"),
    # of strings
    ("MAX_LENGTH_ADDED", False, _KEYWORD, f"{_STRING}.1"),
    ("MAX_LENGTH_REMOVED", True, _NONE, f"{_STRING}.1"),
    ("MAX_LENGTH_INCREASED", True, _NONE, f"{_STRING}.1"),
    ("MAX_LENGTH_DECREASED", False, _LESS, f"{_STRING}.1"),
    ("MIN_LENGTH_ADDED", False, _KEYWORD, f"{_STRING}.2"),
    ("MIN_LENGTH_REMOVED", True, _NONE, f"{_STRING}.2"),
    ("MIN_LENGTH_INCREASED", False, _MORE, f"{_STRING}.2"),
    ("MIN_LENGTH_DECREASED", True, _NONE, f"{_STRING}.2"),
    ("PATTERN_ADDED", False, _KEYWORD, f"{_STRING}.3"),
    ("PATTERN_REMOVED", True, _NONE, f"{_STRING}.3"),
    ("PATTERN_CHANGED", False, _VALUE, f"{_STRING}.3; patterns are compared as texts"),
    ("FORMAT_CHANGED", True, _NONE, f"Validation 7.2.1: an annotation ({OURS})"),
    # of numbers
    ("MAXIMUM_ADDED", False, _KEYWORD, f"{_NUMBER}.2"),
    ("MAXIMUM_REMOVED", True, _NONE, f"{_NUMBER}.2"),
    ("MAXIMUM_INCREASED", True, _NONE, f"{_NUMBER}.2"),
    ("MAXIMUM_DECREASED", False, _LESS, f"{_NUMBER}.2"),
    ("MINIMUM_ADDED", False, _KEYWORD, f"{_NUMBER}.4"),
    ("MINIMUM_REMOVED", True, _NONE, f"{_NUMBER}.4"),
    ("MINIMUM_INCREASED", False, _MORE, f"{_NUMBER}.4"),
    ("MINIMUM_DECREASED", True, _NONE, f"{_NUMBER}.4"),
    ("EXCLUSIVE_MAXIMUM_ADDED", False, _KEYWORD, f"{_NUMBER}.3"),
    ("EXCLUSIVE_MAXIMUM_REMOVED", True, _NONE, f"{_NUMBER}.3"),
    ("EXCLUSIVE_MAXIMUM_INCREASED", True, _NONE, f"{_NUMBER}.3"),
    ("EXCLUSIVE_MAXIMUM_DECREASED", False, _LESS, f"{_NUMBER}.3"),
    ("EXCLUSIVE_MINIMUM_ADDED", False, _KEYWORD, f"{_NUMBER}.5"),
    ("EXCLUSIVE_MINIMUM_REMOVED", True, _NONE, f"{_NUMBER}.5"),
    ("EXCLUSIVE_MINIMUM_INCREASED", False, _MORE, f"{_NUMBER}.5"),
    ("EXCLUSIVE_MINIMUM_DECREASED", True, _NONE, f"{_NUMBER}.5"),
    ("MULTIPLE_OF_ADDED", False, _KEYWORD, f"{_NUMBER}.1"),
    ("MULTIPLE_OF_REMOVED", True, _NONE, f"{_NUMBER}.1"),
    ("MULTIPLE_OF_EXPANDED", False, _MORE, f"{_NUMBER}.1"),
    ("MULTIPLE_OF_REDUCED", True, _NONE, f"{_NUMBER}.1"),
    ("MULTIPLE_OF_CHANGED", False, _VALUE, f"{_NUMBER}.1"),
    # of objects
    ("REQUIRED_ATTRIBUTE_ADDED", False, _KEYWORD, f"{_OBJECT}.3"),
    ("REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED", True, _NONE, "Confluent: a reader has the default for what is missing"),
    ("REQUIRED_ATTRIBUTE_REMOVED", True, _NONE, f"{_OBJECT}.3"),
    ("MAX_PROPERTIES_ADDED", False, _KEYWORD, f"{_OBJECT}.1"),
    ("MAX_PROPERTIES_REMOVED", True, _NONE, f"{_OBJECT}.1"),
    ("MAX_PROPERTIES_INCREASED", True, _NONE, f"{_OBJECT}.1"),
    ("MAX_PROPERTIES_DECREASED", False, _LESS, f"{_OBJECT}.1"),
    ("MIN_PROPERTIES_ADDED", False, _KEYWORD, f"{_OBJECT}.2"),
    ("MIN_PROPERTIES_REMOVED", True, _NONE, f"{_OBJECT}.2"),
    ("MIN_PROPERTIES_INCREASED", False, _MORE, f"{_OBJECT}.2"),
    ("MIN_PROPERTIES_DECREASED", True, _NONE, f"{_OBJECT}.2"),
    ("ADDITIONAL_PROPERTIES_ADDED", True, _NONE, "Core 10.3.2.3"),
    ("ADDITIONAL_PROPERTIES_REMOVED", False, _KEYWORD, "Core 10.3.2.3"),
    ("ADDITIONAL_PROPERTIES_EXTENDED", True, _NONE, "Core 10.3.2.3"),
    ("ADDITIONAL_PROPERTIES_NARROWED", False, _FEWER, "Core 10.3.2.3"),
    ("UNEVALUATED_PROPERTIES_ADDED", True, _NONE, "Core 11.3"),
    ("UNEVALUATED_PROPERTIES_REMOVED", False, _KEYWORD, "Core 11.3"),
    ("UNEVALUATED_PROPERTIES_EXTENDED", True, _NONE, "Core 11.3"),
    ("UNEVALUATED_PROPERTIES_NARROWED", False, _FEWER, "Core 11.3"),
    ("DEPENDENCY_ARRAY_ADDED", False, _KEYWORD, f"{_OBJECT}.4"),
    ("DEPENDENCY_ARRAY_REMOVED", True, _NONE, f"{_OBJECT}.4"),
    ("DEPENDENCY_ARRAY_EXTENDED", False, _LONGER, f"{_OBJECT}.4"),
    ("DEPENDENCY_ARRAY_NARROWED", True, _NONE, f"{_OBJECT}.4"),
    ("DEPENDENCY_ARRAY_CHANGED", False, _VALUE, f"{_OBJECT}.4"),
    ("DEPENDENCY_SCHEMA_ADDED", False, _KEYWORD, "Core 10.2.2.4"),
    ("DEPENDENCY_SCHEMA_REMOVED", True, _NONE, "Core 10.2.2.4"),
    ("PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", False, _OPEN, _PROPERTIES),
    ("PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL", True, _NONE, _PROPERTIES),
    ("REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", False, _REQUIRED, _PROPERTIES),
    ("REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL", True, _NONE, "Confluent: as with attributes"),
    ("OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", True, _NONE, _PROPERTIES),
    ("PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL", True, _NONE, _PROPERTIES),
    ("PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL", True, _NONE, _PROPERTIES),
    ("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL", False, _CLOSED, _PROPERTIES),
    ("PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", True, _NONE, _PROPERTIES),
    ("PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", False, _GONE, _PROPERTIES),
    ("PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", True, _NONE, _PROPERTIES),
    ("PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", False, _COME, _PROPERTIES),
    ("PATTERN_PROPERTY_ADDED", False, _WIDER, f"Core 10.3.2.2 ({OURS})"),
    ("PATTERN_PROPERTY_ADDED_TO_COVERED", True, _NONE, f"Core 10.3.2.2 ({OURS})"),
    ("PATTERN_PROPERTY_REMOVED", True, _NONE, f"Core 10.3.2.2 ({OURS})"),
    ("PATTERN_PROPERTY_REMOVED_FROM_CLOSED", False, _CLOSED, f"Core 10.3.2.2, 10.3.2.3 ({OURS})"),
    ("PROPERTY_NAMES_ADDED", False, _KEYWORD, f"Core 10.3.2.4 ({OURS})"),
    ("PROPERTY_NAMES_REMOVED", True, _NONE, f"Core 10.3.2.4 ({OURS})"),
    # of arrays
    ("MAX_ITEMS_ADDED", False, _KEYWORD, f"{_ARRAY}.1"),
    ("MAX_ITEMS_REMOVED", True, _NONE, f"{_ARRAY}.1"),
    ("MAX_ITEMS_INCREASED", True, _NONE, f"{_ARRAY}.1"),
    ("MAX_ITEMS_DECREASED", False, _LESS, f"{_ARRAY}.1"),
    ("MIN_ITEMS_ADDED", False, _KEYWORD, f"{_ARRAY}.2"),
    ("MIN_ITEMS_REMOVED", True, _NONE, f"{_ARRAY}.2"),
    ("MIN_ITEMS_INCREASED", False, _MORE, f"{_ARRAY}.2"),
    ("MIN_ITEMS_DECREASED", True, _NONE, f"{_ARRAY}.2"),
    ("UNIQUE_ITEMS_ADDED", False, _KEYWORD, f"{_ARRAY}.3"),
    ("UNIQUE_ITEMS_REMOVED", True, _NONE, f"{_ARRAY}.3"),
    ("MAX_CONTAINS_ADDED", False, _KEYWORD, f"{_ARRAY}.4"),
    ("MAX_CONTAINS_REMOVED", True, _NONE, f"{_ARRAY}.4"),
    ("MAX_CONTAINS_INCREASED", True, _NONE, f"{_ARRAY}.4"),
    ("MAX_CONTAINS_DECREASED", False, _LESS, f"{_ARRAY}.4"),
    ("MIN_CONTAINS_ADDED", False, _KEYWORD, f"{_ARRAY}.5"),
    ("MIN_CONTAINS_REMOVED", True, _NONE, f"{_ARRAY}.5"),
    ("MIN_CONTAINS_INCREASED", False, _MORE, f"{_ARRAY}.5"),
    ("MIN_CONTAINS_DECREASED", True, _NONE, f"{_ARRAY}.5"),
    ("CONTAINS_ADDED", False, _KEYWORD, f"Core 10.3.1.3 ({OURS})"),
    ("CONTAINS_REMOVED", True, _NONE, f"Core 10.3.1.3 ({OURS})"),
    ("CONTAINS_CHANGED", False, _VALUE, f"Core 10.3.1.3: more may match, and be too many ({OURS})"),
    ("ADDITIONAL_ITEMS_ADDED", True, _NONE, _ITEMS),
    ("ADDITIONAL_ITEMS_REMOVED", False, _KEYWORD, _ITEMS),
    ("ADDITIONAL_ITEMS_EXTENDED", True, _NONE, _ITEMS),
    ("ADDITIONAL_ITEMS_NARROWED", False, _FEWER, _ITEMS),
    ("UNEVALUATED_ITEMS_ADDED", True, _NONE, "Core 11.2"),
    ("UNEVALUATED_ITEMS_REMOVED", False, _KEYWORD, "Core 11.2"),
    ("UNEVALUATED_ITEMS_EXTENDED", True, _NONE, "Core 11.2"),
    ("UNEVALUATED_ITEMS_NARROWED", False, _FEWER, "Core 11.2"),
    ("ITEM_ADDED_TO_OPEN_CONTENT_MODEL", False, _OPEN, _ITEMS),
    ("ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL", True, _NONE, _ITEMS),
    ("ITEM_ADDED_TO_CLOSED_CONTENT_MODEL", True, _NONE, _ITEMS),
    ("ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL", True, _NONE, _ITEMS),
    ("ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL", True, _NONE, _ITEMS),
    ("ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL", False, _CLOSED, _ITEMS),
    ("ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", True, _NONE, _ITEMS),
    ("ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", False, _GONE, _ITEMS),
    ("ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", True, _NONE, _ITEMS),
    ("ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", False, _COME, _ITEMS),
    # of single values
    ("ENUM_ARRAY_EXTENDED", True, _NONE, "Validation 6.1.2"),
    ("ENUM_ARRAY_NARROWED", False, _FEWER, "Validation 6.1.2"),
    ("ENUM_ARRAY_CHANGED", False, _TYPE, "Validation 6.1.2, 6.1.3"),
    # of schemas made of others
    ("COMBINED_TYPE_EXTENDED", True, _NONE, "Core 10.2.1.1 to 10.2.1.3"),
    ("COMBINED_TYPE_CHANGED", False, _TYPE, "Core 10.2.1.1 to 10.2.1.3"),
    ("PRODUCT_TYPE_EXTENDED", False, _LONGER, "Core 10.2.1.1"),
    ("PRODUCT_TYPE_NARROWED", True, _NONE, "Core 10.2.1.1"),
    ("SUM_TYPE_EXTENDED", True, _NONE, "Core 10.2.1.2, and Confluent: unions, of which oneOf is one"),
    ("SUM_TYPE_NARROWED", False, _FEWER, "Core 10.2.1.2, 10.2.1.3"),
    ("COMBINED_TYPE_SUBSCHEMAS_CHANGED", False, _TYPE, "Core 10.2.1.1 to 10.2.1.3"),
    ("NOT_TYPE_EXTENDED", False, _LONGER, "Core 10.2.1.4"),
    ("NOT_TYPE_NARROWED", True, _NONE, "Core 10.2.1.4"),
    ("CONDITION_CHANGED", False, _VALUE, f"Core 10.2.2.1 to 10.2.2.3 ({OURS})"),
)

RULES: Final = {row[0]: Rule(*row) for row in _ROWS}

LENIENT: Final = {
    "default": (
        "REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED, REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL: what "
        "old data lacks is not valid; Confluent counts on readers that fill in the default"
    ),
    "oneOf": (
        "SUM_TYPE_EXTENDED, COMBINED_TYPE_EXTENDED and equal numbers of parts: oneOf is compared as a union, though a "
        "value that several of its parts allow is not valid"
    ),
    "required": (
        "REQUIRED_ATTRIBUTE_ADDED is told only of names that both schemas have under properties, and an empty schema "
        "may be added to an open content model even if it is required"
    ),
    "type": "a type is not compared where one schema demands something of that type only, and does not name it",
    "bytes": "two schemas of different types are equal where both have connect.type bytes: Connect's Decimal",
    "format": "FORMAT_CHANGED: drafts 4 to 7 leave it to a validator whether formats are checked",
    "integer": "a number such as 1.0 is an integer from draft 6 on, and none in draft 4",
}
"""Where old data may not be valid for a reader that is called compatible, as Confluent calls it so."""
