"""Maximum matching in a bipartite graph (Hopcroft and Karp), without recursion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_FREE: Final = -1


def maximum_matching(edges: Sequence[Sequence[int]], right: int, spend: Callable[[int], None]) -> list[int]:
    """Return for each vertex on the left the one on the right that it is matched with, or -1.

    Args:
        edges: for each vertex on the left, its neighbours on the right.
        right: how many vertices there are on the right.
        spend: told the steps taken, may raise to end it.
    """
    mate, back = [_FREE] * len(edges), [_FREE] * right
    size = sum(map(len, edges)) + len(edges) + 1
    while True:
        spend(size // 10 + 1)
        layer = _layers(edges, mate, back)
        found = False
        for start in range(len(edges)):
            if mate[start] == _FREE and _augment(start, edges, mate, back, layer):
                found = True
        if not found:
            return mate


def _layers(edges: Sequence[Sequence[int]], mate: list[int], back: list[int]) -> list[int]:
    layer = [0 if each == _FREE else _FREE for each in mate]
    queue = [vertex for vertex, at in enumerate(layer) if at == 0]
    for vertex in queue:
        for there in edges[vertex]:
            following = back[there]
            if following != _FREE and layer[following] == _FREE:
                layer[following] = layer[vertex] + 1
                queue.append(following)
    return layer


def _augment(start: int, edges: Sequence[Sequence[int]], mate: list[int], back: list[int], layer: list[int]) -> bool:
    way: list[tuple[int, int]] = []
    """Vertex on the left, and which of its edges is next."""
    way.append((start, 0))
    while way:
        vertex, number = way.pop()
        if number == len(edges[vertex]):
            layer[vertex] = _FREE  # leads nowhere
            continue
        way.append((vertex, number + 1))
        there = edges[vertex][number]
        following = back[there]
        if following == _FREE:
            for passed, taken in way:
                chosen = edges[passed][taken - 1]
                mate[passed], back[chosen] = chosen, passed
            return True
        if layer[following] == layer[vertex] + 1:
            way.append((following, 0))
    return False
