"""The names fields have in JSON: those of one message differ, where the file's features ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.protobuf.refusal import RefusalError

if TYPE_CHECKING:
    from kopfka_registry.formats.protobuf import elements as e
    from kopfka_registry.formats.protobuf.features import Features


def check_json_names(message: e.Message, features: Features) -> None:
    """Check that no two fields of a message have the same name in JSON, neither by default nor as it is written."""
    strict = features.json_format == "ALLOW"
    by_default: dict[str, str] = {}
    as_written: dict[str, tuple[str, bool]] = {}
    for field, _ in message.all_fields():
        default = camel_case(field.name)
        name = default
        option = field.option("json_name")
        if option is not None and isinstance(option.value, bytes):
            name = option.value.decode("utf-8", "replace")
            _check_written(name, option.at)
        other = by_default.setdefault(default, field.name)
        if other != field.name and strict:
            raise _same(other, field, default)
        is_custom = name != default
        other, other_is_custom = as_written.setdefault(name, (field.name, is_custom))
        if other != field.name and ((is_custom and other_is_custom) or (strict and (is_custom or other_is_custom))):
            raise _same(other, field, name)


def _same(other: str, field: e.Field, name: str) -> RefusalError:
    return RefusalError(f'the fields "{other}" and "{field.name}" have the same name in JSON, "{name}"', field.at)


def _check_written(name: str, at: int) -> None:
    if "\0" in name:
        raise RefusalError("a name in JSON has no null characters", at)
    if name.startswith("[") and name.endswith("]"):
        raise RefusalError(f'a name in JSON does not start with [ and end with ]: "{name}"', at)


def camel_case(name: str) -> str:
    """Return the name that a field has in JSON if it has no other."""
    out, upper = [], False
    for char in name:
        if char == "_":
            upper = True
        else:
            out.append(char.upper() if upper and "a" <= char <= "z" else char)
            upper = False
    return "".join(out)
