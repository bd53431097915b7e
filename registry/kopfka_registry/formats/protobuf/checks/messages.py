"""Checks of messages: numbers and names that are free, reserved ones that stay so, oneofs, names in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf.checks.context import Place, Ranges, option_word
from kopfka_registry.formats.protobuf.checks.enums import check_enum
from kopfka_registry.formats.protobuf.checks.extensions import check_declarations, check_extend
from kopfka_registry.formats.protobuf.checks.fields import check_field
from kopfka_registry.formats.protobuf.checks.names import check_json_names
from kopfka_registry.formats.protobuf.checks.style import check_lower, check_title
from kopfka_registry.formats.protobuf.checks.visibility import check_export
from kopfka_registry.formats.protobuf.features import refined
from kopfka_registry.formats.protobuf.refusal import RefusalError
from kopfka_registry.formats.protobuf.symbols import entry_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kopfka_registry.formats.protobuf.checks.context import Context


def check_message(context: Context, message: e.Message, place: Place) -> None:
    """Check a message with all that is in it."""
    scope = place.inside(message.name)
    features = refined(place.features, message.options)
    check_title(message.name, "message", features, message.at)
    check_export(message, context.file, place.parent)
    context.check_options(message.options, "MessageOptions", place.scope)
    if option_word(message.options, "map_entry") == "true":
        _check_map_entry(message, place.entries)
    _check_message_set(context, message)
    _check_numbers(context, message)
    for field, oneof in message.all_fields():
        check_field(context, field, scope, features, in_oneof=oneof is not None, parent=message)
        if field.group is not None:
            check_message(context, field.group, Place(scope, features, message))
    if option_word(message.options, "deprecated_legacy_json_field_conflicts") != "true":
        check_json_names(message, features)
    inner = Place(scope, features, message, frozenset(_entries(message)))
    for item in message.body:
        _check_declaration(context, item, inner)


def _check_declaration(context: Context, item: e.Declaration, place: Place) -> None:
    """Check what is declared in a message besides fields."""
    match item:
        case e.OneOf():
            check_lower(item.name, "oneof", refined(place.features, item.options), item.at)
            context.check_options(item.options, "OneofOptions", place.scope)
            if not item.fields:
                raise RefusalError("a oneof has at least one field", item.at)
        case e.Message():
            check_message(context, item, place)
        case e.Enum():
            check_enum(context, item, place)
        case e.Extend():
            check_extend(context, item, place)
        case e.Extensions():
            if context.is_proto3:
                raise RefusalError("proto3 has no ranges of extension numbers", item.at)
            context.check_options(item.options, "ExtensionRangeOptions", place.scope)
            check_declarations(context, item)


def _check_message_set(context: Context, message: e.Message) -> None:
    if option_word(message.options, "message_set_wire_format") != "true":
        return
    if context.is_proto3:
        raise RefusalError("proto3 has no message sets", message.at)
    for field, _ in message.all_fields():
        raise RefusalError("a message set has no fields, only extensions", field.at)


def _entries(message: e.Message) -> Iterator[str]:
    """Yield the names of messages that may stand for the entries of a map in a message: those of its fields."""
    for field in message.fields:
        name = entry_name(field.name)
        if field.label == "repeated" and field.type.rpartition(".")[2] == name:
            yield name


def _check_map_entry(message: e.Message, entries: frozenset[str]) -> None:
    """Check a message that stands for the entries of a map: protoc refuses to have it written out.

    It is in the canonical texts of what was registered as a descriptor, which have to stay readable.
    """
    if message.name not in entries:
        raise RefusalError("map_entry is not set by hand: write map<KeyType, ValueType>", message.at)
    if not message.is_map_entry or sorted(field.number for field in message.fields) != [1, 2]:
        raise RefusalError("the entries of a map have a key = 1 and a value = 2", message.at)


def _check_numbers(context: Context, message: e.Message) -> None:
    reserved, names = _reserved(context, message)
    extensions = _extensions(context, message, reserved)
    numbers: dict[int, str] = {}
    for field, _ in message.all_fields():
        context.linked.steps.take()
        check_number(field)
        other = numbers.setdefault(field.number, field.name)
        if other != field.name:
            raise RefusalError(f'the field number {field.number} has already been used in "{message.name}" '
                               f'by field "{other}"', field.at)  # fmt: skip
        if reserved.has(field.number):
            raise RefusalError(f'the field "{field.name}" has the reserved number {field.number}', field.at)
        if field.name in names:
            raise RefusalError(f'the field "{field.name}" has a reserved name', field.at)
        if extensions.has(field.number):
            raise RefusalError(f'the field "{field.name}" has the number of an extension, {field.number}', field.at)


def _reserved(context: Context, message: e.Message) -> tuple[Ranges, set[str]]:
    """Return what a message reserves."""
    bounds = [(item[0], item[-1], reserved.at) for reserved in message.reserved for item in reserved.ranges]
    context.linked.steps.take(len(bounds))
    for first, last, at in bounds:
        if first <= 0:
            raise RefusalError("reserved numbers are positive", at)
        if first > last:
            raise RefusalError("a reserved range ends before it starts", at)
        if last >= e.LARGEST_VALUE:
            raise RefusalError("a reserved number is out of range", at)
    names = set[str]()
    for item in message.reserved:
        for name in item.names:
            if name in names:
                raise RefusalError(f'the name "{name}" is reserved twice', item.at)
            names.add(name)
    return Ranges("reserved range", bounds), names


def _extensions(context: Context, message: e.Message, reserved: Ranges) -> Ranges:
    """Return the numbers a message leaves to extensions."""
    bounds = [(item[0], item[-1], extensions.at) for extensions in message.extensions for item in extensions.ranges]
    context.linked.steps.take(len(bounds))
    is_set = option_word(message.options, "message_set_wire_format") == "true"
    for first, last, at in bounds:
        if first <= 0:
            raise RefusalError("extension numbers are positive", at)
        if first > last:
            raise RefusalError("a range of extensions ends before it starts", at)
        if last > e.LARGEST_NUMBER and not is_set:
            raise RefusalError(f"extension numbers are not greater than {e.LARGEST_NUMBER}", at)
        if reserved.overlapping(first, last):
            raise RefusalError(f"the extensions {first} to {last} overlap with reserved ones", at)
    return Ranges("range of extensions", bounds)


def check_number(field: e.Field, largest: int = e.LARGEST_NUMBER) -> None:
    """Check that a field may have its number at all."""
    if field.number <= 0:
        raise RefusalError("field numbers are positive", field.at)
    if field.number > largest:
        raise RefusalError(f"field numbers are not greater than {largest}", field.at)
    if 19_000 <= field.number <= 19_999:
        raise RefusalError("the field numbers 19000 to 19999 are reserved for Protobuf itself", field.at)
