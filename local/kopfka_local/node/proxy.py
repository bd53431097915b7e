"""Service addresses: TCP listeners that pass each connection to the next of a service's endpoints, round robin.

The endpoints are asked for at each connection, so a change of them needs no change here. Nothing of what passes is
kept.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import itertools
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Frontend:
    """Where a service port is to be reached."""

    address: str
    port: int


Target = tuple[str, int]


class _End(asyncio.Protocol):
    """One side of a passed connection: what comes goes to `other`, as fast as that one takes it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        if self.other is not None and self.other.transport is not None and self.other.transport.can_write_eof():
            self.other.transport.write_eof()
            return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()


class _Accepted(_End):
    """The client's side: what it sends before an endpoint took the connection is kept for that one."""

    def __init__(self, next_target: Callable[[], list[Target]]) -> None:
        super().__init__()
        self._next_target = next_target
        self._task: asyncio.Task[None] | None = None
        self._early: list[bytes] = []
        self._early_eof = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._task = asyncio.get_running_loop().create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
            return
        # only now: a loop may begin to read after connection_made has returned, whatever was said in there
        assert self.transport is not None
        self._early.append(data)
        self.transport.pause_reading()

    def eof_received(self) -> bool:
        if self.other is not None:
            return super().eof_received()
        self._early_eof = True
        return True

    async def _connect(self) -> None:
        assert self.transport is not None
        for address, port in self._next_target():
            try:
                _, other = await asyncio.get_running_loop().create_connection(_End, address, port)
            except OSError:
                continue  # it has just gone; the next one may do
            self._pair(other)
            return
        self.transport.abort()  # as a cluster does where a service has no endpoints: refuse

    def _pair(self, other: _End) -> None:
        assert self.transport is not None
        assert other.transport is not None
        other.other, self.other = self, other
        if self.transport.is_closing():
            other.transport.close()
            return
        if self._early:
            self.transport.resume_reading()
            other.transport.writelines(self._early)
            self._early.clear()
        if self._early_eof:
            self.eof_received()


class Proxies:
    """The listeners there are to be."""

    def __init__(self) -> None:
        self._servers: dict[Frontend, asyncio.Server] = {}
        self._targets: dict[Frontend, Sequence[Target]] = {}
        self._turns: dict[Frontend, itertools.count[int]] = {}
        self._refused: dict[Frontend, str] = {}
        self._lock = asyncio.Lock()

    def listening(self, address: str) -> bool:
        """Tell whether some port of the address is served."""
        return any(frontend.address == address for frontend in self._servers)

    async def serve(self, wanted: dict[Frontend, Sequence[Target]]) -> dict[Frontend, str]:
        """Listen on exactly these; return why those cannot be listened on that might be later."""
        async with self._lock:
            for frontend in [frontend for frontend in self._servers if frontend not in wanted]:
                self._servers.pop(frontend).close()
                self._turns.pop(frontend, None)
            self._targets = dict(wanted)
            self._refused = {frontend: why for frontend, why in self._refused.items() if frontend in wanted}
            loop = asyncio.get_running_loop()
            for frontend in wanted:
                if frontend in self._servers:
                    continue
                self._turns[frontend] = itertools.count()
                try:
                    self._servers[frontend] = await loop.create_server(
                        functools.partial(_Accepted, functools.partial(self._order, frontend)),
                        frontend.address,
                        frontend.port,
                    )
                    self._refused.pop(frontend, None)
                except OSError as error:
                    why = os.strerror(error.errno) if error.errno else str(error)
                    if self._refused.get(frontend) != why:
                        log.info("no proxy on %s:%s: %s", frontend.address, frontend.port, why)
                    self._refused[frontend] = why
            return {frontend: why for frontend, why in self._refused.items() if why != os.strerror(errno.EADDRNOTAVAIL)}

    async def close(self) -> None:
        """Listen no longer."""
        await self.serve({})

    def _order(self, frontend: Frontend) -> list[Target]:
        targets = list(self._targets.get(frontend, ()))
        if not targets:
            return []
        first = next(self._turns[frontend]) % len(targets)
        return targets[first:] + targets[:first]
