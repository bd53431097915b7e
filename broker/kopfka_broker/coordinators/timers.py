"""One heap of timeouts for every group and member: a thousand heartbeats a second touch it in constant time.

It knows no clock and no event loop: whoever drives it says what time it is.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


@dataclass(slots=True)
class _Timer:
    due: int
    queued: int
    callback: Callable[[], None]


class Timers:
    """Callbacks by key, each at most once in wait; scheduling a key again replaces it.

    A timer put off further keeps its place in the heap and is put back when that place comes up, so what happens most,
    a heartbeat, costs one dictionary look-up.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        """Read the time (milliseconds, monotonic) from `now`."""
        self.on_earlier: Callable[[], None] | None = None
        """Called when `next_due` comes earlier than it was."""
        self._now = now
        self._timers: dict[Hashable, _Timer] = {}
        self._heap: list[tuple[int, int, Hashable, _Timer]] = []
        self._sequence = itertools.count()

    def schedule(self, key: Hashable, delay_ms: int, callback: Callable[[], None]) -> None:
        """Call `callback` once `delay_ms` from now, instead of what `key` was to do."""
        due = self._now() + delay_ms
        timer = self._timers.get(key)
        if timer is None:
            timer = self._timers[key] = _Timer(due, due, callback)
            self._push(key, timer)
            return
        timer.due, timer.callback = due, callback
        if due < timer.queued:
            timer.queued = due
            self._push(key, timer)

    def cancel(self, key: Hashable) -> None:
        """Forget `key`; nothing happens where it is not in wait."""
        self._timers.pop(key, None)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._timers

    def __len__(self) -> int:
        return len(self._timers)

    def next_due(self) -> int | None:
        """Return when to call `advance` next (it may turn out that nothing was due), None where nothing waits."""
        while self._heap and self._stale(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def advance(self) -> None:
        """Call everything that is due by now, in order of time; a callback may schedule and cancel.

        What a callback schedules waits for the next call, even where it is due at once: no timeout can keep the event
        loop to itself.
        """
        now, last = self._now(), next(self._sequence)
        later = []
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            if self._stale(entry):
                continue
            _, sequence, key, timer = entry
            if sequence > last:
                later.append(entry)
                continue
            if timer.due > now:
                timer.queued = timer.due
                self._push(key, timer)
                continue
            del self._timers[key]
            timer.callback()
        for entry in later:
            heapq.heappush(self._heap, entry)

    def _push(self, key: Hashable, timer: _Timer) -> None:
        entry = (timer.queued, next(self._sequence), key, timer)
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry and self.on_earlier is not None:
            self.on_earlier()

    def _stale(self, entry: tuple[int, int, Hashable, _Timer]) -> bool:
        queued, _, key, timer = entry
        return self._timers.get(key) is not timer or timer.queued != queued
