"""How long to wait before the next attempt: longer each time up to a limit, and not all clients at the same moment."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_FACTOR: Final = 2.0
_JITTER: Final = 0.2


class Backoff:
    """The waits of one series of attempts, in seconds, as Kafka's clients have them: doubled, give or take a fifth."""

    __slots__ = ("_attempts", "_first", "_most", "_random")

    def __init__(self, first: float, most: float, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._first = first
        self._most = max(first, most)
        self._random = uniform
        self._attempts = 0

    def next(self) -> float:
        """Return the next wait."""
        wait = min(self._first * _FACTOR**self._attempts, self._most)
        if wait < self._most:
            self._attempts += 1
        return wait * self._random(1 - _JITTER, 1 + _JITTER)

    def reset(self) -> None:
        """Begin anew: an attempt was a good one."""
        self._attempts = 0
