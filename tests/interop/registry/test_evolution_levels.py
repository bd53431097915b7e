"""Levels that look at all former versions, against those that look at the last: what is let through, and what then
happens to the data of the first version.
"""

from __future__ import annotations

import json

import pytest

from interop.registry.evolution import LOST, outcome
from interop.registry.languages import AVRO, JSON, PROTOBUF
from interop.registry.stack import written

CLIENT = "Confluent's serialisers (Python)"


def avro(*fields):
    made = [dict(zip(("name", "type", "default"), each, strict=False)) for each in fields]
    return json.dumps({"type": "record", "name": "R", "fields": made})


def closed(required, **properties):
    return json.dumps({"type": "object", "properties": properties, "required": required, "additionalProperties": False})


A, B, B_ANY = ("a", "int"), ("b", "int", 7), ("b", "int")
INTEGER, FILLED = {"type": "integer"}, {"type": "integer", "default": 7}
CHAINS = {
    # the default that the second version has is gone in the third
    "AVRO": (AVRO, (avro(A), avro(A, B), avro(A, B_ANY)), {"a": 1}, {"a": 1, "b": 2}, LOST),
    "JSON": (
        JSON,
        (closed(["a"], a=INTEGER), closed(["a", "b"], a=INTEGER, b=FILLED), closed(["a", "b"], a=INTEGER, b=INTEGER)),
        {"a": 1},
        {"a": 1, "b": 2},
        LOST,
    ),
    # the number that the second version has free is another kind in the third
    "PROTOBUF": (
        PROTOBUF,
        tuple(f'syntax = "proto3"; message R {{ int32 a = 1; {b} }}' for b in ("string b = 2;", "", "int32 b = 2;")),
        {"a": 1, "b": "x"},
        {"a": 1},
        {"a": 1},
    ),
}


@pytest.mark.client(CLIENT, "transitive levels and those that look at the last version only")
@pytest.mark.parametrize("language", CHAINS)
def test_backward_and_all_former_versions(stack, name, language):
    kind, schemas, first_data, second_data, left = CHAINS[language]
    client, subject = stack.client(), f"{name}-value"
    written(kind.writes(client, schemas[2]), f"{name}-probe", second_data)
    third = client.get_latest_version(f"{name}-probe-value").schema
    message, *_ = stack.travelled(written(kind.writes(client, schemas[0]), name, first_data))
    written(kind.writes(client, schemas[1]), name, second_data)
    for level, verdict in (("BACKWARD", True), ("BACKWARD_TRANSITIVE", False), ("FULL_TRANSITIVE", False)):
        client.set_compatibility(subject, level)
        assert client.test_compatibility_all_versions(subject, third) == verdict, level
    client.set_compatibility(subject, "BACKWARD")
    written(kind.writes(client, schemas[2]), name, second_data)
    assert client.get_versions(subject) == [1, 2, 3]
    # what the transitive levels are there for
    assert outcome(kind.reads(stack.client(), schemas[2]), name, message) == left


@pytest.mark.client(CLIENT, "transitive levels and those that look at the last version only")
@pytest.mark.parametrize("language", CHAINS)
def test_forward_and_all_former_versions(stack, name, language):
    kind, schemas, last_data, second_data, left = CHAINS[language]
    client, subject = stack.client(), f"{name}-value"
    written(kind.writes(client, schemas[0]), f"{name}-probe", last_data)
    last = client.get_latest_version(f"{name}-probe-value").schema
    client.set_compatibility(subject, "FORWARD")
    written(kind.writes(client, schemas[2]), name, second_data)
    written(kind.writes(client, schemas[1]), name, second_data)
    for level, verdict in (("FORWARD", True), ("FORWARD_TRANSITIVE", False), ("FULL_TRANSITIVE", False)):
        client.set_compatibility(subject, level)
        assert client.test_compatibility_all_versions(subject, last) == verdict, level
    client.set_compatibility(subject, "FORWARD")
    message, *_ = stack.travelled(written(kind.writes(client, schemas[0]), name, last_data))
    assert client.get_versions(subject) == [1, 2, 3]
    assert outcome(kind.reads(stack.client(), schemas[2]), name, message) == left
