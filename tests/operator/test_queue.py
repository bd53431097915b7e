"""The work queue: one worker a key, nothing lost, back-off that grows and is forgotten."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest

from kopfka_operator.errors import RetryLater
from kopfka_operator.queue import FIRST_DELAY, LONGEST_DELAY, WorkQueue
from support.clocks import Clock
from support.waiting import eventually_async


async def test_a_key_is_never_worked_on_twice_at_once_and_no_request_is_lost() -> None:
    running: dict[str, int] = defaultdict(int)
    most = 0
    done: list[str] = []

    async def work(key: str) -> None:
        nonlocal most
        running[key] += 1
        most = max(most, running[key])
        await asyncio.sleep(0)
        running[key] -= 1
        done.append(key)

    queue: WorkQueue[str] = WorkQueue(work, clock=Clock())
    runner = asyncio.create_task(queue.run(4))
    for _ in range(50):
        queue.add("a")
        queue.add("b")
        await asyncio.sleep(0)
    queue.add("last")
    await eventually_async(lambda: "last" in done)
    assert most == 1
    assert done.count("a") < 50, "requests before a key's turn are one"
    runner.cancel()


async def test_a_request_during_the_work_is_worked_on_after_it() -> None:
    gate, seen = asyncio.Event(), []

    async def work(key: str) -> None:
        seen.append(key)
        await gate.wait()

    queue: WorkQueue[str] = WorkQueue(work, clock=Clock())
    runner = asyncio.create_task(queue.run(2))
    queue.add("a")
    await eventually_async(lambda: seen)
    queue.add("a")
    queue.add("a")
    gate.set()
    await eventually_async(lambda: len(seen) == 2)
    await asyncio.sleep(0)
    assert seen == ["a", "a"]
    runner.cancel()


@pytest.mark.parametrize("error", [RetryLater("later"), RuntimeError("a bug")])
async def test_failures_back_off_and_success_forgets_them(error: Exception) -> None:
    fails, seen = 3, []

    async def work(key: str) -> None:
        if key == "wake":
            return
        seen.append(key)
        if len(seen) <= fails:
            raise error

    clock = Clock()
    queue: WorkQueue[str] = WorkQueue(work, clock=clock)
    runner = asyncio.create_task(queue.run(1))
    queue.add("a")
    for attempt in range(1, fails + 1):
        await eventually_async(lambda attempt=attempt: queue.failures("a") == attempt)
        assert len(seen) == attempt
        clock.now += LONGEST_DELAY
        queue.add_later("wake", 0)  # the timer looks at the clock again
    await eventually_async(lambda: queue.failures("a") == 0)
    runner.cancel()


def test_delays_double_up_to_a_minute() -> None:
    async def work(key: str) -> None:
        raise AssertionError

    queue: WorkQueue[str] = WorkQueue(work, clock=Clock())
    delays = [queue.backoff("a") for _ in range(12)]
    assert delays[:4] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY, 8 * FIRST_DELAY]
    assert delays[-1] == LONGEST_DELAY


async def test_later_means_not_before_and_sooner_wins() -> None:
    seen = []

    async def work(key: str) -> None:
        seen.append(key)

    clock = Clock()
    queue: WorkQueue[str] = WorkQueue(work, clock=clock)
    runner = asyncio.create_task(queue.run(1))
    queue.add_later("a", 10)
    queue.add_later("a", 5)
    queue.add_later("a", 20)
    queue.add("b")
    await eventually_async(lambda: seen == ["b"])
    clock.now = 5
    queue.add_later("c", 0)
    await eventually_async(lambda: seen == ["b", "a", "c"])
    clock.now = 100
    queue.add_later("d", 0)
    await eventually_async(lambda: seen == ["b", "a", "c", "d"])
    runner.cancel()
