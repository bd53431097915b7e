"""Checks of extensions: numbers that the message leaves to them, and what its declarations say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf.checks.context import Place, option_word
from kopfka_registry.formats.protobuf.checks.fields import check_field
from kopfka_registry.formats.protobuf.reader import SCALARS
from kopfka_registry.formats.protobuf.refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_registry.formats.protobuf.checks.context import Context
    from kopfka_registry.formats.protobuf.symbols import Symbol

_OPTIONS: Final = frozenset(
    f"google.protobuf.{name}Options"
    for name in ("File", "Message", "Field", "Oneof", "ExtensionRange", "Enum", "EnumValue", "Service", "Method",
                 "Stream")
)  # fmt: skip


def check_extend(context: Context, extend: e.Extend, place: Place) -> None:
    """Check extensions of one message."""
    from kopfka_registry.formats.protobuf.checks.messages import check_message, check_number  # noqa: PLC0415

    scope = place.scope
    extended = context.resolve(extend.name, scope, extend.at, types=False, options=True)
    message = extended.element
    if not isinstance(message, e.Message):
        raise RefusalError(f'"{extend.name}" is not a message', extend.at)
    if context.is_proto3 and extended.name not in _OPTIONS:
        raise RefusalError("proto3 extends only the messages of options", extend.at)
    is_set = option_word(message.options, "message_set_wire_format") == "true"
    extensions = message.extensions
    for field in extend.fields:
        check_number(field, e.LARGEST_VALUE - 1 if is_set else e.LARGEST_NUMBER)
        check_field(context, field, scope, place.features, extension=True)
        if field.label == "required":
            raise RefusalError(f'the extension "{field.name}" cannot be required', field.at)
        context.linked.steps.take(sum(len(item.ranges) + len(item.options) for item in extensions))
        ranges = [item for item in extensions if _covers(item, field.number, is_set=is_set)]
        if not ranges:
            raise RefusalError(f'"{extended.name}" does not leave the number {field.number} to extensions', field.at)
        if is_set and (field.label == "repeated" or field.type in SCALARS):
            raise RefusalError("the extensions of a message set are single messages", field.at)
        _check_single(context, field, extended, scope)
        _check_declared(context, field, ranges[0], scope)
        if field.group is not None:
            check_message(context, field.group, Place(scope, place.features))


def _covers(extensions: e.Extensions, number: int, *, is_set: bool) -> bool:
    return any(
        bounds[0] <= number <= bounds[-1]
        # what max means for a message set
        or (is_set and bounds[0] <= number and bounds[-1] == e.LARGEST_NUMBER)
        for bounds in extensions.ranges
    )


def _check_single(context: Context, field: e.Field, extended: Symbol, scope: str) -> None:
    """Check that no extension before this one has its number."""
    full = f"{scope}.{field.name}" if scope else field.name
    other = context.extended.setdefault((extended.name, field.number), full)
    if other != full:
        raise RefusalError(f'the extension number {field.number} of "{extended.name}" is that of "{other}"', field.at)


def _declarations(extensions: e.Extensions) -> Iterable[dict[str, e.Value]]:
    for option in extensions.options:
        if option.name == "declaration" and isinstance(option.value, e.Aggregate):
            yield dict(option.value.entries)


def check_declarations(context: Context, extensions: e.Extensions) -> None:
    """Check what is declared of the extensions of a range."""
    verification = option_word(extensions.options, "verification")
    numbers: set[int] = set()
    names: set[bytes] = set()
    for declared in _declarations(extensions):
        context.linked.steps.take(len(extensions.ranges))
        if verification == "UNVERIFIED":
            raise RefusalError("a range that is UNVERIFIED has no declarations", extensions.at)
        number = int(str(declared.get("number", "0")), 0)
        if not all(bounds[0] <= number <= bounds[-1] for bounds in extensions.ranges):
            raise RefusalError(f"the declared extension {number} is not in its range", extensions.at)
        if number in numbers:
            raise RefusalError(f"the extension {number} is declared twice", extensions.at)
        numbers.add(number)
        name, kind = declared.get("full_name"), declared.get("type")
        if declared.get("reserved") == "true":
            if (name is None) != (kind is None):
                raise RefusalError(
                    f"the reserved extension {number} has both full_name and type or neither", extensions.at
                )
        elif name is None or kind is None:
            raise RefusalError(f"the declared extension {number} has a full_name and a type", extensions.at)
        if isinstance(name, bytes):
            if name in names:
                raise RefusalError(f"the extension {name.decode('utf-8', 'replace')} is declared twice", extensions.at)
            names.add(name)
            _check_full_name(name, extensions)
        if isinstance(kind, bytes) and kind.decode("utf-8", "replace") not in SCALARS:
            _check_full_name(kind, extensions)


def _check_full_name(name: bytes, extensions: e.Extensions) -> None:
    text = name.decode("utf-8", "replace")
    if not text.startswith(".") or not all(part.isidentifier() and part.isascii() for part in text[1:].split(".")):
        raise RefusalError(f'"{text}" is no full name with a dot before it', extensions.at)


def _check_declared(context: Context, field: e.Field, extensions: e.Extensions, scope: str) -> None:
    """Check that an extension is what its message declares of it."""
    declarations = list(_declarations(extensions))
    if not declarations and option_word(extensions.options, "verification") != "DECLARATION":
        return
    found = next((item for item in declarations if item.get("number") == str(field.number)), None)
    if found is None:
        raise RefusalError(f"the extension number {field.number} is not declared by the message", field.at)
    if found.get("reserved") == "true":
        raise RefusalError(f"the extension number {field.number} is reserved by the message", field.at)
    full = f".{scope}.{field.name}" if scope else f".{field.name}"
    kind = field.type if field.type in SCALARS else f".{context.resolve(field.type, scope, field.at).name}"
    if found.get("full_name") != full.encode() or found.get("type") != kind.encode():
        raise RefusalError(f"the extension {field.number} is not the one that the message declares", field.at)
    if (found.get("repeated") == "true") != (field.label == "repeated"):
        raise RefusalError(f"the extension {field.number} is repeated where it should not be, or is not", field.at)
