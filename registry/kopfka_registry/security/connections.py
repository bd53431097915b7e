"""Connections of HTTP clients, and what they may take up: none can keep the others out.

Whoever lets the server wait, for a request, for the rest of one or for room to write an answer, is cut off after
`idle.timeout.ms`; where there are as many connections as there may be, the one that waits longest makes room for the
next. Heads of requests are bounded. What a request may do is not this module's business.
"""

from __future__ import annotations

import asyncio
import http
import logging
import time
from typing import TYPE_CHECKING, Any, Final

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kopfka_registry.api.answers import MEDIA_TYPE
from kopfka_registry.security.authentication import Peer
from kopfka_registry.security.middleware import PEER

if TYPE_CHECKING:
    from collections.abc import Callable

    import uvicorn
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
    from uvicorn.server import ServerState

    from kopfka_registry.security.settings import Limits

WHOLE: Final = 10
"""A request may take this many times the idle timeout, all its pauses together."""
_SCRATCH: Final = memoryview(bytearray(64 * 1024))
"""Where bytes from TLS go, for all connections: nothing stays there."""

log = logging.getLogger(__name__)


class Crowd:
    """All connections of an instance."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.clock = clock
        self.count = 0
        self._waiting: dict[Connection, None] = {}  # those that wait longest first

    def enter(self, connection: Connection) -> bool:
        """Count a new connection; False where there is no room for it, and none can be made."""
        if self.count >= self.limits.connections:
            longest = next(iter(self._waiting), None)
            if longest is None:
                log.warning("closed a new connection: all %d (server.connection.limit) are at work", self.count)
                return False
            longest.cut()
        self.count += 1
        self._waiting[connection] = None
        connection.counted = True
        return True

    def leave(self, connection: Connection) -> None:
        """Count one no more."""
        if connection.counted:
            connection.counted = False
            self.count -= 1
            self._waiting.pop(connection, None)

    def waits(self, connection: Connection) -> None:
        """Note that a connection lets the server wait, from now on."""
        if connection.counted:
            connection.since = self.clock()
            self._waiting.pop(connection, None)
            self._waiting[connection] = None

    def works(self, connection: Connection) -> None:
        """Note that it is the server's turn."""
        self._waiting.pop(connection, None)

    def sweep(self) -> None:
        """Cut off whoever has let the server wait too long."""
        now = self.clock()
        for connection in list(self._waiting):
            if connection.late(now, self.limits.idle_seconds):
                connection.cut()

    async def run(self) -> None:
        """Sweep until it is cancelled; then cut off whoever is left."""
        pause = min(1.0, self.limits.idle_seconds / 4)
        try:
            while True:
                await asyncio.sleep(pause)
                self.sweep()
        finally:
            for connection in list(self._waiting):
                connection.cut()


class Connection(HttpToolsProtocol):
    """One connection: uvicorn's, with limits, and with the certificate of its client."""

    def __init__(self, config: uvicorn.Config, state: ServerState, crowd: Crowd, listener: str) -> None:
        super().__init__(config, state, {})
        self.listener = listener
        """What the log calls the listener."""
        self.counted = False
        self.since = crowd.clock()
        """When the client last did what is waited for."""
        self.carrier: asyncio.Transport | None = None
        """What the connection ends with while TLS is not yet established."""
        self._crowd = crowd
        self._receiving = False  # a request has begun, and is not there as a whole
        self._began = self.since  # when it did
        self._head = 0  # bytes of its head, and of what may stand in the place of one behind its body
        self._unread = 0  # bytes that came since the parser last made anything of them
        self._choked = False
        self._backlog = 0
        self._running: RequestResponseCycle | None = None

    # -- limits -------------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """End it now."""
        carrier = self.transport or self.carrier
        self._crowd.leave(self)
        if carrier is not None:
            carrier.abort()

    def late(self, now: float, idle_seconds: float) -> bool:
        """Tell whether the client has let the server wait too long."""
        if self._choked:
            size = self.transport.get_write_buffer_size()
            if size < self._backlog:
                self.since = now
            self._backlog = size
        elif self._receiving and now - self._began > WHOLE * idle_seconds:
            return True
        return now - self.since > idle_seconds

    # -- the network's side -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        if not self.counted:
            transport.abort()
            return
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        if certificate is not None:
            self.app_state = {PEER: Peer(certificate)}
        super().connection_made(transport)
        self.scheme = "http" if tls is None else "https"
        self._crowd.waits(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._crowd.leave(self)
        if self.transport is None:
            return
        # uvicorn tells the request that came last, and not the one before it that is being answered
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, unless they make a head of a request that does not end."""
        if self.parser is None or self.transport.is_closing():
            return
        self._unread += len(data)
        super().data_received(data)
        if self._unread > self._crowd.limits.head_bytes and not self.transport.is_closing():
            self._head += self._unread
            self.send_400_response("")

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where decrypted bytes go; see `TlsChannel`."""
        return _SCRATCH

    def buffer_updated(self, nbytes: int) -> None:
        """Take decrypted bytes; see `TlsChannel`."""
        self.data_received(bytes(_SCRATCH[:nbytes]))

    def pause_writing(self) -> None:
        """Note that the client does not read."""
        super().pause_writing()
        self._choked, self._backlog = True, self.transport.get_write_buffer_size()
        self._crowd.waits(self)

    def resume_writing(self) -> None:
        """Note that it has read."""
        super().resume_writing()
        self._choked = False
        if not self._receiving and self.cycle is not None and not self.cycle.response_complete:
            self._crowd.works(self)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or is too long for one."""
        if self.transport.is_closing():
            return
        status, why = (400, "the request is malformed")
        if self._head > self._crowd.limits.head_bytes:
            status, why = (431, "the head of the request is too long (max.request.header.size)")
        body = orjson.dumps({"error_code": status, "message": why})
        head = f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
        self.transport.write(f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        self.transport.close()

    # -- the parser's side --------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._receiving = True
        self._head = self._unread = 0
        self._began = self.since = self._crowd.clock()

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        super().on_header(name, value)
        self._count(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        """Start what the request asks for."""
        self.since = self._crowd.clock()
        self._unread = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self.since = self._crowd.clock()
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Have the whole request."""
        super().on_message_complete()
        self._receiving = False
        self._unread = 0
        if self.cycle.response_complete:
            self._crowd.waits(self)
        elif not self._choked:
            self._crowd.works(self)

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of one, unless another one is here."""
        super().on_response_complete()
        if self.cycle.response_complete:
            if not self.cycle.more_body:
                self._began = self._crowd.clock()  # what has come of the next one was not read meanwhile
            self._crowd.waits(self)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _count(self, size: int) -> None:
        self._head += size
        self._unread = 0
        if self._head > self._crowd.limits.head_bytes:
            raise ValueError("the head of the request is too long")  # ends the parser's work
