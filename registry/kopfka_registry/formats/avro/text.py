"""JSON as Avro's Java library reads and writes it: what it takes for JSON, and which characters it writes for a value.

It takes comments (`//…`, `/*…*/`) where white space may stand, and the last of two equal keys; nothing may follow the
value. Numbers are integers of any size and doubles, and doubles are written as Java's `Double.toString` does. Knows
nothing of schemas.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeAlias

from kopfka_registry.errors import InvalidSchemaError, SchemaTooComplexError
from kopfka_registry.formats.contract import DEEPEST, LARGEST_TEXT

if TYPE_CHECKING:
    from typing import NoReturn

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

DEEPEST_BRACKETS: Final = 3 * DEEPEST + 2
"""Brackets open at once in `DEEPEST` levels of schema: a record takes three (itself, its fields, a field)."""
LONGEST_NUMBER: Final = 1000
"""Characters of one number (Jackson's `StreamReadConstraints`)."""

_SHOWN = 80
_TRIMMED = "".join(map(chr, range(ord(" ") + 1)))
_BLANKS = re.compile(r"[ \t\n\r]*")
_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]|//|/\*', re.DOTALL)
_LINE_END = re.compile(r"[\r\n]|\Z")
# lone surrogates too: no encoding takes them
_ESCAPED = re.compile('["\\\\\x00-\x1f\ud800-\udfff]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def read(text: str) -> Json:
    """Read one JSON value.

    Raises:
        InvalidSchemaError: the text is not JSON.
        SchemaTooComplexError: it is too long or too deep.
    """
    if len(text) > LARGEST_TEXT:
        raise SchemaTooComplexError(f"the text has {len(text)} characters, more than {LARGEST_TEXT}")
    plain = _surveyed(text)
    start = _end_of_blanks(plain, 0)
    try:
        value, end = _DECODER.raw_decode(plain, start)
    except json.JSONDecodeError as error:
        raise InvalidSchemaError(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    rest = text[end:].strip(_TRIMMED)
    if rest:
        line = text.count("\n", 0, end) + 1
        raise InvalidSchemaError(f"not JSON: {shown(rest)} follows the end of the schema (line {line})")
    checked: Json = value
    return checked


def write(value: Json, *, ordered: bool = False) -> str:
    """Return a value as JSON without white space; with the keys of all objects in order if `ordered`."""
    match value:
        case str():
            return string(value)
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case int():
            return str(value)
        case float():
            return double(value)
        case list():
            return f"[{','.join([write(each, ordered=ordered) for each in value])}]"
        case dict():
            keys = sorted(value, key=utf16) if ordered else value
            return f"{{{','.join([f'{string(key)}:{write(value[key], ordered=ordered)}' for key in keys])}}}"


def string(value: str) -> str:
    """Return a JSON string."""
    return f'"{_ESCAPED.sub(_escape, value)}"'


def double(value: float) -> str:
    """Return a double as Java does: `1.0`, `1.0E10`; what is no number in quotes, as Jackson does."""
    if math.isnan(value):
        return '"NaN"'
    if math.isinf(value):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    if value == 0:
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    figures = "".join(map(str, digits)).rstrip("0")
    # the exponent in scientific notation: of the first digit
    first = len(digits) + int(exponent) - 1
    minus = "-" if sign else ""
    if not -3 <= first < 7:
        return f"{minus}{figures[0]}.{figures[1:] or '0'}E{first}"
    if first < 0:
        return f"{minus}0.{'0' * (-first - 1)}{figures}"
    whole = figures[: first + 1].ljust(first + 1, "0")
    return f"{minus}{whole}.{figures[first + 1 :] or '0'}"


def utf16(value: str) -> bytes:
    """Return what Java compares strings by."""
    return value.encode("utf-16-be", "surrogatepass")


def shown(value: Json) -> str:
    """Return a value for an error message: in one line, and not too long."""
    text = string(value[: _SHOWN + 1]) if isinstance(value, str) else write(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def depth(value: Json) -> int:
    """Return how many lists and objects are one in another; 0 for a scalar."""
    levels = 0
    layer: list[Json] = [value]
    while layer := [each for each in layer if isinstance(each, (list, dict))]:
        levels += 1
        layer = [inner for each in layer for inner in (each.values() if isinstance(each, dict) else each)]
    return levels


def _surveyed(text: str) -> str:
    """Return a text with blanks for its comments, if its brackets are not too deep for the decoder's recursion."""
    if "/" not in text and text.count("[") + text.count("{") <= DEEPEST_BRACKETS:
        return text
    parts: list[str] = []
    done = position = level = 0
    while found := _TOKENS.search(text, position):
        position = found.end()
        match found[0]:
            case "[" | "{":
                level += 1
                if level > DEEPEST_BRACKETS:
                    raise SchemaTooComplexError(f"the schema is nested deeper than {DEEPEST} levels")
            case "]" | "}":
                level -= 1
            case "//" | "/*" as start:
                end = _end_of_comment(text, start, position)
                parts += text[done : found.start()], re.sub(r"[^\n]", " ", text[found.start() : end])
                done = position = end
    return "".join((*parts, text[done:]))


def _end_of_comment(text: str, start: str, position: int) -> int:
    if start == "//":
        end = _LINE_END.search(text, position)
        return end.start() if end else len(text)
    end_at = text.find("*/", position)
    if end_at < 0:
        raise InvalidSchemaError(f"not JSON: a comment without end (line {text.count(chr(10), 0, position) + 1})")
    return end_at + 2


def _end_of_blanks(text: str, position: int) -> int:
    found = _BLANKS.match(text, position)
    return found.end() if found else position


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return _SHORT.get(character) or f"\\u{ord(character):04X}"


def _number(kind: type[int] | type[float], text: str) -> int | float:
    if len(text) > LONGEST_NUMBER:
        raise InvalidSchemaError(f"not JSON: a number of {len(text)} characters")
    return kind(text)


def _constant(name: str) -> NoReturn:
    raise InvalidSchemaError(f"not JSON: {name} is no number")


_DECODER = json.JSONDecoder(
    parse_int=lambda text: _number(int, text),
    parse_float=lambda text: _number(float, text),
    parse_constant=_constant,
)
