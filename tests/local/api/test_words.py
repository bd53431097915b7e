"""The small languages: quantities, JSONPath, selectors, names, ages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_local.api import cells, formats, jsonpath, meta, quantity, selectors
from kopfka_local.api.errors import ApiError


@pytest.mark.parametrize(
    ("text", "value", "canonical"),
    [
        ("1", "1", "1"), ("1000m", "1", "1"), ("1500m", "1.5", "1500m"), ("0.5", "0.5", "500m"), ("1e3", "1000", "1e3"),
        ("1024Mi", "1073741824", "1Gi"), ("0.5Gi", "536870912", "512Mi"), ("1Ki", "1024", "1Ki"),
        ("100k", "100000", "100k"),
        ("1000k", "1000000", "1M"), ("0", "0", "0"), ("-2Gi", "-2147483648", "-2Gi"), ("1u", "0.000001", "1u"),
        ("12345", "12345", "12345"), ("1500Mi", "1572864000", "1500Mi"), ("1E", "1e18", "1E"), (".5Ki", "512", "512"),
    ],
)  # fmt: skip
def test_quantities(text: str, value: str, canonical: str) -> None:
    assert quantity.parse(text) == Decimal(value)
    assert quantity.canonical(text) == canonical
    assert quantity.parse(canonical) == quantity.parse(text)


@pytest.mark.parametrize("text", ["", "1 Gi", "Gi", "1gi", "1KiB", "0x1", "1e", "--1", "1.2.3", "NaN", "1e999999999"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        quantity.parse(text)


@given(st.integers(-(10**6), 10**6), st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi"]))
def test_the_canonical_form_is_the_same_amount(number: int, suffix: str) -> None:
    text = f"{number}{suffix}"
    canonical = quantity.canonical(text)
    assert quantity.parse(canonical) == quantity.parse(text)
    assert quantity.canonical(canonical) == canonical


OBJ: Any = {
    "spec": {"ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "b"}], "a.b/c": "dotted"},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.ports[0].port", [1]),
        (".spec.ports[-1].name", ["b"]),
        (".spec.ports[*].port", [1, 2]),
        (".spec.ports[0:1].port", [1]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type=='Nope')].status", []),
        (".spec.ports[?(@.port>1)].name", ["b"]),
        (r".spec.a\.b/c", ["dotted"]),
        (".spec['a.b/c']", ["dotted"]),
        ("{.spec.ports[1].port}", [2]),
        ("..port", [1, 2]),
        (".none.at.all", []),
        (".spec.ports[9]", []),
    ],
)
def test_jsonpath(path: str, found: list[Any]) -> None:
    assert jsonpath.check(path) is None
    assert jsonpath.find(OBJ, path) == found


@given(st.text(".[]()?@=*'\"abc01:$ ", max_size=25))
def test_any_path_finds_something_or_nothing(path: str) -> None:
    assert isinstance(jsonpath.find(OBJ, path), list)


@given(st.text("ab=!,() innot><", max_size=25), st.dictionaries(st.sampled_from("ab"), st.sampled_from(["", "a", "1"])))
def test_any_selector_is_understood_or_refused(text: str, labels: dict[str, str]) -> None:
    try:
        matched = selectors.parse_label_selector(text).matches(labels)
    except ApiError as error:
        matched = error.status == 400
    assert matched in (True, False)


def test_selectors_in_objects() -> None:
    selector = selectors.from_object(
        {
            "matchLabels": {"a": "1"},
            "matchExpressions": [
                {"key": "b", "operator": "NotIn", "values": ["2"]},
                {"key": "c", "operator": "Exists"},
            ],
        }
    )
    assert selector.matches({"a": "1", "c": ""})
    assert not selector.matches({"a": "1", "b": "2", "c": ""})
    assert not selector.matches({"a": "1"})


@pytest.mark.parametrize(
    ("storage", "name", "fine"),
    [
        ("configmaps", "a.b-c", True), ("configmaps", "A", False), ("configmaps", "a" * 254, False),
        ("configmaps", "-a", False),
        ("namespaces", "a.b", False), ("namespaces", "a" * 64, False), ("services", "1a", False),
        ("services", "a1", True),
        ("clusterroles.rbac.authorization.k8s.io", "system:x", True),
        ("clusterroles.rbac.authorization.k8s.io", "a/b", False),
    ],
)  # fmt: skip
def test_names(storage: str, name: str, fine: bool) -> None:
    assert (not meta.check(storage, {"name": name})) == fine


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (119, "119s"), (120, "2m"), (187, "3m7s"), (720, "12m"), (10800, "3h"), (11220, "3h7m"), (28800, "8h"),
     (172800, "2d"), (176400, "2d1h"), (86400 * 45, "45d"), (86400 * 760, "2y30d"), (86400 * 3000, "8y"),
     (-5, "<invalid>")],
)  # fmt: skip
def test_ages(seconds: int, text: str) -> None:
    assert cells.span(seconds) == text


@pytest.mark.parametrize(
    ("name", "value", "fine"),
    [("date-time", "2026-01-01T00:00:00Z", True), ("date-time", "2026-01-01", False), ("date", "2026-02-30", False),
     ("duration", "1h30m", True), ("duration", "1", False), ("ipv4", "1.2.3.4", True), ("ipv4", "1.2.3", False),
     ("cidr", "10.0.0.0/8", True), ("uuid", "x", False), ("hostname", "a.b", True), ("byte", "YQ==", True),
     ("byte", "%", False),
     ("unheard-of", "x", True)],
)  # fmt: skip
def test_formats(name: str, value: str, fine: bool) -> None:
    assert formats.is_valid(name, value) == fine
