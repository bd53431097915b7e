"""One container of a pod: its process from start to end, again where the restart policy says so, and its probes.

It knows its pod only by `Surroundings`. It ends when it is stopped or when nothing restarts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kopfka_local.node import probes
from kopfka_local.node.environment import MissingReferenceError
from kopfka_local.node.images import CommandNotFoundError, ImageNotRunnableError
from kopfka_local.node.processes import StartError
from kopfka_local.node.restarts import Backoff, restarts
from kopfka_local.times import now, rfc3339

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from kopfka_local.kinds import Object
    from kopfka_local.node.logs import ContainerLog
    from kopfka_local.node.podstatus import ContainerStatus
    from kopfka_local.node.processes import Process, Processes, Sink

log = logging.getLogger(__name__)

_START_FAILED = 128  # exit code of what could not be started, as container runtimes report it
_LONGEST_OUTPUT = 4096


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start."""

    argv: list[str]
    env: dict[str, str]
    cwd: Path


class Surroundings(Protocol):
    """What a container needs of its pod."""

    processes: Processes
    address: str
    policy: str
    grace: float

    def launch(self, container: Object) -> Launch:
        """Return what to start for a container; raises what `environment` and `images` raise."""

    def environment(self, container: Object, command: list[str]) -> Launch:
        """Return how to run another command in a container's surroundings."""

    def log_of(self, container: str) -> ContainerLog:
        """Return the log of a container."""

    def port_of(self, container: Object, port: int | str) -> int | None:
        """Return the number of a port."""

    def changed(self) -> None:
        """Tell the pod that a container's status changed."""

    async def inputs_changed(self) -> None:
        """Wait until something a container refers to may have appeared."""

    async def event(self, container: str, reason: str, message: str, *, warning: bool = False) -> None:
        """Record an event about a container."""


class Container:
    """One container."""

    def __init__(
        self, spec: Object, status: ContainerStatus, surroundings: Surroundings, *, init: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep, clock: Callable[[], float] | None = None,
    ) -> None:  # fmt: skip
        self.spec = spec
        self.status = status
        self.started = asyncio.Event()
        self._pod = surroundings
        self._backoff = Backoff()
        self._sleep = sleep
        self._clock = clock or asyncio.get_running_loop().time
        # an init container that fails is tried again where the pod's policy is Always, one that succeeds is done
        self._policy = spec.get("restartPolicy") or (
            "OnFailure" if init and surroundings.policy == "Always" else surroundings.policy
        )
        self._process: Process | None = None
        self._stopping = False
        self._stopped = asyncio.Event()
        self._log = surroundings.log_of(spec["name"])

    @property
    def name(self) -> str:
        """The container's name."""
        return self.status.name

    async def run(self) -> int:
        """Run until it ends for good; return the last exit code."""
        while True:
            begun = self._clock()
            code = await self._run_once()
            if self._stopping or not restarts(self._policy, code):
                return code
            delay = self._backoff.after_exit(self._clock() - begun)
            ended = self.status.state
            if delay:
                message = f"back-off {_duration(delay)} restarting failed container={self.name}"
                self._wait("CrashLoopBackOff", message, last=ended)
                await self._pod.event(
                    self.name, "BackOff", f"Back-off restarting failed container {self.name}", warning=True
                )
                await self._unless_stopping(self._sleep(delay))
            else:
                self.status.last_state = ended
            if self._stopping:
                return code
            self.status.restarts += 1

    async def stop(self, grace: float) -> None:
        """End it: preStop hook, SIGTERM, SIGKILL when `grace` seconds are over. A second call may be less patient."""
        again = self._stopping
        self._stopping = True
        self._stopped.set()
        process = self._process
        if process is None or process.ended.done():
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace
        hook = (self.spec.get("lifecycle") or {}).get("preStop")
        if hook and grace > 0 and not again:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._hook(hook, "PreStop")
        await process.stop(max(0.0, deadline - loop.time()))

    async def _run_once(self) -> int:
        launch = await self._launch_when_possible()
        if launch is None:
            return _START_FAILED
        out, err = self._log.begin(self.status.restarts)
        try:
            process = await self._pod.processes.start(launch.argv, env=launch.env, cwd=launch.cwd, out=out, err=err)
        except StartError as error:
            out(b"")
            err(b"")
            return await self._failed_to_start(launch.argv[0], str(error))
        self._process = process
        started_at = rfc3339(now())
        status = self.status
        status.container_id = f"process://{process.pid}"
        status.state = {"running": {"startedAt": started_at}}
        status.started = "startupProbe" not in self.spec
        status.ready = status.started and "readinessProbe" not in self.spec
        if status.started:
            self.started.set()
        self._pod.changed()
        if self._stopping:  # asked to stop while it was being started
            await process.stop(self._pod.grace)
        tasks = [asyncio.create_task(self._watch(process), name=f"probes of {self.name}")]
        if hook := (self.spec.get("lifecycle") or {}).get("postStart"):
            tasks.append(asyncio.create_task(self._post_start(hook, process)))
        tasks.append(asyncio.create_task(self._pod.event(self.name, "Started", f"Started container {self.name}")))
        try:
            code = await process.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._process = None
        await self._terminated(code, started_at)
        return self.status.exit_code or 0

    async def _launch_when_possible(self) -> Launch | None:
        while not self._stopping:
            try:
                return self._pod.launch(self.spec)
            except MissingReferenceError as error:
                self._wait("CreateContainerConfigError", str(error))
                await self._pod.event(self.name, "Failed", f"Error: {error}", warning=True)
                await self._unless_stopping(self._pod.inputs_changed())
            except CommandNotFoundError as error:
                await self._failed_to_start(str((self.spec.get("command") or ["?"])[0]), str(error))
                return None
            except ImageNotRunnableError as error:
                self._wait("ImageNotRunnable", str(error))
                await self._pod.event(self.name, "ImageNotRunnable", str(error), warning=True)
                await self._stopped.wait()
        return None

    async def _failed_to_start(self, program: str, why: str) -> int:
        time = rfc3339(now())
        message = f"cannot start {program}: {why}"
        self.status.state = {"terminated": {
            "exitCode": _START_FAILED, "reason": "StartError", "message": message, "startedAt": time, "finishedAt":
            time,
        }}  # fmt: skip
        self.status.started = self.status.ready = False
        self._pod.changed()
        await self._pod.event(self.name, "Failed", f"Error: {message}", warning=True)
        return _START_FAILED

    async def _terminated(self, code: int, started_at: str) -> None:
        state: Object = {
            "exitCode": code if code >= 0 else 128 - code, "reason": "Completed" if code == 0 else "Error",
            "startedAt": started_at, "finishedAt": rfc3339(now()), "containerID": self.status.container_id,
        }  # fmt: skip
        if code < 0:
            state["signal"] = -code
            state["message"] = f"ended by {signal.Signals(-code).name}"
        elif code > 0 and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            state["message"] = await self._log.last_words()
        self.status.state = {"terminated": state}
        self.status.started = self.status.ready = False
        self._pod.changed()

    def _wait(self, reason: str, message: str, *, last: Object | None = None) -> None:
        self.status.state = {"waiting": {"reason": reason, "message": message}}
        if last is not None:
            self.status.last_state = last
        self._pod.changed()

    async def _unless_stopping(self, waited: Awaitable[None]) -> None:
        tasks = [asyncio.ensure_future(waited), asyncio.ensure_future(self._stopped.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    # probes and hooks

    async def _watch(self, process: Process) -> None:
        if startup := self.spec.get("startupProbe"):
            await self._probe("Startup", startup, process, probes.verdict_of(startup), once=True)
            if process.ended.done() or not self.status.started:
                return
        tasks = [
            self._probe(kind, self.spec[field], process, probes.verdict_of(self.spec[field]))
            for kind, field in (("Readiness", "readinessProbe"), ("Liveness", "livenessProbe"))
            if field in self.spec
        ]
        await asyncio.gather(*tasks)

    async def _probe(
        self, kind: str, probe: Object, process: Process, verdict: probes.Verdict, *, once: bool = False
    ) -> None:
        schedule = probes.Schedule.of(probe)
        await asyncio.sleep(schedule.initial_delay)
        quick = kind != "Liveness"
        counted_at = self._clock()
        while not process.ended.done():
            wrong = await probes.attempt(
                probe, self._pod.address, lambda port: self._pod.port_of(self.spec, port), self._exec
            )
            due = not quick or self._clock() - counted_at >= schedule.period
            if wrong is None or due:
                counted_at = self._clock()
                changed = verdict.count(wrong is None)
                if wrong is not None:
                    await self._pod.event(self.name, "Unhealthy", f"{kind} probe failed: {wrong}", warning=True)
                if changed and not await self._judge(kind, probe, bool(verdict.healthy), process):
                    return
            if verdict.healthy:
                quick = False
                if once:
                    return
            await asyncio.sleep(probes.QUICK_PERIOD if quick else schedule.period)

    async def _judge(self, kind: str, probe: Object, healthy: bool, process: Process) -> bool:
        """Act on a verdict; tell whether probing goes on."""
        if kind == "Readiness":
            self.status.ready = healthy
            self._pod.changed()
            return True
        if healthy:
            if kind == "Startup":
                self.status.started = True
                self.status.ready = "readinessProbe" not in self.spec
                self.started.set()
                self._pod.changed()
            return True
        what = f"Container {self.name} failed {kind.lower()} probe, will be restarted"
        await self._pod.event(self.name, "Killing", what)
        grace = probe.get("terminationGracePeriodSeconds")
        await process.stop(float(grace) if grace is not None else self._pod.grace)
        return False

    async def _post_start(self, hook: Object, process: Process) -> None:
        if wrong := await self._hook(hook, "PostStart"):
            await self._pod.event(self.name, "FailedPostStartHook", wrong, warning=True)
            await process.stop(self._pod.grace)

    async def _hook(self, hook: Object, kind: str) -> str | None:
        if "sleep" in hook:
            await asyncio.sleep(float(hook["sleep"].get("seconds") or 0))
            return None
        port_of = lambda port: self._pod.port_of(self.spec, port)  # noqa: E731
        wrong = await probes.attempt(hook | {"timeoutSeconds": 3600}, self._pod.address, port_of, self._exec)
        if wrong and kind == "PreStop":
            await self._pod.event(self.name, "FailedPreStopHook", wrong, warning=True)
        return wrong

    async def _exec(self, command: list[str]) -> tuple[int, str]:
        output = bytearray()

        def take(data: bytes) -> None:
            if len(output) < _LONGEST_OUTPUT:
                output.extend(data)

        sink: Sink = take
        try:
            launch = self._pod.environment(self.spec, command)
            process = await self._pod.processes.start(launch.argv, env=launch.env, cwd=launch.cwd, out=sink, err=sink)
        except (StartError, CommandNotFoundError, MissingReferenceError) as error:
            return _START_FAILED, str(error)
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.signal(signal.SIGKILL)
            raise
        return code, output.decode("utf-8", "replace")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
