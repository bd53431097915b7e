"""What counts as a difference between a live object and a manifest."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_operator.covers import covers
from kopfka_operator.quantities import parse_quantity

scalars = st.one_of(st.booleans(), st.integers(-5, 5), st.text(max_size=3))
keyed = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=3, unique_by=lambda pair: pair[0]).map(
    lambda pairs: [{"name": name, "value": value} for name, value in pairs]
)
values = st.recursive(
    st.one_of(scalars, keyed),
    lambda inner: st.one_of(st.dictionaries(st.sampled_from("pqr"), inner, max_size=3), st.lists(inner, max_size=2)),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from("xyz"), values, max_size=3)


@given(wanted=objects)
def test_an_object_covers_itself(wanted: dict[str, Any]) -> None:
    assert covers(copy.deepcopy(wanted), wanted)


@given(wanted=objects, more=scalars)
def test_what_others_add_does_not_count(wanted: dict[str, Any], more: Any) -> None:
    assert covers({**wanted, "added": more}, wanted)


@given(wanted=objects, name=st.sampled_from("xyz"), value=st.integers(10, 20))
def test_another_value_counts(wanted: dict[str, Any], name: str, value: int) -> None:
    assert not covers({**wanted, name: value}, {**wanted, name: value + 1})


@pytest.mark.parametrize(
    ("live", "wanted", "same"),
    [
        # what the API server leaves out because it is empty
        ({}, {"a": False, "b": "", "c": [], "d": {}}, True),
        ({}, {"a": True}, False),
        # containers and ports by their key, whatever else was injected between them
        ({"c": [{"name": "mesh"}, {"name": "broker", "image": "1", "x": 1}]}, {"c": [{"name": "broker"}]}, True),
        ({"c": [{"name": "broker", "image": "1"}]}, {"c": [{"name": "broker", "image": "2"}]}, False),
        ({"c": [{"name": "other"}]}, {"c": [{"name": "broker"}]}, False),
        # lists without a key as a whole
        ({"args": ["a", "b"]}, {"args": ["a"]}, False),
        ({"args": ["b", "a"]}, {"args": ["a", "b"]}, False),
        ({"drop": ["ALL"]}, {"drop": ["ALL"]}, True),
        # quantities by value
        ({"requests": {"cpu": "1", "memory": "1Gi"}}, {"requests": {"cpu": "1000m", "memory": "1024Mi"}}, True),
        ({"requests": {"cpu": "1"}}, {"requests": {"cpu": "1001m"}}, False),
        ({"requests": {}}, {"requests": {"cpu": "1"}}, False),
    ],
)
def test_examples(live: dict[str, Any], wanted: dict[str, Any], same: bool) -> None:
    assert covers(live, wanted) is same


@pytest.mark.parametrize(
    ("one", "other"), [("1Gi", "1024Mi"), ("1", "1000m"), ("1k", "1000"), ("0.5", "500m"), ("1.5Gi", "1536Mi")]
)
def test_quantities_that_are_equal(one: str, other: str) -> None:
    assert parse_quantity(one) == parse_quantity(other)


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "-1", "1gi", "1e3", "one"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="write a number with a suffix"):
        parse_quantity(text)
