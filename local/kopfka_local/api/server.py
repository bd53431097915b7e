"""The API server on a socket: TLS, uvicorn, graceful stop.

TLS even on loopback, because client-go sends no token over plain HTTP. The server has no timer of its own: uvicorn's
main loop, which wakes ten times a second, is left out.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING, Any

import uvicorn

from kopfka_local.api.app import application
from kopfka_runtime.errors import AddressInUseError

if TYPE_CHECKING:
    from pathlib import Path

    from kopfka_local.api.cluster import Cluster
    from kopfka_local.api.logs import LogReader

_IDLE_CONNECTION_SECONDS = 600
_IDLE_SECONDS = 0.1
_GRACE_SECONDS = 1


class Server:
    """A running API server."""

    def __init__(self, cluster: Cluster, server: uvicorn.Server, address: tuple[str, int]) -> None:
        self._cluster = cluster
        self._server = server
        self.host, self.port = address

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"https://{self.host}:{self.port}"

    async def close(self) -> None:
        """Finish open watches, let requests that run end, and close every connection."""
        self._cluster.objects.storage.end_watches()
        closing = asyncio.ensure_future(self._server.shutdown())
        # an idle client does not answer TLS's goodbye, and one that follows a log never ends: neither is awaited long
        for patience in (_IDLE_SECONDS, _GRACE_SECONDS):
            await asyncio.wait({closing}, timeout=patience)
            for connection in tuple(self._server.server_state.connections):
                if patience == _GRACE_SECONDS or _is_idle(connection):
                    connection.transport.abort()
        await closing


def _is_idle(connection: Any) -> bool:
    return connection.cycle is None or connection.cycle.response_complete


async def serve(
    cluster: Cluster,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str,
    certificate: Path,
    key: Path,
    log_reader: LogReader | None = None,
) -> Server:
    """Serve `cluster` over HTTPS until the returned server is closed; port 0 takes a free one.

    Raises:
        AddressInUseError: the port is taken.
    """
    listener = _listen(host, port)
    config = uvicorn.Config(
        application(cluster, token, log_reader),
        ssl_certfile=certificate,
        ssl_keyfile=key,
        lifespan="off",
        ws="none",
        loop="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_IDLE_CONNECTION_SECONDS,
        timeout_graceful_shutdown=2 * _GRACE_SECONDS,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    return Server(cluster, server, (host, listener.getsockname()[1]))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise AddressInUseError(
            f"another process listens on {host}:{port}: choose another port for the API server"
        ) from None
    listener.setblocking(False)
    return listener
