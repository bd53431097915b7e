"""Java's clients: Confluent's own (which Flink brings along on Maven Central), Flink's Avro format, and Apicurio's
serialisers in the mode that others can read; what one language writes the other reads.
"""

from __future__ import annotations

import json
import re

import pytest
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from google.protobuf import json_format
from google.rpc.status_pb2 import Status

from interop.compatibility import CLIENTS
from interop.registry.languages import AVRO, JSON
from interop.registry.programs import RemoteError
from interop.registry.stack import read, schema_id, three, written
from interop.registry.test_evolution_avro import STEPS
from kopfka_registry.formats.avro.rules import Rules

CLIENT, FLINK, APICURIO = "Confluent's registry client (Java)", "Flink's Avro format", "Apicurio's serdes"
HOUSEKEEPING = {"close", "reset", "tenant", "ticker", "setTenant"}
pytestmark = pytest.mark.java


@pytest.fixture
def call(java, stack):
    """Return a function that calls a method of Confluent's client."""
    return lambda method, *given: java.ask(client="confluent", url=stack.url, call=method, **{"with": given})


def test_the_version_of_confluents_client_within_flinks_jar(java):
    notice = java.ask(client="confluent", notice=True)
    assert f"io.confluent:kafka-schema-registry-client:{CLIENTS[CLIENT][1]()}\n" in notice


def schema(text, **more):
    return {"schema": json.dumps(text), "schemaType": "AVRO", **more}


def failing(call, *given):
    with pytest.raises(RemoteError) as caught:
        call(*given)
    return caught.value.status, caught.value.code


@pytest.mark.client(CLIENT, "every method")
def test_every_method(java, call, name):
    one, wider, other = three(name)
    called = set()

    def ask(method, *given):
        called.add(method)
        return call(method, *given)

    first = ask("register", name, schema(one))
    full = ask("registerWithResponse", name, schema(wider), False)
    assert (full["id"], full["version"]) == (first + 1, 2)
    assert json.loads(ask("getSchemaById", first)) == one
    assert json.loads(ask("getSchemaBySubjectAndId", name, first)) == one
    assert ask("parseSchema", "AVRO", json.dumps(one), []) is not None
    assert ask("getId", name, schema(one)) == first
    assert ask("getVersion", name, schema(wider)) == 2
    assert ask("getAllVersions", name) == [1, 2]
    assert ask("getAllSubjectsById", first) == [name]
    assert ask("getAllVersionsById", first) == [{"subject": name, "version": 1}]
    assert ask("getByVersion", name, 1, False)["id"] == first
    assert ask("getLatestSchemaMetadata", name)["version"] == 2
    assert ask("getSchemaMetadata", name, 1)["id"] == first
    assert len(ask("getSchemas", name, False, True)) == 1
    owned = schema(wider, metadata={"properties": {"k": "v"}})
    ask("register", name, owned)
    assert ask("getLatestWithMetadata", name, {"k": "v"}, False)["version"] == 3
    assert ask("testCompatibility", name, schema(other)) is False
    messages = ask("testCompatibilityVerbose", name, schema(other))
    assert any("READER_FIELD_MISSING_DEFAULT_VALUE" in each for each in messages)
    assert failing(call, "register", name, schema(other)) == (409, 40901)
    assert ask("updateCompatibility", name, "FULL") == "FULL"
    assert ask("getCompatibility", name) == "FULL"
    ask("deleteCompatibility", name)
    assert failing(call, "getCompatibility", name) == (404, 40408)
    found = ask("updateConfig", name, {"compatibilityLevel": "NONE", "compatibilityGroup": "major"})
    assert found["compatibilityLevel"] == "NONE"
    assert ask("getConfig", name)["compatibilityGroup"] == "major"
    ask("deleteConfig", name)
    assert ask("setMode", "READWRITE") == ask("getMode") == "READWRITE"
    assert ask("setMode", "READONLY", name) == ask("getMode", name) == "READONLY"
    assert failing(call, "register", name, schema(other)) == (422, 42205)
    ask("deleteMode", name)
    assert name in ask("getAllSubjects")
    assert ask("getAllSubjectsByPrefix", name) == [name]
    assert ask("deleteSchemaVersion", name, "1") == 1
    assert ask("deleteSubject", name) == [2, 3]
    assert sorted(ask("deleteSubject", name, True)) == [1, 2, 3]
    assert failing(call, "getAllVersions", name) == (404, 40401)
    # an id and a version of one's own choice, where a mirror is made
    ask("setMode", "IMPORT", name)
    assert ask("register", name, schema(one), 7, first + 1000) == first + 1000
    assert ask("getSchemaMetadata", name, 7)["id"] == first + 1000
    methods = set(java.ask(client="confluent", methods=True)) - HOUSEKEEPING
    assert {each for each in methods - called if not each.startswith("getBy")} == set()


@pytest.mark.client(CLIENT, "the REST service beneath it; references; contexts")
def test_the_rest_service(call, name):
    one, *_ = three(name)
    number = call("registerSchema", json.dumps(one), f":.{name}:inner")
    assert number["id"] if isinstance(number, dict) else number == 1
    assert f".{name}" in call("getAllContexts")
    assert sorted(call("getSchemaTypes")) == ["AVRO", "JSON", "PROTOBUF"]
    assert json.loads(call("getLatestVersionSchemaOnly", f":.{name}:inner")) == one
    assert json.loads(call("getVersionSchemaOnly", f":.{name}:inner", 1)) == one
    refers = [{"name": one["name"], "subject": f":.{name}:inner", "version": 1}]
    holder = {"type": "record", "name": "Holder", "fields": [{"name": "r", "type": one["name"]}]}
    outer = call("registerSchema", json.dumps(holder), "AVRO", refers, f":.{name}:outer")
    outer = outer["id"] if isinstance(outer, dict) else outer
    assert call("getReferencedBy", f":.{name}:inner", 1) == [outer]
    found = call("lookUpSubjectVersion", json.dumps(holder), "AVRO", refers, f":.{name}:outer", False, False)
    assert (found["version"], found["references"]) == (1, refers)
    assert call("getClusterId")["scope"]["clusters"]["kafka-cluster"]
    assert call("getSchemaRegistryServerVersion")["version"]


@pytest.mark.client(CLIENT, "Avro: canonical, resolved and normalised texts, verdicts and their words")
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_what_confluent_says_of_avro(java, stack, name, step):
    """Its own classes for Avro, which its registry has: what they say of schemas, ours has to say as well."""
    client = stack.client()
    for number, text in enumerate((step.old, step.new)):
        theirs = java.ask(client="confluent", schema=text)
        plain = client.register_schema(f"{name}-{number}", AVRO.registered(text))
        assert stack.client().get_schema(plain).schema_str == theirs["canonical"]
        assert stack.client().get_schema(plain, fmt="resolved").schema_str == theirs["resolved"]
        normal = client.register_schema(f"{name}-n{number}", AVRO.registered(text), normalize_schemas=True)
        assert stack.client().get_schema(normal).schema_str == theirs["normalized"]
    client.register_schema(name, AVRO.registered(step.old))
    for level in ("BACKWARD", "FORWARD", "FULL"):
        client.set_compatibility(name, level)
        question = {"schema": step.new, "schemaType": "AVRO"}
        ours = client._rest_client.post(f"compatibility/subjects/{name}/versions/latest?verbose=true", question)
        theirs = java.ask(client="confluent", level=level, old=step.old, new=step.new)
        if step.rule is not Rules.FIELD_IS_ONE:  # which Avro 1.12 has, and this client's 1.11 has not
            assert ours["is_compatible"] == (theirs == [])
            assert told(ours.get("messages", []), step) == told(theirs, step)


def told(messages, step):
    """Return what is said of single differences; where a union is meant, Avro 1.12 tells its place, 1.11 does not."""
    found = [each for each in messages if each.startswith("{errorType")]
    if step.rule in (Rules.READER_UNION, Rules.WRITER_UNION):
        found = [re.sub(r"\(path '.*?'\)", "", each) for each in found]
    return found


@pytest.mark.client(FLINK, "the loop with Python")
def test_flink(java, stack, name):
    data = {"id": 2**40, "item": "зонт ☂", "tags": {"a": 1}, "note": {"string": "x"}}
    plain = data | {"note": "x"}
    asked = {"client": "flink", "url": stack.url, "topic": name, "schema": AVRO.schema}
    record, *_ = stack.travelled((java.ask(write=data, **asked), []))
    assert schema_id(record.value()) == stack.client().get_latest_version(f"{name}-value").schema_id
    assert read(AVRO.reads(stack.client()), name, record) == plain
    mine, *_ = stack.travelled(written(AVRO.writes(stack.client(), AVRO.schema), name, plain))
    assert mine.value() == record.value()
    assert java.ask(read=mine.value(), **asked) == data
    # a reader's schema that went on
    assert java.ask(read=mine.value(), **asked | {"schema": AVRO.evolved}) == data | {"paid": False}


@pytest.mark.client(APICURIO, "the loop with Python, ids of four bytes; over Confluent's client in place of its own")
@pytest.mark.parametrize("language", [AVRO, JSON], ids=lambda each: each.name)
def test_apicurio(java, stack, name, language):
    asked = {
        "client": "apicurio",
        "url": stack.url,
        "topic": name,
        "schema": language.schema,
        "language": language.name,
    }
    if language is JSON:  # data of JSON bring no schema: it has to be there
        stack.client().register_schema(f"{name}-value", JSON.registered(JSON.schema))
    record, *_ = stack.travelled((java.ask(write=language.data, **asked), []))
    assert schema_id(record.value()) == stack.client().get_latest_version(f"{name}-value").schema_id
    assert read(language.reads(stack.client()), name, record) == language.data
    mine, *_ = stack.travelled(written(language.writes(stack.client(), language.schema), name, language.data))
    assert java.ask(read=mine.value(), **asked) == language.data


@pytest.mark.client(APICURIO, "the loop with Python, ids of four bytes; over Confluent's client in place of its own")
def test_apicurio_with_generated_code(java, stack, name):
    asked = {"client": "apicurio", "url": stack.url, "topic": name, "language": "PROTOBUF"}
    data = {"code": 5, "message": "нет", "details": [{"@type": "type.googleapis.com/google.rpc.Status", "code": 6}]}
    serialize = ProtobufSerializer(Status, stack.client(), conf={})
    deserialize = ProtobufDeserializer(Status, {}, stack.client())
    record, *_ = stack.travelled((java.ask(write=data, **asked), []))
    registered = stack.client().get_latest_version(f"{name}-value")
    assert (schema_id(record.value()), registered.schema.schema_type) == (registered.schema_id, "PROTOBUF")
    found = read(deserialize, name, record)
    assert json_format.MessageToDict(found, preserving_proto_field_name=True) == data
    mine, *_ = stack.travelled(written(serialize, name, found))
    assert java.ask(read=mine.value(), **asked) == data
