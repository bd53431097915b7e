"""What records are called, against what Avro's and Protobuf's own readers call them."""

from __future__ import annotations

import json

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_broker.schemas.identity import DEEPEST
from kopfka_broker.schemas.names import definition, proto_file


def record(**fields):
    return {"type": "record", "fields": []} | fields


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        (record(name="Order"), "Order"),
        (record(name="Order", namespace="com.example"), "com.example.Order"),
        (record(name="org.other.Order", namespace="com.example"), "org.other.Order"),
        (record(name="Order", namespace=""), "Order"),
        ({"type": "enum", "name": "E", "namespace": "n", "symbols": ["A"]}, "n.E"),
        ({"type": "fixed", "name": "F", "size": 4}, "F"),
        ({"type": record(name="Inner", namespace="n")}, "n.Inner"),
        ("string", None),
        ({"type": "string"}, None),
        ({"type": "array", "items": "string"}, None),
        ([record(name="A"), record(name="B")], None),
        ("com.example.Referred", "com.example.Referred"),
        (record(), None),
        (7, None),
    ],
)
def test_avro(schema, name):
    assert definition("AVRO", json.dumps(schema)).record_name(b"", 0) == name


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
DOTTED = st.lists(NAMES, min_size=1, max_size=3).map(".".join)


@given(DOTTED, st.none() | DOTTED)
def test_avro_as_fastavro_has_it(name, namespace):
    schema = record(name=name) | ({"namespace": namespace} if namespace else {})
    assert definition("AVRO", json.dumps(schema)).name == fastavro.parse_schema(schema)["name"]


@pytest.mark.parametrize(
    ("schema", "name"),
    [({"title": "Order", "type": "object"}, "Order"), ({"type": "object"}, None), (True, None), ({"title": 7}, None)],
)
def test_json_schema(schema, name):
    assert definition("JSON", json.dumps(schema)).record_name(b"", 0) == name


def test_what_cannot_be_read_has_no_name():
    for kind in ("AVRO", "JSON"):
        assert definition(kind, "{").record_name(b"", 0) is None
        assert definition(kind, "[" * 100_000).record_name(b"", 0) is None
    assert definition("XML", "{}").record_name(b"", 0) is None


PROTO = """
// message Commented {}
/* message Commented { */
syntax = "proto3";
package com.example; // message X {
import "google/protobuf/descriptor.proto";
option java_package = "message Y { \\" }";
extend google.protobuf.MessageOptions { string note = 51234; }
enum Kind { NONE = 0; message_kind = 1; }
message First {
  option (note) = "message Z {";
  string message = 1;
  map<string, Inner> by_name = 2;
  oneof choice { string a = 3 [deprecated = true]; Inner b = 4; }
  message Inner { enum Deep { A = 0; } message Deeper {} reserved 2 to 4; }
  message Last { repeated First.Inner inners = 1; }
}
service S { rpc Do (First) returns (Second) { option deprecated = true; } }
message Second { string message = 1; }
"""


def tree(message):
    return [(each.name, tree(each)) for each in message.messages]


def test_protobuf():
    assert tree(proto_file(PROTO)) == [
        (
            "com.example.First",
            [("com.example.First.Inner", [("com.example.First.Inner.Deeper", [])]), ("com.example.First.Last", [])],
        ),
        ("com.example.Second", []),
    ]
    found = definition("PROTOBUF", PROTO)
    names = {
        b"\0": "com.example.First",
        b"\2\0": "com.example.First",
        b"\2\2": "com.example.Second",
        b"\4\0\2": "com.example.First.Last",
        b"\6\0\0\0": "com.example.First.Inner.Deeper",
        b"\2\4": None,
        b"\4\2\0": None,
        b"": None,
    }
    assert {data: found.record_name(b"head" + data, 4) for data in names} == names


def test_groups_and_editions():
    text = 'edition = "2023"; message A { repeated group Old = 1 { message No {} } message Yes {} } message B {}'
    assert tree(proto_file(text)) == [("A", [("A.Yes", [])]), ("B", [])]


@given(st.recursive(st.just([]), lambda inner: st.lists(inner, max_size=3), max_leaves=12))
def test_protobuf_as_its_own_descriptors_have_it(shape):
    """A file of nested messages is written as text, and each index leads to the name its descriptor has."""
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(name="made.proto", package="p.q")

    def fill(target, inner, prefix):
        text = ""
        for number, each in enumerate(inner):
            message = target.add(name=f"{prefix}{number}")
            text += f"message {message.name} {{ {fill(message.nested_type, each, message.name + 'x')} }}\n"
        return text

    text = "package p.q;\n" + fill(file.message_type, shape, "M")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    described = pool.FindFileByName("made.proto")

    def names(messages):
        return [(each.full_name, names(each.nested_types)) for each in messages]

    by_index = [described.message_types_by_name[each.name] for each in file.message_type]
    assert tree(proto_file(text)) == names(by_index)


@given(st.text(alphabet='message {};"/*\n\\ab.', max_size=200))
def test_any_text_is_read(text):
    proto_file(text)


def test_hostile_text_is_read_in_a_moment():
    deep = proto_file("message A { " * 100_000)
    for _ in range(DEEPEST):
        [deep] = deep.messages
    assert (deep.name.count("A"), deep.messages) == (DEEPEST, [])
    proto_file("/*" * 100_000)
    proto_file('"' + "\\" * 100_000)
    proto_file("}" * 100_000)
