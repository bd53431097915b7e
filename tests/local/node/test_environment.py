from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_local.node.environment import (
    Machine,
    MissingReferenceError,
    Sources,
    container_environment,
    expand,
    field_value,
    resource_value,
)
from kopfka_local.node.paths import MountPaths

POD = {
    "metadata": {
        "name": "p",
        "namespace": "n",
        "uid": "u",
        "labels": {"a": "1", "b/c": 'x"y'},
        "annotations": {"k": "v"},
    },
    "spec": {
        "nodeName": "laptop",
        "containers": [{"name": "c", "resources": {"limits": {"memory": "1Gi", "cpu": "1500m"}}}],
    },
    "status": {"podIP": "127.0.0.3", "podIPs": [{"ip": "127.0.0.3"}], "hostIP": "127.0.0.1"},
}
CONFIG_MAPS = {"cm": {"data": {"K": "v", "L": "w"}}}
SECRETS = {"s": {"data": {"P": base64.b64encode(b"geheim").decode()}}}
MACHINE = Machine(4, 8 * 1024**3)


def environment(container: dict, mounts: dict[str, str] | None = None) -> dict[str, str]:  # type: ignore[type-arg]
    sources = Sources(CONFIG_MAPS.get, SECRETS.get, MACHINE)
    return container_environment(container, POD, sources, MountPaths(mounts or {}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("$(A)-$(B)", "1-$(B)"), ("$$(A)", "$(A)"), ("$A $", "$A $"), ("$(A", "$(A"), ("$$$(A)", "$1")],
)
def test_expand(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


@given(st.text())
def test_expand_leaves_what_names_nothing(text: str) -> None:
    assert expand(text.replace("$", ""), {"A": "1"}) == text.replace("$", "")


def test_values_refer_to_earlier_ones_and_mount_paths_become_folders() -> None:
    env = [
        {"name": "DIR", "value": "/data"},
        {"name": "FILE", "value": "$(DIR)/x"},
        {"name": "LATE", "value": "$(LATER)"},
        {"name": "LATER", "value": "1"},
        {"name": "EMPTY"},
    ]
    assert environment({"env": env}, {"/data": "/folders/data"}) == {
        "DIR": "/folders/data", "FILE": "/folders/data/x", "LATE": "$(LATER)", "LATER": "1", "EMPTY": "",
    }  # fmt: skip


def test_sources() -> None:
    env = [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "K"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "P"}}},
        {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "D", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
        {"name": "E", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "no", "optional": True}}},
    ]
    container = POD["spec"]["containers"][0] | {  # type: ignore[index]
        "env": env, "envFrom": [{"configMapRef": {"name": "cm"}, "prefix": "X_"}, {"secretRef": {"name": "s"}}],
    }  # fmt: skip
    assert environment(container) == {
        "X_K": "v", "X_L": "w", "P": "geheim", "A": "v", "B": "geheim", "C": "p", "D": "1024",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMapKeyRef": {"name": "no", "key": "K"}}, 'configmap "no" not found'),
        ({"configMapKeyRef": {"name": "cm", "key": "no"}}, "couldn't find key no in configmap cm"),
        ({"secretKeyRef": {"name": "no", "key": "K"}}, 'secret "no" not found'),
    ],
)
def test_what_is_missing_is_named(source: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(MissingReferenceError, match=message):
        environment({"env": [{"name": "A", "valueFrom": source}]})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.namespace", "n"),
        ("metadata.labels['b/c']", 'x"y'),
        ("metadata.labels", 'a="1"\nb/c="x\\"y"'),
        ("metadata.annotations['k']", "v"),
        ("metadata.annotations['no']", ""),
        ("spec.nodeName", "laptop"),
        ("status.podIP", "127.0.0.3"),
        ("status.podIPs", "127.0.0.3"),
    ],
)
def test_fields(path: str, value: str) -> None:
    assert field_value(POD, path) == value


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ({"resource": "limits.cpu"}, "2"),  # 1500m, rounded up
        ({"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "requests.memory"}, "0"),
        ({"resource": "limits.memory", "containerName": "c"}, str(1024**3)),
    ],
)
def test_resources(reference: dict, value: str) -> None:  # type: ignore[type-arg]
    assert resource_value(reference, POD["spec"]["containers"][0], POD, MACHINE) == value  # type: ignore[index]


def test_a_missing_limit_is_the_machines() -> None:
    assert resource_value({"resource": "limits.cpu"}, {}, POD, MACHINE) == "4"
    assert resource_value({"resource": "limits.memory", "divisor": "1Gi"}, {}, POD, MACHINE) == "8"
