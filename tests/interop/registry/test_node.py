"""Node's clients: Confluent's own, with its serialisers, and kafkajs's; what one language writes the other reads."""

from __future__ import annotations

import inspect
import json
import sys

import pytest
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from google.protobuf import json_format

from interop.registry import proto
from interop.registry.languages import AVRO, JSON, LANGUAGES, PROTOBUF
from interop.registry.programs import RemoteError
from interop.registry.stack import as_headers, read, schema_id, three, written

CITY = 'syntax = "proto3"; package geo; message City { string name = 1; }'

CONFLUENT, KAFKAJS = "Confluent's serialisers (Node)", "kafkajs's registry client"
every_language = pytest.mark.parametrize("language", LANGUAGES, ids=lambda each: each.name)
NOT_SERVED = {"getAssociationsByResourceName", "createAssociation", "deleteAssociations"}
HOUSEKEEPING = {"constructor", "config", "close"}


@pytest.fixture
def confluent(node, stack):
    """Return a function that calls a method of Confluent's client."""
    return lambda method, *given: node.ask(client="confluent", url=stack.url, call=method, **{"with": given})


@pytest.fixture
def kafkajs(node, stack):
    """Return a function that calls a method of kafkajs's client."""

    def call(method, *given, **options):
        return node.ask(client="kafkajs", url=stack.url, call=method, options=options, **{"with": given})

    return call


@pytest.fixture
def serde(node, stack):
    """Return functions that write and read with Confluent's serialisers."""

    def write(language, topic, data, **more):
        made = node.ask(client="confluent", url=stack.url, language=language.name, topic=topic, write=data, **more)
        return made["value"], as_headers(made["headers"])

    def reads(language, topic, record, **more):
        headers = dict(record.headers() or [])
        return node.ask(
            client="confluent", url=stack.url, language=language.name, topic=topic, read=record.value(),
            headers=headers, **more,
        )  # fmt: skip

    return write, reads


def generated(language):
    """Return what stands for generated code, where a language has that."""
    return {"files": proto.described(language.schema), "message": "com.example.Order"} if language is PROTOBUF else {}


def info(schema, kind="AVRO", **more):
    return {"schema": json.dumps(schema), "schemaType": kind, **more}


def plain(language, data):
    """Return data of Node's as Python has them: the numbers of 64 bits of Protobuf's JSON are texts."""
    return data | {"id": int(data["id"])} if language is PROTOBUF else data


def failing(call, *given):
    with pytest.raises(RemoteError) as caught:
        call(*given)
    return caught.value.status, caught.value.code


@pytest.mark.client(CONFLUENT, "the loop with Python: what one writes the other reads")
@every_language
def test_the_loop_with_python(stack, serde, name, language):
    write, reads = serde
    code = generated(language)
    conf = {"autoRegisterSchemas": True}
    if language is not PROTOBUF:  # Node's serialiser would make a schema of the data; an application has its own
        stack.client().register_schema(f"{name}-value", language.registered(language.schema))
        conf = {"useLatestVersion": True}
    sent = dict(language.data)
    if language is AVRO:  # avsc names the branch of a union that is not null
        sent["note"] = None
    message, *_ = stack.travelled(write(language, name, sent, conf=conf, **code))
    assert schema_id(message.value()) == stack.client().get_latest_version(f"{name}-value").schema_id
    assert read(language.reads(stack.client()), name, message) == language.data
    assert plain(language, reads(language, name, message, **code)) == language.data

    mine, *_ = stack.travelled(written(language.writes(stack.client(), language.schema), name, language.data))
    assert plain(language, reads(language, name, mine, **code)) == language.data
    if language is not PROTOBUF:  # whose descriptor is another text than Python's
        assert schema_id(mine.value()) == schema_id(message.value())


@pytest.mark.client(CONFLUENT, "schemas made of data, normalised; the schema's GUID in a header")
@every_language
def test_the_id_in_a_header(stack, serde, name, language):
    write, reads = serde
    conf = {"autoRegisterSchemas": True, "normalizeSchemas": True, "schemaIdSerializer": "HeaderSchemaIdSerializer"}
    data = {"id": 5, "item": "an umbrella"}
    message, *_ = stack.travelled(write(language, name, data, conf=conf, **generated(language)))
    [(header, guid)] = message.headers()
    registered = stack.client().get_latest_version(f"{name}-value")
    assert (header, guid[1:17].hex()) == ("__value_schema_id", registered.guid.replace("-", ""))
    assert plain(language, reads(language, name, message, **generated(language))) == data
    assert read(language.reads(stack.client()), name, message) == data


@pytest.mark.client(CONFLUENT, "references: Avro's named types, Protobuf's imports, JSON Schema's $ref")
def test_references(stack, serde, confluent, name):
    write, reads = serde
    # Protobuf: the serialiser registers what is imported (of what is imported there, it asks for the wrong form)
    text = (
        'syntax = "proto3"; package people; import "node/city.proto"; message Person { repeated geo.City homes = 1; }'
    )
    code = {"files": proto.described(text, {"node/city.proto": CITY}), "message": "people.Person"}
    data = {"homes": [{"name": "Łódź"}]}
    record, *_ = stack.travelled(write(PROTOBUF, f"{name}-p", data, conf={"autoRegisterSchemas": True}, **code))
    assert reads(PROTOBUF, f"{name}-p", record, **code) == data
    kind = proto.sole(text, {"node/city.proto": CITY})
    deserialize = ProtobufDeserializer(kind, {}, stack.client())
    assert json_format.MessageToDict(read(deserialize, f"{name}-p", record)) == data
    [reference] = stack.client().get_latest_version(f"{name}-p-value").schema.references
    assert (reference.name, reference.subject) == ("node/city.proto", "node/city.proto")
    # Avro and JSON Schema: an application names them
    city = {"type": "record", "name": "City", "namespace": "geo", "fields": [{"name": "name", "type": "string"}]}
    person = {"type": "record", "name": "Person", "fields": [{"name": "home", "type": "geo.City"}]}
    refers = {"references": [{"name": "geo.City", "subject": f"{name}-city", "version": 1}]}
    confluent("register", f"{name}-city", info(city), False)
    number = confluent("register", f"{name}-a-value", info(person, **refers), False)
    data = {"home": {"name": "Kraków"}}
    message, *_ = stack.travelled(write(AVRO, f"{name}-a", data, conf={"useLatestVersion": True}))
    assert schema_id(message.value()) == number
    assert reads(AVRO, f"{name}-a", message) == read(AVRO.reads(stack.client()), name, message) == data
    place = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    points = {"type": "object", "properties": {"home": {"$ref": "city.json"}}}
    refers = {"references": [{"name": "city.json", "subject": f"{name}-place", "version": 1}]}
    confluent("register", f"{name}-place", info(place, "JSON"), False)
    confluent("register", f"{name}-j-value", info(points, "JSON", **refers), False)
    latest = {"useLatestVersion": True, "validate": True}
    message, *_ = stack.travelled(write(JSON, f"{name}-j", data, conf=latest))
    assert reads(JSON, f"{name}-j", message) == read(JSON.reads(stack.client()), name, message) == data
    with pytest.raises(RemoteError, match="Invalid message"):
        write(JSON, f"{name}-j", {"home": {}}, conf=latest)


@pytest.mark.client(CONFLUENT, "client: every method")
def test_every_method(node, confluent, name):
    one, wider, other = three(name)
    first = confluent("register", name, info(one), False)
    full = confluent("registerFullResponse", name, info(wider), True)
    assert (full["id"], full["version"]) == (first + 1, 2)
    assert json.loads(confluent("getBySubjectAndId", name, first)["schema"]) == one
    assert json.loads(confluent("getByGuid", full["guid"])["schema"]) == wider
    assert confluent("getId", name, info(one), False) == first
    assert confluent("getIdFullResponse", name, info(one), False)["version"] == 1
    assert confluent("getLatestSchemaMetadata", name)["version"] == 2
    assert confluent("getSchemaMetadata", name, 1, False)["id"] == first
    assert failing(confluent, "getLatestWithMetadata", name, {"k": "v"}, False) == (404, 40403)
    owned = info(wider, metadata={"properties": {"k": "v"}})
    assert confluent("register", name, owned, False) == first + 2
    assert confluent("getLatestWithMetadata", name, {"k": "v"}, False)["version"] == 3
    assert confluent("getAllVersions", name) == [1, 2, 3]
    assert confluent("getVersion", name, info(one), False, False) == 1
    assert name in confluent("getAllSubjects")
    assert confluent("testSubjectCompatibility", name, info(other)) is False
    assert confluent("testCompatibility", name, 1, info(wider)) is True
    assert failing(confluent, "getCompatibility", name) == (404, 40408)
    assert confluent("updateCompatibility", name, "NONE") == "NONE"
    assert confluent("getCompatibility", name) == "NONE"
    assert confluent("testSubjectCompatibility", name, info(other)) is True
    config = {"compatibility": "FULL", "compatibilityGroup": "major", "normalize": True}
    assert confluent("updateConfig", name, config)["compatibilityGroup"] == "major"
    found = confluent("getConfig", name)
    assert (found["compatibilityLevel"], found["normalize"]) == ("FULL", True)
    assert confluent("getDefaultCompatibility") == "BACKWARD"
    assert confluent("updateDefaultCompatibility", "BACKWARD") == "BACKWARD"
    assert confluent("updateDefaultConfig", {"compatibility": "BACKWARD"})["compatibility"] == "BACKWARD"
    assert confluent("getDefaultConfig")["compatibilityLevel"] == "BACKWARD"
    assert confluent("deleteSubjectVersion", name, 1, False) == 1
    assert failing(confluent, "deleteSubjectVersion", name, 1, False) == (404, 40406)
    assert confluent("deleteSubject", name, False) == [2, 3]
    assert sorted(confluent("deleteSubject", name, True)) == [1, 2, 3]
    assert failing(confluent, "register", name, info({"type": "nothing"}), False) == (422, 42201)
    methods = set(node.ask(client="confluent", methods=True)) - NOT_SERVED - HOUSEKEEPING
    methods = {each for each in methods if "Cache" not in each}
    called = inspect.getsource(sys.modules[__name__])
    assert len(methods) > 15
    assert {each for each in methods if f'"{each}"' not in called} == set()


@pytest.mark.client(KAFKAJS, "the loop, Avro, JSON Schema (with Python), Protobuf; references; compatibility")
@every_language
def test_kafkajs(stack, kafkajs, name, language):
    subject = f"{name}-value"
    text = language.schema
    if language is PROTOBUF:  # protobufjs has no files of its own for types that are known everywhere
        text = text.replace('import "google/protobuf/timestamp.proto";\n', "")
        text = text.replace("google.protobuf.Timestamp", "string")
    number = kafkajs("register", {"type": language.name, "schema": text}, {"subject": subject})["id"]
    data = {key: value for key, value in language.data.items() if value is not None}
    if language is AVRO:
        data |= {"note": None}
    options = {"PROTOBUF": {"messageName": "Order"}} if language is PROTOBUF else {}
    record, *_ = stack.travelled((kafkajs("encode", number, data, **options), []))
    assert schema_id(record.value()) == number == kafkajs("getLatestSchemaId", subject)
    got = kafkajs("decode", record.value(), **options)
    if language is PROTOBUF:  # whose numbers of 64 bits are two; and it writes no message's index, as all others do
        got |= {"id": int(got["id"]["low"]) + (got["id"]["high"] << 32)}
    else:
        assert read(language.reads(stack.client(), text), name, record) == data
        mine, *_ = stack.travelled(written(language.writes(stack.client(), text), name, data))
        assert kafkajs("decode", mine.value()) == data
    assert got == data
    assert kafkajs("getRegistryId", subject, 1) == number
    assert kafkajs("getRegistryIdBySchema", subject, {"type": language.name, "schema": text}) == number


@pytest.mark.client(KAFKAJS, "the loop, Avro, JSON Schema (with Python), Protobuf; references; compatibility")
def test_kafkajs_references_and_levels(stack, kafkajs, name):
    city = {"type": "record", "name": "City", "namespace": "geo", "fields": [{"name": "name", "type": "string"}]}
    person = {"type": "record", "name": "Person", "fields": [{"name": "home", "type": "geo.City"}]}
    kafkajs("register", {"type": "AVRO", "schema": json.dumps(city)}, {"subject": f"{name}-city"})
    refers = [{"name": "geo.City", "subject": f"{name}-city", "version": 1}]
    schema = {"type": "AVRO", "schema": json.dumps(person), "references": refers}
    number = kafkajs("register", schema, {"subject": f"{name}-value", "compatibility": "FULL"})["id"]
    # a subject that is new is given the level
    assert stack.client().get_compatibility(f"{name}-value") == "FULL"
    data = {"home": {"name": "Łódź"}}
    value = kafkajs("encode", number, data)
    assert kafkajs("decode", value) == data
    message, *_ = stack.travelled((value, []))
    assert read(AVRO.reads(stack.client()), name, message) == data
    # a reader's schema of its own
    wider = json.loads(json.dumps(person).replace('"geo.City"', json.dumps(city)))
    wider["fields"].append({"name": "age", "type": "int", "default": 3})
    assert kafkajs("decode", value, {"AVRO": {"readerSchema": wider}}) == data | {"age": 3}
    with pytest.raises(RemoteError, match="Compatibility does not match"):
        kafkajs("register", schema, {"subject": f"{name}-value", "compatibility": "NONE"})
    worse = {"type": "AVRO", "schema": json.dumps(person | {"name": "Worse"}), "references": refers}
    with pytest.raises(RemoteError) as caught:
        kafkajs("register", worse, {"subject": f"{name}-value", "compatibility": "FULL"})
    assert caught.value.status == 409
    with pytest.raises(RemoteError) as caught:
        kafkajs("getLatestSchemaId", f"{name}-none")
    assert caught.value.status == 404
