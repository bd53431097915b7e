"""Tokens of CEL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from kopfka_local.api.cel.values import CelError, UInt

_TOKEN = re.compile(
    r"(?P<space>\s+|//[^\n]*)"
    r"|(?P<string>(?:[rR][bB]?|[bB][rR]?)?(?:'''(?:[^\\]|\\.)*?'''|\"\"\"(?:[^\\]|\\.)*?\"\"\""
    r"|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"))"
    r"|(?P<float>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<int>0[xX][0-9a-fA-F]+[uU]?|\d+[uU]?)"
    r"|(?P<name>[A-Za-z_]\w*|`[\w./ -]+`)"
    r"|(?P<mark>&&|\|\||==|!=|<=|>=|[-+*/%!?:.,<>()\[\]{}])",
    re.DOTALL,
)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPE = re.compile(r"\\(?:([0-3][0-7]{2})|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text: `literal` with its value, `name`, `mark`, or `end`."""

    kind: str
    text: str
    column: int
    value: Any = None


def tokens(text: str) -> list[Token]:
    """Split a text into tokens, an `end` last.

    Raises:
        CelError: there is a character that starts no token, or a malformed literal.
    """
    found, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise CelError(
                f"Syntax error: token recognition error at: '{text[position : position + 12]}' (column {position + 1})"
            )
        token = _token(match)
        if token is not None:
            found.append(token)
        position = match.end()
    found.append(Token("end", "<EOF>", len(text) + 1))
    return found


def _token(match: re.Match[str]) -> Token | None:  # noqa: PLR0911
    kind, text, column = str(match.lastgroup), match.group(), match.start() + 1
    if kind == "space":
        return None
    if kind == "string":
        return Token("literal", text, column, _string(text))
    if kind == "float":
        return Token("literal", text, column, float(text))
    if kind == "int":
        unsigned = text[-1] in "uU"
        number = int(text.rstrip("uU"), 0 if text[:2].lower() == "0x" else 10)
        return Token("literal", text, column, UInt(number) if unsigned else number)
    if kind == "name":
        if text in ("true", "false", "null"):
            return Token("literal", text, column, {"true": True, "false": False, "null": None}[text])
        return Token("name", text.strip("`"), column)
    return Token("mark", text, column)


def _string(text: str) -> str | bytes:
    start = min(index for index, char in enumerate(text) if char in "'\"")
    prefix, body = text[:start].lower(), text[start:]
    width = 3 if body[:3] in ("'''", '"""') and len(body) >= 6 else 1
    body = body[width:-width]
    binary = "b" in prefix
    if "r" not in prefix:
        body = _ESCAPE.sub(lambda match: _escaped(match, binary=binary), body)
    if binary:
        return body.encode("utf-8", "surrogateescape")
    return body


def _escaped(match: re.Match[str], *, binary: bool) -> str:
    octal, short, four, eight, other = match.groups()
    if other is not None:
        if other in _ESCAPES:
            return _ESCAPES[other]
        if other in "\\?'\"`":
            return str(other)
        raise CelError(f"Syntax error: unknown escape \\{other} in a text")
    code = int(octal, 8) if octal else int(short or four or eight, 16)
    if binary and code > 127:
        return bytes([code]).decode("utf-8", "surrogateescape")
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise CelError("Syntax error: an escape in a text is no character")
    return chr(code)
