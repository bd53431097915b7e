"""Checks of fields: types that are there, defaults that fit, options and features that may stand on such a field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf.checks.style import check_lower
from kopfka_registry.formats.protobuf.features import Features, refined, written_features
from kopfka_registry.formats.protobuf.reader import SCALARS
from kopfka_registry.formats.protobuf.refusal import RefusalError
from kopfka_registry.formats.protobuf.scalars import RANGES, in_range, number
from kopfka_registry.formats.protobuf.types import PACKABLE

if TYPE_CHECKING:
    from kopfka_registry.formats.protobuf.checks.context import Context
    from kopfka_registry.formats.protobuf.symbols import Symbol

_NO_KEYS: Final = ("float", "double", "bytes")
_64_BITS: Final = ("int64", "uint64", "sint64", "fixed64", "sfixed64")


def check_field(
    context: Context,
    field: e.Field,
    scope: str,
    outer: Features,
    *,
    in_oneof: bool = False,
    parent: e.Message | None = None,
    extension: bool = False,
) -> None:
    """Check a field; `scope` is the full name of what it is declared in, `parent` its message."""
    features = refined(outer, field.options)
    check_lower(field.name, "field", features, field.at)
    context.check_options(field.options, "FieldOptions", scope)
    symbol = _type(context, field, scope)
    _check_default(context, field, symbol, features)
    if context.is_proto3:
        _check_proto3(context, field, symbol)
    _check_options(context, field, symbol)
    if context.file.is_edition and not (parent is not None and parent.is_map_entry):
        _check_features(field, symbol, in_oneof=in_oneof, extension=extension)
        implicit = features.field_presence == "IMPLICIT" and not (field.label or in_oneof or extension)
        if implicit and symbol is not None and context.linked.is_closed(symbol):
            raise RefusalError("an enum in a field without presence is open", field.at)
    json_name = field.option("json_name")
    if json_name is not None and (extension or not isinstance(json_name.value, bytes)):
        where = "an extension has no json_name" if extension else "json_name takes a string in quotes"
        raise RefusalError(where, json_name.at)
    if parent is not None and parent.is_map_entry:
        _check_entry(field, symbol)


def _type(context: Context, field: e.Field, scope: str) -> Symbol | None:
    if field.group is not None:
        return context.resolve(field.group.name, scope, field.at)
    if field.map is not None:
        key, value = field.map
        if key not in SCALARS or key in _NO_KEYS:
            what = "an enum" if key not in SCALARS and context.resolve(key, scope, field.at).kind == "enum" else key
            raise RefusalError(f"the key of a map cannot be {what}", field.at)
        if value not in SCALARS:
            held = context.resolve(value, scope, field.at)
            element = held.element
            if context.is_proto3 and isinstance(element, e.Enum):
                _check_open(context, held, field)
            _check_first(held, field)
        return None
    if field.type in SCALARS:
        return None
    return context.resolve(field.type, scope, field.at)


def _check_first(symbol: Symbol, field: e.Field) -> None:
    element = symbol.element
    first = (
        next((item for item in element.body if isinstance(item, e.EnumValue)), None)
        if isinstance(element, e.Enum)
        else None
    )
    if first is not None and first.number != 0:
        raise RefusalError("the first value of an enum in a map is zero", field.at)


def _check_open(context: Context, symbol: Symbol, field: e.Field) -> None:
    if context.linked.is_closed(symbol):
        raise RefusalError(f'the enum "{symbol.name}" is not open, and proto3 uses only open ones', field.at)


def _check_default(context: Context, field: e.Field, symbol: Symbol | None, features: Features) -> None:
    option = field.option("default")
    if option is None:
        return
    if context.is_proto3:
        raise RefusalError("proto3 has no defaults", option.at)
    if field.label == "repeated" or field.map is not None:
        raise RefusalError("a repeated field has no default", option.at)
    if symbol is not None and symbol.kind == "message":
        raise RefusalError("a message has no default", option.at)
    if features.field_presence == "IMPLICIT" and not field.label:
        raise RefusalError("a field without presence has no default", option.at)
    _check_default_value(context, field, symbol, option)


def _check_default_value(context: Context, field: e.Field, symbol: Symbol | None, option: e.Option) -> None:
    said, value = "the default", option.value
    try:
        if symbol is not None:
            if value not in context.value_names(symbol):
                raise RefusalError(f'{said} takes a value of the enum "{symbol.name}", which has none of this name')
        elif field.type in RANGES:
            if RANGES[field.type][0] == 0 and isinstance(value, str) and value.startswith("-"):
                raise RefusalError(f"{said} takes no negative number")
            in_range(field.type, value, said)
        elif field.type in ("float", "double"):
            if number(value) is None or (isinstance(value, str) and value.lstrip("-").lower() == "infinity"):
                raise RefusalError(f"{said} takes a number")
        elif field.type == "bool":
            if value not in ("true", "false"):
                raise RefusalError(f"{said} takes true or false")
        elif not isinstance(value, bytes):
            raise RefusalError(f"{said} takes a string in quotes")
    except RefusalError as error:
        raise RefusalError(str(error), option.at) from None


def _check_proto3(context: Context, field: e.Field, symbol: Symbol | None) -> None:
    if field.label == "required":
        raise RefusalError("proto3 has no required fields", field.at)
    if field.group is not None:
        raise RefusalError("proto3 has no groups", field.at)
    if symbol is not None:
        _check_open(context, symbol, field)


def _check_options(context: Context, field: e.Field, symbol: Symbol | None) -> None:
    for name in ("default", "json_name"):
        if sum(option.name == name for option in field.options) > 1:
            raise RefusalError(f"{name} is set twice", field.at)
    is_message = symbol is not None and symbol.kind == "message"
    packable = field.type in PACKABLE or (symbol is not None and not is_message)
    for option in field.options:
        match option.name:
            case "packed":
                if context.file.is_edition:
                    raise RefusalError("editions have features.repeated_field_encoding for it", option.at)
                if option.value == "true" and not (packable and field.label == "repeated"):
                    raise RefusalError("only repeated fields of numbers and enums can be packed", option.at)
            case "lazy" | "unverified_lazy":
                if option.value == "true" and not is_message:
                    raise RefusalError("only fields of messages can be lazy", option.at)
            case "jstype":
                if option.value != "JS_NORMAL" and field.type not in _64_BITS:
                    raise RefusalError("jstype is for numbers of 64 bits", option.at)
            case "ctype":
                if context.file.syntax == "2024":
                    raise RefusalError("edition 2024 has features.(pb.cpp).string_type for it", option.at)


def _check_features(field: e.Field, symbol: Symbol | None, *, in_oneof: bool, extension: bool) -> None:
    """Check that the features written on a field of an edition are those of such a field."""
    written = written_features(field.options)
    repeated = field.label == "repeated" or field.map is not None
    holds_map = field.map is not None or _is_map(symbol)
    is_message = holds_map or (symbol is not None and symbol.kind == "message")
    if repeated:
        no_presence = "a repeated field"
    elif in_oneof:
        no_presence = "a field of a oneof"
    elif extension:
        no_presence = "an extension"
    else:
        no_presence = "a message" if is_message and written.get("field_presence") == "IMPLICIT" else ""
    packable = field.type in PACKABLE or (symbol is not None and not is_message)
    not_packed = packable or written.get("repeated_field_encoding") != "PACKED"
    faults = {
        "field_presence": no_presence,
        "repeated_field_encoding": "" if repeated and not_packed else "what is not repeated or cannot be packed",
        "utf8_validation": "" if _has_strings(field, symbol) else "a field without strings",
        "message_encoding": "" if is_message and not holds_map else "a field that holds no messages",
    }
    for name, fault in faults.items():
        if name in written and fault:
            raise RefusalError(f"{fault} has no features.{name} = {written[name]}", field.at)


def _has_strings(field: e.Field, symbol: Symbol | None) -> bool:
    if _is_map(symbol) and symbol is not None and isinstance(symbol.element, e.Message):
        return any(inner.type == "string" for inner in symbol.element.fields)
    return "string" in (field.map or (field.type,))


def _is_map(symbol: Symbol | None) -> bool:
    """Tell whether a symbol is a message of map entries that is written out."""
    return symbol is not None and isinstance(symbol.element, e.Message) and symbol.element.is_map_entry


def _check_entry(field: e.Field, symbol: Symbol | None) -> None:
    if field.number not in (1, 2) or field.name != ("key", "value")[field.number - 1] or field.label == "repeated":
        raise RefusalError("the entries of a map have a key = 1 and a value = 2", field.at)
    if field.number == 1 and (symbol is not None or field.type in _NO_KEYS):
        raise RefusalError(f"the key of a map cannot be {field.type}", field.at)
    if field.number == 2 and symbol is not None:
        _check_first(symbol, field)
