"""The REST API as clients meet it: paths, parameters, bodies and error codes of Confluent's registry."""

from __future__ import annotations

import itertools
import json

import pytest

from registry.http import MEDIA_TYPE
from registry.service.schemas import ONE, OTHER, TWO, record

_names = itertools.count(1)


@pytest.fixture
def subject():
    return f"subject-{next(_names)}"


def test_root_types_contexts_and_metadata(rest):
    answer = rest("GET", "/")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, {}, MEDIA_TYPE)
    assert sorted(rest("GET", "/schemas/types").body) == ["AVRO", "JSON", "PROTOBUF"]
    assert rest("GET", "/contexts").body[0] == "."
    scope = rest("GET", "/v1/metadata/id").body["scope"]
    assert scope["clusters"]["schema-registry-cluster"] == "schema-registry"
    assert scope["clusters"]["kafka-cluster"]
    assert rest("GET", "/v1/metadata/version").body["version"]


def test_the_loop_of_a_schema(rest, subject):
    answer = rest("POST", f"/subjects/{subject}/versions", {"schema": ONE})
    number = answer.body["id"]
    assert (answer.status, answer.body["version"]) == (200, 1)
    assert rest("GET", f"/schemas/ids/{number}").body["schema"] == ONE
    assert rest("GET", f"/schemas/ids/{number}/schema").body == json.loads(ONE)
    assert rest("GET", f"/schemas/ids/{number}/subjects?subject={subject}").body[-1:] != []
    assert {"subject": subject, "version": 1} in rest("GET", f"/schemas/ids/{number}/versions").body
    assert rest("GET", f"/schemas/ids/{number}").body["id"] == number
    for listed in ("subjects", "versions"):
        every = rest("GET", f"/schemas/ids/{number}/{listed}").body
        assert rest("GET", f"/schemas/ids/{number}/{listed}?offset=1&limit=1").body == every[1:2]
    version = rest("GET", f"/subjects/{subject}/versions/1").body
    assert (version["subject"], version["id"], version["version"], version["schema"]) == (subject, number, 1, ONE)
    assert "schemaType" not in version
    assert rest("GET", f"/subjects/{subject}/versions/latest").body == version
    assert rest("GET", f"/subjects/{subject}/versions/-1").body == version
    assert rest("GET", f"/subjects/{subject}/versions/1/schema").body == json.loads(ONE)
    found = rest("POST", f"/subjects/{subject}", {"schema": ONE}).body
    assert (found["id"], found["version"]) == (number, 1)
    assert rest("GET", f"/schemas/guids/{version['guid']}").body["schema"] == ONE
    assert {"context": ".", "id": number} in rest("GET", f"/schemas/guids/{version['guid']}/ids").body
    named = rest("GET", f"/schemas/ids/{number}?subject={subject}&fetchMaxId=true").body
    assert (named["subject"], named["version"]) == (subject, 1)
    assert named["maxId"] >= number


@pytest.mark.parametrize(
    ("method", "path", "body", "error"),
    [
        ("GET", "/subjects/none/versions", None, (404, 40401)),
        ("GET", "/subjects/none/versions/1", None, (404, 40401)),
        ("GET", "/subjects/known/versions/77", None, (404, 40402)),
        ("GET", "/subjects/known/versions/none", None, (422, 42202)),
        ("GET", "/subjects/known/versions/0", None, (422, 42202)),
        ("GET", "/schemas/ids/999999", None, (404, 40403)),
        ("GET", "/schemas/guids/none", None, (404, 40403)),
        ("POST", "/subjects/known", {"schema": OTHER}, (404, 40403)),
        ("POST", "/subjects/none", {"schema": ONE}, (404, 40401)),
        ("DELETE", "/subjects/none", None, (404, 40401)),
        ("DELETE", "/subjects/known?permanent=true", None, (404, 40405)),
        ("DELETE", "/subjects/known/versions/77", None, (404, 40402)),
        ("DELETE", "/subjects/known/versions/1?permanent=true", None, (404, 40407)),
        ("GET", "/config/known", None, (404, 40408)),
        ("DELETE", "/config/known", None, (404, 40408)),
        ("GET", "/mode/known", None, (404, 40409)),
        ("POST", "/subjects/known/versions", {"schema": OTHER}, (409, 40901)),
        ("POST", "/subjects/known/versions", {"schema": '{"type":"nothing"}'}, (422, 42201)),
        ("POST", "/subjects/none/versions", {"schema": ""}, (422, 42201)),
        ("POST", "/subjects/none/versions", {}, (422, 42201)),
        ("POST", "/subjects/known/versions", {"schema": 5}, (422, 42201)),
        ("POST", "/subjects/known/versions", {"schema": ONE, "references": [{"name": "a"}]}, (422, 42201)),
        ("POST", "/subjects/known/versions", {"schema": ONE, "id": 5}, (422, 42205)),
        ("POST", "/subjects/__GLOBAL/versions", {"schema": ONE}, (422, 42208)),
        ("PUT", "/config", {"compatibility": "SIDEWAYS"}, (422, 42203)),
        ("PUT", "/mode", {"mode": "SIDEWAYS"}, (422, 42204)),
        ("PUT", "/mode/known", {"mode": "IMPORT"}, (422, 42205)),
        ("POST", "/subjects/known/versions",
         {"schema": TWO, "ruleSet": {"domainRules": [{"name": "a"}]}}, (422, 42210)),
        ("POST", "/compatibility/subjects/known/versions/77", {"schema": ONE}, (404, 40402)),
        ("GET", "/nothing", None, (404, 404)),
        ("GET", "/schemas/ids/none", None, (404, 404)),
        ("PATCH", "/config", {}, (405, 405)),
        ("GET", "/subjects?limit=many", None, (400, 400)),
    ],
)  # fmt: skip
def test_error_codes(rest, method, path, body, error):
    rest.register("known", ONE)
    answer = rest(method, path, body)
    assert answer.error == error, answer
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.body["message"]


@pytest.mark.parametrize(
    ("raw", "kind", "error"),
    [
        (b"{", MEDIA_TYPE, (400, 400)),
        (b"", MEDIA_TYPE, (400, 400)),
        (b"[]", MEDIA_TYPE, (422, 42201)),
        (b"schema=1", "application/x-www-form-urlencoded", (415, 415)),
        (b"x" * 9_000_000, MEDIA_TYPE, (413, 413)),
        (b"[" * 100_000, MEDIA_TYPE, (400, 400)),
    ],
)
def test_bodies_that_are_refused(rest, raw, kind, error):
    assert rest("POST", "/subjects/s/versions", raw=raw, content_type=kind).error == error
    assert rest("GET", "/").status == 200


def test_plain_json_for_who_wants_it(rest):
    assert rest("GET", "/subjects", accept="application/json").headers["content-type"] == "application/json"
    both = "application/vnd.schemaregistry.v1+json, application/json"
    assert rest("GET", "/subjects", accept=both).headers["content-type"] == MEDIA_TYPE


def test_subjects_are_listed_by_beginning_and_page(rest):
    for name in ("list-a", "list-b", "list-c", ":.list:list-a"):
        rest.register(name, ONE)
    rest("DELETE", "/subjects/list-b")
    assert rest("GET", "/subjects?subjectPrefix=list-").body == ["list-a", "list-c"]
    assert rest("GET", "/subjects?subjectPrefix=list-&deleted=true").body == ["list-a", "list-b", "list-c"]
    assert rest("GET", "/subjects?subjectPrefix=list-&deletedOnly=true").body == ["list-b"]
    assert rest("GET", "/subjects?subjectPrefix=list-&offset=1&limit=1").body == ["list-c"]
    assert rest("GET", "/subjects?subjectPrefix=:*:list-a").body == [":.list:list-a", "list-a"]
    assert rest("GET", "/subjects?subjectPrefix=:.list:").body == [":.list:list-a"]
    assert ":.list:list-a" in rest("GET", "/subjects").body


def test_versions_and_their_deletion(rest, subject):
    rest.register(subject, ONE)
    rest.register(subject, TWO)
    assert rest("GET", f"/subjects/{subject}/versions").body == [1, 2]
    assert rest("DELETE", f"/subjects/{subject}/versions/1").body == 1
    assert rest("DELETE", f"/subjects/{subject}/versions/1").error == (404, 40406)
    assert rest("GET", f"/subjects/{subject}/versions").body == [2]
    assert rest("GET", f"/subjects/{subject}/versions?deleted=true").body == [1, 2]
    assert rest("GET", f"/subjects/{subject}/versions?deletedOnly=true").body == [1]
    assert rest("GET", f"/subjects/{subject}/versions?deletedAsNegative=true").body == [-1, 2]
    assert rest("GET", f"/subjects/{subject}/versions/1").error == (404, 40402)
    assert rest("GET", f"/subjects/{subject}/versions/1?deleted=true").body["deleted"] is True
    assert rest("DELETE", f"/subjects/{subject}/versions/1?permanent=true").body == 1
    assert rest("DELETE", f"/subjects/{subject}/versions/latest").body == 2
    assert rest("DELETE", f"/subjects/{subject}").error == (404, 40404)
    assert rest("DELETE", f"/subjects/{subject}?permanent=true").body == [2]
    assert rest("GET", f"/subjects/{subject}/versions").error == (404, 40401)


def test_references_are_told_and_guard_what_they_refer_to(rest, subject):
    rest.register(f"{subject}-address", record("Address", street="string"))
    reference = {"name": "Address", "subject": f"{subject}-address", "version": 1}
    number = rest.register(subject, record("User", a="Address"), references=[reference])
    assert rest("GET", f"/subjects/{subject}-address/versions/1/referencedby").body == [number]
    assert rest("GET", f"/schemas/ids/{number}").body["references"] == [reference]
    assert rest("DELETE", f"/subjects/{subject}-address").error == (422, 42206)
    resolved = rest("GET", f"/subjects/{subject}/versions/1?format=resolved").body["schema"]
    assert "street" in resolved


def test_compatibility_is_told_before_registering(rest, subject):
    path = f"/compatibility/subjects/{subject}/versions"
    assert rest("POST", f"{path}/latest", {"schema": ONE}).body == {"is_compatible": True}
    rest.register(subject, ONE)
    assert rest("POST", path, {"schema": TWO}).body == {"is_compatible": True}
    assert rest("POST", f"{path}/1", {"schema": OTHER}).body == {"is_compatible": False}
    said = rest("POST", f"{path}/latest?verbose=true", {"schema": OTHER}).body
    assert said["is_compatible"] is False
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in said["messages"][0]
    assert "/fields/1" in said["messages"][0]
    assert said["messages"][-1] == "{validateFields: 'false', compatibility: 'BACKWARD'}"
    assert rest("POST", f"{path}?verbose=true", {"schema": TWO}).body == {"is_compatible": True, "messages": []}
    assert rest("GET", f"/subjects/{subject}/versions").body == [1]


def test_levels(rest, subject):
    assert rest("GET", "/config").body == {"compatibilityLevel": "BACKWARD"}
    assert rest("PUT", f"/config/{subject}", {"compatibility": "none"}).body == {"compatibility": "NONE"}
    assert rest("GET", f"/config/{subject}").body == {"compatibilityLevel": "NONE"}
    assert rest("GET", "/config/other?defaultToGlobal=true").body == {"compatibilityLevel": "BACKWARD"}
    rest.register(subject, ONE)
    rest.register(subject, OTHER)
    assert rest("DELETE", f"/config/{subject}").body == {"compatibilityLevel": "NONE"}
    assert rest("PUT", "/config", {"compatibility": "FULL"}).body == {"compatibility": "FULL"}
    assert rest("GET", "/config").body == {"compatibilityLevel": "FULL"}
    assert rest("DELETE", "/config").body == {"compatibilityLevel": "FULL"}
    assert rest("GET", "/config").body == {"compatibilityLevel": "BACKWARD"}


def test_modes(rest, subject):
    assert rest("GET", "/mode").body == {"mode": "READWRITE"}
    assert rest("PUT", f"/mode/{subject}", {"mode": "IMPORT"}).body == {"mode": "IMPORT"}
    number = rest.register(subject, record(subject.replace("-", "_"), x="int"), id=70_000 + next(_names))
    assert rest("GET", f"/schemas/ids/{number}").status == 200
    assert rest("GET", f"/mode/{subject}").body == {"mode": "IMPORT"}
    assert rest("DELETE", f"/mode/{subject}").body == {"mode": "IMPORT"}
    assert rest("PUT", f"/mode/{subject}", {"mode": "READONLY"}).body == {"mode": "READONLY"}
    assert rest("POST", f"/subjects/{subject}/versions", {"schema": ONE}).error == (422, 42205)
    assert rest("GET", "/mode/other?defaultToGlobal=true").body == {"mode": "READWRITE"}


def test_contexts_by_their_own_paths(rest, subject):
    assert rest("POST", f"/contexts/.paths/subjects/{subject}/versions", {"schema": ONE}).body["id"] == 1
    assert rest("GET", f"/subjects/:.paths:{subject}/versions").body == [1]
    assert rest("GET", "/contexts?contextPrefix=.path").body == [".paths"]
    assert rest("GET", "/contexts/.paths/subjects").body == [f":.paths:{subject}"]
    assert rest("GET", "/contexts/:.paths:/schemas/ids/1").body["schema"] == ONE
    assert rest("GET", "/schemas/ids/1?subject=:.paths:").body["schema"] == ONE
    assert rest("PUT", "/contexts/.paths/config", {"compatibility": "NONE"}).body == {"compatibility": "NONE"}
    assert rest("POST", f"/contexts/.paths/subjects/{subject}/versions", {"schema": OTHER}).status == 200
    assert ".paths" in rest("GET", "/contexts").body
    # a subject without a context is looked for in all of them
    assert rest("GET", f"/subjects/{subject}/versions/1").body["subject"] == f":.paths:{subject}"


def test_names_with_slashes_spaces_and_letters_of_any_kind(rest):
    for name in ("a%2Fb", "a%20b", "%C3%A4-%E2%82%AC", "a%2Fversions%2F1"):
        rest.register(f"odd-{name}", ONE)
        assert rest("GET", f"/subjects/odd-{name}/versions").body == [1]
        assert rest("DELETE", f"/subjects/odd-{name}").body == [1]


def test_schemas_are_listed(rest):
    for name in ("listed-a", "listed-b"):
        rest.register(name, ONE)
    rest.register("listed-b", TWO)
    listed = rest("GET", "/schemas?subjectPrefix=listed-").body
    assert [(each["subject"], each["version"]) for each in listed] == [
        ("listed-a", 1),
        ("listed-b", 1),
        ("listed-b", 2),
    ]
    latest = rest("GET", "/schemas?subjectPrefix=listed-&latestOnly=true").body
    assert [(each["subject"], each["version"]) for each in latest] == [("listed-a", 1), ("listed-b", 2)]
    assert len(rest("GET", "/schemas?subjectPrefix=listed-&offset=1&limit=1").body) == 1


def test_metadata_rules_and_tags(rest, subject):
    rule = {"name": "check", "kind": "CONDITION", "type": "CEL", "mode": "WRITE", "expr": "message.x > 0"}
    metadata = {"properties": {"owner": "me"}, "tags": {"A.x": ["PII"]}, "sensitive": ["owner"]}
    rest.register(subject, ONE, metadata=metadata, ruleSet={"domainRules": [rule]})
    version = rest("GET", f"/subjects/{subject}/versions/1?findTags=PII").body
    assert version["metadata"] == metadata
    assert version["ruleSet"]["domainRules"][0].items() >= rule.items()
    assert version["schemaTags"] == [{"schemaEntity": {"entityPath": "A.x"}, "tags": ["PII"]}]
    assert rest("GET", f"/subjects/{subject}/metadata?key=owner&value=me").body["version"] == 1
    assert rest("GET", f"/subjects/{subject}/metadata?key=owner&value=you").error == (404, 40403)
    assert len(rest("GET", f"/schemas?subjectPrefix={subject}&ruleType=CEL").body) == 1
    assert rest("GET", f"/schemas?subjectPrefix={subject}&ruleType=ENCRYPT").body == []


def test_aliases_stand_for_subjects(rest, subject):
    rest.register(subject, ONE)
    rest("PUT", f"/config/{subject}-alias", {"alias": subject})
    assert rest("GET", f"/subjects/{subject}-alias/versions/latest").body["subject"] == subject
    assert rest("POST", f"/subjects/{subject}-alias", {"schema": ONE}).body["subject"] == subject


def test_the_topic_has_what_confluents_registry_would_write(rest, broker, subject):
    from confluent_kafka import Consumer

    rest.register(subject, ONE)
    rest("DELETE", f"/subjects/{subject}")
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "t", "auto.offset.reset": "earliest"})
    consumer.subscribe(["_schemas"])
    found = []
    while len(found) < 2:
        message = consumer.poll(30)
        assert message is not None
        if subject.encode() in (message.key() or b""):
            found.append((json.loads(message.key()), json.loads(message.value())))
    consumer.close()
    assert found[0][0] == {"keytype": "SCHEMA", "subject": subject, "version": 1, "magic": 1}
    assert found[0][1].items() >= {"subject": subject, "version": 1, "schema": ONE, "deleted": False}.items()
    assert found[1] == (
        {"keytype": "DELETE_SUBJECT", "subject": subject, "magic": 0}, {"subject": subject, "version": 1},
    )  # fmt: skip


def test_openapi_describes_the_paths(rest):
    paths = rest("GET", "/openapi.json").body["paths"]
    assert "/schemas/ids/{schema_id}" in paths
