"""Runs a comparison: pairs of schemas, each compared once, however they refer to one another.

A pair that is met again while it is being compared is taken for compatible. If that turns out wrong, all is compared
once more with what is known by then, until nothing was taken for granted that is not so: the greatest fixed point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.jsonschema.build import Builder
from kopfka_registry.formats.jsonschema.compare.kinds import compare_kinds
from kopfka_registry.formats.jsonschema.compare.outcome import BROKEN, SAME, Outcome
from kopfka_registry.formats.jsonschema.compare.same import Same
from kopfka_registry.formats.jsonschema.examine import Budget
from kopfka_registry.formats.jsonschema.library import Located
from kopfka_registry.formats.jsonschema.regexes import Regexes
from kopfka_registry.formats.jsonschema.text import Keys

if TYPE_CHECKING:
    from kopfka_registry.formats.jsonschema.compare.outcome import Comparing
    from kopfka_registry.formats.jsonschema.nodes import Node


_STEPS_OF_A_PAIR: Final = 3


class Comparison:
    """One comparison, with what it knows so far."""

    def __init__(self) -> None:
        self.budget = Budget("comparing the two schemas")
        self.regexes = Regexes(self.budget)
        self._keys = Keys()
        self._builder = Builder(self._keys)
        self._same = Same(self._keys, self.budget)
        self._done: dict[tuple[int, int], Outcome] = {}
        self._open: set[tuple[int, int]] = set()
        self._failed: set[tuple[int, int]] = set()
        self._known: frozenset[tuple[int, int]] = frozenset()
        self._guessed = False

    def run(self, writer: Located, reader: Located) -> Outcome:
        """Return what is different in a reader's schema from a writer's.

        Raises:
            SchemaTooComplexError: it takes too long.
        """
        while True:
            self._done, self._open, self._failed, self._guessed = {}, set(), set(), False
            outcome = _drive(self.pair(writer, reader))
            if not self._guessed or self._failed <= self._known:
                return outcome
            self._known |= self._failed

    def node(self, part: Node | Located) -> Node:
        """Return the node of a schema."""
        return self._builder.node(part)

    def key(self, part: Located) -> int:
        """Return a number that is the same for schemas of the same text."""
        return self._keys.of(part.value)

    def same(self, writer: Located, reader: Located) -> bool:
        """Tell whether two schemas say the same in the same words, and lead to such."""
        return self._same.told(writer, reader)

    def pair(self, writer: Node | Located, reader: Node | Located) -> Comparing:
        """Compare two schemas; returns an `Outcome`."""
        self.budget.spend(_STEPS_OF_A_PAIR)
        if isinstance(writer, Located) and isinstance(reader, Located) and self.same(writer, reader):
            return SAME
        one, other = self.node(writer), self.node(reader)
        key = id(one), id(other)
        done = self._done.get(key)
        if done is not None:
            return done
        if key in self._open:
            if key in self._known:
                return BROKEN
            self._guessed = True
            return SAME
        self._open.add(key)
        outcome: Outcome = yield compare_kinds(self, one, other)
        self._open.discard(key)
        self._done[key] = outcome
        if not outcome.compatible:
            self._failed.add(key)
        return outcome


def _drive(first: Comparing) -> Outcome:
    """Run a comparison with all those it yields."""
    stack, value = [first], None
    while stack:
        try:
            stack.append(stack[-1].send(value))
            value = None
        except StopIteration as ended:
            stack.pop()
            value = ended.value
    if not isinstance(value, Outcome):
        raise AssertionError(value)
    return value
