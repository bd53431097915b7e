"""JSON as schemas are written in: reading within bounds, and writing as Jackson does. Knows nothing of schemas.

Numbers stay as they were written: `1.10` is not `1.1` in a canonical text, though the two are equal.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kopfka_registry.errors import InvalidSchemaError, SchemaTooComplexError
from kopfka_registry.formats.contract import DEEPEST, LARGEST_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

Json: TypeAlias = Any
"""None, bool, int, Decimal, str, list or dict."""

MOST_DIGITS: Final = 1000
"""Characters of one number, and what its exponent may be; Jackson's `maxNumberLength`."""

_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_CONTROLS: Final = {
    **{code: f"\\u{code:04X}" for code in range(0x20)},
    **{ord(char): f"\\{short}" for char, short in zip('\b\t\n\f\r"\\', 'btnfr"\\', strict=True)},
}


def read(text: str) -> Json:
    """Read a text.

    Raises:
        InvalidSchemaError: it is no JSON; with line and column.
        SchemaTooComplexError: it is longer, or deeper nested, or has a longer number than what is worked on.
    """
    if len(text) > LARGEST_TEXT:
        raise SchemaTooComplexError(f"the schema has {len(text)} characters; at most {LARGEST_TEXT} are worked on")
    _bound_depth(text)
    try:
        value = json.loads(text, parse_float=_real, parse_int=_integer, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise InvalidSchemaError(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    return value


def write(value: Json) -> str:
    """Write a value as Jackson's `writeValueAsString` does: compact, in the order it has.

    Raises:
        InvalidSchemaError: a string has half a surrogate pair, which is no text.
    """
    text = "".join(_parts(value))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidSchemaError("a string has half of a surrogate pair") from None
    return text


def ordered(value: Json) -> Json:
    """Return a value with the members of all its objects in the order of Java's strings."""
    if isinstance(value, dict):
        return {name: ordered(value[name]) for name in sorted(value, key=_utf_16)}
    if isinstance(value, list):
        return [ordered(each) for each in value]
    return value


def number_key(value: int | Decimal) -> str:
    """Return the same text for all spellings of one number: `1`, `1.0` and `10e-1`.

    A text, as the hashes of numbers are foreseeable: a schema could be made of numbers that all have the same one.
    """
    sign, digits, exponent = Decimal(value).as_tuple()
    shown = "".join(map(str, digits)).lstrip("0")
    stripped = shown.rstrip("0")
    if not stripped:
        return "0"
    return f"{'-' if sign else ''}{stripped}E{int(exponent) + len(shown) - len(stripped)}"


class Keys:
    """Gives equal values of JSON the same small number, however they are written, so that they compare in one step."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._known: dict[int, int] = {}
        self._kept: list[Json] = []

    def of(self, value: Json) -> int:
        """Return the number of a value."""
        if isinstance(value, dict | list):
            known = self._known.get(id(value))
            if known is not None:
                return known
            shape: object
            if isinstance(value, dict):
                shape = ("{", frozenset((name, self.of(each)) for name, each in value.items()))
            else:
                shape = ("[", tuple(self.of(each) for each in value))
            found = self._numbers.setdefault(shape, len(self._numbers))
            self._known[id(value)] = found
            self._kept.append(value)
            return found
        return self._numbers.setdefault(_scalar(value), len(self._numbers))


def shown(value: Json) -> str:
    """Return a value as it is told in an error: in one line, and not all of a long one."""
    text = "".join(_parts(value)).encode(errors="replace").decode()
    return text if len(text) <= 60 else text[:57] + "..."


def _scalar(value: Json) -> object:
    if isinstance(value, bool) or value is None:
        return ("literal", str(value))
    if isinstance(value, int | Decimal):
        return ("number", number_key(value))
    return value


def _bound_depth(text: str) -> None:
    depth = 0
    for found in _TOKEN.finditer(text):
        match found.group()[0]:
            case "[" | "{":
                depth += 1
                if depth > DEEPEST:
                    raise SchemaTooComplexError(f"the schema is nested deeper than {DEEPEST} levels")
            case "]" | "}":
                depth -= 1


def _integer(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise SchemaTooComplexError(f"a number has more than {MOST_DIGITS} characters")
    return int(text)


def _real(text: str) -> Decimal:
    if len(text) > MOST_DIGITS:
        raise SchemaTooComplexError(f"a number has more than {MOST_DIGITS} characters")
    mantissa, _, exponent = text.lower().partition("e")
    digits = exponent.lstrip("+-").lstrip("0")
    if len(digits) > 4 or int(digits or 0) > MOST_DIGITS:
        raise SchemaTooComplexError(f"the exponent of a number is beyond {MOST_DIGITS}")
    return Decimal(f"{mantissa}e{exponent}" if exponent else mantissa)


def _refuse(text: str) -> Json:
    raise InvalidSchemaError(f"not JSON: {text} is no number of JSON")


def _utf_16(name: str) -> bytes:
    return name.encode("utf-16-be", errors="surrogatepass")


def _quoted(text: str) -> str:
    quoted = encode_basestring(text)
    return f'"{text.translate(_CONTROLS)}"' if "\\u00" in quoted else quoted


def _parts(value: Json) -> Iterator[str]:
    out: list[str] = []
    _put(value, out)
    return iter(out)


def _put(value: Json, out: list[str]) -> None:
    if isinstance(value, str):
        out.append(_quoted(value))
    elif isinstance(value, dict):
        before = "{"
        for name, each in value.items():
            out.append(f"{before}{_quoted(name)}:")
            _put(each, out)
            before = ","
        out.append("}" if value else "{}")
    elif isinstance(value, list):
        before = "["
        for each in value:
            out.append(before)
            _put(each, out)
            before = ","
        out.append("]" if value else "[]")
    elif value is None:
        out.append("null")
    elif isinstance(value, bool):
        out.append("true" if value else "false")
    elif isinstance(value, Decimal):
        # BigDecimal has no negative zero, and is written by the same rules as Decimal
        out.append(str(value if value else value.copy_abs()))
    else:
        out.append(str(value))
