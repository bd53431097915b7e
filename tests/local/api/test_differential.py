"""The same requests to this server and to a real Kubernetes: same status, same reason, same words, same objects.

What may differ is said here once: identities and times; what controllers and admission plugins of a real cluster add
(`_ADDED`), and messages where only the code and the reason are held to (`words=False`).
"""

from __future__ import annotations

import copy
import json
import re
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from local.api import dialogue
from local.api.clients import Client
from local.api.formulas import FORMULAS
from local.api.rules_with_fields import RULES, SPEC
from support.prerequisites import need_cluster
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.api.clients import Answer
    from local.api.conftest import RunningServer

pytestmark = pytest.mark.kubernetes

NAMESPACE = f"differential-{secrets.token_hex(3)}"
_IDENTITY = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "time",
    "lastTransitionTime",
    "deletionTimestamp",
    "continue",
)
_ADDED = ("clusterIP", "clusterIPs", "time")


@pytest.fixture(scope="module")
def real() -> Iterator[Client]:
    client = Client(need_cluster())
    version = client.send("GET", "/version").body["gitVersion"]
    assert "kopfka" not in version, "held against itself"
    namespace = f"/api/v1/namespaces/{NAMESPACE}"
    client.send("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    eventually(
        lambda: client.send("GET", f"{namespace}/serviceaccounts/default").status == 200, what="a service account"
    )
    client.send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", dialogue.DEFINITION)
    eventually(lambda: client.send("GET", f"{dialogue.THINGS}").status == 200, what="the custom resource")
    yield client
    client.send(
        "DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{dialogue.DEFINITION['metadata']['name']}"
    )
    client.send("DELETE", namespace)


@pytest.fixture(scope="module")
def ours(server: RunningServer) -> Client:
    server.client.send("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    server.client.send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", dialogue.DEFINITION)
    return server.client


@pytest.mark.parametrize("case", dialogue.CASES, ids=lambda case: case.name)
def test_same_answers(case: dialogue.Case, real: Client, ours: Client) -> None:
    for step in case.steps:
        answers = []
        for client in (real, ours):
            path = step.path.replace("NS", NAMESPACE)
            body = step.body
            if isinstance(body, (dict, list)):
                body = json.loads(json.dumps(body).replace('"NS"', f'"{NAMESPACE}"'))
            answers.append(client.send(step.method, path, body, content_type=step.content_type, accept=step.accept))
        expected, got = (normal(answer, words=case.words, status=case.status) for answer in answers)
        assert got == expected, f"{step.method} {step.path}"


def normal(answer: Answer, *, words: bool = True, status: bool = True) -> Any:
    body = copy.deepcopy(answer.body)
    if isinstance(body, dict) and isinstance(body.get("metadata"), dict) and "managedFields" in body["metadata"]:
        entries = [e for e in body["metadata"]["managedFields"] if e["manager"] != "kube-controller-manager"]
        body["metadata"]["managedFields"] = sorted(
            entries, key=lambda e: (e["manager"], e["operation"], e.get("subresource", ""))
        )
    causes = isinstance(body, dict) and body.get("kind") == "Status" and (body.get("details") or {}).get("causes")
    if causes and len(causes) > 1 and words:
        # Kubernetes goes through fields in no order
        body["details"]["causes"] = sorted(causes, key=str)
        body["message"] = body["message"].partition(":")[0]
    if not status and body.get("kind") != "Status":
        body.pop("status", None)
    if isinstance(body, dict) and body.get("kind") == "Status" and not words:
        body = {"reason": body.get("reason"), "code": body.get("code")}
    warnings = [re.sub(r"^299 \S+ ", "", warning) for warning in answer.warnings]
    return {"status": answer.status, "warnings": warnings, "body": _scrub(body)}


def _scrub(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {}
        for key, item in value.items():
            if key in _ADDED or item == ["kubernetes.io/pvc-protection"]:
                continue
            if item is None and key.endswith(("Time", "Timestamp")):
                continue
            kept[key] = "…" if key in _IDENTITY else _scrub(item)
        return kept
    if isinstance(value, list):
        return [_scrub(item) for item in value]
    if isinstance(value, str):
        return value.replace(NAMESPACE, "NS")
    return value


def _formula_definition(rules: list[str]) -> dict[str, Any]:
    """Return a CRD with a field for every rule."""
    fields = {
        f"f{index}": {"type": "integer", "x-kubernetes-validations": [{"rule": rule}]}
        for index, rule in enumerate(rules)
    }
    name = f"formulas{secrets.token_hex(3)}"
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": name, "kind": name.title()}
    return {
        "metadata": {"name": f"{name}.dialogue.kopfka.io"},
        "spec": {"group": "dialogue.kopfka.io", "scope": "Cluster", "names": names, "versions": [version]},
    }


def test_cel_has_the_same_values(real: Client, ours: Client) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    rules = [f"string({text}) == {json.dumps(value)}" for text, value in FORMULAS]
    for client in (real, ours):
        definition = _formula_definition(rules)
        created = client.send("POST", path, definition)
        assert created.status == 201, created.message
        things = f"/apis/dialogue.kopfka.io/v1/{definition['spec']['names']['plural']}"
        eventually(lambda client=client, things=things: client.send("GET", things).status == 200, what="the resource")
        kind = definition["spec"]["names"]["kind"]
        body = {"metadata": {"name": "x"}, "spec": {f"f{index}": 1 for index in range(len(rules))}}
        answer = client.send("POST", things, {"apiVersion": "dialogue.kopfka.io/v1", "kind": kind, **body})
        client.send("DELETE", f"{path}/{definition['metadata']['name']}")
        assert answer.status == 201, answer.message


@pytest.mark.parametrize("rule", RULES)
def test_rules_know_the_same_fields(real: Client, ours: Client, rule: str) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All"
    definition = _formula_definition([])
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"] = {**SPEC, "x-kubernetes-validations": [{"rule": rule}]}
    theirs, answer = (client.send("POST", path, definition) for client in (real, ours))
    assert answer.status == theirs.status, (theirs.message, answer.message)
    assert _undefined(answer.message) == _undefined(theirs.message)


@pytest.mark.parametrize("rule", ["has(self.metadata)", "self.metadata.name != ''", "has(self.metadata.labels)",
                                  "has(self.kind)", "has(self.status)"])  # fmt: skip
def test_rules_of_whole_objects_know_the_same_fields(real: Client, ours: Client, rule: str) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All"
    definition = _formula_definition([])
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["x-kubernetes-validations"] = [{"rule": rule}]
    theirs, answer = (client.send("POST", path, definition) for client in (real, ours))
    assert answer.status == theirs.status, (theirs.message, answer.message)
    assert _undefined(answer.message) == _undefined(theirs.message)


def _undefined(message: str) -> list[str]:
    return re.findall("undefined field '([^']*)'", message)
