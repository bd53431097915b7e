"""The rules of schemas made of others: one test for each, with its source."""

from __future__ import annotations

from registry.formats.jsonschema.evolution import (
    INTEGER,
    NUMBER,
    STRING,
    compatible,
    incompatible,
    lenient,
    strict,
)

NULL, BOOLEAN = {"type": "null"}, {"type": "boolean"}
SHORT = {**STRING, "maxLength": 5}


def test_combined_type_extended() -> None:
    """Core 10.2.1: what is valid for all parts, or for one, is valid for any; one part is the same under each."""
    rule = "COMBINED_TYPE_EXTENDED #/"
    compatible({"oneOf": [STRING, NUMBER]}, {"anyOf": [STRING, NUMBER]}, [rule], "a", 1)
    compatible({"allOf": [STRING]}, {"oneOf": [STRING, NUMBER]}, [rule, "SUM_TYPE_EXTENDED #/"], "a")
    compatible({"anyOf": [STRING]}, {"allOf": [STRING]}, [rule], "a")
    compatible({"allOf": [STRING, SHORT]}, {"anyOf": [STRING]}, [rule, "PRODUCT_TYPE_NARROWED #/"], "a")
    lenient({"allOf": [NUMBER]}, {"oneOf": [NUMBER, INTEGER]}, [rule, "SUM_TYPE_EXTENDED #/"], 1)


def test_combined_type_changed() -> None:
    """Core 10.2.1: what is valid for any part need not be valid for exactly one, or for all."""
    rule = "COMBINED_TYPE_CHANGED #/"
    incompatible({"anyOf": [STRING, NUMBER]}, {"oneOf": [STRING]}, [rule], 1)
    incompatible({"anyOf": [NUMBER, INTEGER]}, {"oneOf": [NUMBER, INTEGER]}, [rule], 1)
    incompatible({"oneOf": [STRING]}, {"allOf": [STRING, SHORT]}, [rule], "longer than five")


def test_product_type_extended() -> None:
    """Core 10.2.1.1: one more demand."""
    incompatible({"allOf": [STRING]}, {"allOf": [{"enum": ["a"]}, STRING]}, ["PRODUCT_TYPE_EXTENDED #/"], "b")


def test_product_type_narrowed() -> None:
    """Core 10.2.1.1: one demand less. A schema that says several things is made of them."""
    rule = "PRODUCT_TYPE_NARROWED #/"
    compatible({"allOf": [{"enum": ["a"]}, STRING]}, {"allOf": [STRING]}, [rule], "a")
    compatible({**STRING, "enum": ["a"]}, STRING, [rule], "a")


def test_sum_type_extended() -> None:
    """Core 10.2.1.2; Confluent: the writer's union has to be a subset of the reader's, and `oneOf` is a union."""
    rule = "SUM_TYPE_EXTENDED #/"
    compatible(STRING, {"oneOf": [NUMBER, STRING]}, [rule], "a")
    compatible({"type": ["object"]}, {"type": ["object", "array"]}, [rule], {})
    compatible({**STRING, "maxLength": 3}, {"anyOf": [NUMBER, STRING]}, ["MAX_LENGTH_REMOVED #/maxLength", rule], "a")
    expected = [rule, "TITLE_CHANGED #/oneOf/0", "MAX_LENGTH_INCREASED #/oneOf/0/maxLength"]
    wider = {"oneOf": [BOOLEAN, NUMBER, {**STRING, "title": "t", "maxLength": 8}]}
    compatible({"oneOf": [SHORT]}, wider, expected, "a")
    lenient({"oneOf": [NUMBER]}, {"oneOf": [NUMBER, INTEGER]}, [rule], 1)


def test_sum_type_narrowed() -> None:
    """Core 10.2.1.2, 10.2.1.3: one choice less."""
    rule = "SUM_TYPE_NARROWED #/"
    incompatible({"oneOf": [NUMBER, STRING]}, {"oneOf": [STRING]}, [rule], 1)
    incompatible({"type": ["string", "null"]}, {"type": ["string"]}, [rule], None)


def test_combined_type_subschemas_changed() -> None:
    """Core 10.2.1: a part that no part of the reader can read, each taken once; Confluent: a maximum matching."""
    rule = "COMBINED_TYPE_SUBSCHEMAS_CHANGED #/"
    incompatible({"oneOf": [STRING]}, {"oneOf": [NUMBER]}, [rule], "a")
    incompatible({"allOf": [STRING, {"enum": ["a"]}]}, {"allOf": [STRING, {"enum": ["b"]}]}, [rule], "a")
    # both parts of the writer fit the second part of the reader only
    writer = {"anyOf": [INTEGER, {**NUMBER, "minimum": 3}]}
    strict(writer, {"anyOf": [STRING, NUMBER]}, ["TYPE_EXTENDED #/anyOf/0", rule])


def test_parts_are_matched_in_any_order() -> None:
    """Core 10.2.1: the order of parts means nothing; Confluent tells paths by the writer's order."""
    writer, reader = {"allOf": [STRING, {"enum": ["a"]}]}, {"allOf": [{"enum": ["a", "b"]}, STRING]}
    compatible(writer, reader, ["ENUM_ARRAY_EXTENDED #/allOf/1/enum"], "a")


def test_a_part_gives_way_to_another_in_a_matching() -> None:
    """Confluent's maximum matching: the first part has two partners, and leaves one to the second that has but that."""
    wide, narrow = {**INTEGER, "minimum": 5}, INTEGER
    writer = {"anyOf": [wide, narrow]}
    reader = {"anyOf": [NUMBER, {**INTEGER, "minimum": 1}]}
    expected = ["MINIMUM_DECREASED #/anyOf/0/minimum", "TYPE_EXTENDED #/anyOf/1"]
    compatible(writer, reader, expected, 7, 2)
    # `wide` stays as it is in the reader, and nothing there takes what is below four
    reader = {"anyOf": [wide, {**INTEGER, "minimum": 4}]}
    incompatible(writer, reader, ["COMBINED_TYPE_SUBSCHEMAS_CHANGED #/"], 3)


def test_parts_said_twice_count_once() -> None:
    """Core 10.2.1.1: saying something twice adds nothing."""
    compatible({"allOf": [STRING, STRING]}, {"allOf": [STRING]}, [], "a")
    compatible({"allOf": [STRING]}, {"allOf": [STRING, STRING]}, [], "a")


def test_one_part_is_the_same_as_none() -> None:
    """Core 10.2.1: a schema alone under allOf, anyOf or oneOf says what it says."""
    for keyword in ("allOf", "anyOf", "oneOf"):
        compatible(SHORT, {keyword: [STRING]}, ["MAX_LENGTH_REMOVED #/maxLength"], "a")
        compatible({keyword: [SHORT]}, STRING, ["MAX_LENGTH_REMOVED #/maxLength"], "a")
        incompatible({keyword: [STRING]}, SHORT, ["TYPE_CHANGED #/"], "longer than five")


def test_not_type_extended() -> None:
    """Core 10.2.1.4: what is excluded grows."""
    incompatible({"not": INTEGER}, {"not": NUMBER}, ["NOT_TYPE_EXTENDED #/not"], 1.5)


def test_not_type_narrowed() -> None:
    """Core 10.2.1.4: what is excluded shrinks, or is another text for the same."""
    compatible({"not": NUMBER}, {"not": INTEGER}, ["NOT_TYPE_NARROWED #/not"], "a")
    compatible({"not": {**STRING, "title": "t"}}, {"not": STRING}, ["NOT_TYPE_NARROWED #/not"], 1)


def test_condition_changed() -> None:
    """Core 10.2.2.1 to 10.2.2.3. Confluent does not look inside conditions; here, what could not be read is told."""
    test = {"if": INTEGER}
    incompatible({**test, "then": True}, {"if": NUMBER, "then": False}, ["CONDITION_CHANGED #/if"], 1.5)
    incompatible(test, {**test, "then": {"minimum": 3}}, ["CONDITION_CHANGED #/then"], 1)
    incompatible(test, {**test, "else": STRING}, ["CONDITION_CHANGED #/else"], None)
    compatible(test, {**test, "then": True}, [], 1)
    compatible({**test, "then": {"minimum": 3}}, test, [], 5)


def test_what_follows_a_condition_is_compared() -> None:
    """Core 10.2.2.2, 10.2.2.3: where the condition stays, the same values go the same way."""
    least = {"if": INTEGER, "then": {"minimum": 3}}
    less = {"if": INTEGER, "then": {"minimum": 2}}
    compatible(least, less, ["MINIMUM_DECREASED #/then/minimum"], 3)
    incompatible(less, least, ["MINIMUM_INCREASED #/then/minimum"], 2)


def test_decimals_of_connect() -> None:
    """Confluent: two types of `connect.type` bytes are equal, as Connect wrote decimals as both."""
    text = {**STRING, "connect.type": "bytes"}
    lenient(text, {**NUMBER, "connect.type": "bytes"}, [], "AA==")
    incompatible(text, NUMBER, ["TYPE_CHANGED #/"], "AA==")


def test_types_that_are_not_named_are_not_compared() -> None:
    """Confluent compares what is said of a type; whether the type itself is demanded makes no difference."""
    lenient({"minLength": 1}, {**STRING, "minLength": 1}, [], 5)
    lenient({"properties": {"a": STRING}}, {"type": "object", "properties": {"a": STRING}}, [], 5)
