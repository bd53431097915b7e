"""Files that import others: by reference, without one where they are known, and what is missing."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest
from google.protobuf import descriptor_pb2

from kopfka_registry.errors import InvalidSchemaError
from kopfka_registry.formats.protobuf import FORMAT
from kopfka_registry.formats.protobuf.known import KNOWN, known_file
from registry.formats.protobuf import protoc

MAIN = 'syntax = "proto3"; package m; import "a.proto"; message M { a.A a = 1; }'
A = 'syntax = "proto3"; package a; import "b.proto"; message A { b.B b = 1; }'
B = 'syntax = "proto3"; package b; message B { int32 x = 1; }'


def refusal(text: str, references: dict[str, str]) -> str:
    with pytest.raises(InvalidSchemaError) as raised:
        FORMAT.parse(text, references)
    return str(raised.value)


def test_references_of_references_are_found() -> None:
    schema = FORMAT.parse(MAIN, {"b.proto": B, "a.proto": A})
    assert ".a.A" in schema.normalized().canonical


def test_what_is_missing_is_named() -> None:
    assert refusal(MAIN, {}) == 'line 1, column 31: import "a.proto" is not found: it needs a reference of this name'
    assert refusal(MAIN, {"a.proto": A}).endswith('import "b.proto" is not found: it needs a reference of this name')
    assert refusal('import "";', {"": A}).endswith('import "" is not found: it needs a reference of this name')


def test_only_what_is_imported_can_be_named() -> None:
    text = 'syntax = "proto3"; import "a.proto"; message M { b.B b = 1; }'
    assert refusal(text, {"a.proto": A, "b.proto": B}).endswith(
        '"b.B" seems to be defined in "b.proto", which is not imported'
    )
    public = {"a.proto": A.replace("import", "import public"), "b.proto": B}
    assert FORMAT.parse(text, public).name == "M"


def test_files_that_import_each_other() -> None:
    loop = {"a.proto": A, "b.proto": B.replace("message", 'import "a.proto"; message')}
    assert refusal(MAIN, loop).endswith("a file imports itself: a.proto -> b.proto -> a.proto")


def test_faults_in_an_import_are_told_with_their_place_in_it() -> None:
    assert refusal(MAIN, {"a.proto": "syntax = 'proto3';\nmessage {"}) == (
        'line 1, column 31: import "a.proto": line 2, column 9: expected the name of a message but found "{"'
    )
    double = {"a.proto": 'syntax = "proto3"; package a; message A {} message A {}'}
    assert refusal(MAIN, double) == 'import "a.proto": "A" is already defined in "a"'


def test_names_of_other_files_are_taken() -> None:
    text = 'syntax = "proto3"; package b; import "b.proto"; message B {}'
    assert refusal(text, {"b.proto": B}).endswith('"b.B" is already defined in file "b.proto"')
    text = 'syntax = "proto3"; import "b.proto"; message b {}'
    assert refusal(text, {"b.proto": B}).endswith('"b" is a package in file "b.proto"')
    text = 'syntax = "proto3"; package b.B; import "b.proto"; message M {}'
    assert refusal(text, {"b.proto": B}).endswith('"b.B" is defined in file "b.proto", and not as a package')


@pytest.mark.parametrize("path", sorted(KNOWN))
def test_known_files_need_no_reference(path: str) -> None:
    assert FORMAT.parse(f'syntax = "proto3"; import "{path}"; message M {{}}', {}).name == "M"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("google/protobuf/timestamp.proto", "google.protobuf.Timestamp"),
        ("google/protobuf/wrappers.proto", "google.protobuf.StringValue"),
        ("google/type/money.proto", "google.type.Money"),
        ("google/type/dayofweek.proto", "google.type.DayOfWeek"),
        ("confluent/type/decimal.proto", "confluent.type.Decimal"),
    ],
)
def test_known_types_are_described_by_their_names(path: str, kind: str) -> None:
    schema = FORMAT.parse(f'syntax = "proto3"; import "{path}"; message M {{ {kind} f = 1; }}', {})
    file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(schema.formatted("serialized")))
    assert list(file.dependency) == [path]
    assert file.message_type[0].field[0].type_name == f".{kind}"


def test_known_files_are_as_protoc_has_them() -> None:
    """Of those that the runtime brings, as its version is not protoc's: what is in protoc's is in ours."""
    bundled = protoc.bundled()
    for path in sorted(KNOWN & bundled.keys() - {"google/protobuf/descriptor.proto"}):
        theirs = {message.name: [(field.name, field.number) for field, _ in message.all_fields()]
                  for message in known_file(path).messages}  # fmt: skip
        described, _ = protoc.compiled(bundled[path], {}, path)
        for message in described.message_type:
            assert [(field.name, field.number) for field in message.field] == theirs[message.name], path


def test_a_reference_wins_over_a_known_file() -> None:
    own = 'syntax = "proto3"; package google.type; message Money { string all = 7; }'
    text = 'syntax = "proto3"; import "google/type/money.proto"; message M { google.type.Money m = 1; }'
    changes = FORMAT.parse(text, {"google/type/money.proto": own}).changes(FORMAT.parse(text, {}))
    assert {change.path for change in changes} == {"#/Money/1", "#/Money/2", "#/Money/3", "#/Money/7"}


def test_known_files_can_be_registered_themselves() -> None:
    for path, text in protoc.bundled().items():
        if path in KNOWN:
            assert FORMAT.parse(text, {}).name is not None


def test_an_imported_file_is_kept_once_for_all_that_import_it() -> None:
    one, other = (FORMAT.parse(MAIN.replace("M", name), {"a.proto": A, "b.proto": B}) for name in ("One", "Two"))
    assert one._files["a.proto"] is other._files["a.proto"]


def test_importing_the_room_is_cheap() -> None:
    """The runtime is imported when a descriptor is made or read, or a file of it is needed."""
    code = "import sys, kopfka_registry.formats.protobuf; sys.exit('google.protobuf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
