"""One connection to one broker: requests pipelined, answers in their order, versions both sides have.

A connection is used until something goes wrong, and then not again: every request that waits for its answer fails with
the one reason. Who to connect to, and when to try again, is `cluster`'s business; how to open one is `opening`'s.
"""

from __future__ import annotations

import asyncio
import collections
import itertools
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from kopfka_wire.client.errors import (
    ClientError,
    ClosedError,
    ConnectionLostError,
    NotKafkaError,
    RequestTimeoutError,
    TlsError,
    UnsupportedByBrokerError,
)
from kopfka_wire.codec import NO_TIME, Codec, codec
from kopfka_wire.errors import FrameTooLargeError, WireError
from kopfka_wire.framing import FrameReader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from kopfka_wire.apis import VersionRange

    Buffer = bytes | bytearray | memoryview
    Encode = Callable[[int], Sequence[Buffer]]

LARGEST_ANSWER: Final = 256 * 1024 * 1024
"""A size above that is taken for what it nearly always is: another protocol. Fetches ask for far less."""
_SCRATCH: Final = 64 * 1024


@dataclass(slots=True)
class _Waiting:
    """A request that was sent."""

    correlation: int
    answer: asyncio.Future[bytearray]
    timer: asyncio.TimerHandle


class Connection(asyncio.BufferedProtocol):
    """Made by `opening.open_connection`."""

    def __init__(self, address: str, client_id: str, request_timeout: float, max_idle: float) -> None:
        self.address = address
        """HOST:PORT, for messages."""
        self.client_id = client_id
        self.request_timeout = request_timeout
        self.versions: Mapping[int, VersionRange] = {}
        """What the broker has, by API key."""
        self.features: Mapping[str, int] = {}
        """Its finalized features, such as `transaction.version`."""
        self.renew: Callable[[], Awaitable[None]] | None = None
        """Logs in again; set where the session has an end (KIP-368)."""
        self.renew_at = float("inf")
        self.hint = ""
        """What to think of if the connection ends before it was of any use."""
        self._max_idle = max_idle
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._scratch = memoryview(bytearray(_SCRATCH))
        self._frames = FrameReader(self._scratch, LARGEST_ANSWER)
        self._arrived: list[bytearray] = []
        self._answered = False
        self._waiting: collections.deque[_Waiting] = collections.deque()
        self._correlations = itertools.count(1)
        self._failure: Exception | None = None
        self._may_write = asyncio.Event()
        self._muted_until = 0.0
        self._renewal: asyncio.Task[None] | None = None
        self._used_at = self._loop.time()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._closed = self._loop.create_future()

    # -- what the event loop calls --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "writelines")
        self._transport = transport  # type: ignore[assignment]
        self._may_write.set()
        self._watch_idleness()

    def connection_lost(self, exc: Exception | None) -> None:
        """End: whatever waits fails."""
        self._end(self._reason(exc))
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        """Hold new requests: the socket takes no more for now."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """Let requests through again."""
        self._may_write.set()

    def get_buffer(self, _: int) -> memoryview:
        """Return where bytes go; those of a large answer go straight into its own buffer."""
        return self._frames.space()

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes, and give answers to who waits for them."""
        try:
            self._frames.take(nbytes, self._arrived)
        except FrameTooLargeError:
            self._end(self._other_protocol(bytes(self._scratch[:5])))
            return
        for frame in self._arrived:
            self._take_answer(frame)
        self._arrived.clear()

    # -- requests -------------------------------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether requests can still be sent."""
        return self._failure is None and self._transport is not None and not self._transport.is_closing()

    @property
    def pending(self) -> int:
        """How many requests wait for their answers."""
        return len(self._waiting)

    def form(self, api: ApiKey, *, least: int = 0, most: int | None = None) -> Codec:
        """Return the highest version of an API that both sides have, from `least` to `most`.

        Raises:
            UnsupportedByBrokerError: there is none.
        """
        ours, theirs = KAFKA_VERSIONS[api], self.versions.get(api)
        if theirs is None:
            raise UnsupportedByBrokerError(f"{self.address} does not have {api.name}")
        high = min(ours.high, theirs.high) if most is None else min(ours.high, theirs.high, most)
        low = max(ours.low, theirs.low, least)
        if high < low:
            raise UnsupportedByBrokerError(
                f"{self.address} has {api.name} in versions {theirs.low} to {theirs.high}; this client needs "
                f"{max(ours.low, least)} to {ours.high if most is None else min(ours.high, most)}"
            )
        return codec(api, high)

    async def call(self, form: Codec, request: Any, seconds: float | None = None) -> Any:
        """Send a request and return its answer; error codes in it are the caller's business.

        A caller that is cancelled leaves its answer to be thrown away; the connection goes on.

        Raises:
            ConnectionLostError, RequestTimeoutError: the connection ended before the answer.
            NotKafkaError: the answer cannot be read.
        """
        frame = await (await self.send(lambda number: (form.write_request(request, number, self.client_id),), seconds))
        return self.read(form, frame)

    async def send(self, encode: Encode, seconds: float | None = None) -> asyncio.Future[bytearray]:
        """Send a request as soon as that is possible, and return the future of the frame that answers it.

        `encode` gets the correlation id and returns the request in pieces, without its size; they are not copied
        here, and must stay as they are until the answer is there.
        """
        await self._gate()
        return self.send_now(encode, seconds)

    def send_now(self, encode: Encode, seconds: float | None = None) -> asyncio.Future[bytearray]:
        """As `send`, without waiting for anything: to log in, and where `send` was waited for just now."""
        transport = self._transport
        if self._failure is not None:
            raise self._failure
        assert transport is not None
        number = next(self._correlations) & 0x7FFFFFFF
        pieces = encode(number)
        size = sum(map(len, pieces)).to_bytes(4, "big")
        if len(pieces) == 1 and len(pieces[0]) < _SCRATCH:
            transport.write(b"".join((size, pieces[0])))
        else:
            transport.writelines((size, *pieces))
        answer: asyncio.Future[bytearray] = self._loop.create_future()
        seconds = self.request_timeout if seconds is None else seconds
        timer = self._loop.call_later(seconds, self._expire, seconds)
        self._waiting.append(_Waiting(number, answer, timer))
        return answer

    def read(self, form: Codec, frame: bytearray) -> Any:
        """Read an answer; records in it are views of the frame.

        Raises:
            NotKafkaError: it cannot be read; the connection is given up.
        """
        try:
            answer = form.read_response(memoryview(frame))[1]
        except WireError as error:
            self._end(NotKafkaError(f"{self.address} gave an answer that cannot be read: {error}"))
            raise self._failure or error from error
        throttle = getattr(answer, "throttle_time", NO_TIME)
        if throttle:  # who sends on meanwhile is only read later (KIP-219)
            self._muted_until = self._loop.time() + throttle.total_seconds()
        return answer

    def opened(self) -> None:
        """Begin with the requests the connection is for; until one is answered the `hint` holds."""
        self._answered = False

    def close(self) -> None:
        """End it; requests that wait fail with `ClosedError`."""
        self._end(ClosedError(f"the connection to {self.address} was closed"))

    def fail(self, error: ClientError) -> None:
        """End it for a reason."""
        self._end(error)

    async def closed(self) -> None:
        """Wait until the socket is closed."""
        if self._transport is not None:
            await asyncio.shield(self._closed)

    # -- inside ---------------------------------------------------------------------------------------------------

    async def _gate(self) -> None:
        """Wait until a request may be sent."""
        while True:
            if self._failure is not None:
                raise self._failure
            now = self._loop.time()
            if now >= self.renew_at and self.renew is not None:
                if self._renewal is None:
                    self._renewal = self._loop.create_task(self._renew(self.renew))
                await asyncio.shield(self._renewal)
            elif now < self._muted_until:
                await asyncio.sleep(self._muted_until - now)
            elif not self._may_write.is_set():
                await self._may_write.wait()
            else:
                return

    async def _renew(self, renew: Callable[[], Awaitable[None]]) -> None:
        try:
            await renew()
        except ClientError as error:
            self._end(error)  # who waits at the gate finds it there
        finally:
            self._renewal = None

    def _take_answer(self, frame: bytearray) -> None:
        self._used_at = self._loop.time()
        number = int.from_bytes(frame[:4], "big", signed=True)
        if not self._waiting or len(frame) < 4 or number != self._waiting[0].correlation:
            self._end(NotKafkaError(f"{self.address} answered something that was not asked"))
            return
        self._answered = True
        waiting = self._waiting.popleft()
        waiting.timer.cancel()
        if not waiting.answer.done():
            waiting.answer.set_result(frame)

    def _expire(self, seconds: float) -> None:
        # nothing that comes later can be told from what did not come in time, so the connection is given up
        self._end(RequestTimeoutError(f"{self.address} did not answer within {seconds:g} s (request.timeout.ms)"))

    def _end(self, reason: Exception) -> None:
        if self._failure is not None:
            return
        self._failure = reason
        self._may_write.set()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        waiting, self._waiting = self._waiting, collections.deque()
        for each in waiting:
            each.timer.cancel()
            if not each.answer.done():
                each.answer.set_exception(reason)
                each.answer.exception()  # whether anyone still looks at it is not known here

    def _reason(self, error: Exception | None) -> ClientError:
        if isinstance(error, ssl.SSLError):
            return tls_error(self.address, error)
        why = f": {error}" if error is not None and str(error) else ""
        hint = "" if self._answered else self.hint
        return ConnectionLostError(f"{self.address} ended the connection{why}{hint}")

    def _other_protocol(self, first: bytes) -> ClientError:
        if self._answered:
            return NotKafkaError(f"{self.address} sent something that is no answer")
        if first[:1] in (b"\x15", b"\x16"):
            return NotKafkaError(f"{self.address} speaks TLS: security.protocol is to be SSL or SASL_SSL")
        return NotKafkaError(f"{self.address} does not speak Kafka's protocol: its first bytes are {first!r}")

    def _watch_idleness(self) -> None:
        if self._max_idle == float("inf"):
            return
        idle = self._loop.time() - self._used_at
        if idle >= self._max_idle and not self._waiting:
            self._end(ConnectionLostError(f"the connection to {self.address} was idle (connections.max.idle.ms)"))
            return
        self._idle_timer = self._loop.call_later(max(self._max_idle - idle, 0.1), self._watch_idleness)


def tls_error(address: str, error: ssl.SSLError) -> ClientError:
    """Return what a failure of TLS means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return TlsError(f"the certificate of {address} is not taken: {error.verify_message}")
    reason = (error.reason or str(error)).lower().replace("_", " ")
    if "wrong version number" in reason or "record layer failure" in reason or "packet length" in reason:
        return NotKafkaError(f"{address} does not speak TLS: is another security.protocol to be set?")
    if "alert" in reason:
        return TlsError(f"{address} refuses this client: {reason}")
    return ConnectionLostError(f"{address} ended the connection: {reason}")
