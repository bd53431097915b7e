"""Child processes by way of the guard: start, signal, wait. Knows nothing of pods.

`Processes.start` gives a `Process`; its output goes to two functions as it comes. Every process leads a session and a
group of its own: signals go to the group, and the end of its leader is the end of the group.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from kopfka_runtime.errors import KopfkaError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Sink = Callable[[bytes], None]  # b"" is the end

log = logging.getLogger(__name__)

_GUARD = Path(__file__).with_name("guard.py")


class StartError(KopfkaError):
    """A process could not be started: no such program, no such folder, no permission, no resources."""


@dataclass(slots=True, eq=False)
class Process:
    """A started process. `ended` has its exit code, negative where a signal ended it."""

    pid: int
    ended: asyncio.Future[int]
    _signal: Callable[[int], None]

    def signal(self, number: int) -> None:
        """Send a signal to the process and all it started; nothing happens where it has ended."""
        if not self.ended.done():
            self._signal(number)

    async def wait(self) -> int:
        """Wait for the end and return the exit code."""
        return await asyncio.shield(self.ended)

    async def stop(self, grace: float) -> int:
        """Ask it to end, wait `grace` seconds at most, then end it; return the exit code."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                return await self.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            return await self.wait()


@dataclass(slots=True)
class _Entry:
    started: asyncio.Future[int]
    ended: asyncio.Future[int]
    pid: int = 0


@dataclass(slots=True)
class _Link:
    """One guard process and the socket to it."""

    socket: socket.socket
    process: subprocess.Popen[bytes]
    buffer: bytearray = field(default_factory=bytearray)


class _Pipe(asyncio.Protocol):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def data_received(self, data: bytes) -> None:
        self._sink(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sink(b"")


class Processes:
    """All child processes of this `kopfka up`."""

    def __init__(self, errors: Path | None = None) -> None:
        """`errors` is the file that takes what the guard itself has to complain about; nowhere if None."""
        self._errors = errors
        self._link: _Link | None = None
        self._entries: dict[int, _Entry] = {}
        self._next = 0
        self.busy = asyncio.Event()  # set once a process has been started

    def open(self) -> None:
        """Start the guard, unless it runs. Needs a running event loop."""
        if self._link is not None:
            return
        ours, theirs = socket.socketpair()
        with theirs, (self._errors or Path(os.devnull)).open("ab") as errors:
            # nothing of this process's terminal or pipes: the guard may outlive it for a moment
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_GUARD), str(theirs.fileno())], pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True, cwd="/",
            )  # fmt: skip
        self._link = _Link(ours, process)
        asyncio.get_running_loop().add_reader(ours.fileno(), self._receive)

    def close(self) -> None:
        """Let the guard go: it kills what still runs."""
        if self._link is None:
            return
        link, self._link = self._link, None
        asyncio.get_running_loop().remove_reader(link.socket.fileno())
        link.socket.close()
        link.process.wait()
        self._lose_all()

    @property
    def guard_pid(self) -> int:
        """The process id of the guard."""
        assert self._link is not None
        return self._link.process.pid

    async def start(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, out: Sink, err: Sink) -> Process:
        """Start a process.

        Raises:
            StartError: it could not be started; the message is the system's.
        """
        assert self._link is not None, "not open"
        loop = asyncio.get_running_loop()
        self._next += 1
        number = self._next
        entry = self._entries[number] = _Entry(loop.create_future(), loop.create_future())
        writers = []
        try:
            for sink in (out, err):
                reader, writer = os.pipe()
                writers.append(writer)
                await loop.connect_read_pipe(functools.partial(_Pipe, sink), os.fdopen(reader, "rb", 0))
            message = {"op": "start", "id": number, "argv": list(argv), "env": dict(env), "cwd": str(cwd)}
            self._send(message, writers)
        finally:
            for writer in writers:
                os.close(writer)
        pid = await entry.started
        return Process(
            pid, entry.ended, lambda signal_number: self._send({"op": "signal", "id": number, "signal": signal_number})
        )

    def _send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        if self._link is None:
            return
        data = json.dumps(message).encode()
        data = len(data).to_bytes(4, "big") + data
        try:
            # blocking, on purpose: the guard does nothing but read this, and an order half sent is none
            sent = socket.send_fds(self._link.socket, [data], list(descriptors)) if descriptors else 0
            self._link.socket.sendall(data[sent:])
        except OSError:
            log.debug("the guard is gone; its end is noticed by the reader")

    def _receive(self) -> None:
        link = self._link
        assert link is not None
        try:
            data = link.socket.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._guard_ended()
            return
        link.buffer += data
        while len(link.buffer) >= 4:
            end = 4 + int.from_bytes(link.buffer[:4], "big")
            if len(link.buffer) < end:
                break
            message = json.loads(link.buffer[4:end])
            del link.buffer[:end]
            self._handle(message)

    def _handle(self, message: dict[str, Any]) -> None:
        number = cast("int", message["id"])
        entry = self._entries[number]
        if "pid" in message:
            entry.pid = message["pid"]
            _resolve(entry.started, entry.pid)
            self.busy.set()
        elif "error" in message:
            del self._entries[number]
            if not entry.started.done():
                text = os.strerror(message["errno"]) if message["errno"] else message["error"]
                entry.started.set_exception(StartError(text))
        else:
            del self._entries[number]
            _resolve(entry.ended, message["exit"])

    def _guard_ended(self) -> None:
        assert self._link is not None
        log.error("the guard process ended; its processes are ended too, and started again by their restart policy")
        self.close()
        self.open()

    def _lose_all(self) -> None:
        entries, self._entries = self._entries, {}
        for entry in entries.values():
            if entry.pid:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(entry.pid, signal.SIGKILL)
            if not entry.started.done():
                entry.started.set_exception(StartError("the guard process ended"))
            _resolve(entry.ended, -signal.SIGKILL)


def _resolve(future: asyncio.Future[int], value: int) -> None:
    if not future.done():
        future.set_result(value)
