"""Every rule of Protobuf's evolution: the registry's verdict, and what Protobuf's own runtime does to data.

What a reader's message has no place for is kept aside and not told; so data are lost without an error where the kind
of a field changes.
"""

from __future__ import annotations

import pytest

from interop.registry.evolution import LOST, Step, proven
from interop.registry.languages import PROTOBUF
from kopfka_registry.formats.protobuf.rules import RULES

CLIENT = "Confluent's serialisers (Python)"


def proto3(body, *more, head='syntax = "proto3"; package p;'):
    return f"{head} message M {{ {body} }} {' '.join(more)}"


def proto2(body, *more):
    return proto3(body, *more, head='syntax = "proto2"; package p;')


def edition(body, *more):
    return proto3(body, *more, head='edition = "2023"; package p;')


A = proto3("int32 a = 1;")
NO = {"backward": False, "forward": False}
STEPS = (
    # what is allowed
    Step("a field comes", A, proto3("int32 a = 1; string b = 2;"), {"a": 1}, {"a": 2, "b": "x"}, {"a": 1}, {"a": 2}),
    Step("a field goes, and is reserved", proto3("int32 a = 1; string b = 2;"),
         proto3('int32 a = 1; reserved 2; reserved "b";'), {"a": 1, "b": "x"}, {"a": 2}, {"a": 1}, {"a": 2}),
    Step("a field is renamed", A, proto3("int32 b = 1;"), {"a": 1}, {"b": 2}, {"b": 1}, {"a": 2}),
    Step("int32 becomes int64", A, proto3("int64 a = 1;"), {"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}),
    Step("int32 becomes bool", A, proto3("bool a = 1;"), {"a": 1}, {"a": True}, {"a": True}, {"a": 1}),
    Step("sint32 becomes sint64", proto3("sint32 a = 1;"), proto3("sint64 a = 1;"), {"a": -1}, {"a": -2}, {"a": -1},
         {"a": -2}),
    Step("fixed32 becomes sfixed32", proto3("fixed32 a = 1;"), proto3("sfixed32 a = 1;"), {"a": 1}, {"a": 2}, {"a": 1},
         {"a": 2}),
    Step("string becomes bytes", proto3("string a = 1;"), proto3("bytes a = 1;"), {"a": "abc"}, {"a": "eHl6"},
         {"a": "YWJj"}, {"a": "xyz"}),
    Step("a string becomes repeated", proto3("string a = 1;"), proto3("repeated string a = 1;"), {"a": "x"},
         {"a": ["y", "z"]}, {"a": ["x"]}, {"a": "z"}),
    Step("an enum has one value more", proto3("E a = 1;", "enum E { X = 0; Y = 1; }"),
         proto3("E a = 1;", "enum E { X = 0; Y = 1; Z = 2; }"), {"a": "Y"}, {"a": "Z"}, {"a": "Y"}, {"a": 2}),
    Step("an enum has one value less", proto3("E a = 1;", "enum E { X = 0; Y = 1; Z = 2; }"),
         proto3("E a = 1;", "enum E { X = 0; Y = 1; reserved 2; }"), {"a": "Z"}, {"a": "Y"}, {"a": 2}, {"a": "Y"}),
    Step("an enum's value is renamed", proto3("E a = 1;", "enum E { X = 0; Y = 1; }"),
         proto3("E a = 1;", "enum E { X = 0; W = 1; }"), {"a": "Y"}, {"a": "W"}, {"a": "W"}, {"a": "Y"}),
    Step("a field goes into a new oneof", A, proto3("oneof o { int32 a = 1; string b = 2; }"), {"a": 1}, {"b": "x"},
         {"a": 1}, {}, forward=False, because="of the oneof, the other field is lost"),
    Step("a message comes", A, proto3("int32 a = 1; N n = 2;", "message N { int32 x = 1; }"), {"a": 1},
         {"a": 2, "n": {"x": 1}}, {"a": 1}, {"a": 2}, forward=False,
         because="of the message that only the new schema has, nothing is told to old code"),
    Step("optional is said", A, proto3("optional int32 a = 1;"), {"a": 1}, {"a": 0}, {"a": 1}, {}),
    Step("proto2 becomes an edition", proto2("optional int32 a = 1;"), edition("int32 a = 1;"), {"a": 1}, {"a": 2},
         {"a": 1}, {"a": 2}),
    Step("a value of a map changes", proto3("map<string, int32> a = 1;"), proto3("map<string, int64> a = 1;"),
         {"a": {"k": 1}}, {"a": {"k": "2"}}, {"a": {"k": "1"}}, {"a": {"k": 2}}),
    Step("a service comes", A, A + " service S { rpc Do(M) returns (M); }", {"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}),
    # what is not
    Step("int32 becomes string", A, proto3("string a = 1;"), {"a": 5}, {"a": "x"}, {}, {}, **NO,
         because="of the other kind, nothing is told"),
    Step("int32 becomes sint32", A, proto3("sint32 a = 1;"), {"a": 5}, {"a": 5}, {"a": -3}, {"a": 10}, **NO,
         because="the number is read, and is another"),
    Step("a number becomes a message", A, proto3("N a = 1;", "message N { int32 x = 1; }"), {"a": 5}, {"a": {"x": 1}},
         {}, {}, **NO, because="of the other kind, nothing is told"),
    Step("a string becomes a message", proto3("string a = 1;"), proto3("N a = 1;", "message N { int32 x = 1; }"),
         {"a": "x"}, {"a": {"x": 1}}, LOST, {"a": "\x08\x01"}, forward=False,
         because="a message's bytes may pass for text"),
    Step("a message's type changes", proto3("N a = 1;", "message N { int32 x = 1; } message O { string x = 1; }"),
         proto3("O a = 1;", "message N { int32 x = 1; } message O { string x = 1; }"), {"a": {"x": 1}},
         {"a": {"x": "y"}}, {"a": {}}, {"a": {}}, **NO, because="what is in the message is lost, and nothing is told"),
    Step("a number becomes repeated", proto2("optional int32 a = 1;"), proto2("repeated int32 a = 1 [packed = true];"),
         {"a": 1}, {"a": [2, 3]}, {"a": [1]}, {}, **NO, because="of several numbers, none is told"),
    Step("a required field comes", proto2("optional int32 a = 1;"),
         proto2("optional int32 a = 1; required int32 b = 2;"),
         {"a": 1}, {"a": 2, "b": 3}, {"a": 1}, {"a": 2}, **NO,
         because="Python's runtime looks for required fields where it writes, other languages' where they read"),
    Step("a oneof has one field less", proto3("oneof o { int32 a = 1; string b = 2; }"),
         proto3("oneof o { int32 a = 1; }"),
         {"b": "x"}, {"a": 1}, {}, {"a": 1}, backward=False, because="of the field, nothing is told"),
    Step("two fields go into a oneof", proto3("int32 a = 1; string b = 2;"),
         proto3("oneof o { int32 a = 1; string b = 2; }"), {"a": 1, "b": "x"}, {"a": 2}, {"b": "x"}, {"a": 2},
         backward=False, because="of the two, the last is left"),
    Step("a field goes into a oneof that is there", proto3("int32 a = 1; oneof o { string b = 2; }"),
         proto3("oneof o { int32 a = 1; string b = 2; }"), {"a": 1, "b": "x"}, {"a": 2}, {"b": "x"}, {"a": 2},
         backward=False, because="of the two, the last is left"),
    Step("a message goes", proto3("int32 a = 1;", "message N { int32 x = 1; }"), A, {"a": 1}, {"a": 2}, {"a": 1},
         {"a": 2}, backward=False, because="data of the other message are what is lost"),
    Step("the package is renamed", A, A.replace("package p", "package q"), {"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}, **NO,
         because="messages are found by their full names; those of an application are given"),
)  # fmt: skip


@pytest.mark.client(CLIENT, "Protobuf: every rule of evolution, old data by new code and the other way about")
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_step(stack, name, step):
    _told[step.title] = proven(stack, PROTOBUF, name, step)
    assert _told[step.title] <= {rule.name for rule in RULES.values() if not rule.compatible}


_told: dict[str, set[str]] = {}


def test_every_rule_that_refuses_was_told():
    if len(_told) < len(STEPS):
        pytest.skip("not all steps were gone")
    assert set().union(*_told.values()) == {rule.name for rule in RULES.values() if not rule.compatible}
