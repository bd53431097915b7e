"""Confluent's serialisers for Python, one language like the other: what an application gives them and gets of them.

An application's schema is a text (Avro, JSON Schema) or a class of messages (Protobuf, made of a text here); its data
are dictionaries.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka.schema_registry import Schema
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from google.protobuf import json_format

from interop.registry import proto

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka.schema_registry import SchemaRegistryClient


@dataclass(frozen=True)
class Language:
    """A schema language; settings are given by their names with underscores for dots."""

    name: str
    schema: str
    """A schema of orders."""
    evolved: str
    """A later one that reads their data, and whose data the former reads."""
    data: dict[str, Any]
    """An order."""

    def writes(self, client: SchemaRegistryClient, schema: Any, **conf: Any) -> Callable[..., bytes]:
        """Return a serialiser."""
        raise NotImplementedError

    def reads(self, client: SchemaRegistryClient, schema: Any = None, **conf: Any) -> Callable[..., Any]:
        """Return a deserialiser, of an application that has a schema of its own or none."""
        raise NotImplementedError

    def registered(self, text: str) -> Schema:
        """Return a schema that refers to no other as the registry takes it."""
        return Schema(text, self.name)


class Avro(Language):
    def writes(self, client: SchemaRegistryClient, schema: Any, **conf: Any) -> Callable[..., bytes]:
        return AvroSerializer(client, schema, conf=_dotted(conf))

    def reads(self, client: SchemaRegistryClient, schema: Any = None, **conf: Any) -> Callable[..., Any]:
        return AvroDeserializer(client, schema, conf=_dotted(conf))


class Json(Language):
    def writes(self, client: SchemaRegistryClient, schema: Any, **conf: Any) -> Callable[..., bytes]:
        return JSONSerializer(schema, client, conf=_dotted(conf))

    def reads(self, client: SchemaRegistryClient, schema: Any = None, **conf: Any) -> Callable[..., Any]:
        return JSONDeserializer(schema, schema_registry_client=client, conf=_dotted(conf))


class Protobuf(Language):
    def writes(self, client: SchemaRegistryClient, schema: Any, **conf: Any) -> Callable[..., bytes]:
        kind = proto.sole(schema)
        serialize = ProtobufSerializer(kind, client, conf=_dotted(conf))
        return lambda data, context: serialize(proto.filled(kind, data), context)

    def reads(self, client: SchemaRegistryClient, schema: Any = None, **conf: Any) -> Callable[..., Any]:
        deserialize = ProtobufDeserializer(proto.sole(schema or self.schema), _dotted(conf), client)
        return lambda value, context: plain(deserialize(value, context))


def plain(message: Any) -> dict[str, Any]:
    """Return a message's fields that are set, numbers of 64 bits as numbers."""
    said: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    for descriptor, value in message.ListFields():
        if isinstance(value, int) and isinstance(said[descriptor.name], str) and descriptor.enum_type is None:
            said[descriptor.name] = value
    return said


def _dotted(conf: dict[str, Any]) -> dict[str, Any]:
    return {key.replace("_", "."): value for key, value in conf.items()}


_AVRO = {
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
_JSON = {
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
_PROTOBUF = """syntax = "proto3";
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
_PAID = {"name": "paid", "type": "boolean", "default": False}
_DATA = {"id": 2**40, "item": "зонт ☂", "tags": {"a": 1}, "note": None}

AVRO = Avro("AVRO", json.dumps(_AVRO), json.dumps({**_AVRO, "fields": [_PAID, *_AVRO["fields"]]}), _DATA)
JSON = Json(
    "JSON",
    json.dumps(_JSON),
    json.dumps({**_JSON, "properties": {"paid": {"type": "boolean"}, **_JSON["properties"]}}),
    _DATA,
)
PROTOBUF = Protobuf(
    "PROTOBUF",
    _PROTOBUF,
    _PROTOBUF.replace("int64 id = 1;", "int64 id = 1;\n  bool paid = 6;"),
    {**_DATA, "note": "", "at": "2026-01-02T03:04:05Z"},
)
LANGUAGES: tuple[Language, ...] = (AVRO, PROTOBUF, JSON)
