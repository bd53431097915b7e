"""The one form that all spellings of a schema share: what `normalize=true` stores.

As Confluent's registry does it: names in full with a dot before them, fields and values by number, options by name,
imports and reserved ranges in order, custom options as one message each, maps written as maps, proto2 not written.
Where it would make of a schema what is none or another (rounded numbers, a negative value before the zero that an enum
starts with, two messages where one may stand), this does not follow.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf.features import one_by_one
from kopfka_registry.formats.protobuf.reader import SCALARS
from kopfka_registry.formats.protobuf.scalars import number, whole
from kopfka_registry.formats.protobuf.textformat import TextFormat
from kopfka_registry.formats.protobuf.types import Types
from kopfka_registry.formats.protobuf.writer import merged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kopfka_registry.formats.protobuf.symbols import Linked, Symbol
    from kopfka_registry.formats.protobuf.types import FieldType

_PART: Final = re.compile(r"\(([^)]*)\)|([^.(]+)")


def normalized_file(linked: Linked) -> e.File:
    """Return the main file in its normal form. The file has to be one that `checks` lets pass."""
    return _Normalizer(linked).file()


class _Normalizer:
    __slots__ = ("_linked", "_text", "_types")

    def __init__(self, linked: Linked) -> None:
        self._linked = linked
        self._types = Types(linked)
        self._text = TextFormat(linked, self._types)

    def file(self) -> e.File:
        file = self._linked.main.file
        scope = file.package
        imports = {(item.kind, item.path): item for item in file.imports}
        body: list[e.TopLevel] = [*self._options(file.options, scope)]
        body += [self._message(message, scope) for message in file.messages if not message.is_map_entry]
        body += [self._enum(enum, scope) for enum in file.enums]
        body += self._extends(file.extends, scope)
        body += [self._service(service, scope) for service in file.services]
        syntax = "" if file.syntax == "proto2" else file.syntax
        return e.File(syntax, file.package, tuple(imports[key] for key in sorted(imports)), tuple(body))

    def _name(self, name: str, scope: str, *, types: bool = True) -> str:
        found = self._linked.resolve(name, scope, self._linked.main, types=types, options=not types)
        return f".{found.name}" if found is not None else name

    def _message(self, message: e.Message, outer: str) -> e.Message:
        scope = f"{outer}.{message.name}" if outer else message.name
        body: list[e.Declaration] = [*_reserved(message.reserved), *self._options(message.options, outer)]
        body += self._fields(message.fields, scope)
        oneofs = [replace(item, body=(*self._options(item.options, scope), *self._fields(item.fields, scope)))
                  for item in message.oneofs if item.fields]  # fmt: skip
        oneofs.sort(key=lambda oneof: oneof.fields[0].number)
        body += oneofs
        ranges: list[e.Extensions] = [
            e.Extensions((_shortest(bounds),), tuple(self._options(item.options, scope)))
            for item in message.extensions
            for bounds in item.ranges
        ]
        ranges.sort(key=lambda item: item.ranges[0][0])
        body += ranges
        body += self._extends(message.extends, scope)
        body += [self._message(nested, scope) for nested in message.messages if not nested.is_map_entry]
        body += [self._enum(enum, scope) for enum in message.enums]
        return replace(message, body=tuple(body))

    def _fields(self, fields: Iterable[e.Field], scope: str) -> list[e.Field]:
        return [self._field(field, scope) for field in sorted(fields, key=lambda field: field.number)]

    def _field(self, field: e.Field, scope: str) -> e.Field:
        self._linked.steps.take()
        options = tuple(self._options(field.options, scope))
        if field.group is not None:
            return replace(field, options=options, group=self._message(field.group, scope))
        if field.map is not None:
            return replace(field, type=self._map(*field.map, scope), options=options)
        if field.type in SCALARS:
            return replace(field, options=options)
        found = self._linked.resolve(field.type, scope, self._linked.main)
        if found is None:
            return replace(field, options=options)
        if isinstance(found.element, e.Message) and found.element.is_map_entry:
            types = {inner.name: inner.type for inner in found.element.fields}
            kind = self._map(types.get("key", ""), types.get("value", ""), found.name)
            return replace(field, label="", type=kind, options=options)
        return replace(field, type=f".{found.name}", options=options)

    def _map(self, key: str, value: str, scope: str) -> str:
        return f"map<{key}, {value if value in SCALARS else self._name(value, scope)}>"

    def _enum(self, enum: e.Enum, outer: str) -> e.Enum:
        values = [replace(value, options=tuple(self._options(value.options, outer))) for value in enum.values]
        self._linked.steps.take(len(values))
        zero_first = values[0].number == 0
        values.sort(key=lambda value: (value.number, value.name))
        if zero_first:
            # the first value is the default, and has to be zero where the enum is open or in a map
            values.sort(key=lambda value: value.number != 0)
        return replace(enum, body=(*_reserved(enum.reserved), *self._options(enum.options, outer), *values))

    def _extends(self, extends: Iterable[e.Extend], scope: str) -> list[e.Extend]:
        by_name: dict[str, list[e.Field]] = {}
        for extend in extends:
            by_name.setdefault(self._name(extend.name, scope, types=False), []).extend(extend.fields)
        return [e.Extend(name, tuple(self._fields(fields, scope))) for name, fields in by_name.items()]

    def _service(self, service: e.Service, outer: str) -> e.Service:
        scope = f"{outer}.{service.name}" if outer else service.name
        rpcs = [
            replace(
                rpc,
                request=self._name(rpc.request, scope, types=False),
                response=self._name(rpc.response, scope, types=False),
                options=tuple(self._options(rpc.options, scope)),
            )
            for rpc in service.rpcs
        ]
        return replace(service, body=(*self._options(service.options, outer), *rpcs))

    def _options(self, options: Sequence[e.Option], scope: str) -> list[e.Option]:
        """Return options by name, those that set parts of one message as that message."""
        found: dict[str, list[e.Option]] = {}
        kinds: dict[str, FieldType] = {}
        for option in chain.from_iterable(map(one_by_one, options)):
            self._linked.steps.take()
            head, value, extension = self._whole(option, scope)
            if extension is not None:
                kinds[head] = extension
            found.setdefault(head, []).append(e.Option(head, value))
        out: list[e.Option] = []
        for name in sorted(found, key=lambda name: name.strip("()")):
            extension = kinds.get(name)
            if extension is None or extension.repeated or extension.symbol is None:
                out += found[name]
                continue
            value = found[name][0].value
            for other in found[name][1:]:
                value = self._together(value, other.value, extension.symbol)
            out.append(e.Option(name, value))
        return [replace(option, value=self._value(option.value, kinds.get(option.name))) for option in out]

    def _whole(self, option: e.Option, scope: str) -> tuple[str, e.Value, FieldType | None]:
        """Return an option's name and what it is set to, its path within a message as messages in braces."""
        parts = list(_PART.finditer(option.name))
        if parts[0][1] is None:
            return option.name, option.value, None
        symbol = self._linked.resolve(parts[0][1], scope, self._linked.main, types=False, options=True)
        if symbol is None or symbol.kind != "extension":
            return option.name, option.value, None
        value = option.value
        for part in reversed(parts[1:]):
            key = part[2]
            if key is None:
                inner = self._linked.resolve(part[1], scope, self._linked.main, types=False, options=True)
                key = f"[{inner.name if inner is not None else part[1]}]"
            value = e.Aggregate(((key, value),))
        return f"({symbol.name})", value, self._types.extension(symbol)

    def _together(self, one: e.Value, other: e.Value, message: Symbol) -> e.Value:
        """Return a message with what two messages set."""
        if not isinstance(one, e.Aggregate) or not isinstance(other, e.Aggregate):
            return other
        entries = merged(one)
        for key, value in merged(other).items():
            self._linked.steps.take()
            field = self._text.field(key, message)
            if key not in entries:
                entries[key] = value
            elif field is None or field.repeated:
                entries[key] = tuple(dict.fromkeys((*_listed(entries[key]), *_listed(value))))
            elif field.symbol is not None:
                entries[key] = self._together(entries[key], value, field.symbol)
            else:
                entries[key] = value
        return e.Aggregate(tuple(entries.items()))

    def _value(self, value: e.Value, field: FieldType | None) -> e.Value:
        self._linked.steps.take()
        if isinstance(value, bytes):
            return value
        if isinstance(value, str):
            return _number(value)
        if isinstance(value, tuple):
            return tuple(self._value(item, field) for item in value)
        message = field.symbol if field is not None else None
        entries: dict[str, e.Value] = {}
        for key, item in merged(value).items():
            if item == ():
                continue
            inner = self._text.field(key, message) if message is not None and message.kind == "message" else None
            said = f"[{inner.name}]" if inner is not None and inner.extension else key
            done = self._value(item, inner)
            entries[said] = done[0] if isinstance(done, tuple) and len(done) == 1 else done
        return e.Aggregate(tuple(sorted(entries.items())))


def _listed(value: e.Value) -> tuple[e.Value, ...]:
    return value if isinstance(value, tuple) else (value,)


def _reserved(items: Iterable[e.Reserved]) -> list[e.Reserved]:
    """Return what is reserved, one thing a statement: numbers in order, then names."""
    ranges = sorted(_shortest(bounds) for item in items for bounds in item.ranges)
    names = sorted((name, item.bare) for item in items for name in item.names)
    return [e.Reserved((bounds,)) for bounds in ranges] + [e.Reserved((), (name,), bare) for name, bare in names]


def _shortest(bounds: e.Range) -> e.Range:
    return bounds if len(bounds) == 1 or bounds[0] != bounds[1] else (bounds[0],)


def _number(text: str) -> str:
    """Return a number in decimal, without an exponent where that is not too long; other words as they are."""
    found = whole(text) if len(text) <= 40 else None
    if found is not None:
        return str(found) if found or not text.startswith("-") else "-0"
    value = number(text) if text.lstrip("-")[:1] in tuple("0123456789.") else None
    if value is None or not math.isfinite(value):
        return text
    if value and not 1e-30 < abs(value) < 1e30:
        return repr(value)
    plain = format(Decimal(repr(value)), "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain
