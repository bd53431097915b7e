"""Java `.properties` files, and checks of setting names shared by every process that takes Kafka's own config names."""

from __future__ import annotations

import difflib
import re
import string
from typing import TYPE_CHECKING

from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_HEXADECIMAL = frozenset(string.hexdigits)
_BLANK = " \t\f"
_BARS = re.compile("_{1,3}")


def parse_properties(text: str) -> dict[str, str]:
    """Read the text of a `.properties` file as `java.util.Properties.load` does (the last of two equal keys wins).

    Raises:
        SettingsError: a `\\u` escape is malformed.
    """
    return dict(_split_pair(line) for line in _logical_lines(text))


def format_properties(settings: dict[str, str]) -> str:
    """Write settings as a `.properties` text, sorted by key, that `parse_properties` reads back to the same mapping."""
    return "".join(f"{_escape(key, key=True)}={_escape(value, key=False)}\n" for key, value in sorted(settings.items()))


def variable_of(prefix: str, setting: str) -> str:
    """Return the environment variable that stands for a setting, by the convention of Confluent's images.

    With the prefix `SCHEMA_REGISTRY_`, `ssl.keystore.key` is `SCHEMA_REGISTRY_SSL_KEYSTORE_KEY`; `_` is written `__`
    and `-` is written `___`.
    """
    return prefix + setting.upper().replace("_", "__").replace("-", "___").replace(".", "_")


def settings_of_variables(prefix: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that environment variables with a prefix stand for: the way back from `variable_of`."""
    return {
        _BARS.sub(lambda bars: ("", ".", "_", "-")[len(bars[0])], name.removeprefix(prefix).lower()): value
        for name, value in environment.items()
        if name.startswith(prefix) and len(name) > len(prefix)
    }


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like `name`, or None where none comes near."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def unknown_setting(name: str, known: Iterable[str]) -> SettingsError:
    """Return the error for a setting no one knows, with the nearest known name as the remedy."""
    close = nearest(name, known)
    hint = f"did you mean {close}?" if close else "no known setting is named like it"
    return SettingsError(f"unknown setting {name}: {hint}")


def _logical_lines(text: str) -> Iterable[str]:
    pending = ""
    for raw in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        line = raw.lstrip(_BLANK)
        if not pending and (not line or line[0] in "#!"):
            continue
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            pending += line[:-1]
            continue
        yield pending + line
        pending = ""
    if pending:
        yield pending


def _split_pair(line: str) -> tuple[str, str]:
    end = 0
    while end < len(line) and line[end] not in "=: \t\f":
        end += 2 if line[end] == "\\" else 1
    key, rest = line[:end], line[end:].lstrip(_BLANK)
    if rest[:1] in ("=", ":"):
        rest = rest[1:].lstrip(_BLANK)
    return _unescape(key), _unescape(rest)


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    out: list[str] = []
    index = 0
    while index < len(text):
        char = text[index]
        index += 1
        if char != "\\":
            out.append(char)
            continue
        code = text[index : index + 1]
        index += 1
        if code == "u":
            digits = text[index : index + 4]
            if len(digits) < 4 or not set(digits) <= _HEXADECIMAL:
                raise SettingsError(f"malformed escape \\u{digits} in properties: write four hexadecimal digits")
            out.append(chr(int(digits, 16)))
            index += 4
        else:
            out.append(_ESCAPES.get(code, code))
    return "".join(out)


def _escape(text: str, *, key: bool) -> str:
    out = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t").replace("\f", "\\f")
    if key:
        return "".join(f"\\{char}" if char in " =:#!" else char for char in out)
    return f"\\{out}" if out.startswith(" ") else out
