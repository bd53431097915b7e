"""Random evolutions: what is called compatible loses no data, by Protobuf's own runtime.

Values are such that both types can hold them, as the language guide asks for where types change. One thing is left out,
as Confluent's rules do: a label that is not written is not compared, so a number of proto3 may become repeated.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from kopfka_registry.formats.protobuf import FORMAT
from registry.formats.protobuf.dynamic import classes
from registry.formats.protobuf.schemas import evolved, schemas

_NUMBERS = ("int32", "int64", "uint32", "uint64", "bool", "sint32", "sint64", "fixed32", "fixed64", "sfixed32",
            "sfixed64", "float", "double")  # fmt: skip


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[str, str]:
    before = draw(schemas())
    return before.text(), draw(evolved(before)).text()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_pairs(), st.data())
def test_what_is_compatible_keeps_its_values(texts: tuple[str, str], data: st.DataObject) -> None:
    writer, reader = (FORMAT.parse(text, {}) for text in texts)
    if reader.differences(writer):
        event("incompatible")
        return
    event("compatible")
    written_types, read_types = classes(writer), classes(reader)
    for name, written_type in written_types.items():
        if name not in read_types:
            continue
        written = written_type()
        _fill(written, read_types[name].DESCRIPTOR, data, 0)
        read = read_types[name].FromString(written.SerializePartialToString())
        _compare(written, read)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schemas(), st.data())
def test_every_change_is_told_of_or_none_is_there(schema: Any, data: st.DataObject) -> None:
    before = FORMAT.parse(schema.text(), {})
    after = FORMAT.parse(data.draw(evolved(schema)).text(), {})
    assert before.changes(before) == []
    broken = after.differences(before)
    assert all(difference in after.changes(before) for difference in broken)
    # what one direction calls added, the other calls removed
    added = {change.path for change in after.changes(before) if change.rule == "FIELD_ADDED"}
    removed = {change.path for change in before.changes(after) if change.rule == "FIELD_REMOVED"}
    assert added == removed


def _fill(message: Any, reader: Any, data: st.DataObject, depth: int) -> None:
    """Set fields of a message to what the reader's type can hold as well."""
    chosen: set[str] = set()
    for field in message.DESCRIPTOR.fields:
        other = reader.fields_by_number.get(field.number)
        oneof = field.containing_oneof
        real = oneof is not None and len(oneof.fields) > 0 and not oneof.name.startswith("_")
        if other is None or (real and oneof.name in chosen):
            continue
        if not data.draw(st.booleans(), label=f"set {field.full_name}"):
            continue
        if real:
            chosen.add(oneof.name)
        _set(message, field, other, data, depth)


def _set(message: Any, field: Any, other: Any, data: st.DataObject, depth: int) -> None:
    if _is_map(field):
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        other_key, other_value = (other.message_type.fields_by_name[name] for name in ("key", "value"))
        held = getattr(message, field.name)
        for _ in range(data.draw(st.integers(0, 2))):
            drawn = data.draw(_scalar(key, other_key))
            if value.message_type is not None:
                if depth < 2:
                    _fill(held[drawn], other_value.message_type, data, depth + 1)
            else:
                held[drawn] = data.draw(_scalar(value, other_value))
    elif field.message_type is not None:
        if depth >= 2:
            return
        held = getattr(message, field.name)
        if field.is_repeated:
            for _ in range(data.draw(st.integers(0, 2))):
                _fill(held.add(), other.message_type, data, depth + 1)
        else:
            held.SetInParent()
            _fill(held, other.message_type, data, depth + 1)
    elif field.is_repeated:
        getattr(message, field.name).extend(data.draw(st.lists(_scalar(field, other), max_size=3)))
    else:
        setattr(message, field.name, data.draw(_scalar(field, other)))


def _scalar(field: Any, other: Any) -> st.SearchStrategy[Any]:
    if field.type == field.TYPE_STRING:
        return st.text(st.characters(codec="ascii"), max_size=5)
    if field.type == field.TYPE_BYTES:
        return st.binary(max_size=5).filter(lambda content: max(content, default=0) < 128)
    if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        return st.floats(width=32, allow_nan=False)
    enums = [one.enum_type for one in (field, other) if one.enum_type is not None]
    if enums:
        common = set.intersection(*({value.number for value in enum.values} for enum in enums))
        if any(one.type == one.TYPE_BOOL for one in (field, other)):
            common &= {0, 1}
        return st.sampled_from(sorted(common))
    if any(one.type == one.TYPE_BOOL for one in (field, other)):
        return st.sampled_from((False, True) if field.type == field.TYPE_BOOL else (0, 1))
    unsigned = any(one.type in (one.TYPE_UINT32, one.TYPE_UINT64, one.TYPE_FIXED32, one.TYPE_FIXED64)
                   for one in (field, other))  # fmt: skip
    return st.integers(0 if unsigned else -(2**31), 2**31 - 1)


def _compare(written: Any, read: Any) -> None:
    for field in written.DESCRIPTOR.fields:
        other = read.DESCRIPTOR.fields_by_number.get(field.number)
        if other is None:
            continue
        if field.has_presence and not written.HasField(field.name):
            continue
        value, got = getattr(written, field.name), getattr(read, other.name)
        if _is_map(field):
            assert {_plain(key): _entry(item) for key, item in value.items()} == {
                _plain(key): _entry(item) for key, item in got.items()
            }
        elif field.is_repeated and other.is_repeated:
            assert len(value) == len(got)
            for one, two in zip(value, got, strict=True):
                _compare_one(field, one, two)
        elif other.is_repeated:
            # what is empty and has no presence is not written
            if value or field.has_presence:
                assert len(got) == 1
                _compare_one(field, value, got[0])
        elif not field.is_repeated:
            _compare_one(field, value, got)
        elif field.message_type is None and value and field.type not in _packable(field):
            # of several the last counts
            assert _plain(value[-1]) == _plain(got)


def _packable(field: Any) -> tuple[int, ...]:
    return (*(getattr(field, f"TYPE_{name.upper()}") for name in _NUMBERS), field.TYPE_ENUM)


def _compare_one(field: Any, value: Any, got: Any) -> None:
    if field.message_type is not None:
        _compare(value, got)
    else:
        assert _plain(value) == _plain(got)


def _entry(value: Any) -> Any:
    return value.SerializePartialToString() if hasattr(value, "DESCRIPTOR") else _plain(value)


def _plain(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
