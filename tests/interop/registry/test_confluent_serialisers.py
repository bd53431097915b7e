"""What Confluent's serialisers for Python can be told: which schema is registered, looked up or taken, under which
subject, with what references and rules, and where its id stands.
"""

from __future__ import annotations

import json

import pytest
from confluent_kafka.schema_registry import (
    Metadata,
    MetadataProperties,
    MetadataTags,
    Rule,
    RuleKind,
    RuleMode,
    RuleSet,
    Schema,
    SchemaReference,
    SchemaRegistryError,
    header_schema_id_serializer,
    record_subject_name_strategy,
    topic_record_subject_name_strategy,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.schema_registry.rule_registry import RuleRegistry
from confluent_kafka.schema_registry.serde import FieldRuleExecutor, RuleExecutor
from confluent_kafka.serialization import MessageField, SerializationContext

from interop.registry import proto
from interop.registry.languages import AVRO, JSON, LANGUAGES, PROTOBUF, plain
from interop.registry.stack import read, schema_id, written

CLIENT = "Confluent's serialisers (Python)"
every_language = pytest.mark.parametrize("language", LANGUAGES, ids=lambda each: each.name)


def there_and_back(stack, name, serialize, deserialize, data):
    """Return what a consumer gets of data, and the record's value."""
    message, *_ = stack.travelled(written(serialize, name, data))
    return read(deserialize, name, message), message.value()


@pytest.mark.client(CLIENT, "auto.register.schemas, use.latest.version, use.schema.id, normalize.schemas")
@every_language
def test_without_registering_a_schema_must_be_there(stack, name, language):
    careful = language.writes(stack.client(), language.schema, auto_register_schemas=False)
    with pytest.raises(SchemaRegistryError) as caught:
        written(careful, name, language.data)
    assert (caught.value.http_status_code, caught.value.error_code) == (404, 40401)
    written(language.writes(stack.client(), language.schema), name, language.data)
    data, _ = there_and_back(stack, name, careful, language.reads(stack.client()), language.data)
    assert data == language.data
    # a later schema is another one
    with pytest.raises(SchemaRegistryError) as caught:
        written(language.writes(stack.client(), language.evolved, auto_register_schemas=False), name, language.data)
    assert caught.value.error_code == 40403


@pytest.mark.client(CLIENT, "auto.register.schemas, use.latest.version, use.schema.id, normalize.schemas")
@every_language
def test_the_latest_version_is_taken_whatever_the_application_has(stack, name, language):
    client = stack.client()
    first, second = (
        schema_id(written(language.writes(client, each), name, language.data)[0])
        for each in (language.schema, language.evolved)
    )
    latest = {"auto_register_schemas": False, "use_latest_version": True}
    data, value = there_and_back(
        stack, name, language.writes(stack.client(), language.schema, **latest),
        language.reads(stack.client(), language.evolved), language.data,
    )  # fmt: skip
    assert schema_id(value) == second != first
    assert data.pop("paid", False) is False  # Avro fills the default in
    assert data == language.data
    pinned = {"auto_register_schemas": False, "use_schema_id": first}
    _, value = there_and_back(
        stack, name, language.writes(stack.client(), language.evolved, **pinned),
        language.reads(stack.client()), language.data,
    )  # fmt: skip
    assert schema_id(value) == first


SPELLINGS = {
    "AVRO": (
        '{"type": "record", "name": "N", "owner": "me", "team": "us", "fields": [{"name": "a", "type": "int"}]}',
        '{"type": "record", "name": "N", "team": "us", "owner": "me", "fields": [{"name": "a", "type": "int"}]}',
    ),
    "JSON": (
        '{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}',
        '{"properties": {"b": {"type": "string"}, "a": {"type": "integer"}}, "type": "object"}',
    ),
    "PROTOBUF": (
        'syntax = "proto3"; package com.example; message N { int32 a = 1; map<string, int32> b = 2; }',
        'syntax = "proto3"; package com.example; message N { map<string, int32> b = 2; int32 a = 1; }',
    ),
}


@pytest.mark.client(CLIENT, "auto.register.schemas, use.latest.version, use.schema.id, normalize.schemas")
@every_language
def test_spellings_of_one_schema_are_one_when_normalised(stack, name, language):
    one, other = SPELLINGS[language.name]
    data = {"a": 1}
    for normalize, count in ((True, 1), (False, 2)):
        topic = f"{name}-{normalize}"
        conf = {"normalize_schemas": normalize}
        ids = {
            schema_id(written(language.writes(stack.client(), each, **conf), topic, data)[0]) for each in (one, other)
        }
        assert len(ids) == count, stack.client().get_versions(f"{topic}-value")
    # the text of a schema that was registered as the class of an application
    found = stack.client().lookup_schema(f"{name}-True-value", language.registered(other), normalize_schemas=True)
    assert found.version == 1


@pytest.mark.client(CLIENT, "subject names: topic, record, topic and record; keys")
@every_language
@pytest.mark.parametrize(
    ("strategy", "subject"),
    [(record_subject_name_strategy, "{record}"), (topic_record_subject_name_strategy, "{topic}-{record}")],
    ids=["record", "topic-record"],
)
def test_subjects_called_after_records(stack, name, language, strategy, subject):
    record = "Order" if language is JSON else "com.example.Order"
    client = stack.client()
    expected = subject.format(record=record, topic=name)
    client.set_compatibility(expected, "NONE")  # other tests' orders may be there
    conf = {"subject_name_strategy": strategy}
    data, value = there_and_back(
        stack, name, language.writes(client, language.schema, **conf), language.reads(stack.client(), **conf),
        language.data,
    )  # fmt: skip
    assert data == language.data
    assert expected in client.get_subjects_by_schema_id(schema_id(value))


@pytest.mark.client(CLIENT, "subject names: topic, record, topic and record; keys")
@every_language
def test_keys_have_subjects_of_their_own(stack, name, language):
    context = SerializationContext(name, MessageField.KEY, [])
    key = language.writes(stack.client(), language.schema)(language.data, context)
    assert language.reads(stack.client())(key, context) == language.data
    assert stack.client().get_subjects(subject_prefix=name) == [f"{name}-key"]


@pytest.mark.client(CLIENT, "the schema's GUID in a header")
@every_language
def test_the_id_in_a_header(stack, name, language):
    conf = {"schema_id_serializer": header_schema_id_serializer}
    serialize = language.writes(stack.client(), language.schema, **conf)
    message, *_ = stack.travelled(written(serialize, name, language.data))
    [(header, guid)] = message.headers()
    registered = stack.client().lookup_schema(
        f"{name}-value", stack.client().get_latest_version(f"{name}-value").schema
    )
    assert header == "__value_schema_id"
    assert guid[0] == 1
    assert guid[1:17].hex() == registered.guid.replace("-", "")
    assert message.value()[:1] != b"\0" or language is PROTOBUF
    assert read(language.reads(stack.client()), name, message) == language.data


@pytest.mark.client(CLIENT, "incompatible schemas: the producer is told the rule")
@every_language
def test_a_producer_of_an_incompatible_schema_is_told_why(stack, name, language):
    worse, rule = {
        "AVRO": (AVRO.schema.replace('"item"', '"thing"'), "READER_FIELD_MISSING_DEFAULT_VALUE"),
        "JSON": (JSON.schema.replace('"required": ["id"]', '"required": ["id", "item"]'), "REQUIRED_ATTRIBUTE_ADDED"),
        "PROTOBUF": (PROTOBUF.schema.replace("string item = 2", "bool item = 2"), "FIELD_SCALAR_KIND_CHANGED"),
    }[language.name]
    written(language.writes(stack.client(), language.schema), name, language.data)
    data = language.data | ({"item": True} if language is PROTOBUF else {"thing": "x"} if language is AVRO else {})
    with pytest.raises(SchemaRegistryError) as caught:
        written(language.writes(stack.client(), worse), name, data)
    assert caught.value.http_status_code == 409
    assert rule in caught.value.error_message
    assert "oldSchemaVersion: 1" in caught.value.error_message
    assert stack.client().get_versions(f"{name}-value") == [1]


# references


@pytest.mark.client(CLIENT, "references: Avro's named types, Protobuf's imports, JSON Schema's $ref")
def test_avro_types_of_other_subjects(stack, name):
    client = stack.client()
    city = '{"type": "record", "name": "City", "namespace": "geo", "fields": [{"name": "name", "type": "string"}]}'
    address = json.dumps(
        {
            "type": "record", "name": "Address", "namespace": "geo",
            "fields": [{"name": "city", "type": "geo.City"}, {"name": "old", "type": ["null", "geo.City"]}],
        }
    )  # fmt: skip
    person = json.dumps(
        {
            "type": "record",
            "name": "Person",
            "fields": [{"name": "homes", "type": {"type": "array", "items": "geo.Address"}}],
        }
    )
    client.register_schema(f"{name}-city", Schema(city, "AVRO"))
    city_reference = SchemaReference("geo.City", f"{name}-city", 1)
    client.register_schema(f"{name}-address", Schema(address, "AVRO", [city_reference]))
    schema = Schema(person, "AVRO", [SchemaReference("geo.Address", f"{name}-address", 1)])
    data = {"homes": [{"city": {"name": "Kraków"}, "old": None}, {"city": {"name": "Łódź"}, "old": {"name": "x"}}]}
    got, value = there_and_back(
        stack, name, AvroSerializer(client, schema), AvroDeserializer(stack.client()), data
    )  # fmt: skip
    assert got == data
    assert client.get_schema(schema_id(value)).references == schema.references
    assert client.get_referenced_by(f"{name}-address", 1) == [schema_id(value)]


CITY = 'syntax = "proto3"; package geo; message City { string name = 1; }'
ADDRESS = """syntax = "proto3"; package geo;
import "geo/city.proto"; import "google/protobuf/timestamp.proto"; import "google/type/money.proto";
message Address { City city = 1; google.protobuf.Timestamp since = 2; google.type.Money rent = 3; }"""
PERSON = """syntax = "proto3"; package people;
import "geo/address.proto";
message Person { message Home { geo.Address address = 1; } repeated Home homes = 1; }
message Other { Person.Home home = 1; }"""


@pytest.mark.client(CLIENT, "references: Avro's named types, Protobuf's imports, JSON Schema's $ref")
@pytest.mark.parametrize("message", ["people.Person", "people.Person.Home", "people.Other"])
def test_protobuf_imports_are_registered_with_the_message(stack, name, message):
    client = stack.client()
    files = {"geo/city.proto": CITY, "geo/address.proto": ADDRESS}
    kinds = proto.classes(PERSON, files)
    home = {"address": {"city": {"name": "Łódź"}, "since": "2026-01-02T03:04:05Z", "rent": {"currency_code": "PLN"}}}
    data = {"people.Person": {"homes": [home]}, "people.Person.Home": home, "people.Other": {"home": home}}[message]
    kind = kinds["people.Person"].Home if message == "people.Person.Home" else kinds[message]
    # imports go under subjects of their own, here with the test's name before them
    conf = {"reference.subject.name.strategy": lambda context, file: f"{name}/{file.name}"}
    serialize = ProtobufSerializer(kind, client, conf=conf)
    deserialize = ProtobufDeserializer(kind, {}, stack.client())
    sent = proto.filled(kind, data)
    got, value = there_and_back(stack, name, serialize, deserialize, sent)
    assert plain(got) == data
    registered = client.get_latest_version(f"{name}-value")
    assert registered.schema_id == schema_id(value)
    assert [each.name for each in registered.schema.references] == ["geo/address.proto"]
    [inner] = client.get_latest_version(f"{name}/geo/address.proto").schema.references
    assert (inner.name, inner.subject) == ("geo/city.proto", f"{name}/geo/city.proto")


@pytest.mark.client(CLIENT, "references: Avro's named types, Protobuf's imports, JSON Schema's $ref")
def test_json_schemas_that_point_to_others(stack, name):
    client = stack.client()
    city = '{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "required": ["name"]}'
    schema = Schema(
        json.dumps(
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "object",
                "properties": {"home": {"$ref": "city.json"}, "work": {"$ref": "city.json"}},
            }
        ),
        "JSON",
        [SchemaReference("city.json", f"{name}-city", 1)],
    )
    client.register_schema(f"{name}-city", Schema(city, "JSON"))
    serialize = JSONSerializer(schema, client)
    deserialize = JSONDeserializer(None, schema_registry_client=stack.client())
    data = {"home": {"name": "Kraków"}}
    got, value = there_and_back(stack, name, serialize, deserialize, data)
    assert got == data
    assert client.get_schema(schema_id(value)).references == schema.references


# data contracts


class Masked(FieldRuleExecutor):
    """Writes stars for what has the rule's tag."""

    def type(self):
        return "MASK"

    def new_transform(self, context):
        def mask(ctx, field, value):
            return "***" if field.tags & set(ctx.rule.tags) else value

        return mask


class Renamed(RuleExecutor):
    """Renames a field of old data, or the other way, as the rule's expression `OLD>NEW` says."""

    def type(self):
        return "RENAME"

    def transform(self, context, message):
        old, new = context.rule.expr.split(">")
        return {new if key == old else key: value for key, value in message.items()}


def rules(*executors):
    made = RuleRegistry()
    for each in executors:
        made.register_executor(each)
    return made


@pytest.mark.client(CLIENT, "data contracts: tags, rules and migrations that serialisers carry out")
def test_a_rule_of_the_schema_is_carried_out_by_the_serialiser(stack, name):
    client = stack.client()
    masking = Rule(
        "mask", "", RuleKind.TRANSFORM, RuleMode.WRITE, "MASK", ["PII"], None, None, None, None, False
    )  # fmt: skip
    tags = Metadata(MetadataTags({"com.example.Order.item": ["PII"]}), None, None)
    client.register_schema(f"{name}-value", Schema(AVRO.schema, "AVRO", [], tags, RuleSet(None, [masking])))
    latest = {"auto.register.schemas": False, "use.latest.version": True}
    serialize = AvroSerializer(stack.client(), AVRO.schema, conf=latest, rule_registry=rules(Masked()))
    got, _ = there_and_back(stack, name, serialize, AVRO.reads(stack.client()), dict(AVRO.data))
    assert got == AVRO.data | {"item": "***"}


@pytest.mark.client(CLIENT, "data contracts: tags, rules and migrations that serialisers carry out")
def test_rules_lead_from_one_major_version_to_the_next(stack, name):
    """Schemas of two groups need not go together: rules carry data over, both ways."""
    client, subject = stack.client(), f"{name}-value"

    def migration(mode, expression):
        return Rule(mode.value, "", RuleKind.TRANSFORM, mode, "RENAME", None, None, expression, None, None, False)

    def of(major, field, *migrations):
        text = {"type": "object", "properties": {field: {"type": "string"}}, "required": [field]}
        metadata = Metadata(None, MetadataProperties({"major": major}), None)
        return Schema(json.dumps(text), "JSON", [], metadata, RuleSet(list(migrations), None) if migrations else None)

    client._rest_client.put(f"config/{subject}", {"compatibilityGroup": "major"})
    old = of("1", "state")
    new = of("2", "status", migration(RuleMode.UPGRADE, "state>status"), migration(RuleMode.DOWNGRADE, "status>state"))
    for each in (old, new):
        client.register_schema(subject, each)

    def conf(major, **more):
        return {"use.latest.with.metadata": {"major": major}} | more

    writers = {
        major: JSONSerializer(
            schema, stack.client(), conf=conf(major, **{"auto.register.schemas": False}), rule_registry=rules(Renamed())
        )
        for major, schema in (("1", old), ("2", new))
    }
    readers = {
        major: JSONDeserializer(
            None, schema_registry_client=stack.client(), conf=conf(major), rule_registry=rules(Renamed())
        )
        for major in ("1", "2")
    }
    old_data, new_data = {"state": "paid"}, {"status": "sent"}
    first, second = stack.travelled(written(writers["1"], name, old_data), written(writers["2"], name, new_data))
    assert read(readers["2"], name, first) == {"status": "paid"}
    assert read(readers["1"], name, second) == {"state": "sent"}
    assert read(readers["1"], name, first) == old_data
    assert read(readers["2"], name, second) == new_data
