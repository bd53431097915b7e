"""One client connection: cuts the stream into requests, starts them in order, sends answers in the same order.

As Kafka does, a connection works on one request at a time: the next one starts when the one before it is answered, or
has done all it does but wait for the disk (`Deferred`). Other connections never wait for it. Bytes go from the socket
straight into the buffer of their request, and record batches leave it only for the log's files. A client that does not
read its answers is not read from either. Whom the listener asks for a proof is let in by an authenticator first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from kopfka_broker.context import Caller
from kopfka_broker.dispatch import Deferred
from kopfka_runtime.errors import KopfkaError
from kopfka_wire.errors import WireError
from kopfka_wire.framing import FrameReader

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from kopfka_broker.dispatch import Buffers, Started
    from kopfka_broker.network.limits import RequestMemory
    from kopfka_broker.network.server import ServerState
    from kopfka_broker.security.authenticator import Authenticator
    from kopfka_broker.security.entrance import Entrance

# requests of one connection that were read but not started, and answers that wait for their turn or the disk; beyond
# either the connection is not read from. Clients keep a handful in flight (max.in.flight.requests.per.connection)
_MOST_QUEUED = 32
_MOST_UNANSWERED = 64
_NOBODY = Caller()

log = logging.getLogger(__name__)


class _Slot:
    """The place of one answer in the order of answers."""

    __slots__ = ("buffers", "done", "local", "size", "started", "started_at")

    def __init__(self, started: Started, started_at: float) -> None:
        self.started = started
        self.started_at = started_at
        self.done = False
        self.buffers: Buffers | None = None
        self.size = 0  # of the request, where memory for requests is limited
        self.local = -1.0  # seconds of work before it waited, -1 where it did not wait


class Connection(asyncio.BufferedProtocol):
    """The server's side of one connection."""

    __slots__ = ("_authenticator", "_blocking", "_charged", "_choked", "_entrance", "_frames", "_queue",
                 "_reading", "_slots", "_starved", "_state", "_stopping", "_transport", "_unmuting", "_waiting",
                 "active_at", "caller", "client_host")  # fmt: skip

    def __init__(self, state: ServerState, entrance: Entrance, client_host: str) -> None:
        self._state = state
        self._entrance = entrance
        self._transport: asyncio.Transport | None = None
        self.client_host = client_host
        self.caller = _NOBODY
        self.active_at = time.monotonic()
        self._authenticator: Authenticator | None = None
        self._frames = FrameReader(state.scratch, state.largest_request)
        # lists, not deques: empty, they cost nothing, and they stay short
        self._queue: list[bytearray] = []
        self._slots: list[_Slot] = []
        self._blocking: _Slot | None = None
        self._waiting: asyncio.Future[Buffers | Deferred | None] | None = None
        self._unmuting: asyncio.TimerHandle | None = None
        self._charged = 0  # bytes of requests, from their begin to their answer, where the server limits them
        self._starved = False  # not read from until other connections have given memory back
        self._choked = False
        self._reading = True
        self._stopping = False

    @property
    def listener(self) -> str:
        """The name of the listener it came in by."""
        return self._entrance.listener.name

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
        """Take the connection; TLS, where there is any, is established."""
        self._transport = transport  # type: ignore[assignment]
        try:
            self.caller = self._entrance.caller(self.client_host, transport.get_extra_info("ssl_object"))
            self.caller.client_port = (transport.get_extra_info("peername") or ("", 0))[1]
        except KopfkaError as error:
            self._close(str(error))
            return
        self._authenticator = self._entrance.authenticator(self.caller, self._state.dispatcher)
        if self._authenticator is not None and self._entrance.sasl is not None:
            self._frames.largest = self._entrance.sasl.largest_frame

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget everything that waits for this client; what its requests began goes on to its end."""
        self._transport = None
        self._state.leave(self)
        self._queue.clear()
        self._slots.clear()
        for callback in self.caller.on_close:
            callback()
        self.caller.repeated = None
        if self._waiting is not None:
            self._waiting.cancel()
        if self._unmuting is not None:
            self._unmuting.cancel()
        if self._state.memory is not None:
            self._state.memory.take(-self._charged)
            self._charged = 0

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
            if self._state.memory is not None:
                self._account(self._state.memory)
        except KopfkaError as error:
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
            if self._state.memory is not None:
                self._account(self._state.memory)
        except KopfkaError as error:
            self._close(str(error))
        except Exception:
            log.exception("connection from %s: closed after an unexpected error", self.client_host)
            self.abort()

    def _pump(self) -> None:
        """Start what may start, send what is ready."""
        queue, caller = self._queue, self.caller
        while (
            queue
            and self._blocking is None
            and not self._choked
            and not caller.muted_until
            and len(self._slots) < _MOST_UNANSWERED
        ):
            self._start(queue.pop(0))
        self._flush()
        if caller.muted_until and self._unmuting is None:
            self._unmute()
        # what was flushed may have choked the transport or made room; the transport calls back in the first case
        reading = len(queue) < _MOST_QUEUED and not caller.muted_until and not self._starved
        if self._reading != reading and self._transport is not None:
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _unmute(self) -> None:
        """Go on once the time is over that a quota has the client wait."""
        self._unmuting = None
        if self._transport is None:
            return
        left = self.caller.muted_until - time.monotonic()
        if left > 0:
            self._unmuting = asyncio.get_running_loop().call_later(left, self._unmute)
            return
        self.caller.muted_until = 0.0
        self.active_at = time.monotonic()
        self._pump_safely()

    def _start(self, frame: bytearray) -> None:
        started_at = time.perf_counter()
        authenticator = self._authenticator
        started = None if authenticator is None else authenticator.start(memoryview(frame))
        if started is None:
            repeated = self.caller.repeated
            started = None if repeated is None else repeated.start(frame)
        if started is None:
            started = self._state.dispatcher.start(memoryview(frame), self.caller)
        slot = _Slot(started, started_at)
        answer = started.answer
        self._slots.append(slot)
        if self._state.memory is not None:
            slot.size = len(frame)
        if answer is None or isinstance(answer, list):
            slot.buffers, slot.done = answer, True
            if authenticator is not None:
                self._authenticated(authenticator)
            if answer and len(answer) > 1:
                self._flush()  # records: the client is to be found slow before more of them are read for it
        elif isinstance(answer, Deferred):
            slot.local = time.perf_counter() - started_at
            self._when_done(answer.answer, slot)
        else:
            if isinstance(answer, asyncio.Future):
                slot.local = time.perf_counter() - started_at
            self._blocking = slot
            self._when_done(answer, slot)

    def _authenticated(self, authenticator: Authenticator) -> None:
        """Take requests of any size from a client that has proved who it is; end what has failed to."""
        if authenticator.open:
            self._frames.largest = self._state.largest_request
        elif authenticator.failed:
            self._stopping = True
            self._queue.clear()

    def _account(self, memory: RequestMemory) -> None:
        """Count what this connection holds of the memory for requests, and wait where there is none left."""
        held = sum(map(len, self._queue)) + sum(slot.size for slot in self._slots) + self._frames.begun
        memory.take(held - self._charged)
        self._charged = held
        if memory.full and not self._frames.begun and not self._starved and self._transport is not None:
            self._starved = True
            memory.waiting.append(self._fed)
            self._pump()

    def _fed(self) -> None:
        self._starved = False
        self.active_at = time.monotonic()
        asyncio.get_running_loop().call_soon(self._pump_safely)

    def _when_done(self, answer: Awaitable[Buffers | Deferred | None], slot: _Slot) -> None:
        future: asyncio.Future[Buffers | Deferred | None]
        self._state.dispatcher.metrics.waiting[slot.started.api] += 1
        if isinstance(answer, asyncio.Future):
            future = answer
            if self._blocking is slot:
                self._waiting = future  # a fetch that waits for records: of no use to anyone once the client is gone
        else:
            future = self._state.spawn(answer)
        future.add_done_callback(lambda done: self._answered(done, slot))

    def _answered(self, done: asyncio.Future[Buffers | Deferred | None], slot: _Slot) -> None:
        self._state.dispatcher.metrics.waiting[slot.started.api] -= 1
        if self._blocking is slot:
            self._blocking = self._waiting = None
        if done.cancelled():
            return
        error = done.exception()
        answer = done.result() if error is None else None
        if isinstance(answer, Deferred):
            self._when_done(answer.answer, slot)
            self._pump_safely()
            return
        if self._transport is None:
            if error is not None and not isinstance(error, KopfkaError):
                log.error("%s failed after its client had gone", slot.started.api.name, exc_info=error)
            return
        if isinstance(error, WireError):
            self._close(str(error))
            return
        if error is not None:
            log.error(
                "%s from %s failed: its connection is closed", slot.started.api.name, self.client_host, exc_info=error
            )
            self.abort()
            return
        slot.buffers, slot.done = answer, True
        if self._authenticator is not None:
            self._authenticated(self._authenticator)
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
            slot = slots.pop(0)
            seconds = now - slot.started_at
            metrics.answered(slot.started.api, seconds, slot.local)
            buffers = slot.buffers
            if seconds >= metrics.log_over:
                self._state.request_log(slot.started, seconds, slot.local, sum(map(len, buffers or ())))
            if buffers is None:
                continue
            header = slot.started.header
            size = len(header) + sum(map(len, buffers))
            out.append(size.to_bytes(4, "big") + header)
            out.extend(buffers)
        if out:
            # several small answers in one buffer, large ones as they are: the transport hands all of them over at once
            self._transport.writelines(out)
        if self._authenticator is not None and self._authenticator.failed and not slots:
            self._transport.close()

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
