"""Accepts the connections of one listener, as far as limits let it, and has TLS established where it is asked for.

What waits here costs the broker nothing: a connection that may not come in yet stays in the kernel's queue.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from typing import TYPE_CHECKING, Final

from kopfka_broker.network.connection import Connection

if TYPE_CHECKING:
    from kopfka_broker.network.limits import ListenerLimits
    from kopfka_broker.network.server import ServerState
    from kopfka_broker.security.entrance import Entrance

# connections accepted at once before requests have their turn again
_AT_ONCE: Final = 64
# how long to wait where the process has no descriptor left
_EXHAUSTED_SECONDS: Final = 0.2

log = logging.getLogger(__name__)


class Acceptor:
    """The listening socket of one listener."""

    def __init__(self, state: ServerState, entrance: Entrance, limits: ListenerLimits, bound: socket.socket) -> None:
        self._state = state
        self._entrance = entrance
        self._limits = limits
        self._socket = bound
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._socket.getsockname()[1]
        return port

    def listen(self, backlog: int) -> None:
        """Begin.

        Raises:
            OSError: another process has the port.
        """
        self._socket.listen(backlog)
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def close(self) -> None:
        """Accept no more, and end what is not established yet."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._opening:
            task.cancel()

    def _accept(self) -> None:
        """Accept what is there, as far as limits let it."""
        for _ in range(_AT_ONCE):
            if self._state.limits.full(self._limits):
                self._loop.remove_reader(self._socket.fileno())
                self._state.waiting.append(self._resume)
                return
            delay = self._state.limits.delay(self._limits, time.monotonic())
            if delay > 0:
                self._pause(delay)
                return
            try:
                accepted, address = self._socket.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError as error:
                log.error("cannot accept connections for the moment: %s", error.strerror or error)
                self._pause(_EXHAUSTED_SECONDS)
                return
            self._take(accepted, address[0])

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._timer = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._socket.fileno(), self._accept)

    def _take(self, accepted: socket.socket, host: str) -> None:
        refusal = self._state.limits.refusal(host, time.monotonic())
        if refusal:
            log.warning("closed a new connection from %s: %s", host, refusal)
            accepted.close()
            return
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self._state, self._entrance, host)
        self._state.enter(connection, self._limits)
        task = self._loop.create_task(self._open(connection, accepted))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, connection: Connection, accepted: socket.socket) -> None:
        protocol: asyncio.BaseProtocol = connection
        context = self._entrance.context
        if context is not None:
            from kopfka_runtime.tls.channel import TlsChannel  # noqa: PLC0415

            protocol = TlsChannel(connection, context, self._entrance.failed_delay, self._state.leave)
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, accepted)
        except BaseException as error:
            accepted.close()
            self._state.leave(connection)
            if not isinstance(error, OSError):
                raise
