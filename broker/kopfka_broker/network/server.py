"""The broker's sockets: listens, closes idle connections, stops gracefully. `acceptor` accepts, `connection` serves."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kopfka_broker.network.acceptor import Acceptor
from kopfka_broker.network.limits import RequestMemory
from kopfka_runtime.errors import AddressInUseError, KopfkaError
from kopfka_runtime.network import bind_host

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kopfka_broker.dispatch import Dispatcher, Started
    from kopfka_broker.network.connection import Connection
    from kopfka_broker.network.limits import ConnectionLimits, ListenerLimits
    from kopfka_broker.network.listeners import Listener
    from kopfka_broker.security.entrance import Entrance

# where bytes land that are not the rest of a request known to be longer, for all connections. As large as usual
# batches: what is read at once needs one call to the system; only so much of a larger request is copied out of here
_SCRATCH_BYTES = 64 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the server takes from the broker's configuration, by Kafka's names."""

    socket_request_max_bytes: int = 100 * 1024 * 1024
    connections_max_idle_ms: int = 600_000
    socket_listen_backlog_size: int = 50
    queued_max_request_bytes: int = -1


def _nothing(*_: object) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class ServerState:
    """What all connections share."""

    dispatcher: Dispatcher
    settings: ServerSettings
    limits: ConnectionLimits
    memory: RequestMemory | None
    request_log: Callable[[Started, float, float, int], None] = _nothing
    """Takes requests that took longer than the metrics' `log_over`: seconds, those of work, bytes of the answer."""
    scratch: memoryview = field(default_factory=lambda: memoryview(bytearray(_SCRATCH_BYTES)))
    connections: dict[Connection, ListenerLimits] = field(default_factory=dict)
    """Those that were accepted, also while TLS is being established, with the limits they count for."""
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    waiting: list[Callable[[], None]] = field(default_factory=list)
    """What to call when a connection has ended, where new ones wait for that."""

    @property
    def largest_request(self) -> int:
        """socket.request.max.bytes."""
        return self.settings.socket_request_max_bytes

    def enter(self, connection: Connection, listener: ListenerLimits) -> None:
        """Count a connection in."""
        self.limits.enter(listener, connection.client_host, time.monotonic())
        self.connections[connection] = listener

    def leave(self, connection: Connection) -> None:
        """Count a connection out, once."""
        listener = self.connections.pop(connection, None)
        if listener is None:
            return
        self.limits.leave(listener, connection.client_host)
        waiting, self.waiting = self.waiting, []
        for resume in waiting:
            resume()

    def spawn(self, work: Awaitable[Any]) -> asyncio.Task[Any]:
        """Run a request to its end, whether or not its client stays."""
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


class Server:
    """Every listener of one broker."""

    def __init__(self, dispatcher: Dispatcher, settings: ServerSettings, limits: ConnectionLimits) -> None:
        most = settings.queued_max_request_bytes
        self.state = ServerState(dispatcher, settings, limits, RequestMemory(most) if most > 0 else None)
        self._acceptors: list[Acceptor] = []
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def listening(self) -> bool:
        """Tell whether connections are accepted."""
        return bool(self._acceptors)

    async def start(self, entrances: Mapping[Entrance, ListenerLimits]) -> dict[str, int]:
        """Listen on all of them; return the port of each by its name.

        Raises:
            AddressInUseError: another process has one of the ports.
        """
        ports: dict[str, int] = {}
        for entrance, limits in entrances.items():
            listener = entrance.listener
            host = bind_host(listener.host)
            try:
                for bound in await _bound(host, listener.port):
                    acceptor = Acceptor(self.state, entrance, limits, bound)
                    self._acceptors.append(acceptor)
                    acceptor.listen(self.state.settings.socket_listen_backlog_size)
                    ports[listener.name] = acceptor.port
            except OSError as error:
                self._close_listeners()
                raise _cannot_listen(host, listener, error) from error
            log.info("listening on %s:%s (%s)", host, ports[listener.name], _called(listener))
        self._sweeper = asyncio.get_running_loop().create_task(self._close_idle())
        return ports

    async def stop(self, seconds: float = 1.0) -> None:
        """Stop accepting, answer what is being worked on for at most `seconds`, close every connection."""
        self._close_listeners()
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

    def _close_listeners(self) -> None:
        acceptors, self._acceptors = self._acceptors, []
        for acceptor in acceptors:
            acceptor.close()

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


async def _bound(host: str, port: int) -> list[socket.socket]:
    """Return a socket for each address that `host` stands for and this machine has, all on the same port.

    Raises:
        OSError: this machine has none of them, or another process listens on one.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    missing: OSError | None = None
    for family, kind, protocol, _, address in dict.fromkeys(found):
        made = socket.socket(family, kind, protocol)
        bound.append(made)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setblocking(False)
        try:
            # a free port that was chosen for the first is for all
            made.bind((address[0], bound[0].getsockname()[1] if len(bound) > 1 else port, *address[2:]))
        except OSError as error:
            bound.pop().close()
            if error.errno != errno.EADDRNOTAVAIL:
                for each in bound:
                    each.close()
                raise
            missing = error
    if not bound:
        raise missing or OSError(errno.EADDRNOTAVAIL, "no address")
    return bound


def _called(listener: Listener) -> str:
    return listener.name if listener.name == listener.protocol else f"{listener.name}, {listener.protocol}"


def _cannot_listen(host: str, listener: Listener, error: OSError) -> KopfkaError:
    where = f"{host}:{listener.port}"
    if error.errno == errno.EADDRINUSE:
        return AddressInUseError(f"cannot listen on {where}: another process does; stop it, or listen on another port")
    reason = error.strerror or str(error)
    return AddressInUseError(
        f"cannot listen on {where} ({reason}): check the host and the port of listener {listener.name}"
    )
