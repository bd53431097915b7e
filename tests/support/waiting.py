"""Waiting on conditions instead of sleeping."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any

from kopfka_bench.brokers.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["eventually", "eventually_async"]


async def eventually_async(
    check: Callable[[], Any], *, seconds: float = 30.0, every: float = 0.02, what: str = ""
) -> Any:
    """As `eventually`, on the event loop; `check` may be a coroutine function."""
    deadline = time.monotonic() + seconds
    last: object = None
    while True:
        try:
            last = check()
            if inspect.isawaitable(last):
                last = await last
            if last:
                return last
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or check} did not come true within {seconds} s; last: {last!r}")
        await asyncio.sleep(every)
