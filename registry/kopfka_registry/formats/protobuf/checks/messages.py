"""Checks of messages: numbers and names that are free, reserved ones that stay so, oneofs, names in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf.checks.context import Ranges, option_word
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
    from kopfka_registry.formats.protobuf.checks.context import Context
    from kopfka_registry.formats.protobuf.features import Features


def check_message(
    context: Context, message: e.Message, outer_scope: str, outer: Features, parent: e.Message | None = None
) -> None:
    """Check a message with all that is in it; `outer_scope` is the full name of what it is declared in."""
    scope = f"{outer_scope}.{message.name}" if outer_scope else message.name
    features = refined(outer, message.options)
    check_title(message.name, "message", features, message.at)
    check_export(message, context.file, parent)
    context.check_options(message.options, "MessageOptions", outer_scope)
    if message.is_map_entry:
        _check_map_entry(message, parent)
    _check_message_set(context, message)
    _check_numbers(context, message)
    for field, oneof in message.all_fields():
        check_field(context, field, scope, features, in_oneof=oneof is not None, parent=message)
        if field.group is not None:
            check_message(context, field.group, scope, features, message)
    if option_word(message.options, "deprecated_legacy_json_field_conflicts") != "true":
        check_json_names(message, features)
    for item in message.body:
        _check_declaration(context, item, scope, features, message)


def _check_declaration(
    context: Context, item: e.Declaration, scope: str, features: Features, message: e.Message
) -> None:
    """Check what is declared in a message besides fields."""
    match item:
        case e.OneOf():
            check_lower(item.name, "oneof", refined(features, item.options), item.at)
            context.check_options(item.options, "OneofOptions", scope)
            if not item.fields:
                raise RefusalError("a oneof has at least one field", item.at)
        case e.Message():
            check_message(context, item, scope, features, message)
        case e.Enum():
            check_enum(context, item, scope, features, message)
        case e.Extend():
            check_extend(context, item, scope, features)
        case e.Extensions():
            if context.is_proto3:
                raise RefusalError("proto3 has no ranges of extension numbers", item.at)
            context.check_options(item.options, "ExtensionRangeOptions", scope)
            check_declarations(item)


def _check_message_set(context: Context, message: e.Message) -> None:
    if option_word(message.options, "message_set_wire_format") != "true":
        return
    if context.is_proto3:
        raise RefusalError("proto3 has no message sets", message.at)
    for field, _ in message.all_fields():
        raise RefusalError("a message set has no fields, only extensions", field.at)


def _check_map_entry(message: e.Message, parent: e.Message | None) -> None:
    """Check a message that stands for the entries of a map: protoc refuses to have it written out.

    It is in the canonical texts of what was registered as a descriptor, which have to stay readable.
    """
    fields = () if parent is None else parent.fields
    if not any(
        field.label == "repeated"
        and field.type.rpartition(".")[2] == message.name
        and entry_name(field.name) == message.name
        for field in fields
    ):
        raise RefusalError("map_entry is not set by hand: write map<KeyType, ValueType>", message.at)
    if sorted(field.number for field in message.fields) != [1, 2] or len(message.body) != 3:
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
    ranges, names = Ranges(), set[str]()
    for item in message.reserved:
        context.linked.steps.take(len(item.ranges) + len(item.names))
        for bounds in item.ranges:
            if bounds[0] <= 0:
                raise RefusalError("reserved numbers are positive", item.at)
            if bounds[0] > bounds[-1]:
                raise RefusalError("a reserved range ends before it starts", item.at)
            if bounds[-1] >= e.LARGEST_VALUE:
                raise RefusalError("a reserved number is out of range", item.at)
            ranges.add("reserved range", bounds[0], bounds[-1], item.at)
        for name in item.names:
            if name in names:
                raise RefusalError(f'the name "{name}" is reserved twice', item.at)
            names.add(name)
    return ranges, names


def _extensions(context: Context, message: e.Message, reserved: Ranges) -> Ranges:
    """Return the numbers a message leaves to extensions."""
    ranges = Ranges()
    is_set = option_word(message.options, "message_set_wire_format") == "true"
    for item in message.extensions:
        context.linked.steps.take(len(item.ranges))
        for bounds in item.ranges:
            if bounds[0] <= 0:
                raise RefusalError("extension numbers are positive", item.at)
            if bounds[0] > bounds[-1]:
                raise RefusalError("a range of extensions ends before it starts", item.at)
            if bounds[-1] > e.LARGEST_NUMBER and not is_set:
                raise RefusalError(f"extension numbers are not greater than {e.LARGEST_NUMBER}", item.at)
            if reserved.overlapping(bounds[0], bounds[-1]):
                raise RefusalError(f"the extensions {bounds[0]} to {bounds[-1]} overlap with reserved ones", item.at)
            ranges.add("range of extensions", bounds[0], bounds[-1], item.at)
    return ranges


def check_number(field: e.Field, largest: int = e.LARGEST_NUMBER) -> None:
    """Check that a field may have its number at all."""
    if field.number <= 0:
        raise RefusalError("field numbers are positive", field.at)
    if field.number > largest:
        raise RefusalError(f"field numbers are not greater than {largest}", field.at)
    if 19_000 <= field.number <= 19_999:
        raise RefusalError("the field numbers 19000 to 19999 are reserved for Protobuf itself", field.at)
