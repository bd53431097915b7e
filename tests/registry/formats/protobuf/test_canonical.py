"""The text that is stored: the layout of Confluent's registry, whatever blanks and comments a text has."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kopfka_registry.formats.protobuf import FORMAT
from registry.formats.protobuf import corpus
from registry.formats.protobuf.schemas import schemas

_IMPORTED = corpus.imported()

WRITTEN = """
// a comment
syntax = 'proto3'; package shop . orders;
import public "google/protobuf/any.proto"; import "google/protobuf/timestamp.proto" ;
option java_package = "io.\\x73hop" ".orders";;
/* documented */
message Order { // more
  oneof paid { string card = 3; Money cash = 4; }
  string id = 1 [json_name = "ID", deprecated = true];
  map < string , Money > totals = 2;
  optional Kind kind = 5;
  enum Kind { UNKNOWN = 0; GIFT = 0x1; reserved 5 to max; option deprecated = true; }
  message Money { message Empty {} int64 units = 1; oneof unit { string name = 2; } }
  reserved 10, 12 to 14, 100 to max; reserved "old";
  google.protobuf.Timestamp at = 6;
}
service Orders { rpc Get(Order) returns(stream Order.Money) { option deprecated = true; }
  rpc Put(stream .shop.orders.Order) returns (google.protobuf.Any); option deprecated = false; }
enum Last { NONE = 0; }
"""

# a blank line inside a message has the message's indentation: so Confluent's registry writes it
CANONICAL = """syntax = "proto3";
package shop.orders;

import "google/protobuf/timestamp.proto";
import public "google/protobuf/any.proto";

option java_package = "io.shop.orders";

message Order {
  reserved 10, 12 to 14, 100 to max;
  reserved "old";

  string id = 1 [
    deprecated = true,
    json_name = "ID"
  ];
  map<string, Money> totals = 2;
  optional Kind kind = 5;
  google.protobuf.Timestamp at = 6;

  oneof paid {
    string card = 3;
    Money cash = 4;
  }

  message Money {
    int64 units = 1;
..
    oneof unit {
      string name = 2;
    }
..
    message Empty {}
  }
  enum Kind {
    reserved 5 to max;
    option deprecated = true;
    UNKNOWN = 0;
    GIFT = 1;
  }
}
enum Last {
  NONE = 0;
}

service Orders {
  option deprecated = false;

  rpc Get (Order) returns (stream Order.Money) {
    option deprecated = true;
  };
  rpc Put (stream .shop.orders.Order) returns (google.protobuf.Any);
}
""".replace("..\n", "  \n")


def test_the_layout() -> None:
    assert FORMAT.parse(WRITTEN, {}).canonical == CANONICAL
    assert FORMAT.parse(CANONICAL, {}).canonical == CANONICAL


def test_options_are_as_written_but_for_blanks() -> None:
    text = """syntax = "proto2"; import "options.proto";
        option (o.fo) = { i: 0x10, s: 'it\\'s "x"\\n\\377' r: 1 r: [2, 3] m { i: 1 } m <i: 2> sub: {}
                          [o.ext]: 5; d: -inf };
        option (o.fo).sub.(o.ext) = 7;
        message M { optional bytes b = 1 [default = "\\001\\303\\251", (.o.feo) = { i: 1 }]; }
    """
    assert (
        FORMAT.parse(text, _IMPORTED).canonical
        == """syntax = "proto2";

import "options.proto";

option (o.fo) = {
  i: 0x10,
  s: "it\\'s \\"x\\"\\n\\377",
  r: [
    1,
    2,
    3
  ],
  m: [
    {
      i: 1
    },
    {
      i: 2
    }
  ],
  sub: {
  },
  [o.ext]: 5,
  d: -inf
};
option (o.fo).sub.(o.ext) = 7;

message M {
  optional bytes b = 1 [
    (.o.feo) = {
      i: 1
    },
    default = "\\001é"
  ];
}
"""
    )


def test_what_proto2_and_editions_have() -> None:
    text = """message M { extensions 100 to 199, 300 [verification = UNVERIFIED];
        optional group G = 1 [deprecated = true] { optional int32 x = 1; }
        extend M { optional int32 e = 100; } required int32 r = 2 [default = 5];
        oneof o { option (o.oo).i = 1; group H = 3 { } int32 q = 4; } }
        import weak "options.proto"; extend M { repeated M f = 101; }"""
    assert (
        FORMAT.parse(text, _IMPORTED).canonical
        == """
import weak "options.proto";

message M {
  required int32 r = 2 [default = 5];

  oneof o {
    option (o.oo).i = 1;
..
    int32 q = 4;
..
    group H = 3 {}
  }

  optional group G = 1 [deprecated = true] {
    optional int32 x = 1;
  }

  extensions 100 to 199, 300 [verification = UNVERIFIED];

  extend M {
    optional int32 e = 100;
  }
}

extend M {
  repeated M f = 101;
}
""".replace("..\n", "  \n")
    )
    text = (
        'edition = "2024"; import option "option.proto"; export message M { reserved a, b; local enum E { E_A = 0; } }'
    )
    assert (
        FORMAT.parse(text, _IMPORTED).canonical
        == """edition = "2024";

import option "option.proto";

export message M {
  reserved a, b;

  local enum E {
    E_A = 0;
  }
}
"""
    )


@pytest.mark.parametrize("text", corpus.accepted())
def test_the_canonical_text_is_a_schema_with_the_same_canonical_text(text: str) -> None:
    schema = FORMAT.parse(text, _IMPORTED)
    again = FORMAT.parse(schema.canonical, _IMPORTED)
    assert again.canonical == schema.canonical
    assert again.name == schema.name
    assert not again.changes(schema)


_BLANKS = st.sampled_from(("\n", "  ", "\t", " // word; }\n", " /* { */ ", "\r\n"))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schemas(), st.lists(_BLANKS, min_size=1))
def test_blanks_and_comments_do_not_count(schema, blanks: list[str]) -> None:
    text = schema.text()
    places = iter(blanks * len(text))
    other = re.sub(r" |(?=[;{}=])", lambda _: next(places), text)
    assert FORMAT.parse(other, {}).canonical == FORMAT.parse(text, {}).canonical


def test_without_extensions_only_confluents_own_options_stay() -> None:
    text = """syntax = "proto2"; import "options.proto"; import "confluent/meta.proto"; option (o.fi) = 1;
        option java_package = "x"; option (confluent.file_meta).doc = "d";
        message M { extensions 100; extend M { optional int32 e = 100; }
          optional int32 a = 1 [(o.fei) = 1, (confluent.field_meta).tags = "PII", deprecated = true];
          optional int32 b = 2 [(o.fei) = 1]; }
        extend M { optional int32 f = 100; }"""
    text = text.replace("extend M { optional int32 f = 100; }", "")
    assert (
        FORMAT.parse(text, _IMPORTED).formatted("ignore_extensions")
        == """syntax = "proto2";

import "options.proto";
import "confluent/meta.proto";

option java_package = "x";
option (confluent.file_meta).doc = "d";

message M {
  optional int32 a = 1 [
    (confluent.field_meta).tags = "PII",
    deprecated = true
  ];
  optional int32 b = 2;
}
"""
    )


def test_other_forms_are_the_canonical_one() -> None:
    schema = FORMAT.parse(WRITTEN, {})
    assert schema.formatted("default") == schema.formatted("") == schema.formatted("never heard of") == CANONICAL


def test_the_name_is_that_of_the_first_message() -> None:
    assert FORMAT.parse(WRITTEN, {}).name == "shop.orders.Order"
    assert FORMAT.parse('syntax = "proto3"; enum E { A = 0; } message M {}', {}).name == "M"
    assert FORMAT.parse('syntax = "proto3"; package p; enum E { A = 0; }', {}).name == "p.E"
    assert FORMAT.parse('syntax = "proto3";', {}).name is None
