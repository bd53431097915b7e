"""Confluent's `confluent:tags`, and its paths for what has them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kopfka_registry.formats.jsonschema import FORMAT
from registry.formats.jsonschema.evolution import MODERN, STRING, parsed


def tagged(*tags: str, **more: Any) -> dict[str, Any]:
    return {"confluent:tags": list(tags), **more}


PII = tagged("PII", **STRING)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (True, {}),
        ({"properties": {"a": STRING}}, {}),
        (tagged("TOP", properties={"a": PII}), {"object": {"TOP"}, "object.a": {"PII"}}),
        ({"properties": {"a": tagged("X", "Y")}}, {"object.a": {"X", "Y"}}),
        ({"properties": {"a": {"properties": {"b": PII}}}}, {"object.a.object.b": {"PII"}}),
        ({"properties": {"a": tagged("X", properties={"b": PII})}}, {"object.a": {"X"}, "object.a.object.b": {"PII"}}),
        ({"properties": {"a": {"items": {"properties": {"b": PII}}}}}, {"object.a.array.object.b": {"PII"}}),
        ({"items": tagged("X", type="object")}, {"array.object": {"X"}}),
        ({"type": ["object", "null"], "properties": {"a": PII}}, {"anyof.1.object.a": {"PII"}}),
        ({"oneOf": [STRING, {"properties": {"a": PII}}]}, {"oneof.0.object.a": {"PII"}}),
        ({"oneOf": [{"properties": {"b": PII}}, {"properties": {"a": PII}}]},
         {"oneof.0.object.a": {"PII"}, "oneof.1.object.b": {"PII"}}),
        ({"not": {"properties": {"a": PII}}}, {"not.object.a": {"PII"}}),
        ({"if": {"properties": {"a": PII}}, "else": {"properties": {"b": PII}}},
         {"conditional.if.object.a": {"PII"}, "conditional.else.object.b": {"PII"}}),
        ({"properties": {"a": {"$ref": "#/definitions/c"}}, "definitions": {"c": {"properties": {"n": PII}}}},
         {"object.definitions.c.object.n": {"PII"}}),
        ({**MODERN, "properties": {"a": tagged("X", **{"$ref": "#/$defs/c"})},
          "$defs": {"c": {"properties": {"n": PII}}}},
         {"object.a": {"X"}, "object.$defs.c.object.n": {"PII"}}),
    ],
    ids=lambda value: json.dumps(value, default=sorted)[:70],
)  # fmt: skip
def test_tags_by_their_paths(schema: Any, expected: dict[str, set[str]]) -> None:
    """Confluent's `JsonSchema.inlineTaggedEntities`: parts are counted by kinds, fields under their object."""
    assert parsed(schema).inline_tags() == expected


def test_tags_of_a_schema_that_refers_to_itself() -> None:
    text = '{"properties":{"a":{"confluent:tags":["X"],"properties":{"next":{"$ref":"#"}}}}}'
    assert FORMAT.parse(text, {}).inline_tags() == {"object.a": {"X"}}


def test_what_is_no_list_of_strings_is_no_tag() -> None:
    assert parsed({"properties": {"a": {"confluent:tags": "X"}, "b": {"confluent:tags": [1]}}}).inline_tags() == {}
