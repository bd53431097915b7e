"""The rules of open, closed and partially open content models: one test for each, with its source."""

from __future__ import annotations

from typing import Any

from registry.formats.jsonschema.evolution import (
    INTEGER,
    MODERN,
    NUMBER,
    STRING,
    changes,
    compatible,
    incompatible,
    lenient,
    strict,
)

A, AB = {"a": STRING}, {"a": STRING, "b": NUMBER}
PATTERNS = {"^S_": STRING, "^I_": INTEGER}


def of(properties: dict[str, Any] | None = None, additional: Any = True, **keywords: Any) -> dict[str, Any]:
    said = {} if additional is True else {"additionalProperties": additional}
    return {"type": "object", "properties": properties or {}, **said, **keywords}


def test_property_added_to_open_content_model() -> None:
    """Core 10.3.2.1; Confluent: an open writer may have written anything under the new name."""
    incompatible(of(A), of(AB), ["PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL #/properties/b"], {"b": "text"})


def test_property_added_beside_patterns_that_say_nothing_of_it() -> None:
    """Core 10.3.2.2: a model with patterns is as open as any for names that none of them matches."""
    writer = of(A, patternProperties=PATTERNS)
    rule = "PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL #/properties/b"
    incompatible(writer, of(AB, patternProperties=PATTERNS), [rule], {"b": "text"})


def test_property_with_empty_schema_added_to_open_content_model() -> None:
    """Core 10.3.2.1: an empty schema takes whatever was written; Confluent does not ask whether it is required."""
    rule = "PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL #/properties/b"
    compatible(of(A), of({**A, "b": {}}), [rule], {"b": "text"})
    compatible(of(A), of({**A, "b": True}), [rule], {"b": 5})
    lenient(of(A), of({**A, "b": True}, required=["b"]), [rule], {})


def test_required_property_added_to_unopen_content_model() -> None:
    """Validation 6.5.3; Confluent: a reader's required field without a default that the writer lacks is an error."""
    rule = "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/b"
    incompatible(of(A, additional=False), of(AB, additional=False, required=["b"]), [rule], {})


def test_required_property_with_default_added_to_unopen_content_model() -> None:
    """Confluent's documentation: a reader has the default for a required field that the writer lacks."""
    rule = "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/b"
    reader = of({**A, "b": {**NUMBER, "default": 1}}, additional=False, required=["b"])
    lenient(of(A, additional=False), reader, [rule], {})


def test_optional_property_added_to_unopen_content_model() -> None:
    """Core 10.3.2.3: a closed writer wrote nothing under the new name."""
    rule = "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/b"
    compatible(of(A, additional=False), of(AB, additional=False), [rule], {"a": "x"})
    unevaluated = {**MODERN, "unevaluatedProperties": False}
    compatible({**of(A), **unevaluated}, {**of(AB), **unevaluated}, [rule], {"a": "x"})


def test_unevaluated_properties_close_a_model_unless_there_are_schemas_beside() -> None:
    """Core 11.3: what a schema beside evaluates may be there, whatever its name is."""
    writer = {**MODERN, "allOf": [{"properties": {"b": INTEGER}}], "properties": A, "unevaluatedProperties": False}
    reader = {**writer, "properties": {**A, "b": {"minimum": 3}}}
    incompatible(writer, reader, ["COMBINED_TYPE_SUBSCHEMAS_CHANGED #/"], {"b": 1})
    writer = {
        **MODERN,
        **of(A),
        "dependentSchemas": {"a": {"properties": {"b": INTEGER}}},
        "unevaluatedProperties": False,
    }
    reader = {**writer, "properties": {**A, "b": {"minimum": 3}}}
    incompatible(writer, reader, ["PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL #/properties/b"], {"a": "x", "b": 1})


def test_property_removed_from_open_content_model() -> None:
    """Core 10.3.2.1: without a schema, what was written under the name is valid."""
    compatible(of(AB), of(A), ["PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL #/properties/b"], {"b": 1})


def test_property_with_false_removed_from_closed_content_model() -> None:
    """Core 4.3.2, 10.3.2.1: under a name with `false`, nothing was written."""
    rule = "PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL #/properties/b"
    compatible(of({**A, "b": False}, additional=False), of(A, additional=False), [rule], {"a": "x"})


def test_property_removed_from_closed_content_model() -> None:
    """Core 10.3.2.3; Confluent: a field of the writer has to be in a closed reader."""
    rule = "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL #/properties/b"
    incompatible(of(AB, additional=False), of(A, additional=False), [rule], {"b": 1})


def test_property_removed_is_covered_by_partially_open_content_model() -> None:
    """Core 10.3.2.2, 10.3.2.3; Confluent: a partially open reader has to capture the missing field."""
    name = "I_123"
    writer = of({**A, name: INTEGER}, additional=False)
    reader = of(A, additional=False, patternProperties={"^S_": STRING, "^I_": NUMBER})
    rule = f"PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/{name}"
    new = [f"PATTERN_PROPERTY_ADDED_TO_COVERED #/patternProperties/{each}" for each in ("^I_", "^S_")]
    compatible(writer, reader, [f"TYPE_EXTENDED #/properties/{name}", rule, *new], {name: 1})
    wider = of(A, additional={"oneOf": [{"type": "null"}, NUMBER]})
    compatible(
        of(AB, additional=False),
        wider,
        [
            "SUM_TYPE_EXTENDED #/properties/b",
            "PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/b",
            "ADDITIONAL_PROPERTIES_ADDED #/additionalProperties",
        ],
        {"b": 1},
    )


def test_property_removed_not_covered_by_partially_open_content_model() -> None:
    """Core 10.3.2.3."""
    expected = [
        "TYPE_CHANGED #/properties/b",
        "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/b",
        "ADDITIONAL_PROPERTIES_ADDED #/additionalProperties",
    ]
    incompatible(of(AB, additional=False), of(A, additional=STRING), expected, {"b": 1})


def test_a_property_that_is_removed_has_to_fit_every_pattern() -> None:
    """Core 10.3.2.2: all patterns that match a name count, and not only the first one."""
    writer = of({"ab": STRING}, additional=False)
    reader = of(additional=False, patternProperties={"a": STRING, "b": NUMBER})
    found = changes(writer, reader)
    assert "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/ab" in found


def test_property_added_is_covered_by_partially_open_content_model() -> None:
    """Core 10.3.2.2, 10.3.2.3: what is under the new name was valid for the pattern, or as additional."""
    name = "I_123"
    more = {"additional": False, "patternProperties": PATTERNS}
    expected = [
        f"TYPE_EXTENDED #/properties/{name}",
        f"PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/{name}",
        f"OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/{name}",
    ]
    compatible(of(A, **more), of({**A, name: NUMBER}, **more), expected, {name: 1})
    expected = [
        "PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/b",
        "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/b",
    ]
    compatible(of(A, additional=NUMBER), of(AB, additional=NUMBER), expected, {"b": 1})


def test_property_added_not_covered_by_partially_open_content_model() -> None:
    """Core 10.3.2.3."""
    expected = [
        "TYPE_CHANGED #/properties/b",
        "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/b",
        "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/b",
    ]
    incompatible(of(A, additional=STRING), of(AB, additional=STRING), expected, {"b": "x"})


def test_a_pattern_that_is_not_run_may_match_any_name() -> None:
    """RE2 has no lookahead: what such a pattern says of a name is not known, so nothing is claimed."""
    patterns = {"^(?!x)": STRING}
    writer = of(A, additional=False, patternProperties=patterns)
    rule = "PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL #/properties/b"
    incompatible(writer, of(AB, additional=False, patternProperties=patterns), [rule], {"b": "x"})
    incompatible(
        of(AB, additional=False),
        of(A, additional=False, patternProperties={"^(?!a)": STRING}),
        [
            "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL #/properties/b",
            "PATTERN_PROPERTY_ADDED #/patternProperties/^(?!a)",
        ],
        {"b": 1},
    )


def test_pattern_property_added() -> None:
    """Core 10.3.2.2. Confluent does not compare patterns; here, what could not be read is told."""
    rule = "PATTERN_PROPERTY_ADDED #/patternProperties/^b"
    incompatible(of(A), of(A, patternProperties={"^b": NUMBER}), [rule], {"b": "x"})
    closed = of({"b": STRING}, additional=False)
    reader = of({"b": STRING}, additional=False, patternProperties={"^b": NUMBER})
    incompatible(closed, reader, [rule], {"b": "x"})
    by_pattern = {"additional": False, "patternProperties": {"b$": STRING}}
    reader = of(additional=False, patternProperties={"b$": STRING, "^b": NUMBER})
    incompatible(of(**by_pattern), reader, [rule], {"b": "x"})


def test_pattern_property_added_to_covered() -> None:
    """Core 10.3.2.2: whatever could have a name of the new pattern is valid for its schema."""
    rule = "PATTERN_PROPERTY_ADDED_TO_COVERED #/patternProperties/^b"
    new = {"patternProperties": {"^b": NUMBER}}
    compatible(of(A, additional=False), of(A, additional=False, **new), [rule], {"a": "x"})
    compatible(of(A, additional=INTEGER), of(A, additional=INTEGER, **new), [rule], {"b": 1})
    compatible(of(A), of(A, patternProperties={"^b": True}), [rule], {"b": "x"})


def test_pattern_property_removed() -> None:
    """Core 10.3.2.2."""
    rule = "PATTERN_PROPERTY_REMOVED #/patternProperties/^b"
    writer = of(A, patternProperties={"^b": NUMBER})
    compatible(writer, of(A), [rule], {"b": 1})
    partially = of(A, additional=NUMBER, patternProperties={"^b": INTEGER})
    expected = ["TYPE_EXTENDED #/patternProperties/^b", rule]
    compatible(partially, of(A, additional=NUMBER), expected, {"b": 1})


def test_pattern_property_removed_from_closed() -> None:
    """Core 10.3.2.2, 10.3.2.3: what the pattern had allowed is additional to the reader."""
    rule = "PATTERN_PROPERTY_REMOVED_FROM_CLOSED #/patternProperties/^b"
    writer = of(A, additional=False, patternProperties={"^b": NUMBER})
    incompatible(writer, of(A, additional=False), [rule], {"b": 1})
    found = changes(of(A, additional=STRING, patternProperties={"^b": NUMBER}), of(A, additional=STRING))
    assert found == ["TYPE_CHANGED #/patternProperties/^b", rule]


def test_schemas_of_patterns_are_compared() -> None:
    """Core 10.3.2.2."""
    integers, numbers = of(patternProperties={"^b": INTEGER}), of(patternProperties={"^b": NUMBER})
    compatible(integers, numbers, ["TYPE_EXTENDED #/patternProperties/^b"], {"b": 1})
    incompatible(numbers, integers, ["TYPE_NARROWED #/patternProperties/^b"], {"b": 1.5})


def test_properties_of_both_are_compared() -> None:
    """Core 10.3.2.1; Confluent: fields match by name."""
    incompatible(of(A), of({"a": NUMBER}), ["TYPE_CHANGED #/properties/a"], {"a": "x"})


def test_a_removed_property_is_told_as_closed_beside_patterns() -> None:
    """Confluent calls a model with patterns not open, though it is for names that none of them matches."""
    rule = "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL #/properties/b"
    strict(of(AB, patternProperties=PATTERNS), of(A, patternProperties=PATTERNS), [rule])


def test_no_properties_say_nothing_from_2019_on() -> None:
    """Core 10.3.2.1: an empty object of properties demands nothing; Confluent sees it so in later drafts only."""
    empty: dict[str, Any] = {"properties": {}}
    assert changes({**MODERN, **empty, "minProperties": 2}, {**MODERN, **empty}) == []
    compatible(MODERN, {**MODERN, **empty}, [], 1)
    strict({}, empty, ["TYPE_CHANGED #/"])
