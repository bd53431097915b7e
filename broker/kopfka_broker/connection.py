"""One client connection: cuts the stream into requests, starts them in order, sends answers in the same order.

As Kafka does, a connection works on one request at a time: the next one starts when the one before it is answered, or
has done all it does but wait for the disk (`Deferred`). Other connections never wait for it. Bytes go from the socket
straight into the buffer of their request, and record batches leave it only for the log's files. A client that does not
read its answers is not read from either.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from kopfka_broker.dispatch import Deferred
from kopfka_runtime.errors import KopfkaError
from kopfka_wire.errors import WireError
from kopfka_wire.framing import FrameReader

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from kopfka_broker.dispatch import Buffers, Started
    from kopfka_broker.server import ServerState

# requests of one connection that were read but not started, and answers that wait for their turn or the disk; beyond
# either the connection is not read from. Clients keep a handful in flight (max.in.flight.requests.per.connection)
_MOST_QUEUED = 32
_MOST_UNANSWERED = 64

log = logging.getLogger(__name__)


class _Slot:
    """The place of one answer in the order of answers."""

    __slots__ = ("buffers", "done", "started", "started_at")

    def __init__(self, started: Started, started_at: float) -> None:
        self.started = started
        self.started_at = started_at
        self.done = False
        self.buffers: Buffers | None = None


class Connection(asyncio.BufferedProtocol):
    """The server's side of one connection."""

    def __init__(self, state: ServerState, listener: str) -> None:
        self._state = state
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self.client_host = ""
        self.active_at = time.monotonic()
        self._frames = FrameReader(state.scratch, state.largest_request)
        self._queue: deque[bytearray] = deque()
        self._slots: deque[_Slot] = deque()
        self._blocking: _Slot | None = None
        self._waiting: asyncio.Future[Buffers | None] | None = None
        self._choked = False
        self._reading = True
        self._stopping = False

    @property
    def idle(self) -> bool:
        """Tell whether no request of this connection is being worked on and no answer is on its way."""
        return (
            not self._slots
            and not self._queue
            and (self._transport is None or not self._transport.get_write_buffer_size())
        )

    # -- asyncio.BufferedProtocol -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or refuse it where there are too many."""
        self._transport = transport  # type: ignore[assignment]
        peer = transport.get_extra_info("peername")
        self.client_host = peer[0] if isinstance(peer, tuple) else str(peer)
        refusal = self._state.admit(self)
        if refusal:
            log.warning("closed a new connection from %s: %s", self.client_host, refusal)
            transport.abort()  # type: ignore[attr-defined]

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget everything that waits for this client; what its requests began goes on to its end."""
        self._transport = None
        self._state.leave(self)
        self._queue.clear()
        self._slots.clear()
        if self._waiting is not None:
            self._waiting.cancel()

    def eof_received(self) -> bool:
        """Close: a client that has stopped sending is gone, as Kafka sees it."""
        return False

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go: the rest of a frame, or the scratch space all connections share."""
        return self._frames.space()

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes that have come."""
        self.active_at = time.monotonic()
        if self._transport is None or self._stopping:
            return
        try:
            self._frames.take(nbytes, self._queue)
            self._pump()
        except WireError as error:
            self._close(str(error))
        except Exception:
            log.exception("connection from %s: closed after an unexpected error", self.client_host)
            self.abort()

    def pause_writing(self) -> None:
        """Start no more requests: the client does not read its answers."""
        self._choked = True

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        self._choked = False
        self.active_at = time.monotonic()
        self._pump_safely()

    # -- requests ---------------------------------------------------------------------------------------------------

    def _pump_safely(self) -> None:
        if self._transport is None:
            return
        try:
            self._pump()
        except WireError as error:
            self._close(str(error))
        except Exception:
            log.exception("connection from %s: closed after an unexpected error", self.client_host)
            self.abort()

    def _pump(self) -> None:
        """Start what may start, send what is ready."""
        queue = self._queue
        while queue and self._blocking is None and not self._choked and len(self._slots) < _MOST_UNANSWERED:
            self._start(queue.popleft())
        self._flush()
        # what was flushed may have choked the transport or made room; the transport calls back in the first case
        if self._reading != (len(queue) < _MOST_QUEUED) and self._transport is not None:
            self._reading = not self._reading
            if self._reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _start(self, frame: bytearray) -> None:
        started_at = time.perf_counter()
        started = self._state.dispatcher.start(memoryview(frame), self.client_host, self._listener)
        slot = _Slot(started, started_at)
        answer = started.answer
        self._slots.append(slot)
        if answer is None or isinstance(answer, list):
            slot.buffers, slot.done = answer, True
            if answer and len(answer) > 1:
                self._flush()  # records: the client is to be found slow before more of them are read for it
        elif isinstance(answer, Deferred):
            self._when_done(answer.answer, slot)
        else:
            self._blocking = slot
            self._when_done(answer, slot)

    def _when_done(self, answer: Awaitable[Buffers | None], slot: _Slot) -> None:
        future: asyncio.Future[Buffers | None]
        if isinstance(answer, asyncio.Future):
            future = answer
            if self._blocking is slot:
                self._waiting = future  # a fetch that waits for records: of no use to anyone once the client is gone
        else:
            future = self._state.spawn(answer)
        future.add_done_callback(lambda done: self._answered(done, slot))

    def _answered(self, done: asyncio.Future[Buffers | None], slot: _Slot) -> None:
        if self._blocking is slot:
            self._blocking = self._waiting = None
        if done.cancelled():
            return
        error = done.exception()
        if self._transport is None:
            if error is not None and not isinstance(error, KopfkaError):
                log.error("%s failed after its client had gone", slot.started.api.name, exc_info=error)
            return
        if error is not None:
            log.error(
                "%s from %s failed: its connection is closed", slot.started.api.name, self.client_host, exc_info=error
            )
            self.abort()
            return
        slot.buffers, slot.done = done.result(), True
        self._pump_safely()

    # -- answers ----------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        slots = self._slots
        if not slots or not slots[0].done or self._transport is None:
            return
        out: list[Any] = []
        now = time.perf_counter()
        metrics = self._state.dispatcher.metrics
        while slots and slots[0].done:
            slot = slots.popleft()
            metrics.answered(slot.started.api, now - slot.started_at)
            buffers = slot.buffers
            if buffers is None:
                continue
            header = slot.started.header
            size = len(header) + sum(map(len, buffers))
            out.append(size.to_bytes(4, "big") + header)
            out.extend(buffers)
        if out:
            # several small answers in one buffer, large ones as they are: the transport hands all of them over at once
            self._transport.writelines(out)

    # -- the end ----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Take no more requests; what waits for records ends now, what waits for the disk is answered first."""
        self._stopping = True
        self._queue.clear()
        if self._waiting is not None:
            self._waiting.cancel()
            self._slots.pop()  # a blocking request is always the last one

    def close(self) -> None:
        """Close once everything written has been sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close now; what was not sent yet is lost."""
        self._queue.clear()
        self._stopping = True
        if self._transport is not None:
            self._transport.abort()

    def _close(self, reason: str) -> None:
        log.warning("connection from %s closed: %s", self.client_host, reason)
        self.abort()
