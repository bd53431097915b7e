"""Checks that a written value fits a scalar or an enum, and says what it is worth.

Options and fields of messages in braces have rules of their own. Defaults of fields are checked in `checks`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf.refusal import RefusalError
from kopfka_registry.formats.protobuf.tokens import integer

if TYPE_CHECKING:
    from kopfka_registry.formats.protobuf.encoding import Scalar
    from kopfka_registry.formats.protobuf.types import FieldType

RANGES: Final = {
    **dict.fromkeys(("int32", "sint32", "sfixed32"), (-(2**31), 2**31 - 1)),
    **dict.fromkeys(("int64", "sint64", "sfixed64"), (-(2**63), 2**63 - 1)),
    **dict.fromkeys(("uint32", "fixed32"), (0, 2**32 - 1)),
    **dict.fromkeys(("uint64", "fixed64"), (0, 2**64 - 1)),
}
_INTEGER: Final = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|[0-9]+)")
_FLOAT: Final = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_DECIMAL: Final = re.compile(r"-?0[0-9xX]")
_BOOLEANS: Final = {
    "true": True,
    "True": True,
    "t": True,
    "1": True,
    "false": False,
    "False": False,
    "f": False,
    "0": False,
}


def whole(value: e.Value) -> int | None:
    """Return what a whole number with or without a sign is worth; None where it is none."""
    if not isinstance(value, str) or not _INTEGER.fullmatch(value):
        return None
    return -integer(value[1:]) if value.startswith("-") else integer(value)


def number(value: e.Value) -> float | None:
    """Return what a number is worth as a float; None where it is none."""
    if not isinstance(value, str):
        return None
    sign, text = (-1.0, value[1:]) if value.startswith("-") else (1.0, value)
    if text.lower() in ("inf", "infinity", "nan"):
        return sign * float(text)
    if text[:1] == "0" and _INTEGER.fullmatch(text):
        return sign * float(integer(text))
    return sign * float(text) if _FLOAT.fullmatch(text) else None


def in_range(scalar: str, value: e.Value, said: str) -> int:
    """Return what a whole number is worth, if it fits its type."""
    first, last = RANGES[scalar]
    found = whole(value)
    if found is None or not first <= found <= last:
        raise RefusalError(f"{said} takes a whole number from {first} to {last}")
    return found


def option_scalar(field: FieldType, value: e.Value, name: str) -> Scalar:
    """Return what an option is set to, if it fits."""
    said = f'the option "{name}"'
    _check_known(field)
    if field.is_enum:
        return _enum(field, value, said)
    match field.scalar:
        case "bool":
            if value not in ("true", "false"):
                raise RefusalError(f"{said} takes true or false")
            return value == "true"
        case "string" | "bytes":
            return _bytes(value, said)
        case "float" | "double":
            found = number(value)
            if found is None or (isinstance(value, str) and value.lstrip("-") in ("infinity", "Infinity")):
                raise RefusalError(f"{said} takes a number")
            return found
    return in_range(field.scalar, value, said)


def text_scalar(field: FieldType, value: e.Value, key: str) -> Scalar:
    """Return what a field of a message in braces is set to, if it fits."""
    said = f'the field "{key}"'
    _check_known(field)
    if field.is_enum and field.symbol is not None:
        found = whole(value)
        if found is None:
            return _enum(field, value, said)
        known = isinstance(field.symbol.element, e.Enum) and found in {
            item.number for item in field.symbol.element.values
        }
        if not known and (field.closed or not -(2**31) <= found < 2**31):
            raise RefusalError(f"{said} takes a value of an enum")
        return found
    match field.scalar:
        case "bool":
            if not isinstance(value, str) or value not in _BOOLEANS:
                raise RefusalError(f"{said} takes true or false")
            return _BOOLEANS[value]
        case "string" | "bytes":
            return _bytes(value, said)
        case "float" | "double":
            found_number = number(value)
            # the text format has no hexadecimal and no octal numbers where a float is wanted
            if found_number is None or (isinstance(value, str) and _NOT_DECIMAL.match(value)):
                raise RefusalError(f"{said} takes a number")
            return found_number
    return in_range(field.scalar, value, said)


def _check_known(field: FieldType) -> None:
    if not field.scalar and field.symbol is None:
        raise RefusalError(f'"{field.field.type}" is not defined')


def _bytes(value: e.Value, said: str) -> bytes:
    if not isinstance(value, bytes):
        raise RefusalError(f"{said} takes a string in quotes")
    return value


def _enum(field: FieldType, value: e.Value, said: str) -> int:
    found = field.values.get(value) if isinstance(value, str) else None
    if found is None:
        name = field.symbol.name if field.symbol is not None else field.field.type
        raise RefusalError(f'{said} takes a value of the enum "{name}", which has none of this name')
    return found.number
