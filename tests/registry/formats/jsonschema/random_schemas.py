"""Random schemas, and random steps of their evolution.

What `LENIENT` lists is left out, as there verdict and validation differ on purpose: types are always named, parts of
oneOf are of different types, what is required is among the properties and not an empty schema, and has no default.
"""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from registry.formats.jsonschema.evolution import DRAFT_4, DRAFT_2019, MODERN

SCHEMA = {
    4: DRAFT_4,
    6: {"$schema": "http://json-schema.org/draft-06/schema#"},
    7: {},
    2019: DRAFT_2019,
    2020: MODERN,
}
NAMES = ["a", "b", "ab", "xb"]
SCALARS = [None, True, False, 0, 1, 2, 3, 1.5, -1, "", "a", "b", "ab", "abc", "xb"]
_LISTS = [[], [1], ["a"], [1, 2], [1, 1], ["a", 1], ["a", "b", 3], [None], [1.5, "x"], [[]], [{"a": 1}], [1, "a", 2]]
_OBJECTS = [
    dict(pairs)
    for pairs in (
        *([(name, value)] for name in NAMES for value in (1, 1.5, "a", "abc", None, [])),
        [],
        [("a", 1), ("b", 2)],
        [("a", "a"), ("b", "b")],
        [("a", "a"), ("ab", 1)],
        [("a", 1), ("b", "b"), ("ab", "c")],
        [("xb", 1), ("b", 1)],
        [("a", {"a": 1})],
        [("a", {}), ("b", {"b": "x"})],
        [("long name", 1)],
    )
]
INSTANCES = [*SCALARS, *_LISTS, *_OBJECTS]
_PATTERNS = ["^a", "b$", "^x", "(?!x)b"]


def subsets(values: list[Any], *, least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), unique_by=repr, min_size=least, max_size=len(values))


def optional(**keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keywords)


small = st.integers(0, 3)
strings = optional(minLength=small, maxLength=small, pattern=st.sampled_from(["^a", "b$"])).map(
    lambda said: {"type": "string", **said}
)
numbers = st.builds(
    lambda kind, said: {"type": kind, **said},
    st.sampled_from(["integer", "number"]),
    optional(minimum=small, maximum=small, multipleOf=st.sampled_from([1, 2, 0.5, 3])),
)


def limits(draft: int) -> st.SearchStrategy[dict[str, Any]]:
    """Return exclusive limits, which draft 4 says in its own way."""
    if draft > 4:
        said = optional(exclusiveMinimum=small, exclusiveMaximum=small)
    else:
        said = st.builds(
            lambda limit, least, most: {
                "minimum": limit, "maximum": limit + 2, "exclusiveMinimum": least, "exclusiveMaximum": most,
            },
            small, st.booleans(), st.booleans(),
        )  # fmt: skip
    return said.map(lambda each: {"type": "number", **each})


def schemas(draft: int, *, depth: int = 2) -> st.SearchStrategy[Any]:
    leaves: list[st.SearchStrategy[Any]] = [
        strings,
        numbers,
        limits(draft),
        st.sampled_from([{"type": "null"}, {"type": "boolean"}, {}]),
        subsets(SCALARS, least=1).map(lambda values: {"enum": values}),
        subsets(["string", "null", "boolean", "integer"], least=1).map(lambda types: {"type": types}),
    ]
    if draft > 4:
        leaves += [st.booleans(), st.sampled_from(SCALARS).map(lambda value: {"const": value})]
    if depth == 0:
        return st.one_of(leaves)
    inner = schemas(draft, depth=depth - 1)
    some = st.lists(inner, min_size=1, max_size=2)
    made = [
        objects(draft, inner),
        objects(draft, inner),
        arrays(draft, inner),
        arrays(draft, inner),
        some.map(lambda parts: {"anyOf": parts}),
        some.map(lambda parts: {"allOf": parts}),
        different(draft, depth - 1).map(lambda parts: {"oneOf": parts}),
        inner.map(lambda part: {"not": part}),
        st.builds(lambda one, other: {**one, **other} if _mixable(one, other) else one, inner, inner),
    ]
    if draft >= 7:
        branches = optional(**{"then": inner, "else": inner})
        made.append(st.builds(lambda test, said: {"if": test, **said}, inner, branches))
    return st.one_of(*leaves, *made)


def _mixable(one: Any, other: Any) -> bool:
    """Tell whether two schemas can be said in one: not two types, as then one of them would not be named."""
    return (
        isinstance(one, dict)
        and isinstance(other, dict)
        and not one.keys() & other.keys()
        and not ("type" in one and "type" in other)
    )


def different(draft: int, depth: int) -> st.SearchStrategy[list[Any]]:
    inner = schemas(draft, depth=max(depth - 1, 0))
    kinds = [strings, numbers, st.just({"type": "null"}), objects(draft, inner), arrays(draft, inner)]
    return st.lists(st.sampled_from(range(5)), unique=True, min_size=1, max_size=3).flatmap(
        lambda chosen: st.tuples(*(kinds[number] for number in chosen)).map(list)
    )


def objects(draft: int, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    named = st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    additional = st.one_of(st.just(False), st.just(False), inner)
    said = {
        "additionalProperties": additional,
        "patternProperties": st.dictionaries(st.sampled_from(_PATTERNS), inner, max_size=2),
        "minProperties": small,
        "maxProperties": small,
    }
    if draft > 4:
        said["propertyNames"] = strings
    names = subsets(NAMES, least=1)
    if draft < 2019:
        said["dependencies"] = st.dictionaries(st.sampled_from(NAMES), st.one_of(names, inner), max_size=1)
    else:
        said["dependentRequired"] = st.dictionaries(st.sampled_from(NAMES), names, max_size=1)
        said["dependentSchemas"] = st.dictionaries(st.sampled_from(NAMES), inner, max_size=1)
        said["unevaluatedProperties"] = additional
    return st.builds(_object, named, subsets(NAMES), optional(**said))


def _object(properties: dict[str, Any], required: list[str], said: dict[str, Any]) -> dict[str, Any]:
    asked = [name for name in required if properties.get(name) not in (None, {}, True)]
    return {"type": "object", "properties": properties, **({"required": asked} if asked else {}), **said}


def arrays(draft: int, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=2)
    said = {"minItems": small, "maxItems": small, "uniqueItems": st.booleans()}
    rest = st.one_of(st.just(False), st.just(False), inner)
    if draft < 2020:
        said |= {"items": st.one_of(inner, some), "additionalItems": rest}
    else:
        said |= {"items": rest, "prefixItems": some}
    if draft > 4:
        said["contains"] = inner
    if draft >= 2019:
        said |= {"minContains": small, "maxContains": small, "unevaluatedItems": rest}
    return optional(**said).map(lambda each: {"type": "array", **each})


def _places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [way]
    if isinstance(value, dict):
        for name, each in value.items():
            if name not in ("enum", "const", "type", "required"):
                found += _places(each, (*way, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            found += _places(each, (*way, number))
    return found


@st.composite
def evolved(draw: st.DrawFn, draft: int, writer: Any) -> Any:
    """Return a schema that is like another but in a few places."""
    reader = copy.deepcopy(writer)
    for _ in range(draw(st.integers(1, 2))):
        way = draw(st.sampled_from(_places(reader)))
        holder: Any = reader
        for step in way[:-1]:
            holder = holder[step]
        there = holder[way[-1]] if way else reader
        if isinstance(there, bool | dict):
            new = draw(
                st.one_of(
                    schemas(draft, depth=1),
                    st.just({}),
                    schemas(draft, depth=0).map(lambda part, there=there: {"anyOf": [part, there]}),
                    st.just({"allOf": [there]}),
                    _dropping(there),
                )
            )
        elif isinstance(there, int | float):
            new = there + draw(st.sampled_from([-1, 1]))
        else:
            continue
        if not way:
            reader = new
        elif isinstance(way[-1], int) or way[-1] not in ("minLength", "minimum") or new is not True:
            holder[way[-1]] = new
    return mended(reader)


def _dropping(schema: Any) -> st.SearchStrategy[Any]:
    if not isinstance(schema, dict) or not schema:
        return st.just(schema)
    return st.sampled_from(sorted(schema)).map(lambda gone: {name: schema[name] for name in schema if name != gone})


def mended(schema: Any) -> Any:
    """Return a schema without what the module leaves out, which a step may have brought about.

    And without keywords beside a boolean `items` that are good there, but that the library cannot count with.
    """
    if isinstance(schema, list):
        return [mended(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {
        name: each if name in ("enum", "const", "required", "type") else mended(each) for name, each in schema.items()
    }
    if "required" in schema and isinstance(schema.get("properties"), dict):
        kept = [name for name in schema["required"] if schema["properties"].get(name) not in (None, {}, True)]
        schema["required"] = kept
        if not kept:
            del schema["required"]
    elif isinstance(schema.get("required"), list):
        del schema["required"]
    if isinstance(schema.get("items"), bool):
        schema.pop("additionalItems", None)
        if "prefixItems" not in schema:
            schema.pop("unevaluatedItems", None)
    if "oneOf" in schema:
        kinds = [_kind(part) for part in schema["oneOf"]]
        if None in kinds or len(set(kinds)) < len(kinds):
            schema["anyOf"] = schema.pop("oneOf")
    return schema


def _kind(part: Any) -> str | None:
    kind = part.get("type") if isinstance(part, dict) else None
    return {"integer": "number"}.get(kind, kind) if isinstance(kind, str) else None
