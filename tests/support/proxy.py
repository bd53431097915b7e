"""A TCP proxy on loopback whose connections a test can cut, stall and refuse."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from typing import TYPE_CHECKING

from support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 256 * 1024
_MOST_PENDING = 4 * 1024 * 1024


class _Pipe:
    """One direction of one connection."""

    def __init__(self, source: socket.socket, sink: socket.socket, *, answers: bool) -> None:
        self.source = source
        self.sink = sink
        self.answers = answers
        self.pending = bytearray()


class TcpProxy:
    """Forwards connections to a port of this machine; one thread serves all of them."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.connections = 0
        """How many were taken since the start."""
        self._target = target
        self._selector = selectors.DefaultSelector()
        self._pipes: dict[socket.socket, _Pipe] = {}
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._cut = False
        self._refusing = False
        self._losing = False
        self.answers_lost = 0
        """How many connections were reset instead of passing an answer on."""
        self._ended = False
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    @property
    def bootstrap(self) -> str:
        """HOST:PORT for clients."""
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Reset every connection there is; bytes on their way are lost. New ones are taken."""
        self._cut = True

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Reset what there is and every new connection, for the length of the block."""
        self._refusing = True
        self._cut = True
        try:
            yield
        finally:
            self._refusing = False

    @contextlib.contextmanager
    def losing_answers(self) -> Iterator[None]:
        """Pass requests on, and reset a connection when an answer comes, for the length of the block."""
        self._losing = True
        try:
            yield
        finally:
            self._losing = False

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """Forward nothing for the length of the block; connections stay."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def close(self) -> None:
        """End the thread and every connection."""
        self._ended = True
        self._open.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended:
            self._open.wait()
            if self._cut:
                self._cut = False
                for each in list(self._pipes):
                    self._end(each)
            for key, events in self._selector.select(0.05):
                one = key.fileobj
                if one is self._listener:
                    self._accept()
                elif isinstance(one, socket.socket) and one in self._pipes:
                    self._serve(one, events)
        for each in list(self._pipes):
            self._end(each)
        self._listener.close()
        self._selector.close()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        try:
            if self._refusing:
                raise ConnectionRefusedError
            server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
        except OSError:
            _reset(client)
            return
        self.connections += 1
        for source, sink, answers in ((client, server, False), (server, client, True)):
            source.setblocking(False)
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pipes[source] = _Pipe(source, sink, answers=answers)
            self._selector.register(source, selectors.EVENT_READ)

    def _serve(self, one: socket.socket, events: int) -> None:
        pipe = self._pipes[one]
        back = self._pipes[pipe.sink]
        try:
            if events & selectors.EVENT_READ and len(pipe.pending) < _MOST_PENDING:
                data = one.recv(_CHUNK)
                if not data:
                    self._end(one)
                    return
                if pipe.answers and self._losing:
                    self.answers_lost += 1
                    self._end(one)
                    return
                pipe.pending += data
            for each in (pipe, back):
                if each.pending:
                    with contextlib.suppress(BlockingIOError):
                        del each.pending[: each.sink.send(each.pending)]
        except OSError:
            self._end(one)
            return
        for each in (pipe, back):
            self._watch(each)

    def _watch(self, pipe: _Pipe) -> None:
        """Wait for what can be done: read where there is room, write where bytes wait."""
        back = self._pipes[pipe.sink]
        events = (selectors.EVENT_READ if len(pipe.pending) < _MOST_PENDING else 0) | (
            selectors.EVENT_WRITE if back.pending else 0
        )
        known = self._selector.get_map().get(pipe.source)
        if events and known is None:
            self._selector.register(pipe.source, events)
        elif events and known is not None and known.events != events:
            self._selector.modify(pipe.source, events)
        elif not events and known is not None:
            self._selector.unregister(pipe.source)

    def _end(self, one: socket.socket) -> None:
        pipe = self._pipes.get(one)
        if pipe is None:
            return
        for each in (pipe.source, pipe.sink):
            self._pipes.pop(each, None)
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(each)
            _reset(each)


def _reset(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    one.close()
