"""What references lead to: in a schema, and to others by name or by id."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kopfka_registry.errors import InvalidSchemaError
from kopfka_registry.formats.jsonschema import FORMAT
from kopfka_registry.formats.jsonschema.uris import join
from registry.formats.jsonschema.evolution import (
    DRAFT_4,
    DRAFT_2019,
    MODERN,
    NUMBER,
    STRING,
    broken,
    changes,
    parsed,
)


def leads_to_string(schema: dict[str, Any], references: dict[str, Any] | None = None) -> bool:
    """Tell whether what stands under the property `a` is a string, and nothing else."""
    wanted = {**{name: each for name, each in schema.items() if name in ("$schema", "$id", "id")}}
    there = {**schema, "properties": {"a": schema["properties"]["a"]}}
    straight = {**wanted, "properties": {"a": STRING}}
    return (
        parsed(there, references).differences(parsed(straight)) == []
        and parsed(straight).differences(parsed(there, references)) == []
        and broken({**wanted, "properties": {"a": NUMBER}}, there, references) == ["TYPE_CHANGED #/properties/a"]
    )


def refers(to: str, keyword: str = "$ref", **more: Any) -> dict[str, Any]:
    return {"properties": {"a": {keyword: to}}, **more}


@pytest.mark.parametrize(
    "schema",
    [
        refers("#/definitions/s", definitions={"s": STRING}),
        refers("#/definitions/a~1b~0c%25", definitions={"a/b~c%": STRING}),
        refers("#/elsewhere/0/s", elsewhere=[{"s": STRING}]),
        refers("#s", definitions={"x": {"$id": "#s", **STRING}}),
        refers("s.json", definitions={"x": {"$id": "s.json", **STRING}}),
        refers("http://a/b/s.json", **{"$id": "http://a/b/c.json"}, definitions={"x": {"$id": "s.json", **STRING}}),
        refers("c.json#/definitions/s", **{"$id": "http://a/b/c.json"}, definitions={"s": STRING}),
        refers("#/definitions/one", definitions={"one": {"$ref": "#/definitions/two"}, "two": STRING}),
        {**DRAFT_4, **refers("#/definitions/s", definitions={"s": STRING})},
        {**DRAFT_4, **refers("s.json", definitions={"x": {"id": "s.json", **STRING}})},
        {**DRAFT_2019, **refers("#s", **{"$defs": {"x": {"$anchor": "s", **STRING}}})},
        {**DRAFT_2019, **refers("#s", **{"$defs": {"x": {"$anchor": "s", **STRING}}}, **{"$id": "http://a/b"})},
        {**MODERN, **refers("#s", **{"$defs": {"x": {"$dynamicAnchor": "s", **STRING}}})},
        {**MODERN, **refers("#s", "$dynamicRef", **{"$defs": {"x": {"$dynamicAnchor": "s", **STRING}}})},
        {**MODERN, **refers("#s", "$dynamicRef", **{"$defs": {"x": {"$anchor": "s", **STRING}}})},
        {**MODERN, **refers("t#s", **{"$defs": {"x": {"$id": "t", "$defs": {"y": {"$anchor": "s", **STRING}}}}})},
    ],
    ids=json.dumps,
)
def test_references_within_a_schema(schema: dict[str, Any]) -> None:
    """Core 8.2; up to draft 7, `$id` with a fragment is an anchor; a pointer may lead to any place."""
    assert leads_to_string(schema)


@pytest.mark.parametrize(
    ("schema", "references"),
    [
        (refers("s"), {"s": STRING}),
        (refers("s.json"), {"s.json": STRING}),
        (refers("./s.json"), {"s.json": STRING}),
        (refers("s.json#"), {"s.json": STRING}),
        (refers("s.json#/definitions/t"), {"s.json": {"definitions": {"t": STRING}}}),
        (refers("com.acme.S"), {"com.acme.S": STRING}),
        (refers("s.json", **{"$id": "http://a/b/c.json"}), {"s.json": STRING}),
        (refers("http://a/b/s.json", **{"$id": "http://a/b/c.json"}), {"s.json": STRING}),
        (refers("http://x/y"), {"http://x/y": STRING}),
        (refers("http://x/y"), {"any": {"$id": "http://x/y", **STRING}}),
        (refers("http://x/z"), {"any": {"$id": "http://x/y", "definitions": {"z": {"$id": "z", **STRING}}}}),
        (refers("one"), {"two": STRING, "one": {"$ref": "two"}}),
        (refers("d/one"), {"two": STRING, "d/one": {"$ref": "two"}}),
        (refers("one"), {"one": {"$ref": "#/definitions/t", "definitions": {"t": STRING}}}),
        ({**MODERN, **refers("s.json")}, {"s.json": STRING}),
        ({**MODERN, **refers("./s.json")}, {"s.json": STRING}),
        ({**MODERN, **refers("s.json#t")}, {"s.json": {**MODERN, "$defs": {"t": {"$anchor": "t", **STRING}}}}),
    ],
    ids=json.dumps,
)
def test_references_to_other_schemas(schema: dict[str, Any], references: dict[str, Any]) -> None:
    """Confluent: by the name given in `references`, relative to the `$id`; also by the `$id` of what is referred to."""
    assert leads_to_string(schema, references)


@pytest.mark.parametrize(
    ("schema", "references", "said"),
    [
        (refers("#/definitions/s"), {}, "#/properties/a/$ref: there is nothing at '/definitions/s' in the schema"),
        (refers("#s"), {}, "#/properties/a/$ref: there is no anchor 's' in the schema it refers to"),
        (refers("s"), {}, "#/properties/a/$ref: there is no schema 's': name it in the references"),
        (refers("http://x/y"), {}, "#/properties/a/$ref: there is no schema 'http://x/y': name it in the references"),
        (refers("s#/x"), {"s": {}}, "#/properties/a/$ref: there is nothing at '/x' in the schema it refers to"),
        ({"definitions": {"unused": {"$ref": "s"}}}, {}, "#/definitions/unused/$ref: there is no schema 's'"),
        (refers("s"), {"s": {"type": "text"}}, "in the reference 's': #/type: must be one of array, boolean, integer"),
        (refers("s"), {"s": {"$ref": "t"}}, "#/$ref: there is no schema 't': name it in the references"),
        (refers("#/x/0", x=[{"minLength": -1}]), {}, "#/properties/a/$ref/minLength: must be a whole number"),
        ({"$ref": "#"}, {}, "#/$ref: leads back to itself, and to no schema"),
        ({"$ref": "#/x/a", "x": {"a": {"$ref": "#/x/b"}, "b": {"$ref": "#/x/a"}}}, {},
         "leads back to itself, and to no schema"),
        ({"$ref": "s"}, {"s": {"$ref": "t"}, "t": {"$ref": "s"}}, "leads back to itself, and to no schema"),
        ({"$ref": 5}, {}, "#/$ref: must be a string, and is 5"),
        ({"$ref": "#/" + "a" * 9000}, {}, "#/$ref: must have at most 8192 characters"),
        ({"$id": "a" * 9000}, {}, "a $id has more than 8192 characters"),
    ],
    ids=lambda value: json.dumps(value)[:60],
)  # fmt: skip
def test_what_leads_to_nothing_is_refused(schema: Any, references: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSchemaError) as refused:
        parsed(schema, references)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_reference_that_is_not_needed_is_not_read() -> None:
    assert FORMAT.parse('{"$ref":"s"}', {"s": "{}", "unused": "no schema"}).canonical == '{"$ref":"s"}'


def test_a_pointer_in_a_schema_with_an_id_may_be_relative_to_the_whole_text() -> None:
    """As Confluent's library resolves it; by Core 8.2.1 it is relative to the inner schema, which comes first."""
    inner = {"$id": "inner", "properties": {"a": {"$ref": "#/definitions/s"}}}
    outer = {"properties": {"o": inner}, "definitions": {"s": STRING}}
    assert changes(outer, {**outer, "definitions": {"s": NUMBER}}) == ["TYPE_CHANGED #/properties/o/properties/a"]
    both = {"properties": {"o": {**inner, "definitions": {"s": STRING}}}, "definitions": {"s": STRING}}
    assert changes(both, {**both, "definitions": {"s": NUMBER}}) == []


def test_siblings_of_a_reference_count_from_2019_on() -> None:
    """Core 8.2.3.1; draft 7, 8.3: all other members of an object with `$ref` are ignored."""
    schema = {"properties": {"a": {"$ref": "#/definitions/s", "maxLength": 3}}, "definitions": {"s": STRING}}
    wider = {**schema, "properties": {"a": {"$ref": "#/definitions/s"}}}
    assert changes(schema, wider) == []
    assert changes(wider, schema) == []
    assert broken({**MODERN, **wider}, {**MODERN, **schema}) == ["TYPE_CHANGED #/properties/a"]
    assert broken({**MODERN, **schema}, {**MODERN, **wider}) == []


def test_moving_into_a_definition_is_no_change() -> None:
    """Core 8.2.3.1: a reference means what it refers to; Confluent's own example."""
    assert changes(STRING, {"$ref": "#/definitions/s", "definitions": {"s": STRING}}) == []
    assert changes({"$ref": "#/definitions/s", "definitions": {"s": STRING}}, STRING) == []


def test_a_change_of_a_definition_is_told_where_it_is_used() -> None:
    schema = {"properties": {"a": {"$ref": "#/definitions/s"}, "b": {"$ref": "#/definitions/s"}}}
    before, after = ({**schema, "definitions": {"s": each}} for each in (STRING, NUMBER))
    assert broken(before, after) == ["TYPE_CHANGED #/properties/a", "TYPE_CHANGED #/properties/b"]


def test_a_change_of_another_schema_is_a_change() -> None:
    one, other = parsed(refers("s"), {"s": STRING}), parsed(refers("s"), {"s": NUMBER})
    assert one.canonical == other.canonical
    assert [each.rule for each in other.differences(one)] == ["TYPE_CHANGED"]
    assert one.differences(parsed(refers("s"), {"s": STRING})) == []


def test_dynamic_references_mean_the_outermost_anchor() -> None:
    """Core 8.2.3.2: the root is the outermost of every way, so what it offers is meant."""
    tree = {"$id": "tree", "$dynamicAnchor": "node", "properties": {"child": {"$dynamicRef": "#node"}}}
    root = {**MODERN, "$id": "root", "$dynamicAnchor": "node", "$ref": "tree", "properties": {"x": STRING}}
    before = {**root, "$defs": {"tree": tree}}
    after = {**before, "properties": {"x": NUMBER}}
    assert broken(before, before | {"title": "t"}) == []
    assert broken(before, after) != []
    strings = {**MODERN, "$id": "root", "$ref": "list", "$defs": {
        "list": {"$id": "list", "items": {"$dynamicRef": "#t"}, "$defs": {"t": {"$dynamicAnchor": "t", **STRING}}},
    }}  # fmt: skip
    numbers = json.loads(json.dumps(strings).replace('"string"', '"number"'))
    assert broken(strings, numbers) == ["TYPE_CHANGED #/items"]


def test_dynamic_references_with_several_meanings_are_equal_to_nothing() -> None:
    """Core 8.2.3.2: which anchor is meant depends on the way, so no claim is made."""
    inner = {"$id": "in", "items": {"$dynamicRef": "#t"}, "$defs": {"t": {"$dynamicAnchor": "t"}}}
    other = {"$id": "mid", "$ref": "in", "$defs": {"t": {"$dynamicAnchor": "t", **STRING}}}
    schema = {**MODERN, "$id": "root", "properties": {"a": {"$ref": "mid"}}, "$defs": {"in": inner, "mid": other}}
    assert changes(schema, schema) == []
    assert broken(schema, {**schema, "title": "t"}) != []


def test_recursive_references() -> None:
    """Core 2019-09, 8.2.4.2: the root again, where it says `$recursiveAnchor`; else the schema they stand in."""
    for anchor in ({}, {"$recursiveAnchor": True}):
        before = {**DRAFT_2019, **anchor, "properties": {"a": {"$recursiveRef": "#"}, "b": STRING}}
        assert broken(before, before | {"title": "t"}) == []
        assert broken(before, {**before, "properties": {**before["properties"], "b": NUMBER}}) == [
            "TYPE_CHANGED #/properties/b"
        ]


@pytest.mark.parametrize(
    ("reference", "meant"),
    [
        ("g:h", "g:h"), ("g", "http://a/b/c/g"), ("./g", "http://a/b/c/g"), ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"), ("//g", "http://g"), ("?y", "http://a/b/c/d;p?y"), ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q"), (";x", "http://a/b/c/;x"), ("", "http://a/b/c/d;p?q"), (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"), ("..", "http://a/b/"), ("../", "http://a/b/"), ("../g", "http://a/b/g"),
        ("../..", "http://a/"), ("../../g", "http://a/g"), ("../../../g", "http://a/g"), ("/./g", "http://a/g"),
        ("/../g", "http://a/g"), ("g.", "http://a/b/c/g."), (".g", "http://a/b/c/.g"), ("g..", "http://a/b/c/g.."),
        ("./../g", "http://a/b/g"), ("./g/.", "http://a/b/c/g/"), ("g/./h", "http://a/b/c/g/h"),
        ("g/../h", "http://a/b/c/h"), ("g;x=1/../y", "http://a/b/c/y"),
    ],
)  # fmt: skip
def test_uris_are_joined_as_in_the_examples_of_rfc_3986(reference: str, meant: str) -> None:
    """RFC 3986, 5.4."""
    assert join("http://a/b/c/d;p?q", reference) == meant


def test_names_are_joined_without_a_base() -> None:
    assert join("", "./a.json") == "a.json"
    assert join("dir/a", "b") == "dir/b"
    assert join("urn:x:y", "#a") == "urn:x:y"
    assert join("http://a", "b") == "http://a/b"
