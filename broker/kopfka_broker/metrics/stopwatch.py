"""How long a coroutine worked, without the time it waited for others: what a request quota counts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

T = TypeVar("T")


class Stopwatch(Generic[T]):
    """Awaits a coroutine once and adds up its steps."""

    __slots__ = ("_work", "seconds")

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work
        self.seconds = 0.0

    def __await__(self) -> Generator[Any, Any, T]:
        step, given = self._work.send, None
        while True:
            began = time.perf_counter()
            try:
                wanted = step(given)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            finally:
                self.seconds += time.perf_counter() - began
            try:
                given = yield wanted
                step = self._work.send
            except BaseException as error:
                given, step = error, self._work.throw
