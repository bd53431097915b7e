"""TLS between a TCP transport and a connection: a protocol to the one, a transport to the other.

asyncio's and uvloop's own TLS close without a word when a handshake fails; then a client cannot tell a refused
certificate from a network fault, and tries again for ever. Here the alert is sent, as by Apache Kafka. Besides, buffers
are shared by all connections: one that is idle costs what OpenSSL needs for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# where bytes from the network go, for all connections: nothing stays there
_SCRATCH: Final = memoryview(bytearray(64 * 1024))
# what is encrypted at once, before it is handed to the network
_CHUNK: Final = 256 * 1024
# how long a client may take to establish TLS; one that takes longer holds a descriptor and does nothing with it
_HANDSHAKE_SECONDS: Final = 30.0

log = logging.getLogger(__name__)


class Connection(Protocol):
    """What stands behind TLS: an `asyncio.BufferedProtocol` in all but its base, with a name for where it came in."""

    @property
    def listener(self) -> str:
        """What the log calls the listener."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """TLS is established."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""

    def get_buffer(self, sizehint: int) -> Any:
        """Return where decrypted bytes go."""

    def buffer_updated(self, nbytes: int) -> None:
        """Take decrypted bytes."""

    def pause_writing(self) -> None:
        """Write no more for now."""

    def resume_writing(self) -> None:
        """Write on."""


Behind = TypeVar("Behind", bound=Connection)


class TlsChannel(asyncio.Transport, asyncio.BufferedProtocol, Generic[Behind]):
    """TLS of one connection, the server's side."""

    __slots__ = ("_connection", "_delay", "_gone", "_incoming", "_open", "_outgoing", "_paused", "_tcp", "_timer",
                 "_tls")  # fmt: skip

    def __init__(
        self, connection: Behind, context: ssl.SSLContext, delay: float, gone: Callable[[Behind], None]
    ) -> None:
        """Make one for a connection that knows nothing of it yet.

        Args:
            connection: gets decrypted bytes once TLS is established.
            context: the certificate and what is asked of clients.
            delay: seconds from a failed handshake to the end of the connection.
            gone: called when the connection ends before TLS is established.
        """
        self._connection = connection
        self._delay = delay
        self._gone = gone
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._tcp: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._open = False
        self._paused = False

    # -- the network's side: asyncio.BufferedProtocol -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the client's first message."""
        self._tcp = transport  # type: ignore[assignment]
        self._timer = asyncio.get_running_loop().call_later(_HANDSHAKE_SECONDS, self._too_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the connection, or who counts connections."""
        self._tcp = None
        if self._timer is not None:
            self._timer.cancel()
        if self._open:
            self._connection.connection_lost(exc)
        else:
            self._gone(self._connection)

    def eof_received(self) -> bool:
        """Close."""
        return False

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where encrypted bytes go."""
        return _SCRATCH

    def buffer_updated(self, nbytes: int) -> None:
        """Decrypt what has come."""
        if self._delay < 0:
            return  # the handshake has failed; what comes is read so that the alert is not lost with it
        self._incoming.write(_SCRATCH[:nbytes])
        try:
            if not self._open and not self._established():
                return
            self._decrypt()
        except ssl.SSLError as error:
            self._failed(error)

    def pause_writing(self) -> None:
        """Tell the connection that its client does not read."""
        if self._open:
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Tell the connection that its client has read."""
        if self._open:
            self._connection.resume_writing()

    def _established(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
            return False
        self._send()
        if self._timer is not None:
            self._timer.cancel()
        self._open = True
        self._connection.connection_made(self)
        return True

    def _decrypt(self) -> None:
        """Give the connection what there is, until it wants no more."""
        while not self._paused and self._tcp is not None and not self._tcp.is_closing():
            space = self._connection.get_buffer(-1)
            try:
                count: int = self._tls.read(len(space), space)  # type: ignore[assignment]
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                count = 0
            if not count:
                self.close()
                return
            self._connection.buffer_updated(count)
        self._send()

    def _send(self) -> None:
        if self._outgoing.pending and self._tcp is not None:
            self._tcp.write(self._outgoing.read())

    def _failed(self, error: ssl.SSLError) -> None:
        """Send the alert, which OpenSSL has written; end the connection once the client can have read it."""
        if self._tcp is None:
            return
        log.warning("refused a client at %s: TLS failed: %s", self._where(), error.reason or error)
        self._send()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._delay, self._end)
        self._delay = -1.0

    def _too_late(self) -> None:
        log.warning("closed a connection from %s: TLS was not established in time", self._where())
        self.abort()

    def _where(self) -> str:
        peer = None if self._tcp is None else self._tcp.get_extra_info("peername")
        return f"{peer[0] if peer else 'an unknown address'} ({self._connection.listener})"

    def _end(self) -> None:
        if self._tcp is not None:
            self._tcp.close()

    # -- the connection's side: asyncio.Transport ---------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the state of TLS as `ssl_object`, anything else as TCP has it."""
        if name == "ssl_object":
            return self._tls
        return default if self._tcp is None else self._tcp.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Tell whether nothing can be sent any more."""
        return self._tcp is None or self._tcp.is_closing()

    def pause_reading(self) -> None:
        """Read no more."""
        self._paused = True
        if self._tcp is not None:
            self._tcp.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading, first what was received already."""
        self._paused = False
        if self._tcp is not None:
            self._tcp.resume_reading()
            asyncio.get_running_loop().call_soon(self.buffer_updated, 0)

    def write(self, data: Any) -> None:
        """Encrypt and send."""
        self.writelines([data])

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Encrypt and send several buffers, small ones together."""
        if self._tcp is None:
            return
        small: list[Any] = []
        size = 0
        for data in list_of_data:
            if size + len(data) <= _CHUNK:
                small.append(data)
                size += len(data)
                continue
            self._encrypt(b"".join(small))
            small, size = [], 0
            view = memoryview(data)
            for start in range(0, len(view), _CHUNK):
                self._encrypt(view[start : start + _CHUNK])
        self._encrypt(b"".join(small))

    def _encrypt(self, data: bytes | memoryview) -> None:
        if not data:
            return
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            self._failed(error)
            return
        self._send()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait for the network."""
        return 0 if self._tcp is None else self._tcp.get_write_buffer_size()

    def close(self) -> None:
        """Send what waits and the end of TLS, and close."""
        if self._tcp is None or self._tcp.is_closing():
            return
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._send()
        self._tcp.close()

    def abort(self) -> None:
        """Close now."""
        if self._tcp is not None:
            self._tcp.abort()
