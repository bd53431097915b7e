"""A test for each rule of the table; its docstring names the source.

"Language guide" is Protobuf's, with its section "Updating A Message Type" (of proto2 and proto3); "Confluent" is the
documented behaviour of its schema registry, with the names its answers use, and the request that brought a rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.protobuf import FORMAT
from kopfka_registry.formats.protobuf.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_registry.formats.protobuf.rules import Rule


def changed(writer: str, reader: str, syntax: str = "proto3") -> dict[str, str]:
    """Return rule by place of all that changed; check that what breaks the table says breaks, and nothing else."""
    return compared(f'syntax = "{syntax}"; {writer}', f'syntax = "{syntax}"; {reader}')


def compared(
    writer: str, reader: str, before: Mapping[str, str] | None = None, after: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The same for whole texts, with what each imports."""
    old, new = FORMAT.parse(writer, before or {}), FORMAT.parse(reader, after or before or {})
    found = new.changes(old)
    expected = [change for change in found if not RULES[change.rule].compatible]
    assert new.differences(old) == expected
    return {f"{change.path} {change.rule}": change.rule for change in found}


def test_each_rule_has_a_test_that_cites_its_source() -> None:
    for name in RULES:
        test = globals()[f"test_{name.lower()}"]
        assert "Language guide" in test.__doc__ or "Confluent" in test.__doc__, name


def test_what_breaks_is_told_with_place_and_both_sides() -> None:
    rule: Rule
    for rule in RULES.values():
        assert "{path}" in rule.text
        if not rule.compatible:
            assert "{reader}" in rule.text
            assert "{writer}" in rule.text


def test_package_changed() -> None:
    """Confluent: a package that changes is incompatible since 7.6.1 (DGS-10184), as full names are in other data."""
    assert changed("package a; message M {}", "package b; message M {}") == {"#/ PACKAGE_CHANGED": "PACKAGE_CHANGED"}
    assert not RULES["PACKAGE_CHANGED"].compatible
    assert set(changed("message M {}", "package b; message M {}")) == {"#/ PACKAGE_CHANGED"}


def test_message_added() -> None:
    """Confluent: new messages are compatible; data name their message by the schema they were written with."""
    assert set(changed("message A {}", "message A { message In {} } message B {}")) == {
        "#/B MESSAGE_ADDED",
        "#/A/In MESSAGE_ADDED",
    }
    assert RULES["MESSAGE_ADDED"].compatible


def test_message_removed() -> None:
    """Confluent: a message that is gone is incompatible, as data of that message may be there; nested ones as well."""
    assert set(changed("message A { message In {} } message B {}", "message A {}")) == {
        "#/A/In MESSAGE_REMOVED",
        "#/B MESSAGE_REMOVED",
    }
    assert not RULES["MESSAGE_REMOVED"].compatible
    # the entries of a map are no message of their own
    assert set(changed("message A { map<string, int32> m = 1; }", "message A {}")) == {"#/A/1 FIELD_REMOVED"}


def test_message_moved() -> None:
    """Confluent: another order is compatible (DGS-2417): indexes are those of the schema with the record's id."""
    assert set(changed("message A {} message B {}", "message B {} message A {}")) == {
        "#/A MESSAGE_MOVED",
        "#/B MESSAGE_MOVED",
    }
    assert RULES["MESSAGE_MOVED"].compatible


def test_enum_added() -> None:
    """Language guide: an enum is read as a number, so new ones, and enums instead of int32, are compatible."""
    assert set(changed("message M { int32 a = 1; }", "message M { E a = 1; } enum E { X = 0; }")) == {"#/E ENUM_ADDED"}
    assert RULES["ENUM_ADDED"].compatible


def test_enum_removed() -> None:
    """Language guide: an enum is compatible with int32, uint32, int64 and uint64 on the wire."""
    assert set(changed("message M { E a = 1; } enum E { X = 0; }", "message M { uint64 a = 1; }")) == {
        "#/E ENUM_REMOVED"
    }
    assert RULES["ENUM_REMOVED"].compatible


def test_enum_const_added() -> None:
    """Language guide: unknown values of an enum are kept when a message is read."""
    assert set(changed("enum E { X = 0; }", "enum E { X = 0; Y = 1; }")) == {"#/E/1 ENUM_CONST_ADDED"}
    assert RULES["ENUM_CONST_ADDED"].compatible


def test_enum_const_changed() -> None:
    """Confluent: names of values may change, as only numbers are written."""
    assert set(changed("message M { enum E { X = 0; } }", "message M { enum E { Y = 0; } }")) == {
        "#/M/E/0 ENUM_CONST_CHANGED"
    }
    assert RULES["ENUM_CONST_CHANGED"].compatible


def test_enum_const_removed() -> None:
    """Language guide: a value that is not known any more is kept when a message is read."""
    assert set(changed("enum E { X = 0; Y = -1; }", "enum E { X = 0; }")) == {"#/E/-1 ENUM_CONST_REMOVED"}
    assert RULES["ENUM_CONST_REMOVED"].compatible


def test_field_added() -> None:
    """Language guide: new fields may be added; old messages are read with the new code, which sees the default."""
    assert set(changed("message M { int32 a = 1; }", "message M { int32 a = 1; string b = 2; }")) == {
        "#/M/2 FIELD_ADDED"
    }
    assert RULES["FIELD_ADDED"].compatible


def test_field_removed() -> None:
    """Language guide: fields may be removed, as long as their number is not used again."""
    assert set(changed("message M { int32 a = 1; string b = 2; }", "message M { reserved 2; int32 a = 1; }")) == {
        "#/M/2 FIELD_REMOVED"
    }
    assert RULES["FIELD_REMOVED"].compatible


def test_field_name_changed() -> None:
    """Language guide: numbers are what is written, so a field may be renamed."""
    assert set(changed("message M { int32 a = 1; }", "message M { int64 b = 1; }")) == {"#/M/1 FIELD_NAME_CHANGED"}
    assert RULES["FIELD_NAME_CHANGED"].compatible


def test_field_kind_changed() -> None:
    """Confluent: a scalar, a message and a map are three kinds; a field stays of its kind."""
    texts = {
        "scalar": "message M { string f = 1; } message P { string key = 1; int32 value = 2; }",
        "message": "message M { P f = 1; } message P { string key = 1; int32 value = 2; }",
        "map": "message M { map<string, int32> f = 1; } message P { string key = 1; int32 value = 2; }",
    }
    for one, writer in texts.items():
        for other, reader in texts.items():
            assert set(changed(writer, reader)) == (set() if one == other else {"#/M/1 FIELD_KIND_CHANGED"})
    assert not RULES["FIELD_KIND_CHANGED"].compatible


def test_field_scalar_kind_changed() -> None:
    """Language guide: the groups of scalars that read each other, and no others."""
    groups = (
        ("int32", "uint32", "int64", "uint64", "bool", "E"),
        ("sint32", "sint64"),
        ("string", "bytes"),
        ("fixed32", "sfixed32"),
        ("fixed64", "sfixed64"),
        ("float",),
        ("double",),
    )
    kinds = {kind: number for number, group in enumerate(groups) for kind in group}
    for one, group in kinds.items():
        for other, other_group in kinds.items():
            found = changed(f"message M {{ {one} f = 1; }} enum E {{ X = 0; }}",
                            f"message M {{ {other} f = 1; }} enum E {{ X = 0; }}")  # fmt: skip
            assert set(found) == (set() if group == other_group else {"#/M/1 FIELD_SCALAR_KIND_CHANGED"})
    assert not RULES["FIELD_SCALAR_KIND_CHANGED"].compatible
    # keys and values of maps as well
    assert set(changed("message M { map<string, int32> m = 1; }", "message M { map<int32, string> m = 1; }")) == {
        "#/M/1 FIELD_SCALAR_KIND_CHANGED"
    }


def test_field_named_type_changed() -> None:
    """Confluent: a field keeps its message, by the name within its file; how the name is written does not matter."""
    both = "message A { message In {} } message B { message In {} }"
    for one, other, rules in (
        ("A", "B", {"#/M/1 FIELD_NAMED_TYPE_CHANGED"}),
        ("A.In", "B.In", {"#/M/1 FIELD_NAMED_TYPE_CHANGED"}),
        ("A.In", ".A.In", set()),
    ):
        assert set(changed(f"message M {{ {one} f = 1; }} {both}", f"message M {{ {other} f = 1; }} {both}")) == rules
    assert not RULES["FIELD_NAMED_TYPE_CHANGED"].compatible


def test_field_numeric_label_changed() -> None:
    """Language guide: optional is not compatible with repeated for numbers, as they may be packed (DGS-2016)."""
    assert set(changed("message M { optional int32 a = 1; }", "message M { repeated int32 a = 1; }")) == {
        "#/M/1 FIELD_NUMERIC_LABEL_CHANGED"
    }
    assert set(changed("message M { optional E a = 1; } enum E { X = 0; }",
                       "message M { required E a = 1; } enum E { X = 0; }", "proto2")) == {
        "#/M/1 FIELD_NUMERIC_LABEL_CHANGED"
    }  # fmt: skip
    assert not RULES["FIELD_NUMERIC_LABEL_CHANGED"].compatible
    # a label that is not written is not compared
    assert not changed("message M { int32 a = 1; }", "message M { optional int32 a = 1; }")


def test_field_string_or_bytes_label_changed() -> None:
    """Language guide: for strings, bytes and messages optional is compatible with repeated."""
    assert set(changed("message M { optional bytes a = 1; }", "message M { repeated string a = 1; }")) == {
        "#/M/1 FIELD_STRING_OR_BYTES_LABEL_CHANGED"
    }
    assert not changed("message M { optional M a = 1; }", "message M { repeated M a = 1; }")
    assert RULES["FIELD_STRING_OR_BYTES_LABEL_CHANGED"].compatible


def test_required_field_added() -> None:
    """Language guide (proto2): new fields are optional or repeated; a required one is missing in all old messages."""
    assert set(changed("message M {}", "message M { required int32 a = 1; }", "proto2")) == {
        "#/M/1 REQUIRED_FIELD_ADDED"
    }
    assert not RULES["REQUIRED_FIELD_ADDED"].compatible


def test_required_field_removed() -> None:
    """Language guide (proto2): only fields that are not required can be removed."""
    assert set(changed("message M { required int32 a = 1; }", "message M {}", "proto2")) == {
        "#/M/1 REQUIRED_FIELD_REMOVED"
    }
    assert not RULES["REQUIRED_FIELD_REMOVED"].compatible


def test_oneof_added() -> None:
    """Language guide: a single field may move into a new oneof."""
    assert set(changed("message M { int32 a = 1; }", "message M { oneof o { int32 a = 1; string b = 2; } }")) == {
        "#/M/o ONEOF_ADDED",
        "#/M/o/2 ONEOF_FIELD_ADDED",
    }
    assert RULES["ONEOF_ADDED"].compatible


def test_oneof_removed() -> None:
    """Confluent: a oneof may be renamed, and may go with all its fields, as nothing of it is expected any more."""
    assert set(changed("message M { oneof o { int32 a = 1; } }", "message M { oneof p { int32 a = 1; } }")) == {
        "#/M/o ONEOF_REMOVED",
        "#/M/p ONEOF_ADDED",
    }
    assert set(changed("message M { oneof o { int32 a = 1; } }", "message M {}")) == {"#/M/o ONEOF_REMOVED"}
    assert RULES["ONEOF_REMOVED"].compatible


def test_oneof_field_added() -> None:
    """Confluent: a oneof may have new fields; data that set none of the old ones are read as without any."""
    assert set(
        changed("message M { oneof o { int32 a = 1; } }", "message M { oneof o { int32 a = 1; M b = 2; } }")
    ) == {"#/M/o/2 ONEOF_FIELD_ADDED"}
    assert RULES["ONEOF_FIELD_ADDED"].compatible


def test_oneof_field_removed() -> None:
    """Language guide: who sets a removed field of a oneof loses it; so Confluent calls it incompatible.

    Also where the oneof is renamed and some of its fields stay (Confluent: DGS-24604).
    """
    writer = "message M { oneof o { int32 a = 1; string b = 2; } }"
    assert set(changed(writer, "message M { oneof o { int32 a = 1; } }")) == {"#/M/o/2 ONEOF_FIELD_REMOVED"}
    assert "#/M/o/2 ONEOF_FIELD_REMOVED" in changed(writer, "message M { int32 a = 1; }")
    assert not RULES["ONEOF_FIELD_REMOVED"].compatible


def test_oneof_field_moved_to_top_level() -> None:
    """Confluent (DGS-24604): a field that leaves its oneof keeps number and type, and may be set with others now."""
    writer = "message M { oneof o { int32 a = 1; string b = 2; } }"
    assert set(changed(writer, "message M { int32 a = 1; oneof o { string b = 2; } }")) == {
        "#/M/1 ONEOF_FIELD_MOVED_TO_TOP_LEVEL"
    }
    assert RULES["ONEOF_FIELD_MOVED_TO_TOP_LEVEL"].compatible


def test_multiple_fields_moved_to_oneof() -> None:
    """Language guide: of several fields that move into one oneof all but one are lost where more than one was set."""
    oneof = "message M { oneof o { int32 a = 1; string b = 2; } }"
    assert set(changed("message M { int32 a = 1; string b = 2; }", oneof)) == {
        "#/M/o MULTIPLE_FIELDS_MOVED_TO_ONEOF",
        "#/M/o ONEOF_ADDED",
    }
    assert not RULES["MULTIPLE_FIELDS_MOVED_TO_ONEOF"].compatible


def test_field_moved_to_existing_oneof() -> None:
    """Language guide: moving a field into a oneof that is there is not safe (Confluent: DGS-10061)."""
    oneof = "message M { oneof o { int32 a = 1; string b = 2; } }"
    assert set(changed("message M { int32 a = 1; oneof o { string b = 2; } }", oneof)) == {
        "#/M/o FIELD_MOVED_TO_EXISTING_ONEOF",
    }
    # and so is bringing two oneofs into one
    assert "#/M/o FIELD_MOVED_TO_EXISTING_ONEOF" in changed(
        "message M { oneof o { int32 a = 1; } oneof p { string b = 2; } }", oneof
    )
    assert not RULES["FIELD_MOVED_TO_EXISTING_ONEOF"].compatible


def test_types_are_compared_whatever_oneof_a_field_is_in() -> None:
    """Confluent (DGS-24604): a changed type is found though its field moved, at the place where the field is now."""
    assert "#/M/o/1 FIELD_SCALAR_KIND_CHANGED" in changed(
        "message M { int32 a = 1; }", "message M { oneof o { string a = 1; } }"
    )
    assert "#/M/1 FIELD_SCALAR_KIND_CHANGED" in changed(
        "message M { oneof o { string a = 1; } }", "message M { int32 a = 1; }"
    )
    assert "#/M/p/1 FIELD_SCALAR_KIND_CHANGED" in changed(
        "message M { oneof o { string a = 1; } }", "message M { oneof p { int32 a = 1; } }"
    )


def test_groups_are_fields() -> None:
    """Language guide (proto2): a group is a field with a message inside, in an encoding of its own."""
    group = "message M {{ optional group G = 1 {{ optional {} a = 1; }} }}"
    assert set(changed(group.format("int32"), group.format("string"), "proto2")) == {
        "#/M/G/1 FIELD_SCALAR_KIND_CHANGED"
    }
    message = "message M { optional G g = 1; message G { optional int32 a = 1; } }"
    assert set(changed(group.format("int32"), message, "proto2")) == {
        "#/M/1 FIELD_KIND_CHANGED",
        "#/M/G MESSAGE_ADDED",
    }
    assert set(changed(group.format("int32"), "message M {}", "proto2")) == {"#/M/1 FIELD_REMOVED"}


def test_editions_say_with_features_what_labels_say() -> None:
    """Language guide (editions): LEGACY_REQUIRED is required, EXPLICIT is optional, DELIMITED is a group."""
    proto2 = 'syntax = "proto2"; message M { required int32 a = 1; optional group G = 2 { optional int32 x = 1; } }'
    edition = """edition = "2023"; message M {
        int32 a = 1 [features.field_presence = LEGACY_REQUIRED];
        G g = 2 [features.message_encoding = DELIMITED];
        message G { int32 x = 1; }
    }"""
    assert set(compared(proto2, edition)) == {"#/M/G MESSAGE_ADDED"}
    assert set(compared(edition, 'edition = "2023"; message M { message G { int32 x = 1; } G g = 2; }')) == {
        "#/M/1 REQUIRED_FIELD_REMOVED",
        "#/M/2 FIELD_KIND_CHANGED",
    }
    explicit = 'edition = "2023"; message M { int32 a = 1; }'
    assert set(compared(explicit, explicit.replace("int32", "repeated int32"))) == {"#/M/1 FIELD_NUMERIC_LABEL_CHANGED"}


def test_options_services_and_extensions_are_not_compared() -> None:
    """Confluent: only messages and enums, and what is in them, are compared."""
    one = 'syntax = "proto2"; message M { optional int32 a = 1 [deprecated = true]; extensions 100 to 199; }'
    other = """syntax = "proto2"; option java_package = "x"; message M { optional int32 a = 1; extensions 100 to 300; }
        extend M { optional int32 e = 100; } service S { rpc Do(M) returns (M); }"""
    assert not compared(one, other)
    assert not compared(other, one)


def test_syntaxes_may_change() -> None:
    """Language guide: proto2, proto3 and editions write the same bytes."""
    assert not compared('syntax = "proto2"; message M { optional string a = 1; }',
                        'syntax = "proto3"; message M { string a = 1; }')  # fmt: skip


def test_imported_messages_are_compared_where_a_field_holds_them() -> None:
    """Confluent: differences in an imported message are told at its own place, then the field's type has changed."""
    main = 'syntax = "proto3"; import "part.proto"; message M { lib.Part p = 1; map<string, lib.Part> m = 2; }'
    one = 'syntax = "proto3"; package lib; message Part { int32 a = 1; Deep d = 2; } message Deep { int32 x = 1; }'
    before, after = {"part.proto": one}, {"part.proto": one.replace("int32 x", "string x")}
    assert set(compared(main, main, before, after)) == {
        "#/Deep/1 FIELD_SCALAR_KIND_CHANGED",
        "#/Part/2 FIELD_NAMED_TYPE_CHANGED",
        "#/M/1 FIELD_NAMED_TYPE_CHANGED",
        "#/M/2 FIELD_NAMED_TYPE_CHANGED",
    }
    after = {"part.proto": one.replace("int32 a = 1;", "int32 b = 1;")}
    assert set(compared(main, main, before, after)) == {"#/Part/1 FIELD_NAME_CHANGED"}


def test_messages_may_move_into_an_import_and_to_another_package() -> None:
    """Confluent: an imported message is the same if its name within its file is, whatever package it is in."""
    own = 'syntax = "proto3"; message M { Part p = 1; } message Part { int32 a = 1; }'
    held = 'syntax = "proto3"; import "part.proto"; message M { lib.Part p = 1; }'
    lib = {"part.proto": 'syntax = "proto3"; package lib; message Part { int32 a = 1; }'}
    assert set(compared(own, held, {}, lib)) == {"#/Part MESSAGE_REMOVED"}
    assert set(compared(held, own, lib, {})) == {"#/Part MESSAGE_ADDED"}
    moved = {"part.proto": lib["part.proto"].replace("package lib", "package bib")}
    assert not compared(held, held.replace("lib.Part", "bib.Part"), lib, moved)
    nested = {"part.proto": 'syntax = "proto3"; package lib; message Outer { message Part { string a = 1; } }'}
    assert set(compared(held, held.replace("lib.Part", "lib.Outer.Part"), lib, nested)) == {
        "#/M/1 FIELD_NAMED_TYPE_CHANGED"
    }


def test_answers_are_those_of_confluent() -> None:
    """Confluent: the wording of verbose answers, in double quotes, with both sides named."""
    old, new = (FORMAT.parse(f'syntax = "proto3"; message M {{ {kind} a = 1; }}', {}) for kind in ("int32", "string"))
    (difference,) = new.differences(old)
    assert difference.told("new", "old") == (
        '{errorType:"FIELD_SCALAR_KIND_CHANGED", description:"The kind of a SCALAR field at path \'#/M/1\' in the new '
        'schema does not match its kind in the old schema"}'
    )
    (difference,) = FORMAT.parse('syntax = "proto3"; message N {}', {}).differences(old)
    assert difference.told("new", "old") == (
        '{errorType:"MESSAGE_REMOVED", description:"The new schema is missing a MESSAGE type at path \'#/M\' in the '
        'old schema"}'
    )
