"""Loads as processes of their own: started together, each with its own result, duration and processor time.

A load is a function `load(go, …)` at the top of a module: it gets ready, calls `go()`, and what follows is measured.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kopfka_bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

    Go = Callable[[], None]

T = TypeVar("T")
_READY_SECONDS = 120.0
_SPAWN = multiprocessing.get_context("spawn")  # a fork would copy the clients' threads half


class LoadError(BenchError):
    """A load failed; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """How loads that ran together ended."""

    results: list[T]
    seconds: float
    """From the first that began to the last that ended."""
    cpu: float
    """Seconds of processor time of all."""


def run(load: Callable[..., T], *arguments: object, seconds: float = 300.0) -> Done[T]:
    """Run one load in a process of its own."""
    return together(load, [arguments], seconds=seconds)


def together(load: Callable[..., T], calls: Sequence[tuple[object, ...]], *, seconds: float = 300.0) -> Done[T]:
    """Run a load several times at once, a process each; all begin when the last is ready.

    Raises:
        LoadError: one failed, or did not end in time.
    """
    return mixed([(load, call) for call in calls], seconds=seconds)


def mixed(loads: Sequence[tuple[Callable[..., Any], tuple[object, ...]]], *, seconds: float = 300.0) -> Done[Any]:
    """As `together`, with loads of several kinds."""
    barrier = _SPAWN.Barrier(len(loads))
    ends = []
    processes = []
    try:
        for load, call in loads:
            ours, theirs = _SPAWN.Pipe(duplex=False)
            process = _SPAWN.Process(target=_work, args=(theirs, barrier, load, call), daemon=True)
            process.start()
            theirs.close()
            ends.append(ours)
            processes.append(process)
        answers = [_answer(end, time.monotonic() + seconds) for end in ends]
    finally:
        for process in processes:
            with contextlib.suppress(Exception):
                process.join(0.5)
            if process.is_alive():
                process.kill()
                process.join()
    begun = min(answer.begun for answer in answers)
    ended = max(answer.ended for answer in answers)
    return Done([answer.result for answer in answers], ended - begun, sum(answer.cpu for answer in answers))


@dataclass(frozen=True, slots=True)
class _Answer:
    result: Any
    begun: float  # the monotonic clock, which processes of a machine share
    ended: float
    cpu: float


def _answer(end: Connection, deadline: float) -> _Answer:
    if not end.poll(max(0.0, deadline - time.monotonic())):
        raise LoadError("a load did not end in time")
    try:
        answer = end.recv()
    except EOFError as error:
        raise LoadError("a load ended without a word") from error
    if isinstance(answer, str):
        raise LoadError(answer)
    assert isinstance(answer, _Answer)
    return answer


def _work(end: Connection, barrier: Any, load: Callable[..., Any], call: tuple[object, ...]) -> None:
    begun = cpu = 0.0

    def go() -> None:
        nonlocal begun, cpu
        barrier.wait(_READY_SECONDS)
        begun, cpu = time.monotonic(), time.process_time()

    try:
        result = load(go, *call)
        end.send(_Answer(result, begun, time.monotonic(), time.process_time() - cpu))
    except Exception as error:
        barrier.abort()
        end.send(f"{load.__name__}: {type(error).__name__}: {error}")
    finally:
        end.close()
