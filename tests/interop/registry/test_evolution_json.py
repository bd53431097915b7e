"""Every rule of JSON Schema's evolution: the registry's verdict, and whether the data are valid on the other side."""

from __future__ import annotations

import json

import pytest

from interop.registry.evolution import LOST, Step, proven
from interop.registry.languages import JSON
from kopfka_registry.formats.jsonschema.rules import RULES

CLIENT = "Confluent's serialisers (Python)"
DRAFTS = {7: "http://json-schema.org/draft-07/schema#", 2020: "https://json-schema.org/draft/2020-12/schema"}
STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}


def step(title, old, new, old_data, new_data, *, forward=True, backward=False, draft=7, verdict=None, because=""):
    """Return a step; what can be read is read as it is."""
    texts = (json.dumps({"$schema": DRAFTS[draft], **each}) for each in (old, new))
    reads = (old_data if backward else LOST, new_data if forward else LOST)
    return Step(title, *texts, old_data, new_data, *reads, backward=verdict, because=because)


def added(keyword, kind, value, refused, accepted, *, draft=7, **others):
    """Return a step in which a keyword comes."""
    one = {"type": kind, **others}
    return step(f"{keyword} comes", one, one | {keyword: value}, refused, accepted, draft=draft)


def tightened(keyword, kind, loose, tight, refused, accepted, *, draft=7, **others):
    """Return a step in which a keyword allows less."""
    one = {"type": kind, **others}
    title = f"{keyword} allows less"
    return step(title, one | {keyword: loose}, one | {keyword: tight}, refused, accepted, draft=draft)


def both_ways(title, old, new, old_data, new_data, **more):
    """Return a step in which neither side reads the other's data."""
    return step(title, old, new, old_data, new_data, forward=False, **more)


def properties(**each):
    return {"type": "object", "properties": each}


def closed(**each):
    return properties(**each) | {"additionalProperties": False}


def partly(**each):
    return properties(**each) | {"additionalProperties": INTEGER}


def array(*items, **more):
    return {"type": "array", "items": list(items), **more}


STEPS = (
    added("maxLength", "string", 3, "long", "abc"),
    tightened("maxLength", "string", 5, 3, "long", "abc"),
    added("minLength", "string", 3, "ab", "abc"),
    tightened("minLength", "string", 2, 3, "ab", "abc"),
    added("pattern", "string", "^a", "b", "a"),
    both_ways("pattern changes", STRING | {"pattern": "^b"}, STRING | {"pattern": "^a"}, "b", "a"),
    added("maximum", "number", 5, 6, 5),
    tightened("maximum", "number", 9, 5, 6, 5),
    added("minimum", "number", 5, 4, 5),
    tightened("minimum", "number", 1, 5, 4, 5),
    added("exclusiveMaximum", "number", 5, 5, 4),
    tightened("exclusiveMaximum", "number", 9, 5, 5, 4),
    added("exclusiveMinimum", "number", 5, 5, 6),
    tightened("exclusiveMinimum", "number", 1, 5, 5, 6),
    added("multipleOf", "number", 2, 3, 4),
    tightened("multipleOf", "number", 2, 4, 2, 4),
    both_ways("multipleOf changes", NUMBER | {"multipleOf": 2}, NUMBER | {"multipleOf": 3}, 2, 3),
    added("required", "object", ["a"], {}, {"a": 1}, properties={"a": INTEGER}),
    added("maxProperties", "object", 1, {"a": 1, "b": 2}, {"a": 1}),
    tightened("maxProperties", "object", 3, 1, {"a": 1, "b": 2}, {"a": 1}),
    added("minProperties", "object", 1, {}, {"a": 1}),
    tightened("minProperties", "object", 1, 2, {"a": 1}, {"a": 1, "b": 2}),
    step("other properties are not allowed any more", properties(a=INTEGER), closed(a=INTEGER), {"b": 1}, {"a": 1}),
    step("other properties must be of a type", properties(a=INTEGER), partly(a=INTEGER), {"b": "x"}, {"b": 1}),
    step("properties that nothing looks at are not allowed any more", {"type": "object"},
         {"type": "object", "unevaluatedProperties": False}, {"b": 1}, {}, draft=2020),
    step("properties that nothing looks at must be of a type", {"type": "object"},
         {"type": "object", "unevaluatedProperties": INTEGER}, {"b": "x"}, {"b": 1}, draft=2020),
    added("dependencies", "object", {"a": ["b"]}, {"a": 1}, {"a": 1, "b": 2}),
    tightened("dependencies", "object", {"a": ["b"]}, {"a": ["b", "c"]}, {"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}),
    both_ways("dependencies change", {"type": "object", "dependencies": {"a": ["b"]}},
              {"type": "object", "dependencies": {"a": ["c"]}}, {"a": 1, "b": 2}, {"a": 1, "c": 3}),
    step("a dependency on a schema comes", {"type": "object"},
         {"type": "object", "dependencies": {"a": {"required": ["b"]}}}, {"a": 1}, {"a": 1, "b": 2}),
    step("a property comes to an open schema", properties(), properties(a=INTEGER), {"a": "x"}, {"a": 1}),
    step("a property that may be anything comes", properties(), properties(a={}), {"a": "x"}, {"a": 1}, backward=True),
    step("an optional property comes to a closed schema", closed(), closed(a=INTEGER), {}, {"a": 1}, backward=True,
         forward=False),
    both_ways("a required property comes to a closed schema", closed(), closed(a=INTEGER) | {"required": ["a"]}, {},
              {"a": 1}),
    step("a property goes from a closed schema", closed(a=INTEGER), closed(), {"a": 1}, {}),
    both_ways("a property goes, and another comes, in a closed schema", closed(a=INTEGER), closed(b=INTEGER), {"a": 1},
              {"b": 1}),
    both_ways("a property goes that other properties' type does not cover", partly(a=STRING), partly(), {"a": "x"},
              {"a": 1}),
    step("a property goes that other properties' type covers", partly(a=INTEGER), partly(), {"a": 1}, {"a": 2},
         backward=True),
    added("patternProperties", "object", {"^x": INTEGER}, {"xa": "s"}, {"xa": 1}),
    step("a pattern goes from a closed schema", {"type": "object", "patternProperties": {"^x": INTEGER},
                                                 "additionalProperties": False},
         {"type": "object", "additionalProperties": False}, {"xa": 1}, {}),
    added("propertyNames", "object", {"maxLength": 2}, {"abc": 1}, {"ab": 1}),
    added("maxItems", "array", 1, [1, 2], [1]),
    tightened("maxItems", "array", 3, 1, [1, 2], [1]),
    added("minItems", "array", 1, [], [1]),
    tightened("minItems", "array", 1, 2, [1], [1, 2]),
    added("uniqueItems", "array", True, [1, 1], [1, 2]),
    added("contains", "array", {"type": "integer"}, ["x"], ["x", 1]),
    both_ways("contains changes", {"type": "array", "contains": STRING}, {"type": "array", "contains": INTEGER}, ["x"],
              [1]),
    both_ways("contains changes, and more than so many would match",
              {"type": "array", "contains": INTEGER, "maxContains": 1},
              {"type": "array", "contains": NUMBER, "maxContains": 1}, [1, 0.5], [0.5], draft=2020),
    added("maxContains", "array", 1, [1, 2], [1, "x"], draft=2020, contains=INTEGER),
    tightened("maxContains", "array", 3, 1, [1, 2], [1, "x"], draft=2020, contains=INTEGER),
    added("minContains", "array", 2, [1], [1, 2], draft=2020, contains=INTEGER),
    tightened("minContains", "array", 2, 3, [1, 2], [1, 2, 3], draft=2020, contains=INTEGER),
    step("other items are not allowed any more", array(INTEGER), array(INTEGER, additionalItems=False), [1, 2], [1]),
    step("other items must be of a type", array(INTEGER), array(INTEGER, additionalItems=INTEGER), [1, "x"], [1, 2]),
    step("items that nothing looks at are not allowed any more", {"type": "array"},
         {"type": "array", "unevaluatedItems": False}, [1], [], draft=2020),
    step("items that nothing looks at must be of a type", {"type": "array"},
         {"type": "array", "unevaluatedItems": INTEGER}, ["x"], [1], draft=2020),
    step("items must be of a type", {"type": "array"}, {"type": "array", "items": STRING}, [1], ["x"]),
    step("an item comes to an open array", array(INTEGER), array(INTEGER, STRING), [1, 2], [1, "x"]),
    step("an item goes from a closed array", array(INTEGER, STRING, additionalItems=False),
         array(INTEGER, additionalItems=False), [1, "x"], [1]),
    both_ways("an item goes that other items' type does not cover", array(INTEGER, STRING, additionalItems=INTEGER),
              array(INTEGER, additionalItems=INTEGER), [1, "x"], [1, 2]),
    step("an enum has one value less", {"enum": ["a", "b"]}, {"enum": ["a"]}, "b", "a"),
    both_ways("an enum has other values", {"enum": ["a", "b"]}, {"enum": ["a", "c"]}, "b", "c"),
    step("a number must be an integer", NUMBER, INTEGER, 0.5, 1),
    both_ways("a type is another", STRING, INTEGER, "x", 1),
    step("a type comes", {}, INTEGER, "x", 1),
    both_ways("oneOf becomes allOf", {"oneOf": [STRING, {"minLength": 2}]}, {"allOf": [STRING, {"minLength": 2}]}, 5,
              "ab"),
    step("allOf demands one thing more", {"allOf": [STRING]}, {"allOf": [STRING, {"minLength": 2}]}, "a", "ab"),
    step("anyOf has one alternative less", {"anyOf": [STRING, INTEGER]}, {"anyOf": [STRING]}, 1, "x"),
    both_ways("anyOf has other alternatives", {"anyOf": [STRING, INTEGER]}, {"anyOf": [STRING, {"type": "boolean"}]}, 1,
              True),
    step("not forbids more", {"not": INTEGER}, {"not": NUMBER}, 0.5, "x"),
    step("a condition has a consequence", {"if": INTEGER}, {"if": INTEGER, "then": {"minimum": 3}}, 1, 5),
    both_ways("a condition's consequence changes", {"if": STRING, "then": {"minLength": 2}},
              {"if": STRING, "then": {"maxLength": 2}}, "abc", "a"),
    # of what is compatible though not all data are valid
    both_ways("a required property with a default comes to a closed schema", closed(),
              closed(a=INTEGER | {"default": 1}) | {"required": ["a"]}, {}, {"a": 2}, verdict=True,
              because="Confluent's registry counts on code that fills defaults in"),
    step("documentation changes", STRING | {"title": "a"}, STRING | {"title": "b", "description": "c"}, "x", "y",
         backward=True),
)  # fmt: skip
_told: dict[str, set[str]] = {}


@pytest.mark.client(CLIENT, "JSON Schema: every rule of evolution, old data by new code and the other way about")
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_step(stack, name, step):
    _told[step.title] = proven(stack, JSON, name, step)
    assert _told[step.title] <= {rule.name for rule in RULES.values() if not rule.compatible}


def test_every_rule_that_refuses_was_told():
    if len(_told) < len(STEPS):
        pytest.skip("not all steps were gone")
    assert set().union(*_told.values()) == {rule.name for rule in RULES.values() if not rule.compatible}
