"""The restart loop of a container with a clock of the test's own."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from kopfka_local.node.containers import Container, Launch
from kopfka_local.node.logs import ContainerLog
from kopfka_local.node.podstatus import ContainerStatus
from kopfka_local.node.processes import Processes
from support.waiting import eventually_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Clock:
    """Time that passes only when someone sleeps, or when the test says that a run took long."""

    def __init__(self, runs: list[float]) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self._runs = runs
        self._asked = 0

    def __call__(self) -> float:
        self._asked += 1
        if self._asked % 2 == 0 and self._runs:  # asked before and after each run
            self.now += self._runs.pop(0)
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Pod:
    """A pod of one container."""

    address = "127.0.0.1"
    grace = 5.0

    def __init__(self, folder: Path, processes: Processes, policy: str) -> None:
        self.processes, self.policy = processes, policy
        self._folder = folder
        self.states: list[str] = []
        self.events: list[str] = []
        self.status: ContainerStatus | None = None

    def launch(self, container: dict[str, Any]) -> Launch:
        return Launch([sys.executable, "-c", container["script"]], dict(os.environ), self._folder)

    environment = launch

    def log_of(self, _container: str) -> ContainerLog:
        return ContainerLog(self._folder / "log")

    def port_of(self, _container: dict[str, Any], _port: int | str) -> int | None:
        return None

    def changed(self) -> None:
        assert self.status is not None
        state = self.status.state
        self.states.append(state.get("waiting", {}).get("reason") or next(iter(state)))

    async def inputs_changed(self) -> None:
        raise AssertionError

    async def event(self, _container: str, reason: str, _message: str, *, warning: bool = False) -> None:
        self.events.append(reason)


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    processes = Processes()
    processes.open()
    yield processes
    processes.close()


def made(pod: Pod, script: str, clock: Clock, **more: Any) -> Container:
    pod.status = ContainerStatus("c", "kopfka")
    return Container({"name": "c", "script": script} | more, pod.status, pod, sleep=clock.sleep, clock=clock)


async def test_crash_loop(tmp_path: Path, processes: Processes) -> None:
    pod, clock = Pod(tmp_path, processes, "Always"), Clock([])
    container = made(pod, "raise SystemExit(1)", clock)

    async def sleep(seconds: float) -> None:
        await Clock.sleep(clock, seconds)
        if len(clock.slept) == 4:
            await container.stop(0)

    container._sleep = sleep
    assert await container.run() == 1
    assert clock.slept == [10, 20, 40, 80]
    assert pod.states[:6] == ["running", "terminated", "running", "terminated", "CrashLoopBackOff", "running"]
    assert container.status.restarts == 4
    assert pod.events.count("BackOff") == 4


async def test_a_long_run_is_forgiven(tmp_path: Path, processes: Processes) -> None:
    pod, clock = Pod(tmp_path, processes, "Always"), Clock([1, 1, 600, 1])
    container = made(pod, "raise SystemExit(1)", clock)

    async def sleep(seconds: float) -> None:
        await Clock.sleep(clock, seconds)
        if len(clock.slept) == 2:
            await container.stop(0)

    container._sleep = sleep
    await container.run()
    assert clock.slept == [10, 10]  # at once, 10 s, at once after the long run, 10 s


@pytest.mark.parametrize(("policy", "init", "code", "runs"), [
    ("Never", False, 1, 1), ("OnFailure", False, 0, 1), ("Always", True, 0, 1), ("Never", True, 1, 1),
])  # fmt: skip
async def test_what_ends_for_good(
    tmp_path: Path, processes: Processes, policy: str, init: bool, code: int, runs: int
) -> None:
    pod, clock = Pod(tmp_path, processes, policy), Clock([])
    pod.status = ContainerStatus("c", "kopfka")
    script = f"raise SystemExit({code})"
    container = Container({"name": "c", "script": script}, pod.status, pod, init=init, sleep=clock.sleep, clock=clock)
    assert await container.run() == code
    assert pod.states.count("running") == runs
    assert clock.slept == []


async def test_stopping_a_running_container(tmp_path: Path, processes: Processes) -> None:
    pod, clock = Pod(tmp_path, processes, "Always"), Clock([])
    container = made(pod, "import signal; signal.pause()", clock)
    import asyncio

    task = asyncio.create_task(container.run())
    await eventually_async(lambda: container.status.running)
    await container.stop(20)
    assert await task == 128 + 15
    assert container.status.restarts == 0
