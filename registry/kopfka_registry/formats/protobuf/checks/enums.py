"""Checks of enums: values that differ, aliases that are meant, a zero first where the enum is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.protobuf.checks.context import Ranges, option_word
from kopfka_registry.formats.protobuf.checks.style import check_title, check_upper
from kopfka_registry.formats.protobuf.checks.visibility import check_export
from kopfka_registry.formats.protobuf.features import refined
from kopfka_registry.formats.protobuf.refusal import RefusalError

if TYPE_CHECKING:
    from kopfka_registry.formats.protobuf import elements as e
    from kopfka_registry.formats.protobuf.checks.context import Context, Place
    from kopfka_registry.formats.protobuf.features import Features


def check_enum(context: Context, enum: e.Enum, place: Place) -> None:
    """Check an enum with its values."""
    features = refined(place.features, enum.options)
    check_title(enum.name, "enum", features, enum.at)
    check_export(enum, context.file, place.parent)
    values = enum.values
    if not values:
        raise RefusalError(f'the enum "{enum.name}" has no value', enum.at)
    context.linked.steps.take(len(values))
    context.check_options(enum.options, "EnumOptions", place.scope)
    for value in values:
        check_upper(value.name, "value", refined(features, value.options), value.at)
        context.check_options(value.options, "EnumValueOptions", place.scope)
    if features.enum_type == "OPEN" and values[0].number != 0:
        raise RefusalError(f'the first value of the open enum "{enum.name}" is zero', values[0].at)
    _check_aliases(enum)
    _check_reserved(context, enum)
    if option_word(enum.options, "deprecated_legacy_json_field_conflicts") != "true":
        _check_short_names(enum, features)


def _check_aliases(enum: e.Enum) -> None:
    allowed = option_word(enum.options, "allow_alias")
    numbers: dict[int, str] = {}
    for value in enum.values:
        other = numbers.setdefault(value.number, value.name)
        if other != value.name and allowed != "true":
            raise RefusalError(
                f'"{value.name}" has the number of "{other}"; if that is meant, set option allow_alias = true', value.at
            )
    if allowed == "true" and len(numbers) == len(enum.values):
        raise RefusalError(f'"{enum.name}" allows aliases and has none: leave allow_alias out', enum.at)


def _check_reserved(context: Context, enum: e.Enum) -> None:
    bounds = [(item[0], item[-1], reserved.at) for reserved in enum.reserved for item in reserved.ranges]
    context.linked.steps.take(len(bounds))
    for first, last, at in bounds:
        if first > last:
            raise RefusalError("a reserved range ends before it starts", at)
    ranges, names = Ranges("reserved range", bounds), set[str]()
    for item in enum.reserved:
        for name in item.names:
            if name in names:
                raise RefusalError(f'the name "{name}" is reserved twice', item.at)
            names.add(name)
    for value in enum.values:
        if ranges.has(value.number):
            raise RefusalError(f'the value "{value.name}" has the reserved number {value.number}', value.at)
        if value.name in names:
            raise RefusalError(f'the value "{value.name}" has a reserved name', value.at)


def _check_short_names(enum: e.Enum, features: Features) -> None:
    """Check that values differ without the enum's name before them, in any case, as languages shorten them so."""
    prefix = enum.name.replace("_", "").lower()
    seen: dict[str, e.EnumValue] = {}
    for value in enum.values:
        short = _camel(_without_prefix(value.name, prefix))
        other = seen.setdefault(short, value)
        if other.number != value.number and other.name != value.name:
            raise RefusalError(
                f'"{value.name}" and "{other.name}" are the same, without the name of the enum and in any case',
                value.at,
            )


def _without_prefix(name: str, prefix: str) -> str:
    """Return the name without the prefix, whose underscores and case do not count."""
    matched, position = 0, 0
    while position < len(name) and matched < len(prefix):
        if name[position] != "_":
            if name[position].lower() != prefix[matched]:
                return name
            matched += 1
        position += 1
    if matched < len(prefix):
        return name
    return name[position:].lstrip("_") or name


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:].lower() for part in name.split("_"))
