"""The connections to the brokers of one cluster: one to each broker and lane, opened once for all who ask for it.

After a failed attempt an address is left alone for a while, longer each time (`reconnect.backoff.ms`), whoever asks.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kopfka_wire.client.backoff import Backoff
from kopfka_wire.client.errors import AuthenticationError, ClientError, ClosedError, UnreachableError
from kopfka_wire.client.opening import Security, open_connection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_wire.client.connection import Connection
    from kopfka_wire.client.settings import ClientSettings

    Address = tuple[str, int]
    Key = tuple[str, int, str]


@dataclass(slots=True)
class _Patience:
    """When an address may be tried again."""

    backoff: Backoff
    not_before: float = 0.0
    refusal: AuthenticationError | None = None
    """Why the last attempt was refused; until the next one it is the answer to everybody."""


@dataclass(slots=True)
class _Opening:
    """An attempt that is under way."""

    task: asyncio.Task[Connection]
    waiters: int = field(default=0)


class Pool:
    """Every connection of one `Cluster`."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._security = Security(settings)
        self._nodes: dict[int, Address] = {}
        self._open: dict[Key, Connection] = {}
        self._opening: dict[Key, _Opening] = {}
        self._patience: dict[Address, _Patience] = {}
        self._closed = False

    def knows(self, node_id: int) -> bool:
        """Tell whether the address of a broker is known."""
        return node_id in self._nodes

    @property
    def node_ids(self) -> tuple[int, ...]:
        """The brokers whose addresses are known."""
        return tuple(sorted(self._nodes))

    def learn(self, nodes: Mapping[int, Address], *, all_of_them: bool = True) -> None:
        """Take the addresses of brokers; without `all_of_them` those that are known stay."""
        if nodes:
            self._nodes = dict(nodes) if all_of_them else self._nodes | dict(nodes)

    def rebootstrap(self) -> None:
        """Forget all brokers; the bootstrap servers know the right ones (KIP-1102)."""
        self._nodes.clear()
        self.release("")

    async def node(self, node_id: int, lane: str) -> Connection:
        """Return a connection to a broker.

        Raises:
            ClientError: it cannot be reached, or is not known.
        """
        if node_id not in self._nodes:
            raise UnreachableError(f"the cluster has no broker {node_id} now")
        return await self._get((*self._nodes[node_id], lane))

    async def any(self) -> Connection:
        """Return a connection to any broker: an open one, to a broker that is known, or to a bootstrap server.

        Raises:
            AuthenticationError: one of them does not take the credentials.
            UnreachableError: none can be reached; says why for each.
        """
        for (_, _, lane), connection in self._open.items():
            if lane == "" and connection.usable:
                return connection
        nodes = list(self._nodes.values())
        random.shuffle(nodes)
        bootstrap = list(self._settings.bootstrap)
        random.shuffle(bootstrap)
        reasons: list[str] = []
        # what was known may all be gone (KIP-899), so the bootstrap servers stay the last resort
        for address in dict.fromkeys(nodes + bootstrap):
            try:
                return await self._get((*address, ""))
            except (AuthenticationError, ClosedError):
                raise
            except ClientError as error:
                reasons.append(str(error))
        raise UnreachableError("no broker of the cluster answers: " + "; ".join(reasons))

    def release(self, lane: str) -> None:
        """Close the connections of a lane."""
        for key in [key for key in self._open if key[2] == lane]:
            self._open.pop(key).close()
        for key in [key for key in self._opening if key[2] == lane]:
            self._opening.pop(key).task.cancel()

    async def close(self) -> None:
        """Close every connection and take no further calls."""
        self._closed = True
        tasks = [each.task for each in self._opening.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        connections = list(self._open.values())
        self._open.clear()
        for connection in connections:
            connection.close()
        for connection in connections:
            await connection.closed()

    async def _get(self, key: Key) -> Connection:
        if self._closed:
            raise ClosedError("the cluster's client was closed")
        connection = self._open.get(key)
        if connection is not None:
            if connection.usable:
                return connection
            del self._open[key]
        opening = self._opening.get(key)
        if opening is None:
            opening = self._opening[key] = _Opening(asyncio.create_task(self._connect(key)))
        opening.waiters += 1
        try:
            return await asyncio.shield(opening.task)
        except asyncio.CancelledError:
            if opening.task.cancelled():  # not who waits was cancelled: the lane or the pool was closed meanwhile
                raise ClosedError("the connection was closed while it was being opened") from None
            raise
        finally:
            opening.waiters -= 1
            if not opening.waiters and not opening.task.done():
                opening.task.cancel()  # nobody wants it any more
                self._opening.pop(key, None)

    async def _connect(self, key: Key) -> Connection:
        host, port, _ = key
        patience = self._patience.get((host, port))
        if patience is None:
            waits = Backoff(self._settings.reconnect_backoff, self._settings.reconnect_backoff_max)
            patience = self._patience[host, port] = _Patience(waits)
        loop = asyncio.get_running_loop()
        try:
            wait = patience.not_before - loop.time()
            if wait > 0 and patience.refusal is not None:
                raise patience.refusal
            await asyncio.sleep(max(wait, 0))
            connection = await open_connection(host, port, self._settings, self._security)
        except ClientError as error:
            if error is not patience.refusal:
                patience.not_before = loop.time() + patience.backoff.next()
                patience.refusal = error if isinstance(error, AuthenticationError) else None
            raise
        finally:
            if self._opening.get(key) is not None and self._opening[key].task is asyncio.current_task():
                del self._opening[key]
        patience.backoff.reset()
        patience.refusal = None
        self._open[key] = connection
        return connection
