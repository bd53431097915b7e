"""The broker's sockets: listens, admits connections, closes idle ones, stops gracefully. Requests: `connection`."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kopfka_broker.connection import Connection
from kopfka_runtime.errors import AddressInUseError, KopfkaError
from kopfka_runtime.network import bind_host

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from kopfka_broker.dispatch import Dispatcher
    from kopfka_broker.listeners import Listener

# where bytes land that are not the rest of a request known to be longer, for all connections. Small: the beginning of
# a large request is copied out of here, the rest of it never
_SCRATCH_BYTES = 16 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the server takes from the broker's configuration, by Kafka's names."""

    socket_request_max_bytes: int = 100 * 1024 * 1024
    connections_max_idle_ms: int = 600_000
    max_connections: int = 2**31 - 1
    max_connections_per_ip: int = 2**31 - 1
    socket_listen_backlog_size: int = 50


@dataclass(slots=True)
class ServerState:
    """What all connections share."""

    dispatcher: Dispatcher
    settings: ServerSettings
    scratch: memoryview = field(default_factory=lambda: memoryview(bytearray(_SCRATCH_BYTES)))
    connections: set[Connection] = field(default_factory=set)
    per_host: Counter[str] = field(default_factory=Counter)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def largest_request(self) -> int:
        """socket.request.max.bytes."""
        return self.settings.socket_request_max_bytes

    def admit(self, connection: Connection) -> str | None:
        """Count a connection in; return why not where there are too many."""
        if len(self.connections) >= self.settings.max_connections:
            return f"there are {len(self.connections)} already (max.connections)"
        if self.per_host[connection.client_host] >= self.settings.max_connections_per_ip:
            return f"it has {self.per_host[connection.client_host]} already (max.connections.per.ip)"
        self.connections.add(connection)
        self.per_host[connection.client_host] += 1
        return None

    def leave(self, connection: Connection) -> None:
        """Count a connection out."""
        if connection in self.connections:
            self.connections.discard(connection)
            self.per_host[connection.client_host] -= 1
            if not self.per_host[connection.client_host]:
                del self.per_host[connection.client_host]

    def spawn(self, work: Awaitable[Any]) -> asyncio.Task[Any]:
        """Run a request to its end, whether or not its client stays."""
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


class Server:
    """Every listener of one broker."""

    def __init__(self, dispatcher: Dispatcher, settings: ServerSettings) -> None:
        self.state = ServerState(dispatcher, settings)
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def listening(self) -> bool:
        """Tell whether connections are accepted."""
        return bool(self._servers)

    async def start(self, listeners: Sequence[Listener]) -> dict[str, int]:
        """Listen on all of them; return the port of each by its name.

        Raises:
            AddressInUseError: another process has one of the ports.
        """
        loop = asyncio.get_running_loop()
        ports: dict[str, int] = {}
        for listener in listeners:
            host = bind_host(listener.host)
            try:
                server = await loop.create_server(
                    lambda name=listener.name: Connection(self.state, name),  # type: ignore[misc]
                    host,
                    listener.port,
                    backlog=self.state.settings.socket_listen_backlog_size,
                )
            except OSError as error:
                await self._close_listeners()
                raise _cannot_listen(host, listener, error) from error
            self._servers.append(server)
            ports[listener.name] = server.sockets[0].getsockname()[1]
            log.info("listening on %s:%s (%s)", host, ports[listener.name], listener.name)
        self._sweeper = loop.create_task(self._close_idle())
        return ports

    async def stop(self, seconds: float = 1.0) -> None:
        """Stop accepting, answer what is being worked on for at most `seconds`, close every connection."""
        await self._close_listeners()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self.state.connections):
            connection.stop()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not all(each.idle for each in self.state.connections):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        for connection in list(self.state.connections):
            connection.close()
        if self.state.tasks:
            await asyncio.wait(self.state.tasks, timeout=max(0.0, deadline - time.monotonic()))
        for task in list(self.state.tasks):
            task.cancel()
        await asyncio.sleep(0)

    async def _close_listeners(self) -> None:
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()

    async def _close_idle(self) -> None:
        limit = self.state.settings.connections_max_idle_ms / 1000
        if limit < 0:
            return
        while True:
            await asyncio.sleep(min(60.0, max(1.0, limit / 4)))
            oldest = time.monotonic() - limit
            for connection in [each for each in self.state.connections if each.active_at < oldest]:
                log.debug("closed an idle connection from %s (connections.max.idle.ms)", connection.client_host)
                with contextlib.suppress(OSError):
                    connection.abort()


def _cannot_listen(host: str, listener: Listener, error: OSError) -> KopfkaError:
    where = f"{host}:{listener.port}"
    if error.errno == errno.EADDRINUSE:
        return AddressInUseError(f"cannot listen on {where}: another process does; stop it, or listen on another port")
    reason = error.strerror or str(error)
    return AddressInUseError(
        f"cannot listen on {where} ({reason}): check the host and the port of listener {listener.name}"
    )
