"""Canonical, normal and resolved texts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_registry.errors import InvalidSchemaError, SchemaTooComplexError
from kopfka_registry.formats.jsonschema import FORMAT
from kopfka_registry.formats.jsonschema.text import Keys, ordered, read, write
from registry.formats.jsonschema.evolution import DRAFT_2019, broken, changes, parsed, valid


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ('{ "type" : "string" }', '{"type":"string"}'),
        ('{"b":1,"a":2}', '{"b":1,"a":2}'),
        ('{"a":1,"b":2,"a":3}', '{"a":3,"b":2}'),
        ('{"maximum":1.0}', '{"maximum":1.0}'),
        ('{"maximum":1.10}', '{"maximum":1.10}'),
        ('{"maximum":1e5}', '{"maximum":1E+5}'),
        ('{"maximum":1.5e-7}', '{"maximum":1.5E-7}'),
        ('{"maximum":0.0000001}', '{"maximum":1E-7}'),
        ('{"maximum":0.000001}', '{"maximum":0.000001}'),
        ('{"maximum":-0.0}', '{"maximum":0.0}'),
        ('{"maximum":-0}', '{"maximum":0}'),
        ('{"maximum":123456789012345678901234567890}', '{"maximum":123456789012345678901234567890}'),
        ('{"title":"\\u00e9\\/\\u2028"}', '{"title":"é/\u2028"}'),
        (
            '{"title":"\\u001f\\u0000\\b\\f\\n\\r\\t\\"\\\\\\u007f"}',
            '{"title":"\\u001F\\u0000\\b\\f\\n\\r\\t\\"\\\\\x7f"}',
        ),
        ('{"title":"\\ud83d\\ude00"}', '{"title":"😀"}'),
        ("true", "true"),
        (" false ", "false"),
        ('{"enum":[null,true,[],{}]}', '{"enum":[null,true,[],{}]}'),
    ],
)
def test_canonical_text_is_what_jackson_writes(text: str, canonical: str) -> None:
    """Jackson 2, `writeValueAsString` with exact decimals: as `BigDecimal.toString` and `JsonWriteFeature` have it."""
    schema = FORMAT.parse(text, {})
    assert schema.canonical == canonical
    assert FORMAT.parse(schema.canonical, {}).canonical == canonical


def test_normalized_text_has_members_in_the_order_of_javas_strings() -> None:
    """Java compares UTF-16 units: what is beyond the first plane comes before the end of that plane."""
    schema = parsed({"properties": {"b": {"type": "string", "default": {"z": 1, "y": 2}}, "\uffff": {}, "😀": {}}})
    assert schema.normalized().canonical == (
        '{"properties":{"b":{"default":{"y":2,"z":1},"type":"string"},"😀":{},"\uffff":{}}}'
    )
    assert changes(json.loads(schema.canonical), json.loads(schema.normalized().canonical)) == []


def test_arrays_are_not_sorted() -> None:
    schema = parsed({"required": ["b", "a"], "enum": [2, 1]})
    assert schema.normalized().canonical == '{"enum":[2,1],"required":["b","a"]}'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON: Expecting value at line 1, column 1"),
        ("{", "not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        ('{"a":\n NaN}', "not JSON: NaN is no number of JSON"),
        ('{"a":1} x', "not JSON: Extra data at line 1, column 9"),
        ('{"title":"\\ud83d"}', "a string has half of a surrogate pair"),
        ("[]", "#: must be a schema: an object, true or false, and is []"),
        ("null", "#: must be a schema: an object, true or false, and is null"),
        ('"string"', '#: must be a schema: an object, true or false, and is "string"'),
    ],
)
def test_what_is_no_schema_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(InvalidSchemaError) as refused:
        FORMAT.parse(text, {})
    assert str(refused.value) == said


@pytest.mark.parametrize("number", ["1" * 1001, "1." + "0" * 1001, "1e1001", "1e-9999999999", "1e00001001"])
def test_numbers_beyond_measure_are_refused(number: str) -> None:
    with pytest.raises(SchemaTooComplexError):
        FORMAT.parse(f'{{"maximum":{number}}}', {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_what_is_written_is_read_again(value: object) -> None:
    try:
        text = json.dumps(value)
        written = write(read(text))
    except (SchemaTooComplexError, InvalidSchemaError):  # exponents, half pairs
        return
    assert json.loads(written) == value
    assert write(read(written)) == written
    assert json.loads(write(ordered(read(text)))) == value


@given(JSON, JSON)
def test_equal_values_have_equal_keys(one: object, other: object) -> None:
    keys = Keys()
    try:
        here, there = (read(json.dumps(each)) for each in (one, other))
    except SchemaTooComplexError:
        return
    assert (keys.of(here) == keys.of(there)) is _equal(one, other)


def _equal(one: object, other: object) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[name], other[name]) for name in one)
    return (type(one) in (int, float) and type(other) in (int, float) and one == other) or (
        type(one) is type(other) and one == other
    )


def test_the_title_is_the_name() -> None:
    """Confluent: subjects of record names are named by the title."""
    assert parsed({"title": "Order"}).name == "Order"
    assert parsed({}).name is None
    assert parsed(True).name is None


def test_a_text_without_references_is_resolved_as_it_is() -> None:
    schema = {"properties": {"a": {"$ref": "#/definitions/a"}}, "definitions": {"a": {"type": "string"}}}
    assert parsed(schema).formatted("resolved") == parsed(schema).canonical
    assert parsed(schema, {"unused": {}}).formatted("resolved") == parsed(schema).canonical
    assert parsed(schema, {"unused": {}}).formatted("other") == parsed(schema).canonical


def test_references_are_resolved_in_their_places() -> None:
    references = {
        "address": {"$id": "http://a/address", "title": "A", "properties": {"zip": {"$ref": "#/definitions/zip"}},
                    "definitions": {"zip": {"type": "string"}}},
        "person": {"properties": {"at": {"$ref": "address"}, "other": {"$ref": "address#/definitions/zip"}}},
    }  # fmt: skip
    root = {"properties": {"who": {"$ref": "person"}, "tag": {"$ref": "#/definitions/tag"}}, "definitions": {"tag": {}}}
    resolved = json.loads(parsed(root, references).formatted("resolved"))
    assert resolved == {
        "properties": {
            "who": {
                "properties": {
                    "at": {"title": "A", "properties": {"zip": {"type": "string"}}},
                    "other": {"type": "string"},
                }
            },
            "tag": {"$ref": "#/definitions/tag"},
        },
        "definitions": {"tag": {}},
    }


def test_what_refers_to_itself_is_resolved_into_a_definition() -> None:
    tree = {"type": "object", "properties": {"value": {"type": "integer"}, "left": {"$ref": "tree"}}}
    root = {"properties": {"root": {"$ref": "tree"}}, "definitions": {"tree": {"const": 1}}}
    text = parsed(root, {"tree": tree}).formatted("resolved")
    resolved = json.loads(text)
    assert resolved["definitions"]["tree"] == {"const": 1}
    assert resolved["properties"]["root"]["properties"]["left"] == {"$ref": "#/definitions/tree-2"}
    for instance in ({"root": {"left": {"value": 1}}}, {"root": {"left": {"left": {"value": "x"}}}}):
        assert valid(resolved, instance) is ("x" not in str(instance))
    assert FORMAT.parse(text, {}).canonical == text


def test_a_root_that_is_a_reference_keeps_its_definitions() -> None:
    root = {"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "a", "definitions": {"b": {}}}
    resolved = json.loads(parsed(root, {"a": {"type": "string"}}).formatted("resolved"))
    assert resolved == {"$schema": root["$schema"], "definitions": {"b": {}}, "allOf": [{"type": "string"}]}


def test_what_stands_beside_a_reference_is_kept_from_2019_on() -> None:
    root = {**DRAFT_2019, "properties": {"a": {"$ref": "a", "title": "t", "allOf": [{"minLength": 1}]}}}
    resolved = json.loads(parsed(root, {"a": {"type": "string"}}).formatted("resolved"))
    assert resolved["properties"]["a"] == {"title": "t", "allOf": [{"minLength": 1}, {"type": "string"}]}


def test_a_resolved_text_says_the_same() -> None:
    references = {"a": {"type": "object", "properties": {"b": {"$ref": "#/definitions/b"}, "self": {"$ref": "#"}},
                        "definitions": {"b": {"type": "string"}}}}  # fmt: skip
    root = {"type": "array", "items": {"$ref": "a"}}
    resolved = parsed(root, references).formatted("resolved")
    for one, other in ((parsed(root, references), parsed(json.loads(resolved))),):
        assert one.differences(other) == []
        assert other.differences(one) == []
    assert broken(json.loads(resolved), json.loads(resolved)) == []
