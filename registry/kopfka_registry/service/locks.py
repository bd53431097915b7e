"""Who may change what at the same time: changes of different subjects side by side, those of all subjects alone."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Locks:
    """One lock a subject, and one over all of them; who waits for that one lets no further ones pass."""

    def __init__(self) -> None:
        self._subjects: dict[str, tuple[asyncio.Lock, int]] = {}
        self._inside = 0
        self._turnstile = asyncio.Lock()
        self._empty = asyncio.Event()
        self._empty.set()

    @contextlib.asynccontextmanager
    async def subject(self, name: str) -> AsyncIterator[None]:
        """Hold one subject."""
        async with self._turnstile:
            self._inside += 1
            self._empty.clear()
        try:
            lock, holders = self._subjects.get(name) or (asyncio.Lock(), 0)
            self._subjects[name] = lock, holders + 1
            try:
                async with lock:
                    yield
            finally:
                lock, holders = self._subjects[name]
                if holders > 1:
                    self._subjects[name] = lock, holders - 1
                else:
                    del self._subjects[name]
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @contextlib.asynccontextmanager
    async def all(self) -> AsyncIterator[None]:
        """Hold all subjects."""
        async with self._turnstile:
            await self._empty.wait()
            yield
