"""One broker: puts storage, groups, APIs and server together, and is what they know of each other.

Life: construct with a data folder and a configuration, `await start()`, `await serve(stop)`, `await close()`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.configs import ConfigApis
from kopfka_broker.apis.errors import ApiError
from kopfka_broker.apis.fetch import FetchApi
from kopfka_broker.apis.metadata import MetadataApis
from kopfka_broker.apis.offsets import OffsetApis
from kopfka_broker.apis.produce import ProduceApi
from kopfka_broker.apis.producers import ProducerApis, ProducerIds
from kopfka_broker.apis.topics import TopicApis
from kopfka_broker.dispatch import Dispatcher
from kopfka_broker.groups import GroupCoordinator, GroupSettings, Node
from kopfka_broker.metrics import BrokerMetrics
from kopfka_broker.offsets_log import BrokerOffsetsLog
from kopfka_broker.server import Server, ServerSettings
from kopfka_broker.storage import LogManager, StorageError, StorageSettings
from kopfka_wire.apis import ApiKey

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from kopfka_broker.config.values import BrokerConfig
    from kopfka_broker.listeners import Listeners
    from kopfka_broker.storage import PartitionLog, Topic

log = logging.getLogger(__name__)


class Broker:
    """A whole cluster in one process."""

    def __init__(self, directory: Path, config: BrokerConfig, listeners: Listeners) -> None:
        self._directory = directory
        self.config = config
        self.listeners = listeners
        self.metrics = BrokerMetrics()
        self.logs = LogManager(
            directory,
            config.log_config({}),
            node_id=config.node_id,
            settings=StorageSettings.from_config(config.number),
        )
        self.groups = GroupCoordinator(
            BrokerOffsetsLog(self), GroupSettings.from_config(config.number), cluster=_ClusterView(self)
        )
        self.groups_loaded = False
        self._server: Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Recover and load the logs, then listen. Groups are loaded while requests for other things are answered.

        Raises:
            KopfkaError: the folder or an address cannot be used, and why.
        """
        began = time.perf_counter()
        self._directory.mkdir(parents=True, exist_ok=True)
        self.logs.open()
        self.config.load_altered(self._directory)
        self.config.on_change(self._apply_topic_defaults)
        if self.config.altered[""] or len(self.config.altered) > 1:
            self._apply_topic_defaults()
        self._server = Server(self._dispatcher(), _server_settings(self.config))
        try:
            self.listeners = self.listeners.bound_to(await self._server.start(self.listeners.bound))
        except BaseException:
            await self.logs.close()
            raise
        partitions = sum(len(topic.partitions) for topic in self.logs.topics.values())
        log.info(
            "broker %s of cluster %s is up: %s topics, %s partitions, %.0f ms",
            self.config.node_id, self.logs.cluster_id, len(self.logs.topics), partitions,
            (time.perf_counter() - began) * 1000,
        )  # fmt: skip
        self._tasks = [
            asyncio.create_task(self.logs.run(self._stop), name="logs"),
            asyncio.create_task(self._run_groups(), name="groups"),
        ]

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
        self.groups.close()  # answers members that wait for a rebalance, who would hold the server up
        if self._server is not None:
            await self._server.stop()
        self._stop.set()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.logs.close()

    def unready(self) -> str | None:
        """Return what still keeps clients from being served, or None."""
        if self._server is None or not self._server.listening:
            return "not listening yet"
        return None if self.groups_loaded else "groups are being loaded"

    async def _run_groups(self) -> None:
        await self.groups.load()
        self.groups_loaded = True
        await self.groups.run(self._stop)

    def _dispatcher(self) -> Dispatcher:
        metadata, topics, configs = MetadataApis(self), TopicApis(self), ConfigApis(self)
        offsets, producers = OffsetApis(self), ProducerApis(ProducerIds(self._directory))
        handlers: dict[int, Any] = {
            ApiKey.METADATA: metadata.metadata,
            ApiKey.DESCRIBE_CLUSTER: metadata.describe_cluster,
            ApiKey.DESCRIBE_TOPIC_PARTITIONS: metadata.describe_topic_partitions,
            ApiKey.CREATE_TOPICS: topics.create_topics,
            ApiKey.DELETE_TOPICS: topics.delete_topics,
            ApiKey.CREATE_PARTITIONS: topics.create_partitions,
            ApiKey.DELETE_RECORDS: topics.delete_records,
            ApiKey.DESCRIBE_CONFIGS: configs.describe_configs,
            ApiKey.INCREMENTAL_ALTER_CONFIGS: configs.incremental_alter_configs,
            ApiKey.LIST_OFFSETS: offsets.list_offsets,
            ApiKey.OFFSET_FOR_LEADER_EPOCH: offsets.offset_for_leader_epoch,
            ApiKey.INIT_PRODUCER_ID: producers.init_producer_id,
        }
        handlers.update(self.groups.handlers())
        raw: dict[int, Any] = {ApiKey.PRODUCE: ProduceApi(self).produce, ApiKey.FETCH: FetchApi(self).fetch}
        return Dispatcher(handlers, raw, self.metrics.requests)

    # -- what APIs ask ------------------------------------------------------------------------------------------------

    def node(self, listener: str) -> Node:
        """Return this broker with the address for clients of `listener`."""
        endpoint = self.listeners.endpoint(listener)
        return Node(self.config.node_id, endpoint.host, endpoint.port)

    def topic(self, key: str | UUID | None) -> Topic | None:
        """Return a topic by name or id."""
        if isinstance(key, str):
            return self.logs.topics.get(key)
        return None if key is None else self.logs.topic_by_id(key)

    def partition(self, topic: str, index: int) -> PartitionLog | None:
        """Return a partition's log."""
        found = self.logs.topics.get(topic)
        return found.partitions[index] if found is not None and 0 <= index < len(found.partitions) else None

    def min_insync_replicas(self, topic: Topic) -> int:
        """min.insync.replicas of a topic; above 1, `acks=all` cannot be kept here, as on any cluster of one broker."""
        own = topic.config.get("min.insync.replicas")
        return self.config.number("min.insync.replicas") if own is None else int(own)

    # -- what APIs change ---------------------------------------------------------------------------------------------

    def create_topic(self, name: str, partitions: int, overrides: dict[str, str]) -> Topic:
        """Create a topic, durably.

        Raises:
            ApiError: storage refused or failed.
        """
        try:
            topic = self.logs.create_topic(name, partitions, overrides, self.config.log_config(overrides))
        except StorageError as error:
            raise ApiError(error.code, str(error)) from error
        log.info("created topic %s with %s partitions", name, partitions)
        return topic

    def auto_create(self, name: str) -> Topic | None:
        """Create a topic a client asked for by its metadata, where auto.create.topics.enable says so."""
        if not self.config.get("auto.create.topics.enable"):
            return None
        try:
            return self.create_topic(name, self.config.number("num.partitions"), {})
        except ApiError as error:
            log.warning("could not create topic %s, which a client asked for: %s", name, error)
            return None

    async def delete_topic(self, name: str) -> None:
        """Delete a topic and the offsets committed for it.

        Raises:
            ApiError: storage refused or failed.
        """
        try:
            self.logs.delete_topic(name)
        except StorageError as error:
            raise ApiError(error.code, str(error)) from error
        log.info("deleted topic %s", name)
        await self.groups.topics_deleted([name])

    def alter_broker_config(self, broker: str, settings: dict[str, str]) -> None:
        """Replace what was altered of the broker's config, for this broker or (empty) for all.

        Raises:
            ApiError: it could not be kept.
        """
        try:
            self.config.alter(broker, settings)
        except OSError as error:
            raise ApiError(ErrorCode.kafka_storage_error, f"cannot keep the configuration: {error.strerror}") from error

    def _apply_topic_defaults(self) -> None:
        """Let topics follow broker configs that are their defaults."""
        for topic in self.logs.topics.values():
            self.logs.alter_config(topic.name, topic.config, self.config.log_config(topic.config))


class _ClusterView:
    """`kopfka_broker.groups.Cluster` over one broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def topic_name(self, topic_id: UUID) -> str | None:
        found = self._broker.logs.topic_by_id(topic_id)
        return None if found is None else found.name

    def topic_id(self, name: str) -> UUID | None:
        found = self._broker.logs.topics.get(name)
        return None if found is None else found.topic_id

    def partition_count(self, name: str) -> int:
        found = self._broker.logs.topics.get(name)
        return 0 if found is None else len(found.partitions)

    def broker(self, listener: str) -> Node:
        return self._broker.node(listener)


def _server_settings(config: BrokerConfig) -> ServerSettings:
    return ServerSettings(
        socket_request_max_bytes=config.number("socket.request.max.bytes"),
        connections_max_idle_ms=config.number("connections.max.idle.ms"),
        max_connections=config.number("max.connections"),
        max_connections_per_ip=config.number("max.connections.per.ip"),
        socket_listen_backlog_size=config.number("socket.listen.backlog.size"),
    )
