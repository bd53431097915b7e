"""The words, numbers, strings and signs of a `.proto` text, one at a time, in linear time.

Comments are skipped. What a string's escapes stand for is said here; what a number is worth, too.
"""

from __future__ import annotations

import re
from typing import Final

from kopfka_registry.formats.protobuf.refusal import RefusalError

WORD: Final = "w"
NUMBER: Final = "n"
STRING: Final = "s"
END: Final = "e"

_TOKEN: Final = re.compile(
    r"""[ \t\r\n\v\f]*(?:
    (?P<w>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<p>[;{}=\[\](),:<>+-])
  | (?P<n>0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
  | (?P<s>"(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+')
  | (?P<c>//[^\n]*|/\*)
  | (?P<d>[./])
  | (?P<e>\Z)
  )""",
    re.VERBOSE | re.ASCII,
)
_ESCAPE: Final = re.compile(
    rb"""\\(?:([abfnrtv\\?'"])|([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})
    |u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|.?)""",
    re.DOTALL | re.VERBOSE,
)
_SIMPLE: Final = {
    b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v",
    b"\\": b"\\", b"?": b"?", b"'": b"'", b'"': b'"',
}  # fmt: skip
_INTEGER: Final = re.compile(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*")


class Tokens:
    """A text's tokens; `kind`, `text` and `at` are those of the current one."""

    __slots__ = ("_next", "_source", "at", "kind", "text")

    def __init__(self, source: str) -> None:
        self._source = source
        self._next = 1 if source.startswith("\ufeff") else 0
        self.kind = ""
        self.text = ""
        self.at = 0
        self.advance()

    def advance(self) -> None:
        """Go on to the next token; `kind` of a sign is the sign itself."""
        while True:
            match = _TOKEN.match(self._source, self._next)
            if match is None:
                raise self._unreadable()
            kind = match.lastgroup or END
            self._next = match.end()
            if kind != "c":
                break
            if match[kind] == "/*":
                self._skip_block(match.start(kind))
        self.at = match.start(kind)
        self.text = match[kind]
        self.kind = self.text if kind in "pd" else kind
        if kind == NUMBER:
            self._check_number()

    def _skip_block(self, start: int) -> None:
        end = self._source.find("*/", self._next)
        if end < 0:
            raise RefusalError("a block comment is not closed", start)
        if self._source.find("/*", self._next, end) >= 0:
            raise RefusalError("block comments cannot be nested", start)
        self._next = end + 2

    def _check_number(self) -> None:
        follows = self._source[self._next : self._next + 1]
        if follows and (follows in "_." or follows.isalnum()):
            raise RefusalError("a number is followed by what cannot follow it", self._next)
        if self.text[0] == "0" and self.text[1:2].isdigit() and not _INTEGER.fullmatch(self.text):
            raise RefusalError("a number with a leading zero is octal", self.at)

    def looking_at(self, word: str) -> bool:
        """Tell whether the current token is this word."""
        return self.kind == WORD and self.text == word

    def following(self) -> str:
        """Return the text of the token after the current one."""
        state = self._next, self.kind, self.text, self.at
        self.advance()
        text = self.text
        self._next, self.kind, self.text, self.at = state
        return text

    def unexpected(self, wanted: str) -> RefusalError:
        """Return the error for a current token that is not what is wanted."""
        found = "the end" if self.kind == END else f'"{self.text[:50]}"'
        return RefusalError(f"expected {wanted} but found {found}", self.at)

    def take(self, sign: str) -> None:
        """Take a sign, or refuse what is there instead."""
        if self.kind != sign:
            raise self.unexpected(f'"{sign}"')
        self.advance()

    def try_take(self, sign: str) -> bool:
        """Take a sign if it is the current token."""
        if self.kind != sign:
            return False
        self.advance()
        return True

    def word(self, wanted: str) -> str:
        """Take a word and return it; `wanted` says in the error what it is for."""
        if self.kind != WORD:
            raise self.unexpected(wanted)
        text = self.text
        self.advance()
        return text

    def path(self, wanted: str) -> str:
        """Take words joined by dots, perhaps with a dot before them."""
        parts = [""] if self.try_take(".") else []
        parts.append(self.word(wanted))
        while self.try_take("."):
            parts.append(self.word(wanted))
        return ".".join(parts)

    def string(self, wanted: str) -> bytes:
        """Take a string literal, and those that follow it directly; return what they stand for."""
        if self.kind != STRING:
            raise self.unexpected(wanted)
        content = b""
        parts = []
        while self.kind == STRING:
            parts.append(unescaped(self.text[1:-1], self.at))
            self.advance()
        return content.join(parts)

    def name_in_string(self, wanted: str) -> str:
        """Take a string literal that is text."""
        at = self.at
        try:
            return self.string(wanted).decode()
        except UnicodeDecodeError:
            raise RefusalError(f"{wanted} is not UTF-8", at) from None

    def integer(self, wanted: str, largest: int) -> int:
        """Take a whole number that is not negative."""
        if self.kind != NUMBER or (self.text[:2] not in ("0x", "0X") and not self.text.isdigit()):
            raise self.unexpected(wanted)
        value = integer(self.text, self.at)
        if value > largest:
            raise RefusalError("the number is out of range", self.at)
        self.advance()
        return value

    def _unreadable(self) -> RefusalError:
        source, at = self._source, self._next
        while at < len(source) and source[at] in " \t\r\n\v\f":
            at += 1
        char = source[at]
        if char in "\"'":
            end = source.find("\n", at)
            return RefusalError("a string is not closed on its line", at if end < 0 else end)
        return RefusalError(f"the character {char!a} has no meaning here", at)


def integer(text: str, at: int = -1) -> int:
    """Return what a whole number without a sign is worth: decimal, octal or hexadecimal."""
    if len(text) > 40 or not _INTEGER.fullmatch(text):
        raise RefusalError(f'"{text[:40]}" is no whole number', at)
    if text[:2] in ("0x", "0X"):
        return int(text[2:], 16)
    return int(text, 8) if text.startswith("0") else int(text)


def unescaped(text: str, at: int = -1) -> bytes:
    """Return the bytes that the content of a string literal stands for."""
    raw = text.encode("utf-8", "surrogatepass")
    if b"\\" not in raw:
        return raw

    def replace(match: re.Match[bytes]) -> bytes:
        simple, octal, short, high, low, four, eight = match.groups()
        if simple:
            return _SIMPLE[simple]
        if octal:
            return bytes((int(octal, 8) & 0xFF,))
        if short:
            return bytes((int(short, 16),))
        if high:
            return chr(0x10000 + (int(high, 16) - 0xD800 << 10) + int(low, 16) - 0xDC00).encode()
        if not (four or eight):
            raise RefusalError("a string has an escape that means nothing", at)
        code = int(four or eight, 16)
        return match[0] if code > 0x10FFFF else chr(code).encode("utf-8", "surrogatepass")

    return _ESCAPE.sub(replace, raw)
