"""The tags a schema itself gives to its fields and messages: `(confluent.field_meta).tags`, and the like for others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.protobuf import elements as e

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FIELD: Final = "confluent.field_meta"
_MESSAGE: Final = "confluent.message_meta"
_ENUM: Final = "confluent.enum_meta"
_VALUE: Final = "confluent.enum_value_meta"


def inline_tags(file: e.File) -> dict[str, set[str]]:
    """Return tags by the path of what they are on: the full name with a dot before it, as in Confluent's entities."""
    found: dict[str, set[str]] = {}
    scope = f".{file.package}." if file.package else "."
    for path, tags in (*_of_messages(file.messages, scope), *_of_enums(file.enums, scope)):
        if tags:
            found.setdefault(path, set()).update(tags)
    return found


def _of_messages(messages: Iterable[e.Message], scope: str) -> Iterator[tuple[str, set[str]]]:
    for message in messages:
        path = f"{scope}{message.name}"
        yield path, _tags(message.options, _MESSAGE)
        for field, _ in message.all_fields():
            yield f"{path}.{field.name}", _tags(field.options, _FIELD)
            if field.group is not None:
                yield from _of_messages((field.group,), f"{path}.")
        yield from _of_messages(message.messages, f"{path}.")
        yield from _of_enums(message.enums, f"{path}.")


def _of_enums(enums: Iterable[e.Enum], scope: str) -> Iterator[tuple[str, set[str]]]:
    for enum in enums:
        path = f"{scope}{enum.name}"
        yield path, _tags(enum.options, _ENUM)
        for value in enum.values:
            yield f"{path}.{value.name}", _tags(value.options, _VALUE)


def _tags(options: Iterable[e.Option], name: str) -> set[str]:
    found: set[str] = set()
    for option in options:
        head, _, rest = option.name.partition(")")
        if head.removeprefix("(").removeprefix(".") != name:
            continue
        values: list[e.Value] = []
        if rest == ".tags":
            values.append(option.value)
        elif not rest and isinstance(option.value, e.Aggregate):
            values += [value for key, value in option.value.entries if key == "tags"]
        for value in values:
            items = value if isinstance(value, tuple) else (value,)
            found.update(item.decode("utf-8", "replace") for item in items if isinstance(item, bytes))
    return found
