"""Values of CEL, and what is true of all of them: equality, order, arithmetic, conversion to text."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

_INT = 2**63


class CelError(Exception):
    """An expression is malformed, or cannot be evaluated with these values."""


class UInt(int):
    """An unsigned integer; CEL keeps it apart from `int`."""


class Optional:
    """A value that may be missing (`optional_type`)."""

    __slots__ = ("present", "value")

    def __init__(self, *, present: bool, value: Any = None) -> None:
        self.present = present
        self.value = value


NONE = Optional(present=False)


class Type:
    """What `type(x)` returns."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def type_name(value: Any) -> str:
    """Return CEL's name of a value's type."""
    if value is None:
        return "null_type"
    for kind, name in _TYPES:
        if isinstance(value, kind):
            return name
    return str(getattr(value, "cel_type", type(value).__name__))


_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "bool"), (UInt, "uint"), (int, "int"), (float, "double"), (str, "string"), (bytes, "bytes"), (list, "list"),
    (dict, "map"), (datetime, "google.protobuf.Timestamp"), (timedelta, "google.protobuf.Duration"), (Type, "type"),
    (Optional, "optional_type"),
)  # fmt: skip


def is_number(value: Any) -> bool:
    """Tell whether a value is an int, uint or double."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def equal(left: Any, right: Any) -> bool:  # noqa: PLR0911
    """Tell whether values are equal; numbers of different types may be, a bool and a number never are."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    if isinstance(left, Type) and isinstance(right, Type):
        return left.name == right.name
    if isinstance(left, Optional) and isinstance(right, Optional):
        return left.present == right.present and (not left.present or equal(left.value, right.value))
    return type(left) is type(right) and bool(left == right)


def no_overload(function: str, *arguments: Any) -> CelError:
    """Return the error for a function that is not there for these types."""
    return CelError(
        f"found no matching overload for '{function}' applied to '({', '.join(map(type_name, arguments))})'"
    )


def compare(operator: str, left: Any, right: Any) -> bool:
    """Order two values."""
    same = type_name(left) == type_name(right) and isinstance(left, (bool, str, bytes, datetime, timedelta))
    if not same and not (is_number(left) and is_number(right)):
        raise no_overload(f"_{operator}_", left, right)
    match operator:
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
    return bool(left >= right)


def calculate(operator: str, left: Any, right: Any) -> Any:
    """Add, subtract, multiply, divide or take the remainder."""
    if is_number(left) and is_number(right) and type_name(left) == type_name(right):
        return _arithmetic(operator, left, right)
    if operator == "+":
        if type(left) is type(right) and isinstance(left, (str, bytes, list, timedelta)):
            return left + right
        if isinstance(left, datetime) and isinstance(right, timedelta):
            return left + right
        if isinstance(left, timedelta) and isinstance(right, datetime):
            return right + left
    if operator == "-" and isinstance(right, timedelta) and isinstance(left, (datetime, timedelta)):
        return left - right
    if operator == "-" and isinstance(left, datetime) and isinstance(right, datetime):
        return left - right
    raise no_overload(f"_{operator}_", left, right)


def _arithmetic(operator: str, left: Any, right: Any) -> Any:
    if isinstance(left, float):
        if operator == "%":
            raise no_overload("_%_", left, right)
        if operator == "/":
            if right:
                return left / right
            return math.nan if not left or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)
        return {"+": left + right, "-": left - right, "*": left * right}[operator]
    if operator in "/%" and right == 0:
        raise CelError("division by zero" if operator == "/" else "modulus by zero")
    if operator in "/%":
        quotient = abs(int(left)) // abs(int(right)) * (1 if (left < 0) == (right < 0) else -1)
        result = quotient if operator == "/" else int(left) - quotient * int(right)
    else:
        result = {"+": int(left) + int(right), "-": int(left) - int(right), "*": int(left) * int(right)}[operator]
    return bounded(result, unsigned=isinstance(left, UInt))


def bounded(number: int, *, unsigned: bool) -> int:
    """Return a whole number that fits into 64 bits."""
    if unsigned:
        if not 0 <= number < 2 * _INT:
            raise CelError("unsigned integer overflow")
        return UInt(number)
    if not -_INT <= number < _INT:
        raise CelError("integer overflow")
    return int(number)


def to_text(value: Any) -> str:  # noqa: PLR0911
    """Return what `string(x)` is."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise CelError("invalid UTF-8 in bytes, cannot convert to string") from None
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        return f"{int(seconds)}s" if seconds == int(seconds) else f"{seconds}s"
    raise no_overload("string", value)
