"""One broker: puts the cluster, the APIs and the server together.

Life: construct with a data folder and a configuration, `await start()`, `await serve(stop)`, `await close()`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from kopfka_broker.apis.acls import AclApis
from kopfka_broker.apis.active_producers import ActiveProducersApi
from kopfka_broker.apis.alter_configs import AlterConfigApis
from kopfka_broker.apis.configs import ConfigApis
from kopfka_broker.apis.credentials import CredentialApis
from kopfka_broker.apis.fetch import FetchApi
from kopfka_broker.apis.metadata import MetadataApis
from kopfka_broker.apis.offsets import OffsetApis
from kopfka_broker.apis.produce import ProduceApi
from kopfka_broker.apis.quorum import QuorumApis
from kopfka_broker.apis.quotas import QuotaApis
from kopfka_broker.apis.replicas import ReplicaApis
from kopfka_broker.apis.sasl import sasl_authenticate, sasl_handshake
from kopfka_broker.apis.telemetry import TelemetryApis
from kopfka_broker.apis.throttled_produce import ThrottledProduce
from kopfka_broker.apis.tokens import TokenApis
from kopfka_broker.apis.topics import TopicApis
from kopfka_broker.cluster import Cluster
from kopfka_broker.config import loggers
from kopfka_broker.dispatch import Dispatcher
from kopfka_broker.network import Network, server_settings
from kopfka_broker.server import Server
from kopfka_wire.apis import ApiKey

if TYPE_CHECKING:
    from pathlib import Path

    from kopfka_broker.config.values import BrokerConfig
    from kopfka_broker.listeners import Listeners

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
        cluster.open()
        try:
            self._network.add_users()
            self._server = Server(self._dispatcher(), server_settings(cluster.config), self._network.limits)
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
            asyncio.create_task(self._run_share(), name="share groups"),
            asyncio.create_task(self._network.run(self._stop), name="network"),
        ]
        if cluster.tokens.enabled:
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

    async def _run_share(self) -> None:
        await self.cluster.share.load()
        await self.cluster.share.run(self._stop)

    async def _run_groups(self) -> None:
        """Load and run the coordinators; that of transactions after that of groups, which it may have to tell of ends."""
        groups, transactions = self.cluster.groups, self.cluster.transactions
        await groups.load()
        await transactions.load()
        self.groups_loaded = True
        await asyncio.gather(groups.run(self._stop), transactions.run(self._stop))

    def _dispatcher(self) -> Dispatcher:
        cluster = self.cluster
        metadata, topics, configs = MetadataApis(cluster), TopicApis(cluster), ConfigApis(cluster)
        telemetry = TelemetryApis(cluster)
        quorum, replicas, altering = QuorumApis(cluster), ReplicaApis(cluster), AlterConfigApis(cluster)
        offsets = OffsetApis(cluster)
        acls, credentials = AclApis(cluster), CredentialApis(cluster)
        quotas, tokens = QuotaApis(cluster), TokenApis(cluster)
        handlers: dict[int, Any] = {
            ApiKey.METADATA: metadata.metadata,
            ApiKey.DESCRIBE_CLUSTER: metadata.describe_cluster,
            ApiKey.DESCRIBE_TOPIC_PARTITIONS: metadata.describe_topic_partitions,
            ApiKey.CREATE_TOPICS: topics.create_topics,
            ApiKey.DELETE_TOPICS: topics.delete_topics,
            ApiKey.CREATE_PARTITIONS: topics.create_partitions,
            ApiKey.DELETE_RECORDS: topics.delete_records,
            ApiKey.DESCRIBE_CONFIGS: configs.describe_configs,
            ApiKey.GET_TELEMETRY_SUBSCRIPTIONS: telemetry.get_telemetry_subscriptions,
            ApiKey.PUSH_TELEMETRY: telemetry.push_telemetry,
            ApiKey.LIST_CONFIG_RESOURCES: configs.list_config_resources,
            ApiKey.ALTER_CONFIGS: altering.alter_configs,
            ApiKey.INCREMENTAL_ALTER_CONFIGS: altering.incremental_alter_configs,
            ApiKey.DESCRIBE_LOG_DIRS: replicas.describe_log_dirs,
            ApiKey.ALTER_REPLICA_LOG_DIRS: replicas.alter_replica_log_dirs,
            ApiKey.ELECT_LEADERS: replicas.elect_leaders,
            ApiKey.ALTER_PARTITION_REASSIGNMENTS: replicas.alter_partition_reassignments,
            ApiKey.LIST_PARTITION_REASSIGNMENTS: replicas.list_partition_reassignments,
            ApiKey.DESCRIBE_QUORUM: quorum.describe_quorum,
            ApiKey.UPDATE_FEATURES: quorum.update_features,
            ApiKey.UNREGISTER_BROKER: quorum.unregister_broker,
            ApiKey.ADD_RAFT_VOTER: quorum.add_raft_voter,
            ApiKey.REMOVE_RAFT_VOTER: quorum.remove_raft_voter,
            ApiKey.DESCRIBE_ACLS: acls.describe_acls,
            ApiKey.CREATE_ACLS: acls.create_acls,
            ApiKey.DELETE_ACLS: acls.delete_acls,
            ApiKey.CREATE_DELEGATION_TOKEN: tokens.create,
            ApiKey.RENEW_DELEGATION_TOKEN: tokens.renew,
            ApiKey.EXPIRE_DELEGATION_TOKEN: tokens.expire,
            ApiKey.DESCRIBE_DELEGATION_TOKEN: tokens.describe,
            ApiKey.DESCRIBE_CLIENT_QUOTAS: quotas.describe,
            ApiKey.ALTER_CLIENT_QUOTAS: quotas.alter,
            ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS: credentials.describe,
            ApiKey.ALTER_USER_SCRAM_CREDENTIALS: credentials.alter,
            ApiKey.SASL_HANDSHAKE: sasl_handshake,
            ApiKey.SASL_AUTHENTICATE: sasl_authenticate,
            ApiKey.LIST_OFFSETS: offsets.list_offsets,
            ApiKey.OFFSET_FOR_LEADER_EPOCH: offsets.offset_for_leader_epoch,
            ApiKey.DESCRIBE_PRODUCERS: ActiveProducersApi(cluster).describe_producers,
        }
        handlers.update(cluster.groups.handlers())
        handlers.update(cluster.transactions.handlers())
        handlers.update(cluster.share.handlers())
        produce = ThrottledProduce(ProduceApi(cluster).produce, cluster.throttling).produce
        raw: dict[int, Any] = {ApiKey.PRODUCE: produce, ApiKey.FETCH: FetchApi(cluster).fetch}
        raw[ApiKey.SHARE_FETCH] = cluster.share.apis.fetch
        return Dispatcher(handlers, raw, cluster.metrics.requests, cluster.features, cluster.throttling)
