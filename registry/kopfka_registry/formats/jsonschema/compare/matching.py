"""Maximum matching in a bipartite graph whose edges are found out as they are needed.

Augmenting paths, from each vertex on the left that has no partner: it gets one if another can take a different one
instead. Which partners a vertex could have is asked for when a path comes to it. Without recursion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_FREE: Final = -1


class Matching:
    """A matching that grows: ask `next_wanted` for a vertex, `tell` its partners, until none is wanted any more."""

    def __init__(self, left: int, right: int, spend: Callable[[int], None]) -> None:
        """Begin without pairs.

        Args:
            left: how many vertices there are on the left.
            right: how many there are on the right.
            spend: told the steps taken, may raise to end it.
        """
        self._mate, self._back = [_FREE] * left, [_FREE] * right
        self._spend = spend
        self._edges: dict[int, Sequence[int]] = {}
        self._start = 0
        """The vertex whose partner is looked for."""
        self._way: list[tuple[int, int]] = []
        """The path so far: vertices on the left, and which of its edges each tries next."""
        self._seen: set[int] = set()

    def pair(self, left: int, right: int) -> None:
        """Make a pair to begin with, if both are free."""
        if self._mate[left] == self._back[right] == _FREE:
            self._mate[left], self._back[right] = right, left

    def tell(self, left: int, partners: Sequence[int]) -> None:
        """Tell which partners on the right a vertex could have."""
        self._edges[left] = partners

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield the pairs."""
        return ((left, right) for left, right in enumerate(self._mate) if right != _FREE)

    def next_wanted(self) -> int | None:
        """Go on until a vertex is reached of which nothing was told yet, and return it; None at the end."""
        while True:
            if not self._way:
                while self._start < len(self._mate) and self._mate[self._start] != _FREE:
                    self._start += 1
                if self._start == len(self._mate):
                    return None
                self._way, self._seen = [(self._start, 0)], set()
            vertex, number = self._way[-1]
            edges = self._edges.get(vertex)
            if edges is None:
                return vertex
            self._spend(1)
            if number == len(edges):
                self._way.pop()
                self._start += not self._way
                continue
            self._way[-1] = vertex, number + 1
            there = edges[number]
            if there in self._seen:
                continue
            self._seen.add(there)
            if self._back[there] == _FREE:
                self._augment()
            else:
                self._way.append((self._back[there], 0))

    def _augment(self) -> None:
        for vertex, number in self._way:
            chosen = self._edges[vertex][number - 1]
            self._mate[vertex], self._back[chosen] = chosen, vertex
        self._way = []
