"""A work queue: keys to reconcile, each at most once at a time, again later when asked, with back-off after failures.

It knows nothing of what a key means. Level-triggered: many requests for a key before its turn are one.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from itertools import count
from typing import TYPE_CHECKING, Generic, TypeVar

from kopfka_operator.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

log = logging.getLogger(__name__)

Key = TypeVar("Key", bound="Hashable")

FIRST_DELAY = 0.5
LONGEST_DELAY = 60.0


class WorkQueue(Generic[Key]):
    """Runs `work(key)` for requested keys. `work` returns seconds after which to come back, or None."""

    def __init__(self, work: Callable[[Key], Awaitable[float | None]], *, clock: Callable[[], float]) -> None:
        self._work = work
        self._clock = clock
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._later: list[tuple[float, int, Key]] = []
        self._due: dict[Key, float] = {}
        self._ticket = count()
        self._wake = asyncio.Event()

    def add(self, key: Key) -> None:
        """Ask for a key to be worked on as soon as a worker is free."""
        self._due.pop(key, None)
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    def add_later(self, key: Key, seconds: float) -> None:
        """Ask for a key to be worked on in some seconds; a request for sooner wins."""
        due = self._clock() + seconds
        if key in self._waiting or self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        heapq.heappush(self._later, (due, next(self._ticket), key))
        self._wake.set()

    def failures(self, key: Key) -> int:
        """Return how many times in a row the work on a key has failed."""
        return self._failures.get(key, 0)

    async def run(self, workers: int) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._timer(), name="work queue timer")
            for number in range(workers):
                group.create_task(self._worker(), name=f"work queue {number}")

    async def _worker(self) -> None:
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._running.add(key)
            try:
                delay = await self._work(key)
            except OperatorError as error:
                delay = self.backoff(key)
                log.info("%s: %s; again in %.1f s", key, error, delay)
            except Exception:
                log.exception("%s: reconciling failed; trying again", key)
                delay = self.backoff(key)
            else:
                if delay is None:
                    self._failures.pop(key, None)
            self._running.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key)
            elif delay is not None:
                self.add_later(key, delay)

    def backoff(self, key: Key) -> float:
        """Count one more failure of a key and return how long to wait: twice as long as before, up to a minute."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        return float(min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(failures - 1, 10)))

    async def _timer(self) -> None:
        while True:
            self._wake.clear()
            now = self._clock()
            while self._later and self._later[0][0] <= now:
                due, _, key = heapq.heappop(self._later)
                if self._due.get(key) == due:
                    self.add(key)
            pause = self._later[0][0] - now if self._later else None
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue
