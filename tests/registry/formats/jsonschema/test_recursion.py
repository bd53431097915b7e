"""Schemas that refer to themselves: compared once a pair, and as far as anything is different."""

from __future__ import annotations

import json
from typing import Any

from registry.formats.jsonschema.evolution import MODERN, STRING, broken, changes


def tree(value: str, **more: Any) -> dict[str, Any]:
    children = {"type": "array", "items": {"$ref": "#"}}
    return {"type": "object", "properties": {"value": {"type": value}, "children": children}, **more}


def test_a_tree_that_stays() -> None:
    assert changes(tree("string"), tree("string", title="t")) == ["TITLE_CHANGED #/"]


def test_a_tree_that_changes_says_so_once() -> None:
    assert broken(tree("integer"), tree("string")) == ["TYPE_CHANGED #/properties/value"]
    assert changes(tree("integer"), tree("number")) == ["TYPE_EXTENDED #/properties/value"]


def test_schemas_that_refer_to_each_other() -> None:
    def schema(value: str) -> dict[str, Any]:
        return {
            "$ref": "#/definitions/a",
            "definitions": {
                "a": {"type": "object", "properties": {"b": {"$ref": "#/definitions/b"}}},
                "b": {"type": "object", "properties": {"a": {"$ref": "#/definitions/a"}, "v": {"type": value}}},
            },
        }

    assert changes(schema("integer"), schema("number")) == ["TYPE_EXTENDED #/properties/b/properties/v"]
    assert broken(schema("number"), schema("integer")) == ["TYPE_NARROWED #/properties/b/properties/v"]


def test_different_ways_to_write_the_same_recursion() -> None:
    one = tree("string")
    inner = {"$ref": "#/definitions/t"}
    other = {**inner, "definitions": {"t": json.loads(json.dumps(tree("string")).replace("#", "#/definitions/t"))}}
    unrolled = {**tree("string"), "definitions": {"t": tree("string")}}
    for writer in (one, other, unrolled):
        for reader in (one, other, unrolled):
            assert broken(writer, reader) == []


def union(ids: tuple[str, str, str]) -> dict[str, Any]:
    """Three objects: the first two refer to the third, which refers to the first."""
    definitions = {
        f"T{number}": {
            "type": "object",
            "properties": {
                "id": {"type": kind},
                "ref": {"oneOf": [{"$ref": f"#/definitions/T{0 if number == 2 else 2}"}]},
            },
        }
        for number, kind in enumerate(ids)
    }
    parts = [{"$ref": "#/definitions/T0"}, {"$ref": "#/definitions/T1"}]
    return {"type": "object", "properties": {"root": {"oneOf": parts}}, "definitions": definitions}


def test_what_was_taken_for_granted_in_a_circle_is_not_kept() -> None:
    """The pair of the first objects is met inside itself; that it is wrong is known only when it ends."""
    assert broken(union(("integer", "boolean", "integer")), union(("boolean", "number", "integer"))) != []
    assert broken(union(("integer", "boolean", "integer")), union(("number", "boolean", "integer"))) == []


def test_unions_of_many_that_refer_to_all() -> None:
    """Twelve objects with two unions of all twelve each: without remembering pairs, it would not end."""
    names = [f"T{number}" for number in range(12)]
    parts = [{"$ref": f"#/definitions/{name}"} for name in names]

    def schema(kind: str) -> dict[str, Any]:
        definitions = {
            name: {
                "type": "object",
                "properties": {
                    "id": {"type": kind if name == "T7" else "string"},
                    "name": {"const": name},
                    "one": {"oneOf": parts},
                    "other": {"oneOf": parts},
                },
            }
            for name in names
        }
        return {"properties": {"product": {"oneOf": parts}}, "definitions": definitions}

    assert broken(schema("string"), schema("string") | {"title": "t"}) == []
    assert broken(schema("integer"), schema("number")) == []
    assert broken(schema("number"), schema("integer")) != []


def test_references_beside_other_keywords() -> None:
    schema = {
        **MODERN,
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node", "title": "next"}}}},
        "$ref": "#/$defs/node",
        "properties": {"v": STRING},
    }
    assert broken(schema, schema | {"title": "t"}) == []
    changed = json.loads(json.dumps(schema).replace('"title": "next"', '"required": ["next"]'))
    assert broken(schema, changed) != []


def test_a_long_chain_of_definitions() -> None:
    """Deeper than Python's own stack."""
    length = 1500

    def schema(kind: str) -> dict[str, Any]:
        definitions: dict[str, Any] = {
            f"d{number}": {"type": "object", "properties": {"n": {"$ref": f"#/definitions/d{number + 1}"}}}
            for number in range(length)
        }
        return {"$ref": "#/definitions/d0", "definitions": {**definitions, f"d{length}": {"type": kind}}}

    assert changes(schema("integer"), schema("number")) == ["TYPE_EXTENDED #/" + "/".join(["properties/n"] * length)]
    assert broken(schema("number"), schema("integer")) == ["TYPE_NARROWED #/" + "/".join(["properties/n"] * length)]
