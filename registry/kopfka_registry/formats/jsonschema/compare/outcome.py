"""What a comparison found: differences, each with the way to it. Outcomes share what they have in common."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kopfka_registry.formats.jsonschema.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kopfka_registry.formats.jsonschema.rules import Rule

Comparing: TypeAlias = Generator["Comparing", Any, Any]
"""A comparison that yields those it needs and is sent their outcomes, so that none of them is deep in Python's stack.

It returns an `Outcome`."""

MOST_TOLD: Final = 1000
"""Differences that one answer names."""
_LONGEST_TOLD: Final = 1_000_000
"""Characters of all their paths."""
_MOST_VISITED: Final = 100_000


@dataclass(slots=True, eq=False)
class Outcome:
    """What was found in one place."""

    compatible: bool = True
    entries: list[tuple[str, Rule | Outcome]] = field(default_factory=list)
    """What was found, with the way to it from here."""

    def add(self, rule: str, at: str = "") -> None:
        """Note a difference."""
        found = RULES[rule]
        self.compatible &= found.compatible
        self.entries.append((at, found))

    def take(self, inner: Outcome, at: str = "") -> None:
        """Note what was found in a place inside this one."""
        self.compatible &= inner.compatible
        if inner.entries:
            self.entries.append((at, inner))


SAME: Final = Outcome()
"""Nothing was found."""
BROKEN: Final = Outcome(compatible=False)
"""What was found is told elsewhere."""


@dataclass(frozen=True, slots=True)
class _Way:
    before: _Way | None
    name: str


def told(outcome: Outcome, *, compatible: bool = False) -> Iterator[tuple[Rule, str]]:
    """Yield the differences of an outcome with their paths: the incompatible ones, or all.

    Of very many the first, and at least one if the outcome is not compatible.
    """
    visited = characters = found = 0
    open_: list[tuple[Iterator[tuple[str, Rule | Outcome]], _Way | None]] = [(iter(outcome.entries), None)]
    while open_ and visited < _MOST_VISITED and characters < _LONGEST_TOLD and found < MOST_TOLD:
        entries, way = open_[-1]
        entry = next(entries, None)
        if entry is None:
            open_.pop()
            continue
        visited += 1
        name, inner = entry
        there = _Way(way, name) if name else way
        if inner.compatible and not compatible:
            continue
        if isinstance(inner, Outcome):
            open_.append((iter(inner.entries), there))
            continue
        path = _path(there)
        characters += len(path)
        found += 1
        yield inner, path
    if not found and not outcome.compatible:
        yield RULES["TYPE_CHANGED"], "#/"


def _path(way: _Way | None) -> str:
    names: list[str] = []
    while way is not None:
        names.append(way.name)
        way = way.before
    return "#/" + "/".join(reversed(names))
