"""The functions of CEL and of Kubernetes' libraries for it: conversions, texts, lists, regular expressions, times,
sets.

Those for quantities, URLs and addresses are in `kubernetes`. A function that does not fit its arguments raises
TypeError (found no overload) or CelError.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from kopfka_local.api.cel import kubernetes
from kopfka_local.api.cel.values import (
    NONE,
    CelError,
    Optional,
    Type,
    UInt,
    bounded,
    calculate,
    compare,
    equal,
    is_number,
    to_text,
    type_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|h|m|s)")


def _need(condition: bool) -> None:
    if not condition:
        raise TypeError


def size(value: Any) -> int:
    """Return the length of a text (in characters), bytes, list or map."""
    _need(isinstance(value, (str, bytes, list, dict)))
    return len(value)


def to_int(value: Any) -> int:
    """Return `int(x)`."""
    if isinstance(value, datetime):
        return int(value.timestamp())
    _need(isinstance(value, str) or is_number(value))
    if isinstance(value, str) and not re.fullmatch(r"[+-]?\d+", value):
        raise CelError(f'type conversion error: strconv.ParseInt: parsing "{value}": invalid syntax')
    if isinstance(value, float) and not math.isfinite(value):
        raise CelError("integer overflow")
    return bounded(int(value), unsigned=False)


def to_uint(value: Any) -> int:
    """Return `uint(x)`."""
    return bounded(to_int(value) if not isinstance(value, UInt) else value, unsigned=True)


def to_double(value: Any) -> float:
    """Return `double(x)`."""
    _need(isinstance(value, str) or is_number(value))
    return float(value)


def to_bool(value: Any) -> bool:
    """Return `bool(x)`."""
    if isinstance(value, bool):
        return value
    _need(isinstance(value, str))
    known = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
    if value.lower() not in known:
        raise CelError(f'type conversion error: strconv.ParseBool: parsing "{value}": invalid syntax')
    return known[value.lower()]


def to_bytes(value: Any) -> bytes:
    """Return `bytes(x)`."""
    return value if isinstance(value, bytes) else _text(value).encode()


def duration(value: Any) -> timedelta:
    """Return `duration("1h30m")`."""
    if isinstance(value, timedelta):
        return value
    text = _text(value)
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    parts = _DURATION.findall(rest)
    if "".join(number + unit for number, unit in parts) != rest or (not parts and rest != "0"):
        raise CelError(f'type conversion error: time: invalid duration "{text}"')
    return timedelta(seconds=sign * sum(float(number) * _UNITS[unit] for number, unit in parts))


def timestamp(value: Any) -> datetime:
    """Return `timestamp("2026-01-01T00:00:00Z")`."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, int):
        return datetime.fromtimestamp(value, UTC)
    time = datetime.fromisoformat(_text(value).replace("Z", "+00:00"))
    if time.tzinfo is None:
        raise CelError(f'type conversion error: "{value}" has no time zone')
    return time


def _text(value: Any) -> str:
    _need(isinstance(value, str))
    return str(value)


@lru_cache(maxsize=256)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a regular expression.

    Raises:
        CelError: it is malformed.
    """
    try:
        return re.compile(pattern.replace("\\z", "\\Z"))
    except re.error as error:
        raise CelError(f"error parsing regexp: {error}") from None


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match.group() for match in compiled(_text(pattern)).finditer(_text(text))]
    return found if limit < 0 else found[:limit]


def _find(text: str, pattern: str) -> str:
    found = compiled(_text(pattern)).search(_text(text))
    return found.group() if found else ""


def _char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(_text(text)):
        raise CelError(f"index out of range: {index}")
    return text[index : index + 1]


def _index_of(value: Any, item: Any, start: int = 0) -> int:
    if isinstance(value, list):
        return next((index for index, each in enumerate(value) if equal(each, item)), -1)
    return _text(value).find(_text(item), start)


def _last_index_of(value: Any, item: Any, end: int | None = None) -> int:
    if isinstance(value, list):
        return next((index for index in reversed(range(len(value))) if equal(value[index], item)), -1)
    return _text(value).rfind(_text(item), 0, None if end is None else end + len(item))


def _substring(text: str, start: int, end: int | None = None) -> str:
    end = len(_text(text)) if end is None else end
    if not 0 <= start <= end <= len(text):
        raise CelError(f"invalid substring range. start: {start}, end: {end}")
    return text[start:end]


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if not separator:
        return list(text) if limit < 0 else [*text[: limit - 1], text[limit - 1 :]]
    return _text(text).split(_text(separator), limit - 1 if limit > 0 else -1)


def _join(items: list[Any], separator: str = "") -> str:
    _need(isinstance(items, list))
    return separator.join(_text(item) for item in items)


def _lower(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in _text(text))


def _upper(text: str) -> str:
    return "".join(char.upper() if char.isascii() else char for char in _text(text))


def _format(text: str, values: list[Any]) -> str:
    rest = iter(values)

    def one(match: re.Match[str]) -> str:  # noqa: PLR0911
        if match[0] == "%%":
            return "%"
        try:
            value = next(rest)
        except StopIteration:
            raise CelError("index out of range in format()") from None
        precision, verb = match[1], match[2]
        match verb:
            case "s":
                return _shown(value)
            case "d":
                return str(int(value))
            case "f":
                return f"{float(value):{precision or '.6'}f}"
            case "e":
                return f"{float(value):{precision or '.6'}e}"
            case "b":
                return f"{int(value):b}"
            case "o":
                return f"{int(value):o}"
        shown = (
            value.encode().hex()
            if isinstance(value, str)
            else value.hex()
            if isinstance(value, bytes)
            else f"{value:x}"
        )
        return shown.upper() if verb == "X" else shown

    return re.sub(r"%%|%(\.\d+)?([sdfeboxX])", one, _text(text))


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_shown(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_shown(key)}: {_shown(value[key])}" for key in sorted(value)) + "}"
    return "null" if value is None else to_text(value)


def _is_sorted(items: list[Any]) -> bool:
    _need(isinstance(items, list))
    return all(compare("<=", left, right) for left, right in pairwise(items))


def _sum(items: list[Any]) -> Any:
    _need(isinstance(items, list))
    total: Any = items[0] if items else 0
    for item in items[1:]:
        total = calculate("+", total, item)
    return total


def _extreme(operator: str) -> Callable[[list[Any]], Any]:
    def find(items: list[Any]) -> Any:
        _need(isinstance(items, list))
        if not items:
            raise CelError(f"{'min' if operator == '<' else 'max'} called on empty list")
        best = items[0]
        for item in items[1:]:
            best = item if compare(operator, item, best) else best
        return best

    return find


def _within(part: list[Any], whole: list[Any]) -> bool:
    return all(any(equal(item, each) for each in whole) for item in part)


def _part(name: str) -> Callable[..., int]:
    def read(value: Any, zone: str = "UTC") -> int:
        if isinstance(value, timedelta):
            seconds = value.total_seconds()
            parts = {"getHours": seconds / 3600, "getMinutes": seconds / 60, "getSeconds": seconds}
            parts["getMilliseconds"] = seconds * 1000 % 1000
            return int(parts[name])
        _need(isinstance(value, datetime))
        time = value.astimezone(ZoneInfo(zone))
        fields: dict[str, int] = {
            "getFullYear": time.year,
            "getMonth": time.month - 1,
            "getDate": time.day,
            "getDayOfMonth": time.day - 1,
            "getDayOfWeek": time.isoweekday() % 7,
            "getDayOfYear": time.timetuple().tm_yday - 1,
            "getHours": time.hour,
            "getMinutes": time.minute,
            "getSeconds": time.second,
            "getMilliseconds": time.microsecond // 1000,
        }
        return fields[name]

    return read


_PARTS = (
    "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours", "getMinutes",
    "getSeconds", "getMilliseconds",
)  # fmt: skip


def _value(optional: Optional) -> Any:
    if not optional.present:
        raise CelError("optional.none() dereference")
    return optional.value


def _of_non_zero(value: Any) -> Optional:
    zero = value is None or (not isinstance(value, Type) and not value)
    return NONE if zero else Optional(present=True, value=value)


def _matches(text: str, pattern: str) -> bool:
    return compiled(_text(pattern)).search(_text(text)) is not None


FREE: dict[str, Callable[..., Any]] = {
    "size": size,
    "int": to_int,
    "uint": to_uint,
    "double": to_double,
    "string": to_text,
    "bool": to_bool,
    "bytes": to_bytes,
    "duration": duration,
    "timestamp": timestamp,
    "type": lambda value: Type(type_name(value)),
    "dyn": lambda value: value,
    "matches": _matches,
    **kubernetes.FREE,
}

METHODS: dict[str, Callable[..., Any]] = {
    "size": size,
    "matches": _matches,
    "contains": lambda text, part: _text(part) in _text(text),
    "startsWith": lambda text, part: _text(text).startswith(_text(part)),
    "endsWith": lambda text, part: _text(text).endswith(_text(part)),
    "charAt": _char_at,
    "indexOf": _index_of,
    "lastIndexOf": _last_index_of,
    "lowerAscii": _lower,
    "upperAscii": _upper,
    "replace": lambda text, old, new, limit=-1: _text(text).replace(_text(old), _text(new), limit),
    "split": _split,
    "join": _join,
    "substring": _substring,
    "trim": lambda text: _text(text).strip(),
    "format": _format,
    "find": _find,
    "findAll": _find_all,
    "isSorted": _is_sorted,
    "sum": _sum,
    "min": _extreme("<"),
    "max": _extreme(">"),
    "hasValue": lambda optional: bool(optional.present),
    "value": _value,
    "orValue": lambda optional, other: optional.value if optional.present else other,
    "or": lambda optional, other: optional if optional.present else other,
    **{name: _part(name) for name in _PARTS},
    **kubernetes.METHODS,
}

NAMESPACES: dict[tuple[str, str], Callable[..., Any]] = {
    ("optional", "of"): lambda value: Optional(present=True, value=value),
    ("optional", "none"): lambda: NONE,
    ("optional", "ofNonZeroValue"): _of_non_zero,
    ("sets", "contains"): lambda whole, part: _within(part, whole),
    ("sets", "equivalent"): lambda left, right: _within(left, right) and _within(right, left),
    ("sets", "intersects"): lambda left, right: any(equal(item, each) for item in left for each in right),
    **kubernetes.NAMESPACES,
}
