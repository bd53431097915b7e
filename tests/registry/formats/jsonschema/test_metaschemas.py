"""The tables of keywords against the drafts' own metaschemas, run by the library `jsonschema`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema.exceptions import SchemaError
from jsonschema.validators import validator_for

from kopfka_registry.errors import InvalidSchemaError
from kopfka_registry.formats.jsonschema.drafts import Draft, draft_of, keywords
from kopfka_registry.formats.jsonschema.examine import Budget, examine
from kopfka_registry.formats.jsonschema.text import read

URIS = {
    Draft.DRAFT_4: "http://json-schema.org/draft-04/schema#",
    Draft.DRAFT_6: "http://json-schema.org/draft-06/schema#",
    Draft.DRAFT_7: "http://json-schema.org/draft-07/schema#",
    Draft.DRAFT_2019_09: "https://json-schema.org/draft/2019-09/schema",
    Draft.DRAFT_2020_12: "https://json-schema.org/draft/2020-12/schema",
}
KEYWORDS = sorted(set().union(*(keywords(draft) for draft in Draft)) - {"$schema", "$ref"})
TYPES = ["string", "integer", "number", "object", "array", "null", "boolean", "text"]
VALUES = st.one_of(
    st.sampled_from([None, True, False, 0, 1, -1, 2.0, 0.5, -0.5, "", "a", "a b", "#a", "a#", "_a", [], {}]),
    st.sampled_from(TYPES),
    st.lists(st.sampled_from([*TYPES, 1, True, {}, [], 1.0]), max_size=3),
    st.dictionaries(st.sampled_from("ab"), st.sampled_from([True, 1, "a", [], ["a"], ["a", "a"], {}]), max_size=2),
)


def schemas() -> st.SearchStrategy[Any]:
    return st.recursive(
        st.booleans() | st.dictionaries(st.sampled_from(KEYWORDS), VALUES, max_size=2),
        lambda inner: st.dictionaries(
            st.sampled_from(KEYWORDS),
            st.one_of(VALUES, inner, st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("ab"), inner)),
            max_size=3,
        ),
        max_leaves=6,
    )


@pytest.mark.parametrize("draft", Draft)
@given(schema=schemas())
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_a_schema_is_good_where_the_metaschema_says_so(draft: Draft, schema: Any) -> None:
    if isinstance(schema, dict):
        schema = {**schema, "$schema": URIS[draft]}
    try:
        validator_for({"$schema": URIS[draft]}).check_schema(schema)
        good = True
    except SchemaError:
        good = False
    try:
        examine(read(json.dumps(schema)), "", draft, Budget("testing"), set())
        found = True
    except InvalidSchemaError as error:
        found = " is no regular expression" in str(error)
    assert found is good


@pytest.mark.parametrize("draft", Draft)
def test_every_keyword_of_a_metaschema_is_in_the_table(draft: Draft) -> None:
    """Except those that may be anything."""
    from jsonschema_specifications import REGISTRY

    uri = URIS[draft]
    top = REGISTRY.contents(uri)
    parts = [top, *(REGISTRY.contents(f"{uri.rpartition('/')[0]}/{each['$ref']}") for each in top.get("allOf", ()))]
    named = {name for part in parts for name, schema in part["properties"].items() if schema not in ({}, True)}
    assert named - keywords(draft).keys() == set()
    assert keywords(draft).keys() - named <= {"$ref"}


@pytest.mark.parametrize(("draft", "uri"), URIS.items())
def test_a_draft_is_told_by_its_address(draft: Draft, uri: str) -> None:
    """Confluent: with and without TLS; draft 4 without a draft in the address; draft 7 for everything else."""
    for spelled in (uri, uri.removesuffix("#"), uri.replace("http:", "https:"), uri.replace("https:", "http:")):
        assert draft_of({"$schema": spelled}) is draft
    assert draft_of({"$schema": "http://json-schema.org/schema#"}) is Draft.DRAFT_4
    assert draft_of({"$schema": "http://example.org/own"}) is Draft.DRAFT_7
    assert draft_of({}) is draft_of(True) is Draft.DRAFT_7
    assert draft_of({}, draft) is draft


@pytest.mark.parametrize("draft", Draft)
def test_a_metaschema_is_a_schema_of_its_own_draft(draft: Draft) -> None:
    from jsonschema_specifications import REGISTRY

    from kopfka_registry.formats.jsonschema import FORMAT

    FORMAT.parse(json.dumps(REGISTRY.contents(URIS[draft])), {})
    FORMAT.parse(json.dumps({"$schema": URIS[draft], "$ref": URIS[draft]}), {})
