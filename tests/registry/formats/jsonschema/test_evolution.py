"""Random evolutions: what is called compatible loses no data, by the library `jsonschema`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from jsonschema.validators import validator_for

from kopfka_registry.errors import InvalidSchemaError
from kopfka_registry.formats.jsonschema import FORMAT
from registry.formats.jsonschema.random_schemas import INSTANCES, SCHEMA, evolved, mended, schemas

DRAFTS = [4, 6, 7, 2019, 2020]


@st.composite
def steps(draw: st.DrawFn, draft: int) -> tuple[Any, Any]:
    writer = mended(draw(schemas(draft)))
    return writer, draw(evolved(draft, writer))


def whole(schema: Any, draft: int) -> Any:
    return {**SCHEMA[draft], **schema} if isinstance(schema, dict) else schema


@pytest.mark.parametrize("draft", DRAFTS)
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_what_is_compatible_loses_nothing(draft: int, data: st.DataObject) -> None:
    writer, reader = (whole(each, draft) for each in data.draw(steps(draft)))
    try:
        before, after = FORMAT.parse(json.dumps(writer), {}), FORMAT.parse(json.dumps(reader), {})
    except InvalidSchemaError:
        event("a step led to no schema")
        return
    if after.differences(before):
        event("incompatible")
        return
    event("compatible")
    validator = validator_for(whole({}, draft), default=Draft7Validator)
    old, new = validator(writer), validator(reader)
    for instance in INSTANCES:
        if old.is_valid(instance):
            assert new.is_valid(instance), f"{instance!r} is lost"


@pytest.mark.parametrize("draft", DRAFTS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_a_schema_reads_what_it_wrote(draft: int, data: st.DataObject) -> None:
    """Whether it is compared by words or by rules: in a definition that has another name, words differ."""
    schema = data.draw(schemas(draft))
    keyword = "$defs" if draft >= 2019 else "definitions"

    def under(name: str) -> Any:
        text = {**SCHEMA[draft], keyword: {name: schema}, "properties": {"a": {"$ref": f"#/{keyword}/{name}"}}}
        return FORMAT.parse(json.dumps(text), {})

    one, other = under("one"), under("two")
    assert one.differences(other) == []
    titled = FORMAT.parse(json.dumps({**whole(schema, draft), "title": "t"} if isinstance(schema, dict) else True), {})
    if isinstance(schema, dict):
        assert titled.differences(FORMAT.parse(json.dumps(whole(schema, draft)), {})) == []
