"""Confluent's client for Python, method by method: every one that the registry serves, with its errors."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest
from confluent_kafka.schema_registry import (
    ConfigCompatibilityLevel,
    Metadata,
    MetadataProperties,
    MetadataTags,
    Rule,
    RuleKind,
    RuleMode,
    RuleParams,
    RuleSet,
    Schema,
    SchemaReference,
    SchemaRegistryClient,
    SchemaRegistryError,
    ServerConfig,
)

CLIENT = "Confluent's serialisers (Python)"
NOT_SERVED = {"get_associations_by_resource_name", "create_association", "delete_associations"}
"""Associations are none of the registry's; serialisers, which ask for them, take the 404 for none."""
HOUSEKEEPING = {"new_client", "config", "close", "clear_caches", "clear_latest_caches"}


def record(name: str, *fields: tuple[str, object], **more: object) -> Schema:
    """Return an Avro record: fields are (name, type) or (name, type, default)."""
    made = [dict(zip(("name", "type", "default"), each, strict=False)) for each in fields]
    text = json.dumps({"type": "record", "name": name, "fields": made}, separators=(",", ":"))
    return Schema(text, "AVRO", **more)


def owned_by(**properties: str) -> Metadata:
    return Metadata(None, MetadataProperties(properties), None)


@pytest.fixture
def client(stack):
    return stack.client()


def refused(call, *arguments, **named) -> tuple[int, int]:
    """Return HTTP status and error code of a call that has to fail."""
    with pytest.raises(SchemaRegistryError) as caught:
        call(*arguments, **named)
    return caught.value.http_status_code, caught.value.error_code


def test_every_method_is_called_in_these_tests():
    methods = {
        name
        for name, each in inspect.getmembers(SchemaRegistryClient, inspect.isfunction)
        if not name.startswith("_") and name not in NOT_SERVED | HOUSEKEEPING
    }
    called = {
        name for path in Path(__file__).parent.glob("*.py") for name in re.findall(r"\.(\w+)\b", path.read_text())
    }
    assert len(methods) > 25
    assert methods - called == set()


@pytest.mark.client(CLIENT, "client: register, look up, versions, ids, GUIDs")
def test_register_and_find(stack, client, name):
    one, two = record(f"R{name.replace('-', '_')}", ("a", "int")), record(f"R{name.replace('-', '_')}", ("a", "long"))
    first = client.register_schema(name, one)
    assert client.register_schema(name, one) == first
    full = client.register_schema_full_response(name, two)
    assert (full.version, full.schema_id) == (2, first + 1)
    assert client.register_schema(f"{name}-other", two) == full.schema_id
    assert client.get_versions(name) == [1, 2]
    assert client.get_version(name, 1).schema == one
    assert client.get_version(name, "latest").schema_id == full.schema_id
    assert client.get_latest_version(name).version == 2
    assert client.lookup_schema(name, one).version == 1
    spaced = Schema(json.dumps(json.loads(one.schema_str), indent=4), "AVRO")
    found = stack.client().lookup_schema(name, spaced)
    assert (found.version, found.schema_id, found.subject) == (1, first, name)
    assert client.get_schema(first) == one
    assert client.get_schema(first, subject_name=name) == one
    assert client.get_schema_by_guid(found.guid) == one
    assert client.get_subjects_by_schema_id(full.schema_id) == [name, f"{name}-other"]
    assert client.get_subjects_by_schema_id(full.schema_id, subject_name=":.:") == [name, f"{name}-other"]
    pairs = [(each.subject, each.version) for each in client.get_schema_versions(full.schema_id)]
    assert pairs == [(name, 2), (f"{name}-other", 1)]
    page = client.get_schema_versions(full.schema_id, offset=1, limit=1)
    assert [(each.subject, each.version) for each in page] == pairs[1:]
    assert client.get_subjects_by_schema_id(full.schema_id, offset=0, limit=1) == [name]
    assert client.get_subjects(subject_prefix=name) == [name, f"{name}-other"]
    assert client.get_subjects(subject_prefix=name, offset=1, limit=5) == [f"{name}-other"]
    assert sorted(client.get_schema_types()) == ["AVRO", "JSON", "PROTOBUF"]


@pytest.mark.client(CLIENT, "client: errors")
def test_errors(client, name):
    schema = record("E", ("a", "int"))
    assert refused(client.get_latest_version, name) == (404, 40401)
    assert refused(client.get_versions, name) == (404, 40401)
    assert refused(client.lookup_schema, name, schema) == (404, 40401)
    assert refused(client.delete_subject, name) == (404, 40401)
    assert refused(client.get_schema, 10**6) == (404, 40403)
    assert refused(client.get_schema_by_guid, "00000000-0000-0000-0000-000000000000") == (404, 40403)
    client.register_schema(name, schema)
    assert refused(client.get_version, name, 7) == (404, 40402)
    assert refused(client.get_version, name, 0) == (422, 42202)
    assert refused(client.lookup_schema, name, record("E", ("b", "int"))) == (404, 40403)
    assert refused(client.register_schema, name, Schema('{"type": "nothing"}', "AVRO")) == (422, 42201)
    assert refused(client.register_schema, name, Schema("{}", "XML")) == (422, 42201)
    assert refused(client.register_schema, name, record("E", ("b", "int"))) == (409, 40901)
    missing = record("E", ("a", "M"), references=[SchemaReference("M", f"{name}-missing", 1)])
    assert refused(client.register_schema, name, missing) == (422, 42201)
    assert refused(client.set_compatibility, name, "SIDEWAYS") == (422, 42203)
    assert refused(client.get_compatibility, name) == (404, 40408)
    assert refused(client.update_mode, name, "SOMETIMES") == (422, 42204)
    assert refused(client.get_mode, name) == (404, 40409)


@pytest.mark.client(CLIENT, "client: compatibility and configuration")
def test_compatibility_and_config(client, name):
    one = record("C", ("a", "int"))
    client.register_schema(name, one)
    worse, better = record("C", ("b", "int")), record("C", ("a", "int"), ("b", "int", 0))
    assert client.get_compatibility() == "BACKWARD"
    assert client.test_compatibility(name, better)
    assert not client.test_compatibility(name, worse)
    assert not client.test_compatibility(name, worse, version=1)
    assert not client.test_compatibility_all_versions(name, worse)
    assert client.set_compatibility(name, "NONE") == {"compatibility": "NONE"}
    assert client.get_compatibility(name) == "NONE"
    assert client.test_compatibility_all_versions(name, worse)
    client.register_schema(name, worse)

    config = ServerConfig(
        compatibility=ConfigCompatibilityLevel.FORWARD_TRANSITIVE,
        compatibility_group="major",
        default_metadata=owned_by(owner="default", team="a"),
        override_metadata=owned_by(team="b"),
    )
    client.set_config(name, config)
    found = client.get_config(name)
    assert found.compatibility_level is ConfigCompatibilityLevel.FORWARD_TRANSITIVE
    assert found.compatibility_group == "major"
    client.set_compatibility(name, "NONE")
    owned = record("C", ("c", "int"), metadata=owned_by(owner="me"))
    client.register_schema(name, owned)
    client.clear_latest_caches()
    properties = client.get_latest_version(name).schema.metadata.properties
    assert properties.properties == {"owner": "me", "team": "b"}
    client.delete_config(name)
    assert refused(client.get_config, name) == (404, 40408)
    assert client.get_config().compatibility_level is ConfigCompatibilityLevel.BACKWARD


@pytest.mark.client(CLIENT, "client: compatibility and configuration")
def test_the_global_level_is_for_subjects_without_their_own(client, name):
    client.register_schema(name, record("G", ("a", "int")))
    worse = record("G", ("b", "int"))
    client.set_compatibility(level="NONE")
    try:
        assert client.get_compatibility() == "NONE"
        assert client.test_compatibility(name, worse)
    finally:
        client.set_config(config=ServerConfig(compatibility=ConfigCompatibilityLevel.BACKWARD))
    assert not client.test_compatibility(name, worse)


@pytest.mark.client(CLIENT, "client: modes")
def test_modes(client, name):
    schema = record("M", ("a", "int"))
    first = client.register_schema(name, schema)
    assert client.get_global_mode() == "READWRITE"
    assert client.update_mode(name, "READONLY") == "READONLY"
    assert client.get_mode(name) == "READONLY"
    assert refused(client.register_schema, name, record("M", ("a", "long"))) == (422, 42205)
    assert refused(client.delete_subject, name) == (422, 42205)
    assert client.delete_mode(name) == "READONLY"
    assert client.register_schema(name, record("M", ("a", "long"))) == first + 1
    client.update_global_mode("READONLY")
    try:
        assert client.get_global_mode() == "READONLY"
        assert refused(client.register_schema, f"{name}-2", record("M", ("b", "int"))) == (422, 42205)
        assert client.get_schema(first) == schema
    finally:
        client.update_global_mode("READWRITE")
    assert refused(client.update_mode, name, "IMPORT") == (422, 42205)
    assert client.update_mode(name, "IMPORT", force=True) == "IMPORT"


@pytest.mark.client(CLIENT, "client: deletes, soft and for good")
def test_deletes(client, name):
    one, two = record("D", ("a", "int")), record("D", ("a", "long"))
    first, second = (client.register_schema(name, each) for each in (one, two))
    assert refused(client.delete_version, name, 1, permanent=True) == (404, 40407)
    assert client.delete_version(name, 1) == 1
    assert refused(client.delete_version, name, 1) == (404, 40406)
    assert client.get_versions(name) == [2]
    assert refused(client.get_version, name, 1) == (404, 40402)
    assert client.get_version(name, 1, deleted=True).schema_id == first
    assert client.lookup_schema(name, one, deleted=True).version == 1
    assert client.get_subjects_by_schema_id(first, deleted=True) == [name]
    assert refused(client.delete_subject, name, permanent=True) == (404, 40405)
    assert client.delete_subject(name) == [2]
    assert client.get_subjects(subject_prefix=name) == []
    assert client.get_subjects(subject_prefix=name, deleted=True) == [name]
    # what was written can still be read
    client.clear_caches()
    assert client.get_schema(second) == two
    assert client.delete_version(name, 2, permanent=True) == 2
    assert client.delete_subject(name, permanent=True) == [1]
    client.clear_caches()
    assert refused(client.get_schema, second) == (404, 40403)
    assert client.register_schema(name, record("Another", ("a", "int"))) not in {first, second}


@pytest.mark.client(CLIENT, "client: references")
def test_a_schema_that_is_referred_to_stays(client, name):
    inner = record("Inner", ("a", "int"))
    client.register_schema(f"{name}-inner", inner)
    outer = record("Outer", ("inner", "Inner"), references=[SchemaReference("Inner", f"{name}-inner", 1)])
    outer_id = client.register_schema(name, outer)
    assert client.get_schema(outer_id) == outer
    assert client.get_referenced_by(f"{name}-inner", 1) == [outer_id]
    assert refused(client.delete_subject, f"{name}-inner") == (422, 42206)
    assert refused(client.delete_version, f"{name}-inner", 1) == (422, 42206)
    client.delete_subject(name)
    assert client.delete_subject(f"{name}-inner") == [1]


@pytest.mark.client(CLIENT, "client: metadata and rules of data contracts")
def test_metadata_and_rules_come_back(client, name):
    contract = {
        "metadata": Metadata(
            MetadataTags({"**.ssn": ["PII"]}), MetadataProperties({"owner": "team-a", "major": "1"}), ["owner"]
        ),
        "rule_set": RuleSet(
            [
                Rule("up", "", RuleKind.TRANSFORM, RuleMode.UPGRADE, "JSONATA", [], None, "$", None, "ERROR", False),
            ],
            [
                Rule(
                    "positive", "ids are positive", RuleKind.CONDITION, RuleMode.WRITE, "CEL", ["PII"],
                    RuleParams({"k": "v"}), "message.id > 0", "NONE", "DLQ", True,
                ),
            ],
        ),
    }  # fmt: skip
    schema = record("Contract", ("id", "int"), ("ssn", "string"), **contract)
    client.register_schema(name, schema)
    client.register_schema(name, record("Contract", ("id", "long"), ("ssn", "string")))
    found = client.get_version(name, 1).schema
    assert found.metadata.properties.properties == {"owner": "team-a", "major": "1"}
    assert found.metadata.tags.tags == {"**.ssn": ["PII"]}
    assert found.metadata.sensitive == ["owner"]
    # the second is registered without: it goes on with what the first has
    for each in (found, client.get_version(name, 2).schema):
        assert each.rule_set.migration_rules == schema.rule_set.migration_rules
        assert each.rule_set.domain_rules == schema.rule_set.domain_rules
    assert client.get_latest_with_metadata(name, {"major": "1"}).version == 2
    third = record("Contract", ("id", "long"), ("ssn", "string"), metadata=owned_by(major="2"))
    client.register_schema(name, third)
    client.clear_latest_caches()
    assert client.get_latest_with_metadata(name, {"major": "1"}).version == 2
    assert client.get_latest_with_metadata(name, {"major": "2"}).version == 3
    assert refused(client.get_latest_with_metadata, name, {"major": "3"}) == (404, 40403)


@pytest.mark.client(CLIENT, "client: contexts")
def test_contexts_have_ids_of_their_own(client, name):
    context = f".{name}"
    schema = record("X", ("a", "int"))
    client.register_schema(name, schema)
    inside = client.register_schema(f":{context}:{name}", schema)
    assert inside == 1
    assert context in client.get_contexts()
    assert client.get_contexts(offset=0, limit=1) == ["."]
    assert client.get_subjects(subject_prefix=f":{context}:") == [f":{context}:{name}"]
    assert client.get_schema(inside, subject_name=f":{context}:") == schema
    assert client.get_latest_version(f":{context}:{name}").schema == schema
    # a client whose address is the context sees nothing else
    within = SchemaRegistryClient({"url": f"{client.config()['url']}/contexts/{context}"})
    assert within.get_latest_version(name).schema_id == inside
    assert within.register_schema(f"{name}-2", record("X2", ("a", "int"))) == 2
    assert within.get_subjects() == [f":{context}:{name}", f":{context}:{name}-2"]
    assert within.get_schema(2) == record("X2", ("a", "int"))
