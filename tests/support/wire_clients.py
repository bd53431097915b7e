"""Kopfka's own client in tests: settings that lose no time, and a cluster whose broker is behind a proxy."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kopfka_wire.client.cluster import Cluster
from kopfka_wire.client.settings import client_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from support.proxy import TcpProxy

QUICK = {
    "retry.backoff.ms": "10",
    "retry.backoff.max.ms": "100",
    "reconnect.backoff.ms": "10",
    "reconnect.backoff.max.ms": "100",
    "client.id": "test",
}


@contextlib.asynccontextmanager
async def connected(bootstrap: str, /, **settings: str) -> AsyncIterator[Cluster]:
    """Return a cluster; settings by their names with underscores for dots."""
    named = {name.replace("_", "."): value for name, value in settings.items()}
    async with Cluster(client_settings(QUICK | {"bootstrap.servers": bootstrap} | named)) as cluster:
        yield cluster


@contextlib.asynccontextmanager
async def logged_in(settings: Mapping[str, str]) -> AsyncIterator[Cluster]:
    """Return a cluster by settings as a Java client has them."""
    async with Cluster(client_settings(QUICK | dict(settings))) as cluster:
        yield cluster


def behind(cluster: Cluster, proxy: TcpProxy) -> None:
    """Have a cluster's client find every broker at a proxy, whatever address the brokers give."""
    pool = cluster._pool
    learn = pool.learn

    def redirected(nodes: Mapping[int, tuple[str, int]], *, all_of_them: bool = True) -> None:
        learn(dict.fromkeys(nodes, ("127.0.0.1", proxy.port)), all_of_them=all_of_them)

    pool.learn = redirected  # type: ignore[method-assign]
