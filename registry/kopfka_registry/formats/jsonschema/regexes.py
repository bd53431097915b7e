"""Regular expressions of schemas, run by RE2: in linear time and bounded memory.

What RE2 has no words for (looking around, referring back) is kept as a text and never run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import re2  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kopfka_registry.formats.jsonschema.examine import Budget
    from kopfka_registry.formats.jsonschema.library import Located

_MEMORY: Final = 1 << 17
"""Bytes that one expression may take; compiling one of that size takes two milliseconds."""
_KEPT: Final = 256
_COMPILING: Final = 500
"""Steps that compiling may take."""
_WRONG_EVERYWHERE: Final = ("missing )", "unexpected )", "trailing \\", "missing ]", "no argument for repetition")


class Regexes:
    """Expressions of one comparison."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._compiled: dict[str, Any] = {}

    def matching(self, patterns: Mapping[str, Located], name: str) -> Iterator[tuple[Located, bool]]:
        """Yield the schemas whose pattern matches a name, and with each whether that is certain."""
        for pattern, schema in patterns.items():
            compiled = self._compile(pattern)
            if compiled is None:
                yield schema, False
                continue
            self._budget.spend(1 + len(name))
            if compiled.search(name):
                yield schema, True

    def _compile(self, pattern: str) -> Any:
        if pattern not in self._compiled:
            self._budget.spend(_COMPILING + len(pattern) // 10)
            if len(self._compiled) >= _KEPT:
                self._compiled.clear()
            try:
                self._compiled[pattern] = re2.compile(pattern, _options())
            except re2.error:
                self._compiled[pattern] = None
        return self._compiled[pattern]


def broken(pattern: str) -> str | None:
    """Return what makes a text no regular expression in any dialect; None for one that is, or may be."""
    try:
        re2.compile(pattern, _options())
    except re2.error as error:
        said = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        if not said.startswith(_WRONG_EVERYWHERE):
            return None
        # JavaScript has empty classes, and takes braces for themselves
        lenient = ("[]" in pattern or "[^]" in pattern) if said.startswith("missing ]") else said.endswith("}")
        return None if lenient else said
    return None


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    return options
