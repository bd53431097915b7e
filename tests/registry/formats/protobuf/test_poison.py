"""Texts and descriptors made to cost much: they are refused in words, or worked on in bounded steps.

No times are asserted: what is refused here would otherwise not end within the limit of a test, or end the process.
"""

from __future__ import annotations

import base64
import random
from itertools import count

import pytest
from google.protobuf import descriptor_pb2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kopfka_registry.errors import InvalidSchemaError, SchemaTooComplexError
from kopfka_registry.formats.contract import DEEPEST, LARGEST_TEXT
from kopfka_registry.formats.protobuf import FORMAT
from registry.formats.protobuf import corpus

P2, P3 = 'syntax = "proto2"; ', 'syntax = "proto3"; '
OPTION = (
    P2
    + """import "google/protobuf/descriptor.proto"; message R { optional R r = 1; repeated R s = 2; }
    extend google.protobuf.FileOptions { optional R one = 50000; repeated R many = 50001; } """
)


_WORDS = ("message", "M", "{", "}", ";", "=", "1", "2", "optional", "int32", "a", "oneof", "map", "<", ",", ">", "enum",
          "reserved", "to", "max", "extend", "[", "]", "(", ")", ".", "option", '"x"', "rpc", "returns", "service",
          "group", ":", "-")  # fmt: skip


def filled(head: str, item: str, tail: str, most: int = LARGEST_TEXT) -> str:
    """Return a text of `most` characters, with as many items as there is room for; `#` in them is their number."""
    parts, size = [head], len(head) + len(tail)
    for number in count(1):
        part = item.replace("#", str(number if number < 19_000 else number + 1_000))
        size += len(part)
        if size > most:
            return "".join(parts) + tail
        parts.append(part)
    raise AssertionError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (P3 + " " * LARGEST_TEXT, "longer than 1000000 characters"),
        (P3 + "message M {" * 33, "nested deeper than 32 levels"),
        (P3 + "message M {" * 50_000, "nested deeper than 32 levels"),
        (P2 + "message M { optional group G = 1 {" * 20_000, "nested deeper than 32 levels"),
        (P2 + "option (x) = " + "{ a " * (DEEPEST + 1), "nested deeper than 200 levels"),
        (P2 + "option (x) = " + "{a:" * 100_000, "nested deeper than 200 levels"),
        (OPTION + "option (one)." + "r." * 400_000 + "r = {};", "nested deeper than 200 levels"),
        (P3 + "package " + "a." * 400_000 + "a;", "more than 100 dots"),
        (filled(P3 + "message " + "a" * 100_000 + "{", "bool a#=#;", "}"), "too many steps"),
        (P3 + "message " + "{message ".join("a" * 9_000 + str(level) for level in range(32)) + "{"
         + "".join(f"bool a{number}={number};" for number in range(1, 15_000)) + "}" * 32, "too many steps"),
        (filled(OPTION, "option(many)=" + "{s" * 150 + "{}" + "}" * 150 + ";", ""), "canonical text is longer"),
        (filled(P2 + "message M{extensions ", "#,", "500000;}", 400_000)
         + "extend M{" + "".join(f"optional int32 a{number}={number};" for number in range(1, 9_000)) + "}",
         "too many steps"),
    ],
)  # fmt: skip
def test_too_large_and_too_deep(text: str, said: str) -> None:
    with pytest.raises(SchemaTooComplexError, match=said):
        FORMAT.parse(text, {})


@pytest.mark.parametrize(
    "text",
    [
        P3 + ";" * (LARGEST_TEXT - 100),
        filled(P3 + "enum E{A=0;", "A#=#;", "}", 600_000),
        filled(P3 + "enum E{option allow_alias=true;A=0;", "A#=0;", "}", 400_000),
        filled(P3 + "message M{", "M a#=#;", "}", 400_000),
        filled(P3 + "message MEntry{", "map<int32,MEntry>a#=#;", "}", 400_000),
        filled(P3 + "message M{", "oneof o#{bool a#=#;}", "}", 400_000),
        filled(P2 + "message M{", "optional group G#=#{}", "}", 400_000),
        filled(P2 + "enum E{A=0;" + "".join(f"A{n}=0x{n:x};" for n in range(1, 20_000)) + "}message M{",
               "optional E a#=#[default=A19999];", "}", 500_000),
        filled(P3 + "enum E{A=0;" + "".join(f"A{n}={n};" for n in range(1, 20_000)) + "}message M{",
               "E a#=#;", "}", 500_000),
        filled(P3 + "message M{reserved ", "#,", "900000;}", 200_000),
        filled(P3, "message M#{}", "", 400_000),
        filled(OPTION, "option(many)={};", "", 400_000),
        OPTION + "option (one) = " + "{ r " * (DEEPEST - 1) + "{}" + "}" * (DEEPEST - 1) + ";",
        P2 + 'option java_package = "' + "\\\\" * 400_000 + '";',
        P2 + "message M { optional double d = 1 [default = " + "9" * 900_000 + "]; }",
    ],
)  # fmt: skip
def test_large_ones_are_worked_on(text: str) -> None:
    schema = FORMAT.parse(text, {})
    assert not schema.differences(schema)
    assert schema.normalized().canonical
    assert descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(schema.formatted("serialized")))


def test_ways_through_imported_messages_are_not_all_walked() -> None:
    """Each message holds the next one twice: two to the power of sixty ways lead to the last, which has changed."""
    depth = 60
    lines = [f"message M{level} {{ M{level + 1} a = 1; M{level + 1} b = 2; }}" for level in range(depth)]
    old = P3 + "package lib; " + " ".join(lines) + f" message M{depth} {{ int32 a = 1; }}"
    new = old.replace("int32 a", "string a")
    main = P3 + 'import "lib.proto"; message Main { lib.M0 a = 1; }'
    one, other = FORMAT.parse(main, {"lib.proto": old}), FORMAT.parse(main, {"lib.proto": new})
    assert not FORMAT.parse(main, {"lib.proto": old}).differences(one)
    differences = other.differences(one)
    assert {difference.rule for difference in differences} == {"FIELD_SCALAR_KIND_CHANGED", "FIELD_NAMED_TYPE_CHANGED"}
    assert differences[-1].path == "#/Main/1"
    assert len(differences) < 1_000


def test_messages_that_hold_each_other_are_compared() -> None:
    old = P3 + "package lib; message A { B b = 1; A a = 2; int32 x = 3; } message B { A a = 1; repeated B b = 2; }"
    main = P3 + 'import "lib.proto"; message Main { lib.A a = 1; Main m = 2; }'
    one = FORMAT.parse(main, {"lib.proto": old})
    assert not one.differences(FORMAT.parse(main, {"lib.proto": old}))
    other = FORMAT.parse(main, {"lib.proto": old.replace("int32 x", "string x")})
    assert {difference.path for difference in other.differences(one)} >= {"#/A/3", "#/Main/1"}


def test_long_chains_of_messages_and_of_files() -> None:
    chain = (
        P3
        + "package lib; "
        + " ".join(f"message M{n} {{ M{n + 1} m = 1; }}" for n in range(9_000))
        + "message M9000 {}"
    )
    main = P3 + 'import "lib.proto"; message Main { lib.M0 m = 1; }'
    schema = FORMAT.parse(main, {"lib.proto": chain})
    assert not schema.differences(FORMAT.parse(main, {"lib.proto": chain}))
    files = {f"f{n}": P3 + f'import public "f{n + 1}"; message X{n} {{}}' for n in range(5_000)} | {"f5000": P3}
    assert FORMAT.parse(P3 + 'import "f0"; message M { X4999 x = 1; }', files).name == "M"
    wide = {
        f"{side}{n}": P3 + f'import public "a{n + 1}"; import public "b{n + 1}";' for n in range(500) for side in "ab"
    }
    assert FORMAT.parse(P3 + 'import "a0"; message M {}', wide | {"a500": P3, "b500": P3}).name == "M"


def test_references_are_not_longer_than_what_is_worked_on() -> None:
    files = {f"f{n}": P3 + f'import "f{n + 1}"; //' + "x" * 900_000 for n in range(5)} | {"f5": P3}
    with pytest.raises(SchemaTooComplexError, match="references are longer"):
        FORMAT.parse(P3 + 'import "f0";', files)


def _worked_on(text: str, references: dict[str, str]) -> None:
    """Parse and use a schema; whatever it is, nothing but the errors of the contract may come out."""
    said, schema = "", None
    try:
        schema = FORMAT.parse(text, references)
        schema.normalized()
        schema.formatted("serialized")
        schema.formatted("ignore_extensions")
    except InvalidSchemaError as error:
        said = str(error)
    assert bool(said) == (schema is None)
    assert "\n" not in said
    if schema is not None:
        assert not schema.differences(schema)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
@example("\ufeffmessage M {}")
@example('message M { optional string s = 1 [default = "\\uD83D\\uDE00\\U0010FFFF\\udc00"]; }')
@example("\x00")
@example(" " * 400_000 + ";")
@example("A " * 400_000 + "!")
@example("")
@example(" \n")
def test_any_text(text: str) -> None:
    _worked_on(text, {})


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(_WORDS), max_size=40))
def test_any_words(words: list[str]) -> None:
    _worked_on(" ".join(words), {})


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 4))
def test_damaged_descriptors(seed: int, changes: int) -> None:
    chance = random.Random(seed)
    imported = corpus.imported()
    schema = FORMAT.parse(chance.choice(corpus.accepted()), imported)
    content = bytearray(base64.b64decode(schema.formatted("serialized")))
    for _ in range(changes):
        place = chance.randrange(len(content))
        content[place] = chance.choice((content[place] ^ 1 << chance.randrange(8), 0xFF, 0, chance.randrange(256)))
    _worked_on(base64.b64encode(bytes(content)).decode(), imported)


@pytest.mark.parametrize(
    "descriptor",
    [  # packed values of a custom option that end within one: a number, a fixed one
        "Cgf1ZWZhdWx0Gg1vcHRpb25zLnByb3RvQhiKtRgJ7bUYCQAAAHC1GICAgICAgICCgAE=",
    ],
)
def test_options_that_are_cut_short(descriptor: str) -> None:
    with pytest.raises(InvalidSchemaError, match="cut short"):
        FORMAT.parse(descriptor, corpus.imported())


@pytest.mark.parametrize("syntax", ["\0roto3", "proto4", "2023"])
def test_descriptors_of_no_known_syntax(syntax: str) -> None:
    file = descriptor_pb2.FileDescriptorProto(name="x", syntax=syntax)
    with pytest.raises(InvalidSchemaError, match="is not known"):
        FORMAT.parse(base64.b64encode(file.SerializeToString()).decode(), {})


def test_descriptors_that_nest_and_repeat() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="x", syntax="proto3")
    message = file.message_type.add(name="M")
    for _ in range(60):
        message = message.nested_type.add(name="M")
    with pytest.raises(SchemaTooComplexError, match="nested deeper than 32 levels"):
        FORMAT.parse(base64.b64encode(file.SerializeToString()).decode(), {})
    empty = base64.b64encode(b"\x22\x00" * 300_000).decode()
    with pytest.raises(InvalidSchemaError, match="cannot be written: ''"):
        FORMAT.parse(empty, {})
