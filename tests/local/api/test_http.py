"""Requests that are wrong, odd or malicious: each gets Kubernetes' answer, none a traceback, and the server goes on."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.api import dialogue
from local.api.clients import APPLY, MERGE, STRATEGIC

if TYPE_CHECKING:
    from local.api.clients import Client
    from local.api.conftest import RunningServer

MAPS = "/api/v1/namespaces/default/configmaps"


def test_nobody_without_the_token(client: Client) -> None:
    for token in ("", "wrong", client.token + "x"):  # type: ignore[operator]
        answer = client.send("GET", "/api/v1/pods", token=token)
        assert (answer.status, answer.reason, answer.message) == (401, "Unauthorized", "Unauthorized")
    for path in ("/version", "/livez", "/healthz", "/readyz"):
        assert client.send("GET", path, token="").status == 200


def test_the_files_with_secrets_are_the_owners_alone(server: RunningServer) -> None:
    for name in ("kubeconfig", "token", "api.key", "cluster.sqlite"):
        assert (server.state / name).stat().st_mode & 0o777 == 0o600, name


@pytest.mark.parametrize(
    ("method", "path", "body", "content_type", "status", "reason"),
    [
        ("GET", "/apis/apps/v1/nothing", None, "application/json", 404, "NotFound"),
        ("GET", f"{MAPS}/none", None, "application/json", 404, "NotFound"),
        ("GET", f"{MAPS}/none/status", None, "application/json", 404, "NotFound"),
        ("GET", "/api/v1/namespaces/default/nodes", None, "application/json", 404, "NotFound"),
        ("GET", f"{MAPS}?labelSelector=a%3D%3D%3D", None, "application/json", 400, "BadRequest"),
        ("GET", f"{MAPS}?limit=x", None, "application/json", 400, "BadRequest"),
        ("GET", f"{MAPS}?continue=nonsense", None, "application/json", 410, "Expired"),
        ("GET", f"{MAPS}?watch=1&resourceVersion=x", None, "application/json", 400, "BadRequest"),
        ("POST", MAPS, b"{", "application/json", 400, "BadRequest"),
        ("POST", MAPS, b"[]", "application/json", 400, "BadRequest"),
        ("POST", MAPS, b"null", "application/json", 400, "BadRequest"),
        ("POST", MAPS, b'{"metadata": []}', "application/json", 400, "BadRequest"),
        ("POST", MAPS, b"a: [", "application/yaml", 400, "BadRequest"),
        ("POST", MAPS, b"a: !!python/object:os.system {}", "application/yaml", 400, "BadRequest"),
        ("POST", MAPS, b"x", "text/plain", 415, "UnsupportedMediaType"),
        ("POST", MAPS, b"\0" * 9, "application/vnd.kubernetes.protobuf", 400, "BadRequest"),
        ("POST", MAPS, b"[" * 5000, "application/json", 400, "BadRequest"),
        ("POST", MAPS, b" " * (3 * 1024 * 1024 + 1), "application/json", 413, "RequestEntityTooLarge"),
        ("POST", f"{MAPS}?dryRun=Some", b"{}", "application/json", 400, "BadRequest"),
        ("POST", f"{MAPS}?fieldValidation=Maybe", b"{}", "application/json", 400, "BadRequest"),
        ("POST", MAPS, b'{"metadata": {"name": "UPPER"}}', "application/json", 422, "Invalid"),
        ("POST", MAPS, b'{"metadata": {"name": 5}}', "application/json", 400, "BadRequest"),
        ("POST", "/api/v1/configmaps", b"{}", "application/json", 400, "BadRequest"),
        ("PUT", f"{MAPS}/x", b"{}", "application/json", 400, "BadRequest"),
        ("PATCH", f"{MAPS}/x", b"{}", "application/json", 415, "UnsupportedMediaType"),
        ("PATCH", f"{MAPS}/x", b"[]", MERGE, 400, "BadRequest"),
        ("PATCH", f"{MAPS}/x", b"{}", STRATEGIC, 404, "NotFound"),
        ("PATCH", f"{MAPS}/x?fieldManager=m", b"- a", APPLY, 400, "BadRequest"),
        ("DELETE", "/api/v1/namespaces", None, "application/json", 405, "MethodNotAllowed"),
        ("POST", "/version", b"{}", "application/json", 405, "MethodNotAllowed"),
        ("GET", "/apis/authorization.k8s.io/v1/subjectaccessreviews", None, "text/plain", 405, "MethodNotAllowed"),
        ("GET", "/openapi/v3/apis/none/v1", None, "application/json", 404, "NotFound"),
    ],
)  # fmt: skip
def test_refused(
    client: Client, method: str, path: str, body: Any, content_type: str, status: int, reason: str
) -> None:
    answer = client.send(method, path, body, content_type=content_type)
    assert (answer.status, answer.reason) == (status, reason), answer
    assert answer.body["kind"] == "Status"
    assert "Traceback" not in json.dumps(answer.body)


def test_aliases_that_multiply_are_refused(client: Client) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [" + ", ".join([f"*{before}"] * 9) + "]")
    answer = client.send("POST", MAPS, "\n".join(lines).encode(), content_type="application/yaml")
    assert (answer.status, answer.reason) == (400, "BadRequest")


_paths = st.text(
    st.characters(codec="ascii", exclude_characters=" \r\n\t", min_codepoint=33, max_codepoint=126), max_size=40
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]), path=_paths, body=st.binary(max_size=60))
def test_no_request_is_a_defect(client: Client, method: str, path: str, body: bytes) -> None:
    answer = client.send(
        method, f"/apis/apps/v1/{path}", body, content_type=MERGE if method == "PATCH" else "application/json"
    )
    assert answer.status < 500, answer


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(body=st.binary(max_size=60))
def test_no_protobuf_is_a_defect(client: Client, body: bytes) -> None:
    envelope = b"k8s\0\n\x0f\n\x02v1\x12\tConfigMap\x12" + bytes([len(body)]) + body
    answer = client.send("POST", f"{MAPS}?dryRun=All", envelope, content_type="application/vnd.kubernetes.protobuf")
    assert answer.status in (201, 400, 422), answer


def test_protobuf_says_the_same_as_json(client: Client) -> None:
    def field(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    entry = field(1, b"k") + field(2, b"v")
    metadata = field(1, b"proto") + field(2, b"") + field(11, field(1, b"l") + field(2, b"x")) + field(8, b"")
    raw = field(1, metadata) + field(2, entry) + field(3, field(1, b"b") + field(2, b"\x01"))
    body = b"k8s\0" + field(1, field(1, b"v1") + field(2, b"ConfigMap")) + field(2, raw)
    answer = client.send("POST", MAPS, body, content_type="application/vnd.kubernetes.protobuf")
    assert answer.status == 201, answer
    assert (answer.body["data"], answer.body["binaryData"]) == ({"k": "v"}, {"b": "AQ=="})
    assert answer.body["metadata"]["labels"] == {"l": "x"}


def test_lists_come_in_pages(client: Client) -> None:
    for number in range(5):
        body = {"metadata": {"name": f"page{number}", "labels": {"page": "yes"}}}
        client.send("POST", "/api/v1/namespaces/default/secrets", body)
    names, token = [], ""
    while True:
        page = client.send(
            "GET", f"/api/v1/namespaces/default/secrets?labelSelector=page&limit=2&continue={token}"
        ).body
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue", "")
        if not token:
            break
    assert names == [f"page{number}" for number in range(5)]


def test_a_collection_is_deleted_by_its_labels(client: Client) -> None:
    for name, label in (("c1", "a"), ("c2", "b")):
        client.send("POST", MAPS, {"metadata": {"name": name, "labels": {"c": label}}})
    deleted = client.send("DELETE", f"{MAPS}?labelSelector=c%3Da").body
    assert [item["metadata"]["name"] for item in deleted["items"]] == ["c1"]
    assert client.send("GET", f"{MAPS}/c2").status == 200


def test_logs_are_asked_of_the_node(client: Client) -> None:
    client.send("POST", "/api/v1/namespaces/default/pods", dialogue.POD)
    path = "/api/v1/namespaces/default/pods/p1/log"
    assert client.send("GET", f"{path}?tailLines=5&follow=true").body == "default/p1/c tail=5 follow=True\n"
    assert client.send("GET", f"{path}?container=none").status == 400


def test_an_eviction_heeds_the_disruption_budget(client: Client) -> None:
    pod = dialogue.broken(dialogue.POD, "metadata", {"name": "evicted", "labels": {"e": "1"}})
    client.send("POST", "/api/v1/namespaces/default/pods", pod)
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    client.send(
        "POST",
        budgets,
        {"metadata": {"name": "e"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"e": "1"}}}},
    )
    path = "/api/v1/namespaces/default/pods/evicted/eviction"
    assert client.send("POST", path, {"kind": "Eviction", "apiVersion": "policy/v1"}).reason == "TooManyRequests"
    client.send("PATCH", f"{budgets}/e/status", {"status": {"disruptionsAllowed": 1}}, content_type=MERGE)
    assert client.send("POST", path, {"kind": "Eviction", "apiVersion": "policy/v1"}).status == 201
    assert client.send("GET", "/api/v1/namespaces/default/pods/evicted").status == 404


def test_every_type_a_document_refers_to_is_in_it(client: Client) -> None:
    client.send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", dialogue.DEFINITION)
    index = client.send("GET", "/openapi/v3").body["paths"]
    assert "apis/dialogue.kopfka.io/v1" in index
    documents = [client.send("GET", entry["serverRelativeURL"]).body for entry in index.values()]
    documents.append(client.send("GET", "/openapi/v2").body)
    for document in documents:
        types = document.get("definitions") or document["components"]["schemas"]
        text = json.dumps(document)
        prefix = "#/definitions/" if "definitions" in document else "#/components/schemas/"
        for part in text.split(f'"{prefix}')[1:]:
            assert part.partition('"')[0] in types


def test_every_kind_has_types_and_columns(client: Client, server: RunningServer) -> None:
    from kopfka_local.api.schemas import DATA

    columns = json.loads(gzip.decompress((DATA / "columns.json.gz").read_bytes()))
    for resource in server.cluster.objects.resources:
        if resource.custom is None:
            assert resource.definition in server.cluster.objects.kinds.definitions, resource
            assert resource.kind.endswith("Review") or resource.gvr.storage in columns, resource


def test_a_row_has_a_cell_for_every_column(client: Client, server: RunningServer) -> None:
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    from kopfka_local.api import tables

    for resource in server.cluster.objects.resources:
        if not resource.kind.endswith("Review"):
            bare = {"metadata": {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}, "status": {}}
            table = tables.table(resource, [bare], {}, "None")
            assert len(table["rows"][0]["cells"]) == len(table["columnDefinitions"]), resource
    table = client.send("GET", "/api/v1/namespaces", accept=accept).body
    assert next(row["cells"][:2] for row in table["rows"]) == ["default", "Active"]
