"""Confluent's serialisers for Python, one language like the other: what an application gives them and gets of them.

An application's schema is a text (Avro, JSON Schema) or a class of messages (Protobuf); its data are dictionaries.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from confluent_kafka.schema_registry import Schema
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from google.protobuf import json_format

from interop.registry import proto

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka.schema_registry import SchemaRegistryClient


class Language(Protocol):
    """A schema language."""

    name: str
    schema: Any
    """A schema of orders."""
    evolved: Any
    """A later one that reads their data, and whose data the former reads."""
    data: dict[str, Any]
    """An order."""

    def writes(self, client: SchemaRegistryClient, schema: Any, **conf: Any) -> Callable[..., bytes]: ...

    def reads(self, client: SchemaRegistryClient, schema: Any = None, **conf: Any) -> Callable[..., Any]: ...

    def registered(self, schema: Any) -> Schema:
        """Return what `writes` registers of a schema that refers to no other."""


@dataclass(frozen=True)
class Avro:
    name = "AVRO"
    schema = json.dumps(
        {
            "type": "record",
            "name": "Order",
            "namespace": "com.example",
            "fields": [
                {"name": "id", "type": "long"},
                {"name": "item", "type": "string"},
                {"name": "tags", "type": {"type": "map", "values": "int"}, "default": {}},
                {"name": "note", "type": ["null", "string"], "default": None},
            ],
        }
    )
    evolved = schema.replace('"fields": [', '"fields": [{"name": "paid", "type": "boolean", "default": false}, ')
    data = {"id": 2**40, "item": "зонт ☂", "tags": {"a": 1}, "note": None}

    def writes(self, client: SchemaRegistryClient, schema: Any, **conf: Any) -> Callable[..., bytes]:
        return AvroSerializer(client, schema, conf={key.replace("_", "."): value for key, value in conf.items()})

    def reads(self, client: SchemaRegistryClient, schema: Any = None, **conf: Any) -> Callable[..., Any]:
        return AvroDeserializer(client, schema, conf={key.replace("_", "."): value for key, value in conf.items()})

    def registered(self, schema: Any) -> Schema:
        return Schema(schema, self.name)


@dataclass(frozen=True)
class Json:
    name = "JSON"
    schema = json.dumps(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "Order",
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "id": {"type": "integer"},
                "item": {"type": "string"},
                "tags": {"type": "object", "additionalProperties": {"type": "integer"}},
                "note": {"type": ["string", "null"]},
            },
            "required": ["id"],
        }
    )
    evolved = schema.replace('"properties": {"id"', '"properties": {"paid": {"type": "boolean"}, "id"')
    data = {"id": 2**40, "item": "зонт ☂", "tags": {"a": 1}, "note": None}

    def writes(self, client: SchemaRegistryClient, schema: Any, **conf: Any) -> Callable[..., bytes]:
        return JSONSerializer(schema, client, conf={key.replace("_", "."): value for key, value in conf.items()})

    def reads(self, client: SchemaRegistryClient, schema: Any = None, **conf: Any) -> Callable[..., Any]:
        chosen = {key.replace("_", "."): value for key, value in conf.items()}
        return JSONDeserializer(schema, schema_registry_client=client, conf=chosen)

    def registered(self, schema: Any) -> Schema:
        return Schema(schema, self.name)


_ORDER = """syntax = "proto3";
package com.example;
import "google/protobuf/timestamp.proto";
message Order {
  int64 id = 1;
  string item = 2;
  map<string, int32> tags = 3;
  optional string note = 4;
  google.protobuf.Timestamp at = 5;
}
"""


@dataclass(frozen=True)
class Protobuf:
    name = "PROTOBUF"
    schema = _ORDER
    evolved = _ORDER.replace("int64 id = 1;", "int64 id = 1;\n  bool paid = 6;")
    data = {"id": 2**40, "item": "зонт ☂", "tags": {"a": 1}, "note": "", "at": "2026-01-02T03:04:05Z"}

    def writes(self, client: SchemaRegistryClient, schema: Any, **conf: Any) -> Callable[..., bytes]:
        kind = proto.sole(schema) if isinstance(schema, str) else schema
        serialize = ProtobufSerializer(
            kind, client, conf={key.replace("_", "."): value for key, value in conf.items()}
        )
        return lambda data, context: serialize(json_format.ParseDict(data, kind()), context)

    def reads(self, client: SchemaRegistryClient, schema: Any = None, **conf: Any) -> Callable[..., Any]:
        kind = schema or self.schema
        kind = proto.sole(kind) if isinstance(kind, str) else kind
        chosen = {key.replace("_", "."): value for key, value in conf.items()}
        deserialize = ProtobufDeserializer(kind, chosen, client)
        return lambda value, context: plain(deserialize(value, context))

    def registered(self, schema: Any) -> Schema:
        return Schema(schema, self.name)


def plain(message: Any) -> dict[str, Any]:
    """Return a message's fields that are set, numbers of 64 bits as numbers."""
    said: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    for descriptor, value in message.ListFields():
        if descriptor.type in (descriptor.TYPE_INT64, descriptor.TYPE_UINT64) and not descriptor.is_repeated:
            said[descriptor.name] = value
    return said


AVRO, JSON, PROTOBUF = Avro(), Json(), Protobuf()
LANGUAGES: tuple[Language, ...] = (AVRO, PROTOBUF, JSON)
