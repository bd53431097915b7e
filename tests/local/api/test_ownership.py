"""Sets of fields and server-side apply, as values: laws that hold for any object, and the cases people meet."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_local.api import fields, ownership
from kopfka_local.api.errors import ApiError
from kopfka_local.api.schemas import Definitions, Node

SCHEMA = Node(
    {
        "type": "object",
        "properties": {
            "metadata": {
                "type": "object",
                "properties": {"labels": {"type": "object", "additionalProperties": {"type": "string"}}},
            },
            "spec": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer"},
                    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                    "whole": {"type": "array", "items": {"type": "string"}},
                    "items": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                        "items": {
                            "type": "object",
                            "properties": {
                                "name": {"type": "string"},
                                "value": {"type": "integer"},
                                "note": {"type": "string"},
                            },
                        },
                    },
                },
            },
        },
    },
    Definitions(),
)

_names = st.sampled_from("abcd")
_items = st.lists(
    st.fixed_dictionaries({"name": _names}, optional={"value": st.integers(0, 3), "note": _names}),
    max_size=3,
    unique_by=lambda i: i["name"],
)
_specs = st.fixed_dictionaries(
    {},
    optional={
        "size": st.integers(0, 3),
        "tags": st.lists(_names, max_size=3, unique=True),
        "whole": st.lists(_names, max_size=3),
        "items": _items,
    },
)
configs = st.builds(
    lambda spec, labels: {"apiVersion": "t/v1", "kind": "T", "metadata": {"name": "t", "labels": labels}, "spec": spec},
    _specs,
    st.dictionaries(_names, _names, max_size=2),
)
EMPTY: dict[str, Any] = {"apiVersion": "t/v1", "metadata": {}}


def applied(live: dict[str, Any], config: dict[str, Any], manager: str, force: bool = True) -> dict[str, Any]:
    result = ownership.applied(SCHEMA, live, config, manager, "", force=force)
    return {**result.obj, "metadata": {**result.obj["metadata"], "managedFields": result.managed}}


def body(obj: dict[str, Any]) -> Any:
    spec = {
        k: sorted(v) if k == "tags" else sorted(v, key=lambda item: item["name"]) if k == "items" else v
        for k, v in obj.get("spec", {}).items()
    }
    return {k: v for k, v in spec.items() if v not in ([], {})}, obj["metadata"].get("labels") or {}


@given(configs)
def test_paths_survive_their_encoding(config: dict[str, Any]) -> None:
    paths = fields.of(config, SCHEMA)
    assert fields.decode(fields.encode(paths)) == paths


@given(configs, configs)
def test_a_comparison_names_what_differs(before: dict[str, Any], after: dict[str, Any]) -> None:
    change = fields.compare(before, after, SCHEMA)
    same = not (change.added or change.modified or change.removed)
    assert same == (
        body(before) == body(after) and before["metadata"] == after["metadata"] and _keys(before) == _keys(after)
    )
    back = fields.compare(after, before, SCHEMA)
    assert (change.added, change.removed, change.modified) == (back.removed, back.added, back.modified)


def _keys(obj: dict[str, Any]) -> Any:
    return obj["spec"].keys()


@given(configs)
def test_applying_twice_changes_nothing(config: dict[str, Any]) -> None:
    once = applied(EMPTY, config, "a")
    assert applied(once, config, "a", force=False) == once


@given(configs, configs)
def test_alone_a_manager_gets_exactly_what_it_says(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert body(applied(applied(EMPTY, first, "a"), second, "a", force=False)) == body(second)


@given(configs, configs)
def test_what_another_manager_owns_stays(first: dict[str, Any], second: dict[str, Any]) -> None:
    both = applied(applied(EMPTY, first, "a"), second, "b")
    without = {"apiVersion": "t/v1", "kind": "T", "metadata": {"name": "t"}}
    assert body(applied(both, without, "a", force=False)) == body(applied(EMPTY, second, "b"))


@given(configs, configs)
def test_there_is_a_conflict_exactly_where_another_value_is_owned(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    live = applied(EMPTY, first, "a")
    owned = fields.of(ownership._ownable(first), SCHEMA)
    change = fields.compare(ownership._ownable(live), ownership._ownable(fields.merge(live, second, SCHEMA)), SCHEMA)
    expected = bool(owned & (change.added | change.modified) - {("f:metadata",)})
    if expected:
        with pytest.raises(ApiError, match="conflict") as refused:
            applied(live, second, "b", force=False)
        assert refused.value.reason == "Conflict"
    else:
        applied(live, second, "b", force=False)


def config(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "t/v1", "kind": "T", "metadata": {"name": "t"}, "spec": spec}


def test_the_words_of_a_conflict() -> None:
    live = applied(EMPTY, config(size=1, items=[{"name": "x", "value": 1}]), "a")
    with pytest.raises(ApiError) as one:
        applied(live, config(size=2), "b", force=False)
    assert one.value.message == 'Apply failed with 1 conflict: conflict with "a": .spec.size'
    with pytest.raises(ApiError) as two:
        applied(live, config(size=2, items=[{"name": "x", "value": 2}]), "b", force=False)
    assert two.value.message == (
        'Apply failed with 2 conflicts: conflicts with "a":\n- .spec.size\n- .spec.items[name="x"].value'
    )
    assert two.value.details is not None
    assert two.value.details["causes"][0] == {
        "reason": "FieldManagerConflict", "message": 'conflict with "a"', "field": ".spec.size"
    }  # fmt: skip


def test_force_takes_the_field_over() -> None:
    live = applied(EMPTY, config(size=1), "a")
    taken = applied(live, config(size=2), "b", force=True)
    assert taken["spec"]["size"] == 2
    assert [(entry["manager"], entry["fieldsV1"]) for entry in taken["metadata"]["managedFields"]] == [
        ("b", {"f:spec": {"f:size": {}}})
    ]


def test_an_update_owns_what_it_changed() -> None:
    live = applied(EMPTY, config(size=1, tags=["x"]), "a")
    changed = {**live, "spec": {**live["spec"], "size": 5}}
    entries = ownership.updated(SCHEMA, live, changed, "u", "")
    assert {entry["manager"]: entry["fieldsV1"] for entry in entries} == {
        "a": {"f:spec": {"f:tags": {'v:"x"': {}}}},
        "u": {"f:spec": {"f:size": {}}},
    }


def test_an_item_of_a_list_without_its_key_is_refused() -> None:
    with pytest.raises(ApiError, match="omits key field"):
        applied(EMPTY, config(items=[{"value": 1}]), "a")
