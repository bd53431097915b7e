"""Roles over HTTP: every path of the API, asked by those who may and by those who may not."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest

from registry.security.secured import Client, SecuredRegistry, basic
from registry.service.schemas import ONE, OTHER, TWO, record
from support.processes import running

if TYPE_CHECKING:
    from collections.abc import Iterator

USERS = """\
reader: reader,read-team
writer: writer,write-team
owner: owner,own-team
other: other,other-team
root: root,root
none: none,nothing
stager: stager,stage-team
"""
ROLES = {
    "kopfka.role.read-team.read": "team-*",
    "kopfka.role.write-team.write": "team-*",
    "kopfka.role.own-team.admin": "team-*",
    "kopfka.role.other-team.admin": "other-*",
    "kopfka.role.stage-team.admin": ":.stage:*",
    "kopfka.super.roles": "root",
}
FORBIDDEN = (403, 40301)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def registry(broker, tmp_path_factory) -> Iterator[SecuredRegistry]:
    folder = tmp_path_factory.mktemp("registry")
    (folder / "users.properties").write_text(USERS)
    settings = {
        "authentication.method": "BASIC",
        "authentication.realm": "Schemas",
        "kopfka.authentication.users.file": str(folder / "users.properties"),
        "authentication.skip.paths": "/v1/metadata/version,/open/*",
        "access.control.allow.origin": "https://console.example",
    } | ROLES
    with running(SecuredRegistry(folder / "one", broker.bootstrap, settings, https=False), SecuredRegistry.stop) as one:
        yield one


@pytest.fixture(scope="module")
def users(registry) -> dict[str, Client]:
    return {line.split(":")[0]: Client(registry.url, basic(line.split(":")[0])) for line in USERS.splitlines()}


@pytest.fixture
def subject() -> str:
    return f"team-{next(_numbers)}"


def registered(client, subject, schema=ONE, **fields):
    answer = client("POST", f"/subjects/{subject}/versions", {"schema": schema, **fields})
    assert answer.status == 200, answer
    return answer.body["id"]


def test_who_does_not_say_who_he_is_is_let_in_nowhere(registry):
    nobody = Client(registry.url)
    for method, path in [
        ("GET", "/"), ("GET", "/subjects"), ("GET", "/schemas/types"), ("GET", "/schemas/ids/1"), ("GET", "/none"),
        ("GET", "/openapi.json"), ("PUT", "/config"), ("OPTIONS", "/subjects"), ("HEAD", "/subjects"),
        ("POST", "/subjects/team-x/versions"), ("GET", "/contexts/.a/subjects"), ("GET", "/v1/metadata/id"),
        ("GET", "/v1/metadata/version/../id"), ("GET", "/openly"),
    ]:  # fmt: skip
        answer = nobody(method, path, {"schema": ONE} if method == "POST" else None)
        assert answer.status == 401, (method, path)
        assert answer.headers["www-authenticate"] == 'Basic realm="Schemas", charset="UTF-8"'
        if method != "HEAD":
            assert answer.body == {"error_code": 401, "message": "Unauthorized"}
    assert nobody("GET", "/subjects", authorization=basic("reader", "wrong")).error == (401, 401)
    assert nobody("GET", "/subjects", accept="application/json").headers["content-type"] == "application/json"
    # what is left out of it
    assert nobody("GET", "/v1/metadata/version").status == 200
    assert nobody("GET", "/open/sesame").status == 404
    # browsers ask first whether they may, without saying who they are
    preflight = nobody(
        "OPTIONS", "/subjects", origin="https://console.example", access_control_request_method="GET",
        access_control_request_headers="authorization",
    )  # fmt: skip
    assert preflight.status == 200
    refused = nobody("GET", "/subjects", origin="https://console.example")
    assert refused.status == 401
    assert refused.headers["access-control-allow-origin"] == "https://console.example"


def test_health_asks_nobody(registry):
    health = Client(f"http://127.0.0.1:{registry.health_port}")
    import urllib.request

    for path in ("/healthz", "/readyz", "/metrics"):
        with urllib.request.urlopen(health.url + path, timeout=10) as answer:
            assert answer.status == 200


READ = [
    ("GET", "/subjects/{s}/versions", None),
    ("GET", "/subjects/{s}/versions/1", None),
    ("GET", "/subjects/{s}/versions/latest/schema", None),
    ("GET", "/subjects/{s}/versions/1/referencedby", None),
    ("GET", "/subjects/{s}/metadata", None),
    ("GET", "/subjects/{s}/versions/1?findTags=*", None),
    ("POST", "/subjects/{s}", {"schema": "{o}"}),
    ("POST", "/compatibility/subjects/{s}/versions/latest", {"schema": "{o}"}),
    ("POST", "/compatibility/subjects/{s}/versions?verbose=true", {"schema": "{o}"}),
    ("GET", "/config/{s}?defaultToGlobal=true", None),
    ("GET", "/mode/{s}?defaultToGlobal=true", None),
    ("GET", "/schemas/ids/{i}", None),
    ("GET", "/schemas/ids/{i}/schema", None),
    ("GET", "/schemas/ids/{i}/subjects", None),
    ("GET", "/schemas/ids/{i}/versions", None),
    ("GET", "/schemas/ids/{i}?subject={s}&fetchMaxId=true", None),
    ("GET", "/schemas/guids/{g}", None),
    ("GET", "/schemas/guids/{g}/ids", None),
]
WRITE = [
    ("POST", "/subjects/{s}/versions", {"schema": "{o}"}),
    ("POST", "/subjects/{s}/versions?normalize=true", {"schema": "{n}"}),
    ("DELETE", "/subjects/{s}/versions/2", None),
    ("DELETE", "/subjects/{s}", None),
]
ADMIN = [
    ("DELETE", "/subjects/{s}/versions/2?permanent=true", None),
    ("DELETE", "/subjects/{s}?permanent=true", None),
    ("PUT", "/config/{s}", {"compatibility": "NONE"}),
    ("DELETE", "/config/{s}", None),
    ("PUT", "/mode/{s}", {"mode": "READONLY"}),
    ("DELETE", "/mode/{s}", None),
    ("PUT", "/mode/{s}?force=true", {"mode": "READWRITE"}),
]
GLOBAL = [
    ("PUT", "/config", {"compatibility": "NONE"}),
    ("DELETE", "/config", None),
    ("PUT", "/mode", {"mode": "READWRITE"}),
    ("DELETE", "/mode", None),
    ("PUT", "/config/:.__GLOBAL:", {"compatibility": "NONE"}),
    ("DELETE", "/config/:.__GLOBAL:", None),
    ("PUT", "/contexts/.__GLOBAL/config", {"compatibility": "NONE"}),
    ("PUT", "/config/:.:", {"compatibility": "NONE"}),
    ("DELETE", "/mode/:.:?recursive=true", None),
    ("PUT", "/contexts/.team-x/config", {"compatibility": "NONE"}),
]


def asked(client, question, subject, answer, schema, later):
    method, path, body = question
    path = path.format(s=subject, i=answer["id"], g=answer["guid"])
    if body and "schema" in body:
        body = {"schema": {"{o}": schema, "{n}": later}[body["schema"]]}
    return client(method, path, body)


def test_each_path_takes_its_right(users, subject):
    number = next(_numbers)
    schema, later = record(f"R{number}", x="int"), record(f"R{number}", x="int", y=("int", 1))
    registered(users["root"], subject, schema)
    answer = users["root"]("GET", f"/subjects/{subject}/versions/1").body
    rows = [(1, each) for each in READ] + [(2, each) for each in WRITE] + [(3, each) for each in ADMIN]
    holders = {"none": 0, "other": 0, "stager": 0, "reader": 1, "writer": 2, "owner": 3}
    # first all who may not: nothing of it is done
    for right, question in rows:
        for user, held in holders.items():
            if held < right:
                refused = asked(users[user], question, subject, answer, schema, later)
                assert refused.error == FORBIDDEN, (user, question)
                assert subject not in refused.body["message"]
    for question in GLOBAL:
        for user in holders:
            assert asked(users[user], question, subject, answer, schema, later).error == FORBIDDEN, (user, question)
    # then those who hold just what it takes
    for right, question in rows:
        user = next(user for user, held in holders.items() if held == right)
        said = asked(users[user], question, subject, answer, schema, later)
        assert said.status in (200, 404), (user, question, said)
        assert said.status == 200 or said.body["error_code"] not in (40301, 404), (user, question, said)


def test_what_nobody_has_is_as_forbidden_as_what_somebody_has(users):
    for path in ("/subjects/other-none/versions", "/subjects/other-none/versions/1", "/config/other-none"):
        assert users["reader"]("GET", path).error == FORBIDDEN
    assert users["other"]("GET", "/subjects/other-none/versions").error == (404, 40401)
    assert users["reader"]("GET", "/schemas/ids/999999").error == (404, 40403)


def test_lists_show_what_may_be_read(users):
    number = next(_numbers)
    team, other, stage = f"team-list-{number}", f"other-list-{number}", f":.stage:list-{number}"
    only_other = record(f"Other{number}", x="int")
    shared = record(f"Shared{number}", x="int")
    for subject, schema in ((team, shared), (other, shared), (other, only_other), (stage, shared)):
        users["root"]("PUT", f"/config/{subject}", {"compatibility": "NONE"})
        registered(users["root"], subject, schema)
    mine = users["reader"]("GET", "/subjects").body
    assert team in mine
    assert all(each.startswith("team-") for each in mine)
    assert users["none"]("GET", "/subjects").body == []
    assert users["stager"]("GET", "/subjects").body == [stage]
    assert users["reader"]("GET", f"/subjects?subjectPrefix=other-list-{number}").body == []
    assert users["root"]("GET", f"/subjects?subjectPrefix=other-list-{number}").body == [other]
    # pages are of what may be read
    assert users["reader"]("GET", f"/subjects?subjectPrefix=:*:&offset={mine.index(team)}&limit=1").body == [team]
    schemas = users["reader"]("GET", "/schemas?latestOnly=true").body
    assert {each["subject"] for each in schemas} <= set(mine)
    assert team in {each["subject"] for each in schemas}
    assert users["reader"]("GET", "/contexts").body == ["."]
    assert users["stager"]("GET", "/contexts").body == [".", ".stage"]
    assert ".stage" in users["root"]("GET", "/contexts").body
    # where a schema stands under several subjects, those that may be read are named
    number = users["root"]("POST", f"/subjects/{team}", {"schema": shared}).body["id"]
    assert users["reader"]("GET", f"/schemas/ids/{number}/subjects").body == [team]
    assert users["other"]("GET", f"/schemas/ids/{number}/versions").body == [{"subject": other, "version": 1}]
    assert users["root"]("GET", f"/schemas/ids/{number}/subjects").body == [other, team]
    guid = users["root"]("GET", f"/subjects/{team}/versions/1").body["guid"]
    assert [each["context"] for each in users["reader"]("GET", f"/schemas/guids/{guid}/ids").body] == ["."]
    assert [each["context"] for each in users["stager"]("GET", f"/schemas/guids/{guid}/ids").body] == [".stage"]
    hidden = users["root"]("POST", f"/subjects/{other}", {"schema": only_other}).body["id"]
    assert users["reader"]("GET", f"/schemas/ids/{hidden}").error == FORBIDDEN


def test_answers_from_memory_are_for_whom_they_were_made(users, subject):
    number = next(_numbers)
    schema = record(f"Memory{number}", x="int")
    schema_id = registered(users["root"], subject, schema)
    path = f"/schemas/ids/{schema_id}"
    for _ in range(2):
        assert users["root"]("GET", path).body["schema"] == schema
        assert users["reader"]("GET", path).body["schema"] == schema
        assert users["other"]("GET", path).error == FORBIDDEN
        assert users["none"]("GET", path).error == FORBIDDEN
        assert users["root"]("GET", path, authorization=basic("root", "x")).error == (401, 401)
        assert users["root"]("GET", f"{path}/subjects").body == [subject]
    registered(users["root"], f"other-{number}", schema)
    for _ in range(2):
        assert users["root"]("GET", f"{path}/subjects").body == [f"other-{number}", subject]
        assert users["reader"]("GET", f"{path}/subjects").body == [subject]
        assert users["other"]("GET", f"{path}/subjects").body == [f"other-{number}"]


def test_contexts_by_path_and_by_name(users):
    stager, root = users["stager"], users["root"]
    assert registered(stager, ":.stage:a", ONE) >= 1
    assert stager("POST", "/contexts/.stage/subjects/b/versions", {"schema": ONE}).status == 200
    assert stager("POST", "/contexts/.stage/subjects/:.prod:b/versions", {"schema": ONE}).error == FORBIDDEN
    assert stager("POST", "/subjects/%3A.prod%3Ab/versions", {"schema": ONE}).error == FORBIDDEN
    assert stager("GET", "/contexts/.stage/subjects").body[:2] == [":.stage:a", ":.stage:b"]
    assert stager("PUT", "/config/:.stage:", {"compatibility": "NONE"}).status == 200
    assert stager("PUT", "/contexts/.stage/mode", {"mode": "READWRITE"}).status == 200
    assert stager("DELETE", "/contexts/.stage/config").status == 200
    assert stager("PUT", "/config/:.prod:", {"compatibility": "NONE"}).error == FORBIDDEN
    # a name without a context is looked for in those that may be read, and in no others
    assert stager("GET", "/subjects/a/versions/1").body["subject"] == ":.stage:a"
    registered(root, ":.prod:only-prod", ONE)
    assert stager("GET", "/subjects/only-prod/versions/1").error == (404, 40401)
    assert users["reader"]("GET", "/subjects/only-prod/versions/1").error == FORBIDDEN
    assert root("GET", "/subjects/only-prod/versions/1").body["subject"] == ":.prod:only-prod"


def test_aliases_lead_nowhere_that_is_closed(users, subject):
    owner, other = users["owner"], users["other"]
    target = f"other-{next(_numbers)}"
    registered(other, target, OTHER)
    assert owner("PUT", f"/config/{subject}", {"alias": target}).status == 200
    for method, path, body in [
        ("GET", f"/subjects/{subject}/versions", None),
        ("GET", f"/subjects/{subject}/versions/1", None),
        ("GET", f"/subjects/{subject}/metadata", None),
        ("POST", f"/subjects/{subject}", {"schema": OTHER}),
        ("POST", f"/subjects/{subject}/versions", {"schema": OTHER}),
        ("POST", f"/compatibility/subjects/{subject}/versions", {"schema": OTHER}),
    ]:
        refused = owner(method, path, body)
        assert refused.error == FORBIDDEN, path
        assert target not in json.dumps(refused.body)
    assert other("GET", f"/subjects/{subject}/versions/1").body["subject"] == target


def test_references_are_read_with_a_schema(users, subject):
    base = f"other-{next(_numbers)}"
    registered(users["other"], base, record("Base", secret="int"))
    text = record("Top", base="Base")
    references = [{"name": "Base", "subject": base, "version": 1}]
    request = {"schema": text, "references": references}
    for method, path in [
        ("POST", f"/subjects/{subject}/versions"), ("POST", f"/subjects/{subject}"),
        ("POST", f"/compatibility/subjects/{subject}/versions"),
    ]:  # fmt: skip
        assert users["owner"](method, path, request).error == FORBIDDEN
    schema_id = registered(users["root"], subject, text, references=references)
    assert users["owner"]("GET", f"/schemas/ids/{schema_id}").body["schema"] == text
    assert users["owner"]("GET", f"/schemas/ids/{schema_id}?format=resolved").error == FORBIDDEN
    assert users["owner"]("GET", f"/subjects/{subject}/versions/1?format=resolved").error == FORBIDDEN
    resolved = users["root"]("GET", f"/schemas/ids/{schema_id}?format=resolved").body["schema"]
    assert "secret" in resolved
    assert users["other"]("GET", f"/subjects/{base}/versions/1/referencedby").body == []
    assert users["root"]("GET", f"/subjects/{base}/versions/1/referencedby").body == [schema_id]


@pytest.mark.parametrize(
    "headers",
    [
        {"x_forward": "true"},
        {"x_forward": "true", "x_kopfka_on_behalf_of": "root"},
        {"x_kopfka_on_behalf_of": "root"},
        {"x_forwarded_for": "127.0.0.1", "x_forwarded_proto": "https", "forwarded": "for=127.0.0.1"},
        {"x_forwarded_user": "root", "x_remote_user": "root"},
    ],
)
def test_no_header_makes_anybody_more(users, registry, subject, headers):
    for client in (users["reader"], Client(registry.url)):
        answer = client("POST", f"/subjects/{subject}/versions", {"schema": ONE}, **headers)
        assert answer.status in (401, 403), answer
        assert client("PUT", "/config", {"compatibility": "NONE"}, **headers).status in (401, 403)


def test_global_settings_are_for_who_may_do_everything(users):
    root = users["root"]
    assert root("PUT", "/config", {"compatibility": "FULL"}).status == 200
    assert users["reader"]("GET", "/config").body["compatibilityLevel"] == "FULL"
    assert users["reader"]("GET", "/mode").body == {"mode": "READWRITE"}
    assert users["none"]("GET", "/config").error == FORBIDDEN
    assert users["none"]("GET", "/mode").error == FORBIDDEN
    assert root("DELETE", "/config").status == 200
    assert users["none"]("GET", "/schemas/types").status == 200


def test_what_was_deleted_stays_closed(users, subject):
    writer, reader, owner = users["writer"], users["reader"], users["owner"]
    number = next(_numbers)
    schema_id = registered(writer, subject, record(f"Gone{number}", x="int"))
    assert writer("DELETE", f"/subjects/{subject}").body == [1]
    assert reader("GET", f"/schemas/ids/{schema_id}").status == 200
    assert users["other"]("GET", f"/schemas/ids/{schema_id}").error == FORBIDDEN
    assert reader("GET", f"/subjects/{subject}/versions?deleted=true").body == [1]
    assert users["other"]("GET", f"/subjects/{subject}/versions?deleted=true").error == FORBIDDEN
    assert subject not in users["other"]("GET", "/subjects?deleted=true").body
    assert writer("DELETE", f"/subjects/{subject}?permanent=true").error == FORBIDDEN
    assert owner("DELETE", f"/subjects/{subject}?permanent=true").body == [1]
    assert reader("GET", f"/schemas/ids/{schema_id}").error == (404, 40403)


def test_a_writer_registers_and_everything_of_it_is_as_without_roles(users, subject):
    writer = users["writer"]
    schema_id = registered(writer, subject, ONE)
    assert registered(writer, subject, TWO) != schema_id
    assert writer("GET", f"/subjects/{subject}/versions").body == [1, 2]
    assert writer("POST", f"/subjects/{subject}/versions", {"schema": OTHER}).error == (409, 40901)
    assert writer("POST", f"/subjects/{subject}/versions", {"schema": "{"}).error == (422, 42201)
    assert writer("DELETE", f"/subjects/{subject}/versions/1").body == 1
