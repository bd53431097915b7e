"""The normal form: what spellings of the same schema share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kopfka_registry.formats.protobuf import FORMAT
from registry.formats.protobuf import corpus
from registry.formats.protobuf.schemas import schemas

if TYPE_CHECKING:
    import random

_IMPORTED = corpus.imported()


def normal(text: str) -> str:
    return FORMAT.parse(text, _IMPORTED).normalized().canonical


def test_the_form() -> None:
    text = """syntax = "proto2"; package p;
    import "options.proto"; import "confluent/meta.proto"; import public "base.proto";
    option java_package = "x"; option (fi) = 0x10; option cc_enable_arenas = true;
    message M {
      repeated Part parts = 3; optional .lib2.L l = 1 [default_placeholder];
      oneof second { int32 b = 9; Part c = 8; } oneof first { int32 d = 5; }
      map<string, Part> m = 2; optional Part.Kind k = 4 [deprecated = true, default = GIFT];
      message Part { enum Kind { GIFT = 2; NONE = 1; reserved 9, 5 to 6; } }
      reserved 30, 20 to 20, 25 to 26; reserved "z", "a"; extensions 200, 100 to 199;
      extend M { optional Part e = 150; optional int32 f = 110; }
      optional string tagged = 6 [(confluent.field_meta).tags = "B", (confluent.field_meta).doc = "d",
        (confluent.field_meta).tags = "A"];
    }
    extend M { optional int32 y = 120; } extend .p.M { optional M x = 115; }
    service S { rpc R(M) returns (stream M.Part); }
    """.replace(" [default_placeholder]", "").replace("(fi)", "(o.fi)")
    assert (
        normal(text)
        == """package p;

import "confluent/meta.proto";
import "options.proto";
import public "base.proto";

option cc_enable_arenas = true;
option java_package = "x";
option (o.fi) = 16;

message M {
  reserved 20;
  reserved 25 to 26;
  reserved 30;
  reserved "a";
  reserved "z";

  optional .lib2.L l = 1;
  map<string, .p.M.Part> m = 2;
  repeated .p.M.Part parts = 3;
  optional .p.M.Part.Kind k = 4 [
    default = GIFT,
    deprecated = true
  ];
  optional string tagged = 6 [(confluent.field_meta) = {
    doc: "d",
    tags: [
      "B",
      "A"
    ]
  }];

  oneof first {
    int32 d = 5;
  }
  oneof second {
    .p.M.Part c = 8;
    int32 b = 9;
  }

  extensions 100 to 199;
  extensions 200;

  extend .p.M {
    optional int32 f = 110;
    optional .p.M.Part e = 150;
  }

  message Part {
    enum Kind {
      reserved 5 to 6;
      reserved 9;
      NONE = 1;
      GIFT = 2;
    }
  }
}

extend .p.M {
  optional .p.M x = 115;
  optional int32 y = 120;
}

service S {
  rpc R (.p.M) returns (stream .p.M.Part);
}
"""
    )


@pytest.mark.parametrize("text", corpus.accepted())
def test_the_normal_form_is_the_same_schema_and_its_own_normal_form(text: str) -> None:
    schema = FORMAT.parse(text, _IMPORTED)
    normalized = schema.normalized()
    again = FORMAT.parse(normalized.canonical, _IMPORTED)
    assert again.normalized().canonical == normalized.canonical
    assert FORMAT.parse(schema.canonical, _IMPORTED).normalized().canonical == normalized.canonical
    assert {change.rule for change in again.changes(schema)} <= {"ENUM_CONST_CHANGED"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('syntax = "proto2"; message M {}', "message M {}"),
        (
            'syntax = "proto3"; message M { M m = 1; int32 a = 2; }',
            'syntax = "proto3"; message M { int32 a = 2; .M m = 1; }',
        ),
        ('syntax = "proto3"; enum E { A = 0; C = 2; B = 1; }', 'syntax = "proto3"; enum E { A = 0; B = 1; C = 2; }'),
        (
            'edition = "2023"; message M { int32 a = 1 [features = { field_presence: IMPLICIT }]; }',
            'edition = "2023"; message M { int32 a = 1 [features.field_presence = IMPLICIT]; }',
        ),
        (
            'syntax = "proto2"; import "options.proto"; option (o.fo).sub.s = "x"; option (o.fo).sub.i = 0x1;',
            'syntax = "proto2"; import "options.proto"; option (.o.fo) = { sub { i: 1, s: "x" } };',
        ),
        (
            'syntax = "proto2"; import "options.proto"; package o.p; option (fo).(ext) = 017;',
            'syntax = "proto2"; import "options.proto"; package o.p; option (o.fo) = { [o.ext]: 15 };',
        ),
        (
            'syntax = "proto2"; import "options.proto"; option (o.fd) = 1.50; option (o.fr) = 2; option (o.fr) = 1;',
            'syntax = "proto2"; import "options.proto"; option (o.fr) = 2; option (o.fd) = 15e-1; option (o.fr) = 1;',
        ),
    ],
)  # fmt: skip
def test_spellings_of_the_same(one: str, other: str) -> None:
    assert normal(one) == normal(other)


def test_numbers_lose_nothing() -> None:
    """Confluent's registry rounds to three digits here, and makes one schema of two."""
    text = 'syntax = "proto2"; message M {{ optional double d = 1 [default = {}]; }}'
    written = ("1.23456789", "1.23456788", "1e300", "-0", "-0.0", "123456789012345678901234567890", "0.5", ".5", "1e-7")
    forms = [normal(text.format(number)) for number in written]
    assert [form.split("= ")[-1].split("]")[0] for form in forms] == [
        "1.23456789", "1.23456788", "1e+300", "-0", "-0", "123456789012345678901234567890", "0.5", "0.5", "0.0000001",
    ]  # fmt: skip


def test_an_enum_that_starts_with_zero_keeps_it_first() -> None:
    """Confluent's registry puts negative values before it, which changes the default; proto3 refuses such an enum."""
    assert normal("enum E { A = 0; C = 2; B = -1; } message M { map<string, E> m = 1; }").endswith(
        "enum E {\n  A = 0;\n  B = -1;\n  C = 2;\n}\n"
    )
    assert normal("enum E { C = 2; A = 0; B = -1; }").endswith("enum E {\n  B = -1;\n  A = 0;\n  C = 2;\n}\n")
    assert normal('syntax = "proto3"; enum E { A = 0; C = 2; B = -1; }').splitlines()[3:6] == [
        "  A = 0;", "  B = -1;", "  C = 2;",
    ]  # fmt: skip


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schemas(), st.randoms(use_true_random=False))
def test_the_order_of_fields_and_values_does_not_count(schema, chance: random.Random) -> None:
    text = schema.text()
    for fields in schema.messages.values():
        chance.shuffle(fields)
    for name, values in schema.enums.items():
        (first, *rest) = values.items()
        chance.shuffle(rest)
        schema.enums[name] = dict([first, *rest])
    assert normal(schema.text()) == normal(text)
