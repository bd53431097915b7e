"""One broker: its life. What it serves is put together in `cluster`, `handlers` and `network`.

Life: construct with a data folder and a configuration, `await start()`, `await serve(stop)`, `await close()`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from kopfka_broker.cluster import Cluster
from kopfka_broker.config import loggers
from kopfka_broker.config.confluent import REGISTRY_URL
from kopfka_broker.handlers import dispatcher
from kopfka_broker.network.network import Network, server_settings
from kopfka_broker.network.server import Server

if TYPE_CHECKING:
    from pathlib import Path

    from kopfka_broker.config.values import BrokerConfig
    from kopfka_broker.network.listeners import Listeners

log = logging.getLogger(__name__)


class Broker:
    """A whole cluster in one process."""

    def __init__(self, directory: Path, config: BrokerConfig, listeners: Listeners) -> None:
        self.cluster = Cluster(directory, config, listeners)
        self.groups_loaded = False
        self._server: Server | None = None
        self._network: Network
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()

    async def start(self) -> None:
        """Recover and load the logs, then listen. Groups are loaded while requests for other things are answered.

        Raises:
            KopfkaError: the folder or an address cannot be used, and why.
        """
        began = time.perf_counter()
        cluster = self.cluster
        loggers.install()
        if cluster.directory.is_dir():
            cluster.config.load_altered(cluster.documents)  # before the rest: listeners may go by it
        # what cannot be of the configuration is told before anything is written
        self._network = Network(cluster)
        if cluster.config.get(REGISTRY_URL):
            cluster.schemas()
        cluster.open()
        try:
            self._network.add_users()
            self._server = Server(dispatcher(cluster), server_settings(cluster.config), self._network.limits)
            self._server.state.request_log = cluster.request_log.answered
            cluster.metrics.connections = self._network.connections
            ports = await self._server.start(self._network.entrances)
            cluster.listeners = cluster.listeners.bound_to(ports)
        except BaseException:
            await cluster.logs.close()
            raise
        partitions = sum(len(topic.partitions) for topic in cluster.logs.topics.values())
        log.info(
            "broker %s of cluster %s is up: %s topics, %s partitions, %.0f ms",
            cluster.config.node_id, cluster.logs.cluster_id, len(cluster.logs.topics), partitions,
            (time.perf_counter() - began) * 1000,
        )  # fmt: skip
        self._tasks = [
            asyncio.create_task(cluster.logs.run(self._stop), name="logs"),
            asyncio.create_task(self._run_groups(), name="groups"),
            asyncio.create_task(cluster.share.run(self._stop), name="share groups"),
            asyncio.create_task(self._network.run(self._stop), name="network"),
        ]
        if cluster.config.get("delegation.token.secret.key"):
            self._tasks.append(asyncio.create_task(cluster.tokens.run(self._stop), name="delegation tokens"))

    async def serve(self, stop: asyncio.Event) -> None:
        """Return when `stop` is set.

        Raises:
            Exception: what ended a part of the broker that is to run for as long as the broker does.
        """
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({stopping, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in done - {stopping}:
            task.result()

    async def close(self) -> None:
        """Answer what is being worked on, flush, and mark the folder as cleanly shut down."""
        self.cluster.groups.close()  # answers members that wait for a rebalance, who would hold the server up
        self.cluster.share.close()
        if self.cluster.schemas.made is not None:
            await self.cluster.schemas.made.close()
        if self._server is not None:
            await self._server.stop()
        self._stop.set()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.cluster.logs.close()

    def unready(self) -> str | None:
        """Return what still keeps clients from being served, or None."""
        if self._server is None or not self._server.listening:
            return "not listening yet"
        return None if self.groups_loaded else "groups and transactions are being loaded"

    async def _run_groups(self) -> None:
        """Load and run the coordinators: transactions after groups, whom they may have to tell of ends."""
        groups, transactions = self.cluster.groups, self.cluster.transactions
        await groups.load()
        await transactions.load()
        self.groups_loaded = True
        await asyncio.gather(groups.run(self._stop), transactions.run(self._stop))
