"""The rules of any schema, of strings, of numbers and of single values: one test for each, with its source."""

from __future__ import annotations

from registry.formats.jsonschema.evolution import (
    DRAFT_4,
    INTEGER,
    NUMBER,
    STRING,
    changes,
    compatible,
    incompatible,
    strict,
)


def test_id_changed() -> None:
    """Core 8.2.1: an id names a schema, and says nothing of data."""
    compatible({"$id": "http://a/one"}, {"$id": "http://a/two"}, ["ID_CHANGED #/"], 1)


def test_title_changed() -> None:
    """Validation 9.1: an annotation."""
    compatible({"title": "one"}, {"title": "two"}, ["TITLE_CHANGED #/"], 1)


def test_description_changed() -> None:
    """Validation 9.1: an annotation."""
    compatible({"description": "one"}, {}, ["DESCRIPTION_CHANGED #/"], 1)


def test_default_changed() -> None:
    """Validation 9.2: an annotation. 1 and 1.0 are the same default."""
    compatible({**NUMBER, "default": 1}, {**NUMBER, "default": 2}, ["DEFAULT_CHANGED #/"], 5)
    compatible({**NUMBER, "default": 1}, {**NUMBER, "default": 1.0}, [], 5)


def test_schema_added() -> None:
    """Core 4.3.2 and 10.3.1.2: without a schema for items, any item was valid."""
    incompatible({"type": "array"}, {"type": "array", "items": STRING}, ["SCHEMA_ADDED #/items"], [1])


def test_schema_removed() -> None:
    """Core 4.3.2 and 10.3.1.2: without a schema for items, any item is valid."""
    compatible({"type": "array", "items": STRING}, {"type": "array"}, ["SCHEMA_REMOVED #/items"], ["a"])


def test_type_extended() -> None:
    """Validation 6.1.1: integers are numbers; Confluent: promotion of integer to number."""
    compatible(INTEGER, NUMBER, ["TYPE_EXTENDED #/"], 1)


def test_type_narrowed() -> None:
    """Validation 6.1.1: not all numbers are integers."""
    incompatible(NUMBER, INTEGER, ["TYPE_NARROWED #/"], 1.5)


def test_type_changed() -> None:
    """Validation 6.1.1; also where only one side says something of its values."""
    incompatible(STRING, NUMBER, ["TYPE_CHANGED #/"], "a")
    incompatible({}, STRING, ["TYPE_CHANGED #/"], 1)
    incompatible({"type": "object"}, {"type": "array"}, ["TYPE_CHANGED #/"], {})
    incompatible(STRING, {**STRING, "enum": ["a"]}, ["TYPE_CHANGED #/"], "b")
    compatible(STRING, {}, [], "a")
    assert changes(False, {"properties": {"a": STRING}}) == []  # there is no data of such a writer
    strict({}, {"properties": {}}, ["TYPE_CHANGED #/"])


def test_max_length_added() -> None:
    """Validation 6.3.1."""
    incompatible(STRING, {**STRING, "maxLength": 3}, ["MAX_LENGTH_ADDED #/maxLength"], "long")


def test_max_length_removed() -> None:
    """Validation 6.3.1."""
    compatible({**STRING, "maxLength": 3}, STRING, ["MAX_LENGTH_REMOVED #/maxLength"], "abc")


def test_max_length_increased() -> None:
    """Validation 6.3.1."""
    compatible({**STRING, "maxLength": 3}, {**STRING, "maxLength": 4}, ["MAX_LENGTH_INCREASED #/maxLength"], "abc")


def test_max_length_decreased() -> None:
    """Validation 6.3.1."""
    incompatible({**STRING, "maxLength": 3}, {**STRING, "maxLength": 2}, ["MAX_LENGTH_DECREASED #/maxLength"], "abc")


def test_min_length_added() -> None:
    """Validation 6.3.2."""
    incompatible(STRING, {**STRING, "minLength": 3}, ["MIN_LENGTH_ADDED #/minLength"], "ab")


def test_min_length_removed() -> None:
    """Validation 6.3.2."""
    compatible({**STRING, "minLength": 3}, STRING, ["MIN_LENGTH_REMOVED #/minLength"], "abc")


def test_min_length_increased() -> None:
    """Validation 6.3.2."""
    incompatible({**STRING, "minLength": 3}, {**STRING, "minLength": 4}, ["MIN_LENGTH_INCREASED #/minLength"], "abc")


def test_min_length_decreased() -> None:
    """Validation 6.3.2."""
    compatible({**STRING, "minLength": 3}, {**STRING, "minLength": 2}, ["MIN_LENGTH_DECREASED #/minLength"], "abc")


def test_pattern_added() -> None:
    """Validation 6.3.3."""
    incompatible(STRING, {**STRING, "pattern": "^a"}, ["PATTERN_ADDED #/pattern"], "b")


def test_pattern_removed() -> None:
    """Validation 6.3.3."""
    compatible({**STRING, "pattern": "^a"}, STRING, ["PATTERN_REMOVED #/pattern"], "a")


def test_pattern_changed() -> None:
    """Validation 6.3.3; Confluent compares patterns as texts, so another spelling of one is a change."""
    incompatible({**STRING, "pattern": "^a"}, {**STRING, "pattern": "^b"}, ["PATTERN_CHANGED #/pattern"], "a")
    strict({**STRING, "pattern": "a"}, {**STRING, "pattern": "[a]"}, ["PATTERN_CHANGED #/pattern"])


def test_format_changed() -> None:
    """Validation 7.2.1: an annotation; Confluent does not compare it."""
    compatible({**STRING, "format": "date"}, {**STRING, "format": "time"}, ["FORMAT_CHANGED #/format"], "2020-01-01")


def test_maximum_added() -> None:
    """Validation 6.2.2."""
    incompatible(NUMBER, {**NUMBER, "maximum": 3}, ["MAXIMUM_ADDED #/maximum"], 4)


def test_maximum_removed() -> None:
    """Validation 6.2.2."""
    compatible({**NUMBER, "maximum": 3}, NUMBER, ["MAXIMUM_REMOVED #/maximum"], 3)


def test_maximum_increased() -> None:
    """Validation 6.2.2."""
    compatible({**NUMBER, "maximum": 3}, {**NUMBER, "maximum": 3.1}, ["MAXIMUM_INCREASED #/maximum"], 3)


def test_maximum_decreased() -> None:
    """Validation 6.2.2; beyond the precision of doubles, too."""
    incompatible({**NUMBER, "maximum": 3}, {**NUMBER, "maximum": 2}, ["MAXIMUM_DECREASED #/maximum"], 3)
    wide = 2**60
    incompatible(
        {**NUMBER, "maximum": wide + 1}, {**NUMBER, "maximum": wide}, ["MAXIMUM_DECREASED #/maximum"], wide + 1
    )


def test_minimum_added() -> None:
    """Validation 6.2.4."""
    incompatible(NUMBER, {**NUMBER, "minimum": 3}, ["MINIMUM_ADDED #/minimum"], 2)


def test_minimum_removed() -> None:
    """Validation 6.2.4."""
    compatible({**NUMBER, "minimum": 3}, NUMBER, ["MINIMUM_REMOVED #/minimum"], 3)


def test_minimum_increased() -> None:
    """Validation 6.2.4."""
    incompatible({**NUMBER, "minimum": 3}, {**NUMBER, "minimum": 4}, ["MINIMUM_INCREASED #/minimum"], 3)


def test_minimum_decreased() -> None:
    """Validation 6.2.4."""
    compatible({**NUMBER, "minimum": 3}, {**NUMBER, "minimum": 2}, ["MINIMUM_DECREASED #/minimum"], 3)


def test_exclusive_maximum_added() -> None:
    """Validation 6.2.3; in draft 4, `exclusiveMaximum` says it of `maximum`."""
    incompatible(NUMBER, {**NUMBER, "exclusiveMaximum": 3}, ["EXCLUSIVE_MAXIMUM_ADDED #/exclusiveMaximum"], 3)
    limit = {**DRAFT_4, **NUMBER, "maximum": 3}
    incompatible(limit, {**limit, "exclusiveMaximum": True}, ["EXCLUSIVE_MAXIMUM_ADDED #/exclusiveMaximum"], 3)
    wider = {**limit, "maximum": 4, "exclusiveMaximum": True}
    compatible(limit, wider, ["MAXIMUM_INCREASED #/maximum"], 3)


def test_exclusive_maximum_removed() -> None:
    """Validation 6.2.3."""
    compatible({**NUMBER, "exclusiveMaximum": 3}, NUMBER, ["EXCLUSIVE_MAXIMUM_REMOVED #/exclusiveMaximum"], 2)


def test_exclusive_maximum_increased() -> None:
    """Validation 6.2.3."""
    three, four = {**NUMBER, "exclusiveMaximum": 3}, {**NUMBER, "exclusiveMaximum": 4}
    compatible(three, four, ["EXCLUSIVE_MAXIMUM_INCREASED #/exclusiveMaximum"], 2)


def test_exclusive_maximum_decreased() -> None:
    """Validation 6.2.3."""
    three, four = {**NUMBER, "exclusiveMaximum": 3}, {**NUMBER, "exclusiveMaximum": 4}
    incompatible(four, three, ["EXCLUSIVE_MAXIMUM_DECREASED #/exclusiveMaximum"], 3)


def test_exclusive_minimum_added() -> None:
    """Validation 6.2.5; in draft 4, `exclusiveMinimum` says it of `minimum`."""
    incompatible(NUMBER, {**NUMBER, "exclusiveMinimum": 3}, ["EXCLUSIVE_MINIMUM_ADDED #/exclusiveMinimum"], 3)
    limit = {**DRAFT_4, **NUMBER, "minimum": 3}
    incompatible(limit, {**limit, "exclusiveMinimum": True}, ["EXCLUSIVE_MINIMUM_ADDED #/exclusiveMinimum"], 3)
    compatible({**limit, "exclusiveMinimum": True}, limit, [], 4)


def test_exclusive_minimum_removed() -> None:
    """Validation 6.2.5."""
    compatible({**NUMBER, "exclusiveMinimum": 3}, NUMBER, ["EXCLUSIVE_MINIMUM_REMOVED #/exclusiveMinimum"], 4)


def test_exclusive_minimum_increased() -> None:
    """Validation 6.2.5."""
    three, four = {**NUMBER, "exclusiveMinimum": 3}, {**NUMBER, "exclusiveMinimum": 4}
    incompatible(three, four, ["EXCLUSIVE_MINIMUM_INCREASED #/exclusiveMinimum"], 4)


def test_exclusive_minimum_decreased() -> None:
    """Validation 6.2.5."""
    three, four = {**NUMBER, "exclusiveMinimum": 3}, {**NUMBER, "exclusiveMinimum": 4}
    compatible(four, three, ["EXCLUSIVE_MINIMUM_DECREASED #/exclusiveMinimum"], 5)


def test_multiple_of_added() -> None:
    """Validation 6.2.1."""
    incompatible(INTEGER, {**INTEGER, "multipleOf": 3}, ["MULTIPLE_OF_ADDED #/multipleOf"], 4)


def test_multiple_of_removed() -> None:
    """Validation 6.2.1."""
    compatible({**INTEGER, "multipleOf": 3}, INTEGER, ["MULTIPLE_OF_REMOVED #/multipleOf"], 6)


def test_multiple_of_expanded() -> None:
    """Validation 6.2.1: a multiple of the old one, fractions included, leaves values out."""
    incompatible({**INTEGER, "multipleOf": 3}, {**INTEGER, "multipleOf": 6}, ["MULTIPLE_OF_EXPANDED #/multipleOf"], 3)
    incompatible(
        {**NUMBER, "multipleOf": 0.5}, {**NUMBER, "multipleOf": 10}, ["MULTIPLE_OF_EXPANDED #/multipleOf"], 1.5
    )


def test_multiple_of_reduced() -> None:
    """Validation 6.2.1: multiples of ten are multiples of two; Confluent: `multipleOf` that divides the old one."""
    compatible({**INTEGER, "multipleOf": 10}, {**INTEGER, "multipleOf": 2}, ["MULTIPLE_OF_REDUCED #/multipleOf"], 20)
    compatible({**NUMBER, "multipleOf": 1}, {**NUMBER, "multipleOf": 0.25}, ["MULTIPLE_OF_REDUCED #/multipleOf"], 3)


def test_multiple_of_changed() -> None:
    """Validation 6.2.1. The same number in another spelling is no change."""
    incompatible({**INTEGER, "multipleOf": 10}, {**INTEGER, "multipleOf": 11}, ["MULTIPLE_OF_CHANGED #/multipleOf"], 10)
    compatible({**NUMBER, "multipleOf": 2}, {**NUMBER, "multipleOf": 2.0}, [], 4)


def test_enum_array_extended() -> None:
    """Validation 6.1.2; Confluent: the rule of Avro's enums."""
    compatible({"enum": ["a"]}, {"enum": ["b", "a"]}, ["ENUM_ARRAY_EXTENDED #/enum"], "a")
    compatible({"enum": [1, True]}, {"enum": [True, 1.0]}, [], 1)


def test_enum_array_narrowed() -> None:
    """Validation 6.1.2; Confluent: an error if the reader lacks a symbol of the writer."""
    incompatible({"enum": ["a", "b"]}, {"enum": ["a"]}, ["ENUM_ARRAY_NARROWED #/enum"], "b")
    incompatible({"enum": [1, True]}, {"enum": [1]}, ["ENUM_ARRAY_NARROWED #/enum"], True)


def test_enum_array_changed() -> None:
    """Validation 6.1.2, and 6.1.3 for `const`."""
    incompatible({"enum": ["a", "b"]}, {"enum": ["a", "c"]}, ["ENUM_ARRAY_CHANGED #/enum"], "b")
    incompatible({"const": {"a": 1}}, {"const": {"a": 2}}, ["ENUM_ARRAY_CHANGED #/const"], {"a": 1})
    compatible({"const": {"a": 1}}, {"const": {"a": 1.0}}, [], {"a": 1})
