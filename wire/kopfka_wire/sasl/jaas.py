"""Reads `sasl.jaas.config`: one login module, its control flag and its options. Nothing of JAAS besides is here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FLAGS = frozenset({"required", "requisite", "sufficient", "optional"})
# white space and comments, strings, and words, as Java's StreamTokenizer cuts them
_SKIPPED = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\\n]|\\.)*)"|\'((?:[^\'\\\n]|\\.)*)\'', re.DOTALL)
_WORD = re.compile(r"[^\s=;\"']+")
_ESCAPE = re.compile(r"\\([0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v"}
USER_PREFIX = "user_"


@dataclass(frozen=True, slots=True)
class LoginModule:
    """One entry."""

    name: str
    """The class of the module."""
    options: Mapping[str, str]

    @property
    def users(self) -> dict[str, str]:
        """Passwords by user name: the options `user_NAME`."""
        return {name[len(USER_PREFIX) :]: value for name, value in self.options.items() if name.startswith(USER_PREFIX)}


def parse_jaas(text: str, setting: str) -> LoginModule:
    """Read the one entry of a `sasl.jaas.config`.

    Raises:
        SettingsError: it is malformed, or holds another number of entries than one; names `setting`, never its value.
    """
    tokens = _Tokens(text, setting)
    name = tokens.take("a login module")
    flag = tokens.take("a control flag")
    if flag.lower() not in _FLAGS:
        raise tokens.wrong(f"after the login module comes one of {', '.join(sorted(_FLAGS))}")
    options: dict[str, str] = {}
    while (key := tokens.take("';' at the end")) != ";":
        if tokens.take(f"'=' after option {key}") != "=":
            raise tokens.wrong(f"option {key} has no value")
        options[key] = tokens.take(f"a value of option {key}")
    if not tokens.done:
        raise tokens.wrong("it holds more than one login module")
    return LoginModule(name, options)


class _Tokens:
    def __init__(self, text: str, setting: str) -> None:
        self._setting = setting
        self._tokens = list(self._cut(text))

    @property
    def done(self) -> bool:
        return not self._tokens

    def take(self, what: str) -> str:
        if not self._tokens:
            raise self.wrong(f"{what} is missing")
        return self._tokens.pop(0)

    def wrong(self, why: str) -> SettingsError:
        return SettingsError(
            f'{self._setting} is malformed: {why}; write MODULE required OPTION="VALUE" … ; with a semicolon at the end'
        )

    def _cut(self, text: str) -> Iterator[str]:
        position = 0
        while position < len(text):
            if skipped := _SKIPPED.match(text, position):
                position = skipped.end()
            elif quoted := _QUOTED.match(text, position):
                yield _ESCAPE.sub(_unescape, quoted[1] if quoted[1] is not None else quoted[2])
                position = quoted.end()
            elif text[position] in "=;":
                yield text[position]
                position += 1
            elif word := _WORD.match(text, position):
                yield word[0]
                position = word.end()
            else:
                raise self.wrong("a quotation mark is not closed")


def _unescape(found: re.Match[str]) -> str:
    code = found[1]
    return chr(int(code, 8)) if code[0] in "01234567" else _ESCAPED.get(code, code)
