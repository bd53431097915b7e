"""Whatever a text says: it is a schema that all can be asked of, or it is refused in words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kopfka_registry.errors import InvalidSchemaError
from kopfka_registry.formats.jsonschema import FORMAT, JsonSchema
from kopfka_registry.formats.jsonschema.drafts import Draft, keywords
from registry.formats.jsonschema.random_schemas import SCHEMA

IDS = [
    "",
    "#",
    "#a",
    "a",
    "b",
    "./b",
    "http://x/a",
    "http://x/",
    "#/$defs/a",
    "#/definitions/a",
    "b#/definitions/a",
    "#a/b",
]
KEYWORDS = sorted(set().union(*(keywords(draft) for draft in Draft)) - {"$schema"})
REFERRING = ["$ref", "$id", "id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$defs", "definitions"]
LEAVES = st.one_of(
    st.booleans(),
    st.sampled_from(["string", "object", "array", 0, 1, -1, 1.5, None, [], {}, ["a"], "(", "^a", {"a": ["b"]}]),
    st.sampled_from(IDS),
    st.text(max_size=3),
)


def texts() -> st.SearchStrategy[Any]:
    names = st.one_of(
        st.sampled_from(KEYWORDS), st.sampled_from(REFERRING), st.sampled_from(["a", "b", "confluent:tags"])
    )
    return st.recursive(
        st.dictionaries(names, LEAVES, max_size=3),
        lambda inner: st.dictionaries(names, st.one_of(LEAVES, inner, st.lists(inner, max_size=2)), max_size=3),
        max_leaves=8,
    )


def schema(text: str, references: dict[str, str]) -> JsonSchema | None:
    """Return a text as a schema; None if it was refused, in one line."""
    try:
        return FORMAT.parse(text, references)
    except InvalidSchemaError as error:
        said = str(error)
    assert said
    assert "\n" not in said
    return None


@pytest.mark.parametrize("draft", Draft)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(values=st.tuples(texts(), texts(), texts()))
def test_a_text_is_a_schema_or_is_refused(draft: Draft, values: tuple[Any, Any, Any]) -> None:
    *both, other = values
    references = {"b": json.dumps(other)}
    writer, reader = (schema(json.dumps({**SCHEMA[draft.value], **each}), references) for each in both)
    for each in (writer, reader):
        if each is None:
            continue
        assert FORMAT.parse(each.canonical, references).canonical == each.canonical
        assert each.normalized().normalized().canonical == each.normalized().canonical
        assert each.differences(each) == []
        assert FORMAT.parse(each.formatted("resolved"), {"b": "{}"}).canonical
        each.inline_tags()
    if writer is not None and reader is not None:
        for difference in (*reader.differences(writer), *writer.differences(reader)):
            assert "{" not in difference.told("new", "old")[1:]


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet='{}[]",:$reftyp\\ud8 01-.eE', max_size=40))
def test_any_text_at_all(text: str) -> None:
    schema(text, {})
