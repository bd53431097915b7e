"""Regular expressions of schemas, run by RE2: in linear time and bounded memory.

What RE2 has no words for (looking around, referring back) is kept as a text and never run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kopfka_registry.formats.jsonschema.examine import Budget
    from kopfka_registry.formats.jsonschema.library import Located

_MEMORY: Final = 1 << 16
"""Bytes that one expression may take; compiling one of that size takes a millisecond."""
_LONGEST: Final = 1000
"""Characters of a name that is looked at; of a longer one nothing is known. One may take some microseconds."""
_KEPT: Final = 1000
_COMPILING: Final = 250
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
            if compiled is None or len(name) > _LONGEST:
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
            self._compiled[pattern], _ = _tried(pattern)
        return self._compiled[pattern]


def broken(pattern: str) -> str | None:
    """Return what makes a text no regular expression in any dialect; None for one that is, or may be."""
    _, said = _tried(pattern)
    if said is None or not said.startswith(_WRONG_EVERYWHERE):
        return None
    # JavaScript has empty classes, and takes braces for themselves
    lenient = ("[]" in pattern or "[^]" in pattern) if said.startswith("missing ]") else said.endswith("}")
    return None if lenient else said


def _tried(pattern: str) -> tuple[Any, str | None]:
    """Return the compiled expression, or what RE2 says against it."""
    import re2  # type: ignore[import-untyped] # noqa: PLC0415 many schemas have no expressions

    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options), None
    except re2.error as error:
        said = error.args[0]
        return None, said.decode(errors="replace") if isinstance(said, bytes) else str(said)
