"""Schemas that come as descriptors, as some clients register them, and descriptors that are asked for."""

from __future__ import annotations

import base64

import pytest
from confluent_kafka.schema_registry.protobuf import _schema_to_str
from google.protobuf import descriptor_pb2, struct_pb2, timestamp_pb2, type_pb2
from hypothesis import HealthCheck, given, settings

from kopfka_registry.errors import InvalidSchemaError
from kopfka_registry.formats.protobuf import FORMAT
from registry.formats.protobuf import corpus
from registry.formats.protobuf.schemas import schemas

_IMPORTED = corpus.imported()
Kind = descriptor_pb2.FieldDescriptorProto


def coded(file: descriptor_pb2.FileDescriptorProto) -> str:
    return base64.b64encode(file.SerializeToString()).decode()


def test_the_text_of_a_descriptor_is_confluents() -> None:
    """Names in full, entries of maps as messages, labels as the syntax has them."""
    schema = FORMAT.parse(_schema_to_str(struct_pb2.DESCRIPTOR), {})
    assert schema.name == "google.protobuf.Struct"
    assert schema.canonical.startswith("""syntax = "proto3";
package google.protobuf;

option java_package = "com.google.protobuf";
option java_outer_classname = "StructProto";
option java_multiple_files = true;
option go_package = "google.golang.org/protobuf/types/known/structpb";
option cc_enable_arenas = true;
option objc_class_prefix = "GPB";
option csharp_namespace = "Google.Protobuf.WellKnownTypes";

message Struct {
  repeated .google.protobuf.Struct.FieldsEntry fields = 1""")
    assert "  message FieldsEntry {\n    option map_entry = true;\n  \n    string key = 1" in schema.canonical
    assert "map<string, .google.protobuf.Value> fields = 1" in schema.normalized().canonical
    assert "FieldsEntry" not in schema.normalized().canonical


@pytest.mark.parametrize("module", [struct_pb2, timestamp_pb2, type_pb2, descriptor_pb2])
def test_what_the_python_client_registers(module) -> None:
    text = _schema_to_str(module.DESCRIPTOR)
    schema = FORMAT.parse(text, {})
    again = FORMAT.parse(schema.canonical, {})
    assert again.canonical == schema.canonical
    described = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(again.formatted("serialized")))
    assert [message.name for message in described.message_type] == list(module.DESCRIPTOR.message_types_by_name)
    assert not again.changes(schema)


@pytest.mark.parametrize("text", corpus.accepted())
def test_a_text_and_its_descriptor_are_the_same_schema(text: str) -> None:
    schema = FORMAT.parse(text, _IMPORTED)
    described = FORMAT.parse(schema.formatted("serialized"), _IMPORTED)
    # the entries of maps count as messages, so others may have another place
    assert {change.rule for change in described.changes(schema)} <= {"MESSAGE_MOVED"}
    assert not schema.differences(described)
    assert described.name == schema.name
    again = FORMAT.parse(described.formatted("serialized"), _IMPORTED)
    assert not again.changes(described)
    # what is zero and has no presence is not written within options, so the text is the same from here on
    assert FORMAT.parse(again.formatted("serialized"), _IMPORTED).canonical == again.canonical


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schemas())
def test_any_schema_and_its_descriptor_have_the_same_normal_form(generated) -> None:
    schema = FORMAT.parse(generated.text(), {})
    described = FORMAT.parse(schema.formatted("serialized"), {})
    assert described.normalized().canonical == schema.normalized().canonical


def test_custom_options_stay_where_the_file_that_declares_them_is_there() -> None:
    text = """syntax = "proto3"; import "confluent/meta.proto"; import "options.proto";
        message M { string s = 1 [(confluent.field_meta) = { tags: ["PII", "B"] params: [{ key: "k", value: "v" }] },
                                  (o.feo).sub.i = 3, (o.feo).(o.ext) = -4]; }"""
    schema = FORMAT.parse(text, _IMPORTED)
    described = FORMAT.parse(schema.formatted("serialized"), _IMPORTED)
    assert described.inline_tags() == {".M.s": {"PII", "B"}}
    assert described.normalized().canonical == schema.normalized().canonical


def test_options_nobody_declares_are_left_out() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="x", syntax="proto3")
    file.message_type.add(name="M").options.MergeFromString(b"\xc2\x3e\x02hi")
    assert FORMAT.parse(coded(file), {}).canonical == 'syntax = "proto3";\n\nmessage M {}\n'


def test_groups_defaults_and_sets() -> None:
    text = """message M { optional group G = 1 { repeated group H = 1 { optional int32 x = 1; } }
        optional bytes b = 2 [default = "\\377\\000a"]; optional string s = 3 [default = "\\303\\n"];
        optional float f = 4 [default = -inf]; oneof o { group I = 5 {} string t = 6; } extensions 100 to max; }
        message Set { option message_set_wire_format = true; extensions 4 to max; }
        extend M { optional group J = 100 { optional int32 y = 1; } }"""
    schema = FORMAT.parse(text, {})
    assert FORMAT.parse(schema.formatted("serialized"), {}).normalized().canonical == schema.normalized().canonical


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="x", syntax="proto3")
    file.message_type.add(name="M").field.add(name="a", number=1, label=1, type=Kind.TYPE_INT32)
    return file


def test_hostile_descriptors_are_refused_in_words() -> None:
    def refused(file: descriptor_pb2.FileDescriptorProto) -> str:
        with pytest.raises(InvalidSchemaError) as refusal:
            FORMAT.parse(coded(file), {})
        assert "\n" not in str(refusal.value)
        return str(refusal.value)

    file = _file()
    file.message_type[0].name = "A {} message B"
    assert "cannot be written: 'A {} message B'" in refused(file)
    file = _file()
    file.message_type[0].field[0].default_value = "1]; int32 b = 2 [default = 1"
    assert "proto3 has no defaults" in refused(file) or "cannot be written" in refused(file)
    file = _file()
    file.message_type[0].field[0].oneof_index = 7
    assert "a oneof that is not there" in refused(file)
    file = _file()
    file.message_type[0].field[0].number = -5
    assert "expected the number of a field" in refused(file)
    file = _file()
    file.message_type[0].field[0].ClearField("type")
    assert 'the field "a" has no type' in refused(file)
    file = _file()
    file.message_type[0].field[0].type = Kind.TYPE_MESSAGE
    file.message_type[0].field[0].type_name = ".Nowhere"
    assert '".Nowhere" is not defined' in refused(file)
    file = _file()
    file.message_type[0].field[0].type = Kind.TYPE_GROUP
    file.message_type[0].field[0].type_name = ".Nowhere"
    assert "has no message beside it" in refused(file)
    file = _file()
    file.syntax = "editions"
    file.edition = descriptor_pb2.EDITION_99997_TEST_ONLY
    assert "the edition 99997 is not known" in refused(file)
    file = _file()
    file.message_type[0].options.uninterpreted_option.add(identifier_value="x")
    assert "an option that is not interpreted" in refused(file)
    file = _file()
    file.dependency.append("missing.proto")
    assert 'import "missing.proto" is not found' in refused(file)


@pytest.mark.parametrize(
    "text",
    ["AAAA", "not base64 at all", "====", "Zm9v", base64.b64encode(b"\xff" * 40).decode(), "Zm9vYmFy!", "a" * 1001],
)  # fmt: skip
def test_what_is_neither_a_text_nor_a_descriptor(text: str) -> None:
    with pytest.raises(InvalidSchemaError):
        FORMAT.parse(text, {})


def test_references_may_be_descriptors() -> None:
    lib = FORMAT.parse('syntax = "proto3"; package lib; message L { map<string, int32> m = 1; }', {})
    main = 'syntax = "proto3"; import "lib.proto"; message M { lib.L l = 1; }'
    references = {"lib.proto": lib.formatted("serialized")}
    assert not FORMAT.parse(main, {"lib.proto": lib.canonical}).changes(FORMAT.parse(main, references))
