"""Tags that a schema itself gives to its fields."""

from __future__ import annotations

from kopfka_registry.formats.protobuf import FORMAT


def test_tags_of_all_that_can_have_some() -> None:
    text = """syntax = "proto3"; package p; import "confluent/meta.proto";
    message M {
      option (confluent.message_meta) = { tags: ["ALL"] };
      string a = 1 [(confluent.field_meta) = { doc: "d", tags: ["PII", "B"], tags: "C" }];
      oneof o { string b = 2 [(.confluent.field_meta).tags = "X", (confluent.field_meta).tags = "Y"]; }
      string c = 3 [(confluent.field_meta).doc = "no tags"];
      message In { map<string, string> d = 1 [(confluent.field_meta).tags = "PII"]; }
    }
    enum E { option (confluent.enum_meta).tags = "ENUM"; A = 0 [(confluent.enum_value_meta).tags = "VALUE"]; }
    """
    assert FORMAT.parse(text, {}).inline_tags() == {
        ".p.M": {"ALL"},
        ".p.M.a": {"PII", "B", "C"},
        ".p.M.b": {"X", "Y"},
        ".p.M.In.d": {"PII"},
        ".p.E": {"ENUM"},
        ".p.E.A": {"VALUE"},
    }


def test_no_tags() -> None:
    assert FORMAT.parse('syntax = "proto3"; message M { string a = 1 [deprecated = true]; }', {}).inline_tags() == {}


def test_other_options_of_the_same_shape_are_no_tags() -> None:
    text = """syntax = "proto3"; import "google/protobuf/descriptor.proto";
    message Meta { repeated string tags = 1; } extend google.protobuf.FieldOptions { Meta field_meta = 50000; }
    message M { string a = 1 [(field_meta).tags = "PII"]; }"""
    assert FORMAT.parse(text, {}).inline_tags() == {}
