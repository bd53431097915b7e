"""What options mean: each is a field, or an extension, of the options' message in `descriptor.proto`.

The result is bytes of that message, as protoc makes them. What protoc refuses is refused: unknown options, values that
do not fit, options set twice or where they must not stand, features an edition does not have.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf import encoding
from kopfka_registry.formats.protobuf.features import EDITIONS
from kopfka_registry.formats.protobuf.refusal import RefusalError
from kopfka_registry.formats.protobuf.scalars import option_scalar
from kopfka_registry.formats.protobuf.textformat import TextFormat
from kopfka_registry.formats.protobuf.types import Types

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_registry.formats.protobuf.symbols import Linked, Symbol
    from kopfka_registry.formats.protobuf.types import FieldType

TARGETS: Final = {
    "FileOptions": "TARGET_TYPE_FILE",
    "ExtensionRangeOptions": "TARGET_TYPE_EXTENSION_RANGE",
    "MessageOptions": "TARGET_TYPE_MESSAGE",
    "FieldOptions": "TARGET_TYPE_FIELD",
    "OneofOptions": "TARGET_TYPE_ONEOF",
    "EnumOptions": "TARGET_TYPE_ENUM",
    "EnumValueOptions": "TARGET_TYPE_ENUM_ENTRY",
    "ServiceOptions": "TARGET_TYPE_SERVICE",
    "MethodOptions": "TARGET_TYPE_METHOD",
}
"""The messages of options, with what their options are set on."""
_PART: Final = re.compile(r"\(([^)]*)\)|([^.(]+)")
_FEATURES: Final = "google.protobuf.FeatureSet"
_PSEUDO: Final = ("default", "json_name")


class Options:
    """Interprets the options of one file."""

    __slots__ = ("_linked", "_text", "_types")

    def __init__(self, linked: Linked) -> None:
        self._linked = linked
        self._types = Types(linked)
        self._text = TextFormat(linked, self._types)

    def interpret(self, options: Iterable[e.Option], kind: str, scope: str, *, pseudo: bool = False) -> bytes:
        """Return the bytes of the message `kind` (`FieldOptions`) that these options make.

        Args:
            options: as written.
            kind: which options they are.
            scope: full name of what surrounds the thing they are set on.
            pseudo: whether `default` and `json_name` may be among them; they are left out.

        Raises:
            RefusalError: an option is not allowed.
        """
        out: list[bytes] = []
        present: set[tuple[int, ...]] = set()
        messages: dict[tuple[int, ...], Symbol] = {}
        for option in options:
            if pseudo and option.name in _PSEUDO:
                continue
            self._linked.steps.take()
            try:
                out.append(self._one(option, kind, scope, present, messages))
            except RefusalError as error:
                raise RefusalError(str(error), option.at if error.at < 0 else error.at) from None
        for path, message in messages.items():
            for number, field in self._types.by_number(message).items():
                if field.required and (*path, number) not in present:
                    raise RefusalError(f'the options set no "{field.name}", which a "{message.name}" needs')
        return b"".join(out)

    def _one(
        self,
        option: e.Option,
        kind: str,
        scope: str,
        present: set[tuple[int, ...]],
        messages: dict[tuple[int, ...], Symbol],
    ) -> bytes:
        message = self._types.options(kind)
        path: list[FieldType] = []
        said = ""
        parts = list(_PART.finditer(option.name))
        for position, part in enumerate(parts):
            said = f"{said}.{part[0]}" if said else part[0]
            field = self._part(part, message, scope, said)
            if field.name == "uninterpreted_option" and not field.extension and not path:
                raise RefusalError('an option cannot be named "uninterpreted_option"')
            _check_target(field, kind, option.name)
            self._check_lifetime(_setting(field.field, "feature_support"), said)
            path.append(field)
            numbers = tuple(item.number for item in path)
            if position < len(parts) - 1:
                if field.symbol is None or field.symbol.kind != "message":
                    raise RefusalError(f'the option "{said}" holds no message: nothing can be set in it')
                if field.repeated:
                    raise RefusalError(f'the option "{said}" is repeated: its messages are set as a whole, in braces')
                present.add(numbers)
                messages[numbers] = message = field.symbol
            elif numbers in present and not field.repeated:
                raise RefusalError(f'the option "{said}" is set already')
            else:
                present.add(numbers)
        if path[0].name == "features" and not path[0].extension and not self._linked.main.file.is_edition:
            raise RefusalError("features are of editions, not of proto2 or proto3")
        _check_feature(message, option.value, said)
        content = self._content(path[-1], option, present, tuple(item.number for item in path), kind)
        for field in reversed(path[:-1]):
            content = encoding.message(field, content)
        return content

    def _part(self, part: re.Match[str], message: Symbol, scope: str, said: str) -> FieldType:
        if part[2] is not None:
            field = self._types.by_name(message).get(part[2])
            if field is None or field.name != part[2]:
                raise RefusalError(f'the option "{said}" is not known; does the file import what declares it?')
            return field
        symbol = self._linked.resolve(part[1], scope, self._linked.main, types=False, options=True)
        if symbol is None or symbol.kind not in ("extension", "field"):
            raise RefusalError(f'the option "{said}" is not known; does the file import what declares it?')
        extended = self._types.extendee(symbol)
        if symbol.kind == "field" or extended is None or extended.name != message.name:
            raise RefusalError(f'"{part[1]}" is not an extension of {message.name}')
        return self._types.extension(symbol)

    def _content(
        self, field: FieldType, option: e.Option, present: set[tuple[int, ...]], path: tuple[int, ...], kind: str
    ) -> bytes:
        if field.symbol is not None and field.symbol.kind == "message":
            if not isinstance(option.value, e.Aggregate):
                raise RefusalError(
                    f'the option "{option.name}" is a message: set it as {option.name} = {{ ... }}, '
                    f"or what is in it as {option.name}.x = ..."
                )
            for inner in self._used(option.value, field, present, path):
                _check_target(inner, kind, option.name)
            return encoding.message(field, self._text.encode(option.value, field.symbol))
        value = option_scalar(field, option.value, option.name)
        if isinstance(option.value, str) and option.value in field.values:
            support = _setting(field.values[option.value], "feature_support")
            self._check_lifetime(support, f"{option.name} = {option.value}")
        return encoding.scalar(field, value)

    def _used(
        self, value: e.Aggregate, field: FieldType, present: set[tuple[int, ...]], path: tuple[int, ...]
    ) -> Iterable[FieldType]:
        """Yield the fields a message sets, down to the last, and take note of them."""
        pending = [(value, field, path)]
        while pending:
            value, field, path = pending.pop()
            if field.symbol is None or field.symbol.kind != "message":
                continue
            for key, item in value.entries:
                self._linked.steps.take()
                inner = self._text.field(key, field.symbol)
                if inner is None:
                    continue
                self._check_lifetime(_setting(inner.field, "feature_support"), f"{field.name}.{inner.name}")
                _check_feature(field.symbol, item, inner.name)
                here = (*path, inner.number)
                present.add(here)
                yield inner
                if isinstance(item, e.Aggregate):
                    pending.append((item, inner, here))

    def _check_lifetime(self, support: e.Value | None, said: str) -> None:
        if not isinstance(support, e.Aggregate):
            return
        edition = EDITIONS[self._linked.main.file.syntax]
        for key, value in support.entries:
            if not isinstance(value, str):
                continue
            limit = edition_number(value)
            if key == "edition_introduced" and limit > edition:
                raise RefusalError(f'"{said}" comes with {value}, and this file is older')
            if key == "edition_removed" and limit <= edition:
                raise RefusalError(f'"{said}" is gone since {value}')


def edition_number(name: str) -> int:
    """Return the number of a value of `google.protobuf.Edition`; that of none is beyond all."""
    return {"EDITION_LEGACY": 900, "EDITION_PROTO2": 998, "EDITION_PROTO3": 999}.get(
        name, EDITIONS.get(name.removeprefix("EDITION_"), 10_000)
    )


def _check_feature(message: Symbol, value: e.Value, said: str) -> None:
    if message.name == _FEATURES and isinstance(value, str) and value.endswith("_UNKNOWN"):
        raise RefusalError(f'the feature "{said}" is set to nothing that is known')


def _setting(element: e.Field | e.EnumValue, name: str) -> e.Value | None:
    return next((option.value for option in element.options if option.name == name), None)


def _check_target(field: FieldType, kind: str, said: str) -> None:
    targets = {option.value for option in field.field.options if option.name == "targets"}
    if targets and TARGETS[kind] not in targets:
        what = TARGETS[kind].removeprefix("TARGET_TYPE_").lower().replace("_", " ")
        raise RefusalError(f'the option "{said}" cannot be set on a {what}')
