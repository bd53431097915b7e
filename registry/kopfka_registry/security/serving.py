"""HTTP on the listeners: uvicorn's server over sockets that are bound already, with TLS where a listener has it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from kopfka_registry.security.connections import Connection, Crowd
from kopfka_runtime.tls.channel import TlsChannel

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from kopfka_registry.security.authentication import Authentication
    from kopfka_registry.security.settings import Limits
    from kopfka_registry.security.tls import Tls
    from kopfka_registry.settings import Listen

GRACE: Final = 10.0
"""Seconds that requests have to end when the server does."""
BACKLOG: Final = 2048
_LOOK_SECONDS: Final = 1.0
"""How often files of certificates and users are looked at."""
_FAILED_SECONDS: Final = 0.1
"""From a failed handshake to the end of its connection: the client has to be able to read why."""

log = logging.getLogger(__name__)


async def serve_http(
    app: Any,
    listeners: Sequence[tuple[Listen, socket.socket]],
    limits: Limits,
    stop: asyncio.Event,
    *,
    tls: Tls | None = None,
    authentication: Authentication | None = None,
) -> None:
    """Serve an application on listeners until `stop` is set."""
    crowd = Crowd(limits)
    servers = [(_Server(_config(app, limits), crowd, listen, tls), bound) for listen, bound in listeners]
    serving = [asyncio.create_task(server._serve(sockets=[bound])) for server, bound in servers]
    keeping = [asyncio.create_task(crowd.run()), asyncio.create_task(_refresh(tls, authentication))]
    log.info("serving schemas at %s", ", ".join(f"{each.scheme}://{each.host}:{each.port}" for each, _ in listeners))
    try:
        await stop.wait()
    finally:
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*serving)
        for task in keeping:
            task.cancel()
        await asyncio.wait(keeping)


def _config(app: Any, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # of requests that are none, any client could write any number of lines
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who asks is known by what he proves, and by no header of a proxy
        timeout_keep_alive=int(limits.idle_seconds) + 1,  # the crowd's sweep comes before
        timeout_graceful_shutdown=int(GRACE),
    )


async def _refresh(tls: Tls | None, authentication: Authentication | None) -> None:
    def look() -> None:
        for each in (tls, authentication):
            if each is not None:
                each.refresh()

    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            await asyncio.to_thread(look)
        except Exception:
            log.exception("certificates and users cannot be looked at")


class _Server(uvicorn.Server):
    """One listener."""

    def __init__(self, config: uvicorn.Config, crowd: Crowd, listen: Listen, tls: Tls | None) -> None:
        super().__init__(config)
        self._crowd = crowd
        self._listener = f"{listen.scheme}://{listen.host}:{listen.port}"
        self._tls = tls if listen.scheme == "https" else None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take connections: uvicorn's way would have one TLS context for ever."""
        await self.lifespan.startup()
        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(self._connection, sock=each, backlog=BACKLOG) for each in sockets or ()
        ]
        self.started = True

    def _connection(self) -> asyncio.BaseProtocol:
        connection = Connection(self.config, self.server_state, self._crowd, self._listener)
        if not self._crowd.enter(connection) or self._tls is None:
            return connection
        channel = TlsChannel(connection, self._tls.server, _FAILED_SECONDS, self._crowd.leave)
        connection.carrier = channel
        return channel
