"""Connections that send encoded requests and take answers apart as little as possible: sizes, and one error code."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections import deque
from typing import TYPE_CHECKING

from kopfka_bench.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD = 256  # of an answer's bytes are kept
_SCRATCH = 1 << 20


class Stream:
    """One connection: what is to be sent, what is in flight, and the answer that is being read."""

    __slots__ = ("_answered", "_head", "_left", "_pending", "_selector", "bytes_in", "sent", "socket", "times")

    def __init__(self, bootstrap: str, answered: Callable[[Stream, bytearray], None]) -> None:
        host, _, port = bootstrap.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.sent: deque[float] = deque()
        """When what is in flight was sent."""
        self.times: list[float] = []
        """Seconds from request to answer."""
        self.bytes_in = 0
        self._answered = answered
        self._head = bytearray()
        self._left = -1
        self._pending: deque[memoryview] = deque()
        self._selector: selectors.BaseSelector | None = None

    def register(self, selector: selectors.BaseSelector) -> None:
        """Have `serve` look after this connection."""
        self._selector = selector
        selector.register(self.socket, selectors.EVENT_READ, self)

    def send(self, data: bytes, at: float) -> None:
        """Send a request now, or as soon as the socket takes it."""
        self.sent.append(at)
        if self._pending:
            self._pending.append(memoryview(data))
            return
        done = 0
        with contextlib.suppress(BlockingIOError):
            done = self.socket.send(data)
        if done < len(data):
            self._pending.append(memoryview(data)[done:])
            self._listen(selectors.EVENT_READ | selectors.EVENT_WRITE)

    def flush(self) -> None:
        """Send on what the socket did not take before."""
        while self._pending:
            try:
                done = self.socket.send(self._pending[0])
            except BlockingIOError:
                return
            if done < len(self._pending[0]):
                self._pending[0] = self._pending[0][done:]
                return
            self._pending.popleft()
        self._listen(selectors.EVENT_READ)

    def take(self, data: memoryview) -> None:
        """Take bytes that came; each answer that is whole is told to `answered`."""
        at, size, head = 0, len(data), self._head
        self.bytes_in += size
        while at < size:
            if self._left < 0:
                part = min(4 - len(head), size - at)
                head += data[at : at + part]
                at += part
                if len(head) < 4:
                    return
                self._left = int.from_bytes(head, "big")
                head.clear()
            part = min(self._left, size - at)
            if len(head) < _HEAD:
                head += data[at : at + min(part, _HEAD - len(head))]
            self._left -= part
            at += part
            if not self._left:
                self._left = -1
                self.times.append(time.perf_counter() - self.sent.popleft())
                self._answered(self, head)
                head.clear()

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def _listen(self, events: int) -> None:
        if self._selector is not None:
            self._selector.modify(self.socket, events, self)


def serve(selector: selectors.BaseSelector, scratch: memoryview, timeout: float) -> None:
    """Read from and write to all connections that are ready, once.

    Raises:
        RefusedError: the broker closed a connection.
    """
    for key, events in selector.select(timeout):
        stream: Stream = key.data
        if events & selectors.EVENT_WRITE:
            stream.flush()
        if events & selectors.EVENT_READ:
            count = stream.socket.recv_into(scratch)
            if not count:
                raise RefusedError("the broker closed a connection")
            stream.take(scratch[:count])


def scratch() -> memoryview:
    """Return a buffer for `serve`."""
    return memoryview(bytearray(_SCRATCH))


def check(head: bytearray, at: int) -> None:
    """Look at the error code in an answer.

    Raises:
        RefusedError: it is one.
    """
    if code := int.from_bytes(head[at : at + 2], "big", signed=True):
        raise RefusedError(f"a request was answered with error code {code}")
