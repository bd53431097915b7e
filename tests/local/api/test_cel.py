"""CEL: values of expressions, errors, and the rules of CRDs."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_local.api import celrules
from kopfka_local.api.cel import CelError, compile_expression
from kopfka_local.api.schemas import Definitions, Node
from local.api.formulas import COSTLY, FAILING, FORMULAS

SELF: dict[str, Any] = {"a": 2, "l": [1, 2, 3], "s": "aaa", "m": {"k": 1}, "n": None}


def value(text: str, **variables: Any) -> Any:
    variables = variables or {"self": SELF}
    return compile_expression(text, variables).evaluate(variables)


@pytest.mark.parametrize(("text", "expected"), FORMULAS + COSTLY)
def test_constant_formulas(text: str, expected: str) -> None:
    assert value(f"string({text})") == expected


@pytest.mark.parametrize("text", FAILING)
def test_formulas_without_a_value(text: str) -> None:
    with pytest.raises(CelError):
        value(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("has(self.a) && self.a > 1", True),
        ("!has(self.b) || self.b.c == 1", True),
        ("has(self.m.k) && !has(self.m.z)", True),
        ("self.l.all(x, x > 0)", True),
        ("self.l.exists(x, x == 2) ? 'y' : 'n'", "y"),
        ("self.l.exists_one(x, x > 2)", True),
        ("self.l.map(x, x > 1, x * 2)", [4, 6]),
        ("self.l.filter(x, x > 1).size()", 2),
        ("self.m.all(k, k != 'z')", True),
        ("'k' in self.m && !('z' in self.m)", True),
        ("self['a'] == self.a", True),
        ("self.?b.c.orValue(5)", 5),
        ("self.?a.orValue(5)", 2),
        ("self.?m.k.optMap(v, v + 1).orValue(0)", 2),
        ("self.l[?7].hasValue()", False),
        ("true || self.nope", True),
        ("self.nope || true", True),
        ("false && self.nope", False),
        ("self.l.exists(x, x == 3 || self.nope)", True),
        ("self.n == null", True),
        ("type(self.l) == list", True),
    ],
)
def test_values(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("self.nope", "no such key: nope"),
        ("self.l[9]", "index out of bounds"),
        ("self.a + 1.0", "no matching overload"),
        ("self.a && true", "no matching overload"),
        ("self.s.size() + self.l", "no matching overload"),
        ("self.l.all(x, self.l.all(y, self.l.all(z, " * 12 + "true" + ")))" * 12, "cost limit|recursion"),
    ],
)
def test_errors(text: str, words: str) -> None:
    with pytest.raises(CelError, match=words):
        value(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 +",
        "foo",
        "self.foo(",
        "[1",
        "{1:2",
        "'open",
        "nofunc(1)",
        "self.a.nofunc()",
        "has(1)",
        "self.all(1, 2)",
        "a b",
        "for",
        "1 = 2",
        "((((" * 60,
        "'\\q'",
    ],
)
def test_malformed_expressions_are_refused_when_compiled(text: str) -> None:
    with pytest.raises(CelError):
        compile_expression(text, ["self"])


@given(st.text("self.()[]{}!?:&|<>=+-*/%'\"0123456789abx, ", max_size=40))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    with contextlib.suppress(CelError):
        compile_expression(text, ["self"]).evaluate({"self": SELF})


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers_are_those_of_64_bits(left: int, right: int) -> None:
    for text, result in (("l + r", left + right), ("l - r", left - right), ("l * r", left * right)):
        if -(2**63) <= result < 2**63:
            assert value(text, l=left, r=right) == result
        else:
            with pytest.raises(CelError, match="overflow"):
                value(text, l=left, r=right)
    if right and not (left == -(2**63) and right == -1):
        assert value("l / r * r + l % r == l", l=left, r=right) is True


SCHEMA = Node(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "size": {"type": "string"},
                    "ratio": {"type": "number"},
                    "at": {"type": "string", "format": "date-time"},
                    "name": {
                        "type": "string",
                        "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "it is fixed"}],
                    },
                    "once": {
                        "type": "string",
                        "x-kubernetes-validations": [
                            {
                                "rule": "!oldSelf.hasValue() || self == oldSelf.value()",
                                "optionalOldSelf": True,
                                "message": "once",
                            }
                        ],
                    },
                    "items": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                        "items": {
                            "type": "object",
                            "properties": {"name": {"type": "string"}, "value": {"type": "integer"}},
                            "x-kubernetes-validations": [
                                {
                                    "rule": "self.value >= oldSelf.value",
                                    "messageExpression": "self.name + ' never shrinks'",
                                }
                            ],
                        },
                    },
                },
                "x-kubernetes-validations": [
                    {
                        "rule": "!has(self.size) || quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0",
                        "message": "it grows only",
                        "fieldPath": ".size",
                        "reason": "FieldValueForbidden",
                    },
                    {"rule": "!has(self.ratio) || self.ratio / 2.0 < 2.0", "message": "too large"},
                    {"rule": "!has(self.at) || self.at > timestamp('2020-01-01T00:00:00Z')", "message": "too old"},
                ],
            }
        },
    },
    Definitions(),
)


def broken(new: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    live = None if old is None else {"spec": old}
    return [str(cause) for cause in celrules.evaluate({"spec": new}, live, SCHEMA)]


def test_rules_of_a_schema() -> None:
    assert broken({"name": "a", "once": "x", "ratio": 3, "at": "2026-01-01T00:00:00Z"}) == []
    assert broken({"ratio": 5}) == ['spec: Invalid value: "object": too large']
    assert broken({"at": "2001-01-01T00:00:00Z"}) == ['spec: Invalid value: "object": too old']


def test_transition_rules_run_on_updates_where_the_old_value_is_known() -> None:
    assert broken({"name": "b"}, {"name": "a"}) == ['spec.name: Invalid value: "string": it is fixed']
    assert broken({"name": "b"}, {}) == []
    assert broken({"size": "1Gi"}, {"size": "1024Mi"}) == []
    assert broken({"size": "1Gi"}, {"size": "2Gi"}) == ["spec.size: Forbidden: it grows only"]
    assert broken({"once": "b"}, {"once": "a"}) == ['spec.once: Invalid value: "string": once']
    items = [{"name": "x", "value": 1}, {"name": "y", "value": 1}]
    before = [{"name": "y", "value": 5}, {"name": "z", "value": 9}]
    assert broken({"items": items}, {"items": before}) == ['spec.items[1]: Invalid value: "object": y never shrinks']
