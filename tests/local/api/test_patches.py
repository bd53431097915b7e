"""Merge, JSON and strategic-merge patches, as values."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_local.api import patches, strategic
from kopfka_local.api.errors import ApiError
from kopfka_local.api.schemas import ANY, Definitions

POD = Definitions().node("io.k8s.api.core.v1.Pod")
_leaves = st.one_of(st.booleans(), st.integers(), st.text(max_size=5))
documents = st.recursive(
    _leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=12,
)
objects = st.dictionaries(st.text(max_size=3), documents, max_size=4)


@given(objects, objects)
def test_the_difference_of_two_objects_makes_one_of_the_other(before: Any, after: Any) -> None:
    assert patches.merge(before, patches.merge_diff(before, after)) == after


@given(objects, objects)
def test_a_merge_patch_changes_neither_argument(target: Any, patch: Any) -> None:
    kept = copy.deepcopy((target, patch))
    patches.merge(target, patch)
    assert (target, patch) == kept


# the examples of RFC 7386, appendix A
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(target: Any, patch: Any, result: Any) -> None:
    assert patches.merge(target, patch) == result


@pytest.mark.parametrize(
    ("operations", "result"),
    [
        ([{"op": "add", "path": "/c", "value": 1}], {"a": [1, 2], "b": {"x/y": 1}, "c": 1}),
        ([{"op": "add", "path": "/a/-", "value": 3}], {"a": [1, 2, 3], "b": {"x/y": 1}}),
        ([{"op": "add", "path": "/a/0", "value": 0}], {"a": [0, 1, 2], "b": {"x/y": 1}}),
        ([{"op": "remove", "path": "/a/1"}, {"op": "remove", "path": "/b"}], {"a": [1]}),
        ([{"op": "replace", "path": "/b/x~1y", "value": 2}], {"a": [1, 2], "b": {"x/y": 2}}),
        ([{"op": "move", "from": "/a/0", "path": "/c"}], {"a": [2], "b": {"x/y": 1}, "c": 1}),
        ([{"op": "copy", "from": "/b", "path": "/c"}], {"a": [1, 2], "b": {"x/y": 1}, "c": {"x/y": 1}}),
        ([{"op": "test", "path": "/a", "value": [1, 2.0]}], {"a": [1, 2], "b": {"x/y": 1}}),
    ],
)
def test_json_patch(operations: list[Any], result: Any) -> None:
    assert patches.json_patch({"a": [1, 2], "b": {"x/y": 1}}, operations) == result


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ({"op": "test", "path": "/a", "value": True}, 422),
        ({"op": "remove", "path": "/none"}, 422),
        ({"op": "replace", "path": "/none", "value": 1}, 422),
        ({"op": "add", "path": "/a/b", "value": 1}, 422),
        ({"op": "add", "path": "/l/7", "value": 1}, 422),
        ({"op": "add", "path": "/l/01", "value": 1}, 422),
        ({"op": "move", "from": "/m", "path": "/m/n"}, 422),
        ({"op": "add", "path": "a", "value": 1}, 400),
        ({"op": "add", "path": "/a"}, 400),
        ({"op": "shrug", "path": "/a"}, 400),
        ("no object", 400),
    ],
)
def test_refused_json_patches(operation: Any, status: int) -> None:
    with pytest.raises(ApiError) as refused:
        patches.json_patch({"a": 1, "l": [1], "m": {}}, [operation])
    assert refused.value.status == status


@given(
    documents,
    st.lists(
        st.fixed_dictionaries(
            {
                "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
                "path": st.text("/a0-~1", max_size=5),
            },
            optional={"value": documents, "from": st.text("/a0-", max_size=4)},
        ),
        max_size=4,
    ),
)
def test_any_json_patch_is_applied_or_refused(document: Any, operations: list[Any]) -> None:
    refused = None
    try:
        patches.json_patch(document, operations)
    except ApiError as error:
        refused = error
    assert refused is None or refused.status in (400, 422)


def containers(*given: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(given)}}


def test_strategic_merge_joins_lists_by_their_key() -> None:
    live = containers({"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "1"})
    patch = containers({"name": "a", "image": "2", "env": [{"name": "Y", "value": "2"}]}, {"name": "c"})
    assert strategic.merge(live, patch, POD) == containers(
        {"name": "a", "image": "2", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]},
        {"name": "b", "image": "1"},
        {"name": "c"},
    )


def test_strategic_merge_directives() -> None:
    live = containers({"name": "a", "args": ["1"]}, {"name": "b"})
    assert strategic.merge(live, containers({"name": "a", "$patch": "delete"}), POD) == containers({"name": "b"})
    assert strategic.merge(live, containers({"$patch": "replace"}, {"name": "z"}), POD) == containers({"name": "z"})
    assert strategic.merge(live, {"spec": {"$patch": "replace", "hostname": "h"}}, POD) == {"spec": {"hostname": "h"}}
    finalizers = {"metadata": {"finalizers": ["a", "b"]}}
    assert strategic.merge(finalizers, {"metadata": {"finalizers": ["b", "c"]}}, POD)["metadata"]["finalizers"] == [
        "a",
        "b",
        "c",
    ]
    dropped = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}
    assert strategic.merge(finalizers, dropped, POD)["metadata"]["finalizers"] == ["b"]
    ordered = {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "a"}]}}
    assert [c["name"] for c in strategic.merge(live, ordered, POD)["spec"]["containers"]] == ["b", "a"]


def test_strategic_merge_refuses_items_without_their_key() -> None:
    with pytest.raises(ApiError, match="does not contain declared merge key: name"):
        strategic.merge(containers({"name": "a"}), containers({"image": "x"}), POD)


@given(objects, objects)
def test_without_a_schema_a_strategic_merge_is_a_merge(target: Any, patch: Any) -> None:
    assert strategic.merge(target, patch, ANY) == patches.merge(target, patch)
