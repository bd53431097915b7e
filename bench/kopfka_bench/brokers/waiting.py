"""Waiting on conditions instead of sleeping."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from kopfka_bench.errors import NotInTimeError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def eventually(check: Callable[[], T], *, seconds: float = 30.0, every: float = 0.05, what: str = "") -> T:
    """Call `check` until it returns something true, and return that; an AssertionError of `check` counts as not yet.

    Raises:
        NotInTimeError: it did not come true within `seconds`; it is an AssertionError too.
    """
    deadline = time.monotonic() + seconds
    last: object = None
    while True:
        try:
            last = check()
            if last:
                return last
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise NotInTimeError(f"{what or check} did not come true within {seconds} s; last: {last!r}")
        time.sleep(every)
