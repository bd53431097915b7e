"""The rules against the runtime, exhaustively where that is possible.

What is called compatible loses nothing, whatever is written; what is not, loses something that can be written: the
rules are as strict as they must be, and no stricter.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from kopfka_registry.formats.protobuf import FORMAT
from registry.formats.protobuf.dynamic import classes

_VALUES: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("int32", "int64", "sint32", "sint64", "sfixed32", "sfixed64"), (0, 1, 77, -5)),
    **dict.fromkeys(("uint32", "uint64", "fixed32", "fixed64"), (0, 1, 77, 2**31)),
    "bool": (False, True),
    "float": (0.0, 1.5),
    "double": (0.0, 1.5),
    "string": ("", "abc"),
    "bytes": (b"", b"abc"),
    "Kind": (0, 1),
    "Part": ("",),
}
"""Values of each type, those first that other types can hold too."""


def _file(field: str) -> str:
    return f'syntax = "proto3"; message M {{ {field} }} message Part {{ int32 x = 1; }} enum Kind {{ A = 0; B = 1; }}'


def _held(message: Any) -> Any:
    value = message.f
    if hasattr(value, "DESCRIPTOR"):
        return value.x
    return value.encode() if isinstance(value, str) else value


@pytest.mark.parametrize("old", sorted(_VALUES))
def test_every_type_instead_of_every_other(old: str) -> None:
    for new in _VALUES:
        writer, reader = FORMAT.parse(_file(f"{old} f = 1;"), {}), FORMAT.parse(_file(f"{new} f = 1;"), {})
        written_type, read_type = classes(writer)["M"], classes(reader)["M"]
        broken = reader.differences(writer)
        lost = [value for value in _VALUES[old] if not _survives(value, written_type, read_type)]
        if broken:
            assert [difference.path for difference in broken] == ["#/M/1"]
            assert lost, f"{old} can be read as {new}"
        else:
            # a number may be too large for the other type, which is its user's business
            assert not set(lost) & {0, 1, "", b"", 1.5, "abc", b"abc"}, f"{old} as {new}: {lost}"


def _survives(value: Any, written_type: Any, read_type: Any) -> bool:
    written = written_type()
    if hasattr(written.f, "DESCRIPTOR"):
        written.f.x = 5
    else:
        written.f = value
    content = written.SerializeToString()
    try:
        read = read_type.FromString(content)
    except Exception:
        return False
    return bool(_held(read) == _held(written))


@pytest.mark.parametrize("before", list(product(("", "one", "two"), repeat=3)), ids="-".join)
def test_every_way_to_put_three_fields_into_two_oneofs(before: tuple[str, ...]) -> None:
    writer = FORMAT.parse(_oneofs(before), {})
    written_type = classes(writer)["M"]
    for after in product(("", "one", "two"), repeat=3):
        reader = FORMAT.parse(_oneofs(after), {})
        read_type = classes(reader)["M"]
        lost = [fields for fields in _together(before) if not _all_read(fields, written_type, read_type)]
        broken = reader.differences(writer)
        assert bool(broken) == bool(lost), f"{before} to {after}: {broken}, lost {lost}"
        assert {difference.rule for difference in broken} <= {
            "MULTIPLE_FIELDS_MOVED_TO_ONEOF",
            "FIELD_MOVED_TO_EXISTING_ONEOF",
        }


def _oneofs(places: tuple[str, ...]) -> str:
    parts = [f"optional int32 f{number} = {number};" for number, place in enumerate(places, 1) if not place]
    for name in sorted({place for place in places if place}):
        fields = [f"int32 f{number} = {number};" for number, place in enumerate(places, 1) if place == name]
        parts.append(f"oneof {name} {{ {' '.join(fields)} }}")
    return f'syntax = "proto3"; message M {{ {" ".join(parts)} }}'


def _together(places: tuple[str, ...]) -> list[tuple[int, ...]]:
    """Return the fields that can be set together: at most one of each oneof."""
    found = []
    for chosen in product((False, True), repeat=3):
        fields = tuple(number for number, is_set in enumerate(chosen, 1) if is_set)
        inside = [places[number - 1] for number in fields if places[number - 1]]
        if len(inside) == len(set(inside)):
            found.append(fields)
    return found


def _all_read(fields: tuple[int, ...], written_type: Any, read_type: Any) -> bool:
    written = written_type()
    for number in fields:
        setattr(written, f"f{number}", number)
    read = read_type.FromString(written.SerializeToString())
    return all(read.HasField(f"f{number}") and getattr(read, f"f{number}") == number for number in fields)


def test_a_required_field_is_missed_on_either_side() -> None:
    with_it = 'syntax = "proto2"; message M { optional int32 a = 1; required int32 b = 2; }'
    without = 'syntax = "proto2"; message M { optional int32 a = 1; }'
    one, other = FORMAT.parse(with_it, {}), FORMAT.parse(without, {})
    assert [each.rule for each in one.differences(other)] == ["REQUIRED_FIELD_ADDED"]
    read = classes(one)["M"].FromString(classes(other)["M"](a=1).SerializeToString())
    assert not read.IsInitialized()
    # a removed one: who still expects it cannot read what is written from now on
    assert [each.rule for each in other.differences(one)] == ["REQUIRED_FIELD_REMOVED"]


@pytest.mark.parametrize("kind", ["string", "bytes", "Part"])
def test_one_becomes_several_and_several_one(kind: str) -> None:
    single = FORMAT.parse(_file(f"optional {kind} f = 1;"), {})
    several = FORMAT.parse(_file(f"repeated {kind} f = 1;"), {})
    assert not several.differences(single)
    assert not single.differences(several)
    one, many = classes(single)["M"], classes(several)["M"]
    value: Any = {"string": "x", "bytes": b"x", "Part": {"x": 5}}[kind]
    read = many.FromString(one(f=value).SerializeToString())
    assert len(read.f) == 1
    assert one.FromString(many(f=[value]).SerializeToString()) == one(f=value)
