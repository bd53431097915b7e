"""A cluster as its clients see it: brokers, leaders, coordinators, one connection to each broker and purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from kopfka_wire.client.settings import ClientSettings


class Cluster:
    """Connections and metadata, shared by everything that talks to one cluster. Connects at the first use.

    `async with Cluster(settings) as cluster:` closes the connections at the end.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings

    async def __aenter__(self) -> Self:
        """Return itself; nothing is connected yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    async def check(self) -> str:
        """Connect, and return the cluster's id.

        Raises:
            AuthenticationError: a broker does not take these credentials; the message is the broker's.
            UnreachableError: no bootstrap server answers within `default.api.timeout.ms`; says why for each of them.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Close every connection; calls that wait fail with `ClosedError`."""
        raise NotImplementedError
