"""Compares a writer's schema with a reader's: what changed, by the rules of `rules`, in Confluent's notation of places.

Messages are compared by their names within the file, fields by their numbers. A message of an imported file is compared
where a field holds it, at its own place (`#/GoogleHome/1`), whatever package it is in; the field itself has changed if
that message can no longer be read. What is beyond Confluent's registry: groups count as fields, and what editions say
with features is what labels say elsewhere. Extensions, services and options are not compared, there as here.

Each pair of messages is compared once, so that time grows with the schemas and not with the ways through them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf.kinds import Side, same_kind_of_scalar
from kopfka_registry.formats.protobuf.rules import RULES, difference

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kopfka_registry.formats.protobuf.kinds import Held
    from kopfka_registry.formats.protobuf.refusal import Steps
    from kopfka_registry.formats.protobuf.rules import ProtobufDifference
    from kopfka_registry.formats.protobuf.symbols import Linked, Symbol

    Pair: TypeAlias = tuple[str, str]
    """Full names of a writer's and a reader's message."""

_TOLD_AGAIN: Final = 200
"""Differences up to which those of an imported message are told for each field that holds it, as Confluent does."""
_NUMERIC: Final = "FIELD_NUMERIC_LABEL_CHANGED"
_STRING: Final = "FIELD_STRING_OR_BYTES_LABEL_CHANGED"


def changes(writer: Linked, reader: Linked, steps: Steps) -> list[ProtobufDifference]:
    """Return all that changed, compatible or not.

    Raises:
        SchemaTooComplexError: it takes too many steps.
    """
    return _Comparison(writer, reader, steps).run(everything=True)


def incompatible_changes(writer: Linked, reader: Linked, steps: Steps) -> list[ProtobufDifference]:
    """Return what changed so that the reader cannot read what was written.

    Raises:
        SchemaTooComplexError: it takes too many steps.
    """
    return _Comparison(writer, reader, steps).run(everything=False)


class _Comparison:
    __slots__ = ("_events", "_reader", "_steps", "_writer")

    def __init__(self, writer: Linked, reader: Linked, steps: Steps) -> None:
        self._writer = Side(writer)
        self._reader = Side(reader)
        self._steps = steps
        self._events: list[ProtobufDifference | tuple[Pair, str]] = []
        """What is found in the messages that are compared now: differences, and pairs that a place depends on."""

    def run(self, *, everything: bool) -> list[ProtobufDifference]:
        writer, reader = self._writer.file, self._reader.file
        if writer.package != reader.package:
            self._add("PACKAGE_CHANGED", ())
        self._types(writer.messages, reader.messages, writer.enums, reader.enums, ())
        found: dict[Pair, list[ProtobufDifference | tuple[Pair, str]]] = {("", ""): self._events}
        pending = [event[0] for event in self._events if isinstance(event, tuple)]
        while pending:
            pair = pending.pop()
            if pair in found:
                continue
            self._steps.take()
            self._events = found[pair] = []
            one, other = self._writer.message(pair[0]), self._reader.message(pair[1])
            if one is not None and other is not None:
                self._message(one, other, tuple(self._writer.local_name(one).split(".")))
            pending += [event[0] for event in self._events if isinstance(event, tuple)]
        return _collected(found, everything=everything)

    def _add(self, rule: str, path: Sequence[str]) -> None:
        place = "#/" + "/".join(path)
        self._steps.take(1 + len(place) // 32)
        self._events.append(difference(rule, place))

    def _types(
        self,
        messages: Sequence[e.Message],
        new_messages: Sequence[e.Message],
        enums: Sequence[e.Enum],
        new_enums: Sequence[e.Enum],
        path: tuple[str, ...],
    ) -> None:
        old = {message.name: (index, message) for index, message in enumerate(messages)}
        new = {message.name: (index, message) for index, message in enumerate(new_messages)}
        for name in old | new:
            self._steps.take()
            here = (*path, name)
            if name not in new:
                if not old[name][1].is_map_entry:
                    self._add("MESSAGE_REMOVED", here)
            elif name not in old:
                if not new[name][1].is_map_entry:
                    self._add("MESSAGE_ADDED", here)
            else:
                self._named(here)
                if old[name][0] != new[name][0]:
                    self._add("MESSAGE_MOVED", here)
        old_enums = {enum.name: enum for enum in enums}
        enums_by_name = {enum.name: enum for enum in new_enums}
        for name in old_enums | enums_by_name:
            here = (*path, name)
            if name not in enums_by_name:
                self._add("ENUM_REMOVED", here)
            elif name not in old_enums:
                self._add("ENUM_ADDED", here)
            else:
                self._enum(old_enums[name], enums_by_name[name], here)

    def _named(self, path: tuple[str, ...]) -> None:
        """Compare the messages at a place of the two files themselves."""
        one, other = self._writer.at(path), self._reader.at(path)
        if one is not None and other is not None:
            self._message(one, other, path)

    def _enum(self, old: e.Enum, new: e.Enum, path: tuple[str, ...]) -> None:
        # of several names for a number the last counts
        before = {value.number: value.name for value in old.values}
        after = {value.number: value.name for value in new.values}
        self._steps.take(len(before) + len(after))
        for number in sorted(before | after):
            if number not in after:
                self._add("ENUM_CONST_REMOVED", (*path, str(number)))
            elif number not in before:
                self._add("ENUM_CONST_ADDED", (*path, str(number)))
            elif before[number] != after[number]:
                self._add("ENUM_CONST_CHANGED", (*path, str(number)))

    def _message(self, one: Symbol, other: Symbol, path: tuple[str, ...]) -> None:
        old, new = one.element, other.element
        assert isinstance(old, e.Message)
        assert isinstance(new, e.Message)
        before = {field.number: (field, oneof) for field, oneof in old.all_fields()}
        after = {field.number: (field, oneof) for field, oneof in new.all_fields()}
        self._steps.take(1 + len(before) + len(after))
        gone = _gone(old, new, after)
        self._moved_into_oneofs(new, before, path)
        names = {oneof.name for oneof in old.oneofs}
        new_names = {oneof.name for oneof in new.oneofs}
        for name in sorted(names | new_names):
            if name not in new_names:
                self._add("ONEOF_REMOVED", (*path, name))
            elif name not in names:
                self._add("ONEOF_ADDED", (*path, name))
        for number in sorted(before | after):
            if number not in after:
                self._removed(*before[number], gone, one, path)
            elif number not in before:
                self._added(*after[number], other, path)
            else:
                self._both(one, other, before[number], after[number], path)
        if self._writer.is_own(one) and self._reader.is_own(other):
            for field, _ in before.values():
                same = after[field.number][0] if field.number in after else field
                if field.group is not None and same.group is not None and same is not field and same.type == field.type:
                    self._group(one, other, field.group.name, path)
        self._types(old.messages, new.messages, old.enums, new.enums, path)

    def _group(self, one: Symbol, other: Symbol, name: str, path: tuple[str, ...]) -> None:
        group, other_group = self._writer.message(f"{one.name}.{name}"), self._reader.message(f"{other.name}.{name}")
        if group is not None and other_group is not None:
            self._message(group, other_group, (*path, name))

    def _moved_into_oneofs(
        self, new: e.Message, before: dict[int, tuple[e.Field, e.OneOf | None]], path: tuple[str, ...]
    ) -> None:
        """Find fields that could be set together and no longer can: members of a oneof from more than one group.

        Fields of the same oneof were a group before, every other field one of its own; new fields do not count.
        """
        for oneof in new.oneofs:
            origins: set[str] = set()
            from_outside = 0
            for field in oneof.fields:
                if field.number in before:
                    former = before[field.number][1]
                    origins.add(f"oneof {former.name}" if former is not None else f"field {field.number}")
                    from_outside += former is None
            if len(origins) > 1:
                several = from_outside > 1
                rule = "MULTIPLE_FIELDS_MOVED_TO_ONEOF" if several else "FIELD_MOVED_TO_EXISTING_ONEOF"
                self._add(rule, (*path, oneof.name))

    def _removed(
        self, field: e.Field, oneof: e.OneOf | None, gone: set[str], message: Symbol, path: tuple[str, ...]
    ) -> None:
        if oneof is None:
            required = self._writer.label(field, message) == "required"
            self._add("REQUIRED_FIELD_REMOVED" if required else "FIELD_REMOVED", (*path, str(field.number)))
        elif oneof.name not in gone:
            self._add("ONEOF_FIELD_REMOVED", (*path, oneof.name, str(field.number)))

    def _added(self, field: e.Field, oneof: e.OneOf | None, message: Symbol, path: tuple[str, ...]) -> None:
        if oneof is not None:
            self._add("ONEOF_FIELD_ADDED", (*path, oneof.name, str(field.number)))
        else:
            required = self._reader.label(field, message) == "required"
            self._add("REQUIRED_FIELD_ADDED" if required else "FIELD_ADDED", (*path, str(field.number)))

    def _both(
        self,
        one: Symbol,
        other: Symbol,
        before: tuple[e.Field, e.OneOf | None],
        after: tuple[e.Field, e.OneOf | None],
        path: tuple[str, ...],
    ) -> None:
        old, new = before[0], after[0]
        here = (*path, str(new.number))
        if before[1] is not None and after[1] is None:
            self._add("ONEOF_FIELD_MOVED_TO_TOP_LEVEL", here)
        if after[1] is not None:
            here = (*path, after[1].name, str(new.number))
        if old.name != new.name:
            self._add("FIELD_NAME_CHANGED", here)
        # fields of a oneof have no label
        labels = (
            "" if before[1] is not None else self._writer.label(old, one),
            "" if after[1] is not None else self._reader.label(new, other),
        )
        self._held(self._writer.held(old, one), self._reader.held(new, other), labels, here)

    def _held(self, old: Held, new: Held, labels: tuple[str, str], path: tuple[str, ...]) -> None:
        if old.kind != new.kind:
            self._add("FIELD_KIND_CHANGED", path)
        elif old.kind == "scalar":
            if not same_kind_of_scalar(old.scalar, new.scalar):
                self._add("FIELD_SCALAR_KIND_CHANGED", path)
            elif all(labels) and labels[0] != labels[1]:
                self._add(_STRING if old.scalar in ("string", "bytes") else _NUMERIC, path)
        elif old.kind == "map":
            for one, other in ((old.key, new.key), (old.value, new.value)):
                if one is not None and other is not None:
                    self._held(one, other, ("", ""), path)
        elif old.symbol is None or new.symbol is None:
            if old != new:
                self._add("FIELD_NAMED_TYPE_CHANGED", path)
        elif self._writer.local_name(old.symbol) != self._reader.local_name(new.symbol):
            self._add("FIELD_NAMED_TYPE_CHANGED", path)
        elif not (self._writer.is_own(old.symbol) and self._reader.is_own(new.symbol)):
            self._events.append(((old.symbol.name, new.symbol.name), "#/" + "/".join(path)))


def _gone(old: e.Message, new: e.Message, after: dict[int, tuple[e.Field, e.OneOf | None]]) -> set[str]:
    """Return the oneofs that are gone with all their fields, which may be: none of it is expected any more."""
    names = {oneof.name for oneof in new.oneofs}
    return {
        oneof.name
        for oneof in old.oneofs
        if oneof.name not in names and not any(field.number in after for field in oneof.fields)
    }


def _collected(
    found: dict[Pair, list[ProtobufDifference | tuple[Pair, str]]], *, everything: bool
) -> list[ProtobufDifference]:
    """Bring the differences of the files and of the imported messages they hold into one list."""
    broken = _reaching(found, lambda event: not RULES[event.rule].compatible)
    wanted = _reaching(found, lambda _: True) if everything else broken
    out: list[ProtobufDifference] = []
    told: set[Pair] = set()
    stack: list[tuple[Iterable[ProtobufDifference | tuple[Pair, str]], Pair]] = [(iter(found["", ""]), ("", ""))]
    trail: set[Pair] = {("", "")}
    while stack:
        events, pair = stack[-1]
        for event in events:
            if not isinstance(event, tuple):
                if everything or not RULES[event.rule].compatible:
                    out.append(event)
                continue
            held, path = event
            if held not in wanted:
                continue
            if held in broken:
                # told after what is different in the message, as Confluent's registry does
                stack.append((iter((difference("FIELD_NAMED_TYPE_CHANGED", path),)), ("", "")))
            if held not in trail and (held not in told or len(out) < _TOLD_AGAIN):
                told.add(held)
                trail.add(held)
                stack.append((iter(found[held]), held))
            break
        else:
            stack.pop()
            trail.discard(pair)
    return out


def _reaching(found: dict[Pair, list[ProtobufDifference | tuple[Pair, str]]], wanted: object) -> set[Pair]:
    """Return the pairs with such a difference, in their messages or in what these hold."""
    assert callable(wanted)
    holders: dict[Pair, set[Pair]] = {}
    pending: list[Pair] = []
    for pair, events in found.items():
        for event in events:
            if isinstance(event, tuple):
                holders.setdefault(event[0], set()).add(pair)
            elif wanted(event):
                pending.append(pair)
    reached: set[Pair] = set()
    while pending:
        pair = pending.pop()
        if pair not in reached:
            reached.add(pair)
            pending += holders.get(pair, ())
    return reached
