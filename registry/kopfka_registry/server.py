"""One instance from start to stop: topic, elections, and HTTP on its listeners."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
from typing import TYPE_CHECKING

from kopfka_registry.api.app import make_app
from kopfka_registry.api.instance import Instance
from kopfka_registry.leadership.election import Leadership
from kopfka_registry.leadership.forwarding import Forwarder
from kopfka_registry.leadership.identity import Identity
from kopfka_registry.security.authentication import Authentication
from kopfka_registry.security.tls import make_tls
from kopfka_registry.service.registry import Registry
from kopfka_registry.store.store import Store
from kopfka_runtime.errors import AddressInUseError
from kopfka_runtime.network import bind_host
from kopfka_wire.client.cluster import Cluster
from kopfka_wire.client.settings import client_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from kopfka_registry.security.tls import Tls
    from kopfka_registry.settings import Listen, Settings
    from kopfka_runtime.health import Health

log = logging.getLogger(__name__)

_BACKLOG = 2048


async def serve(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Serve until `stop` is set.

    Raises:
        KopfkaError: the topic, or what is set of security, cannot be used, or an address is taken.
    """
    security = settings.security
    tls = make_tls(security)
    authentication = Authentication(security, tls) if security.methods else None
    sockets = [(listen, _bind(listen)) for listen in settings.listeners]
    client = client_settings(settings.kafka, client_id=f"sr-{settings.host}-{settings.port}")
    async with Cluster(client) as cluster, _store(settings, cluster, health) as store:
        cluster_id = await _unless(stop, _start(settings, cluster, store))
        if cluster_id is None:
            return
        async with _instance(settings, tls, cluster, store, cluster_id) as instance:
            from kopfka_registry.security.serving import serve_http  # noqa: PLC0415 - not before the topic is read

            app = make_app(
                instance, allowed_origins=settings.allowed_origins, security=security, authentication=authentication
            )
            await serve_http(app, sockets, security.limits, stop, tls=tls, authentication=authentication)


@contextlib.asynccontextmanager
async def _store(settings: Settings, cluster: Cluster, health: Health) -> AsyncIterator[Store]:
    store = Store(cluster, settings.topic, timeout=settings.timeout, replication_factor=settings.replication_factor)
    health.add_readiness("topic", store.unready)
    try:
        yield store
    finally:
        await store.close()


async def _unless(stop: asyncio.Event, work: Coroutine[None, None, str]) -> str | None:
    """Return what comes of work, None where the process is to stop before it is done."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait({working})
    return None if working.cancelled() else working.result()


async def _start(settings: Settings, cluster: Cluster, store: Store) -> str:
    """Connect to the cluster and read the topic; return the cluster's id."""
    # within kafkastore.init.timeout.ms; what it fails with then says why
    await cluster.retrying(cluster.node_ids, what="connecting to Kafka", seconds=settings.init_timeout)
    cluster_id = await cluster.check()
    await store.start()
    # what was read lives as long as the process: the garbage collector needs not to look at it again
    gc.collect()
    gc.freeze()
    return cluster_id


@contextlib.asynccontextmanager
async def _instance(
    settings: Settings, tls: Tls | None, cluster: Cluster, store: Store, cluster_id: str
) -> AsyncIterator[Instance]:
    leadership = Leadership(
        cluster,
        store,
        Identity(settings.scheme, settings.host, settings.port, settings.eligible),
        group=settings.group,
        timeout=settings.timeout,
        session_timeout=settings.session_timeout,
        heartbeat_interval=settings.heartbeat_interval,
    )
    forwarder = Forwarder(
        timeout=settings.leader_timeout,
        tls=(lambda: tls.client) if tls is not None else None,
        name=settings.security.replica_name,
    )
    registry = Registry(
        lambda: store.state,
        lambda: leadership.lead,
        level=settings.level,
        mode_mutability=settings.mode_mutability,
        parsed_kept=settings.parsed_kept,
    )
    leadership.start()
    try:
        yield Instance(registry, store, leadership, forwarder, cluster_id, settings.group, settings.most_listed)
    finally:
        await leadership.close()
        await forwarder.close()


def _bind(listen: Listen) -> socket.socket:
    host = bind_host(listen.host)
    try:
        address = socket.getaddrinfo(host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(address[0], socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address[4])
        bound.listen(_BACKLOG)
    except OSError as error:
        raise AddressInUseError(
            f"cannot listen on {host}:{listen.port} ({os.strerror(error.errno or 0)}): pass --listen HOST:PORT"
        ) from error
    bound.setblocking(False)
    return bound
