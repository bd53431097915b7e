"""The one-broker cluster as the APIs know it: what there is, and how it is changed.

Nothing here listens or answers: `network` does the one, the APIs of `handlers` the other.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kopfka_broker.apis.errors import ApiError
from kopfka_broker.config.confluent import REGISTRY_URL
from kopfka_broker.config.groups import GroupConfigs
from kopfka_broker.config.resources import ResourceConfigs
from kopfka_broker.coordinators.topics import GROUPS, TRANSACTIONS, InternalTopic
from kopfka_broker.features import TRANSACTION_VERSION, Features
from kopfka_broker.groups import GroupCoordinator, GroupSettings, Node
from kopfka_broker.lazily import Lazy
from kopfka_broker.metadata_store import DELEGATION_TOKENS, SCRAM_CREDENTIALS, MetadataStore
from kopfka_broker.metrics.counters import BrokerMetrics
from kopfka_broker.request_log import RequestLog
from kopfka_broker.security.authorizer import authorizer_from
from kopfka_broker.security.quotas import ClientQuotas
from kopfka_broker.security.throttling import Throttling
from kopfka_broker.share.room import ShareRoom
from kopfka_broker.storage import LogManager, StorageError, StorageSettings
from kopfka_broker.telemetry.values import TelemetryValues
from kopfka_broker.transactions import TransactionCoordinator, TransactionSettings
from kopfka_broker.transactions.producer_ids import ProducerIds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from uuid import UUID

    from kopfka_broker.config.values import BrokerConfig
    from kopfka_broker.context import RequestContext
    from kopfka_broker.network.listeners import Listeners
    from kopfka_broker.schemas.room import SchemaRoom
    from kopfka_broker.security.authorizer import Operation, ResourceType
    from kopfka_broker.security.credentials import ScramCredentials
    from kopfka_broker.security.tokens import DelegationTokens
    from kopfka_broker.storage import LogConfig, PartitionLog, Topic

log = logging.getLogger(__name__)

_FEATURES = "feature-levels"


class Cluster:
    """Configuration, topics, groups and counters of one cluster. It is also `kopfka_broker.groups.Cluster`."""

    def __init__(self, directory: Path, config: BrokerConfig, listeners: Listeners) -> None:
        self.directory = directory
        self.config = config
        self.listeners = listeners
        self.metrics = BrokerMetrics()
        self.request_log = RequestLog(config, self.metrics.requests)
        self.features = Features()
        self.documents = MetadataStore(directory)
        self.group_configs = GroupConfigs(config, self.documents)
        self.client_metrics = ResourceConfigs(self.documents.document("client-metrics-configs"))
        self.telemetry = TelemetryValues()
        self.authorizer = authorizer_from(config, self.documents)
        self._credentials: Lazy[ScramCredentials] = Lazy(
            "kopfka_broker.security.credentials", "ScramCredentials", self.documents
        )
        self._tokens: Lazy[DelegationTokens] = Lazy(
            "kopfka_broker.security.tokens", "DelegationTokens", self.documents, config
        )
        self.quotas = ClientQuotas(self.documents)
        self.throttling = Throttling.from_config(self.quotas, config.number)
        self.logs = LogManager(
            directory,
            config.log_config({}),
            node_id=config.node_id,
            settings=StorageSettings.from_config(config.get),
        )
        offsets = InternalTopic(
            self.logs,
            self.create_topic,
            GROUPS,
            config.number("offsets.topic.num.partitions"),
            {
                "cleanup.policy": "compact",
                "compression.type": "producer",
                "segment.bytes": str(config.number("offsets.topic.segment.bytes")),
            },
        )
        transactions = InternalTopic(
            self.logs,
            self.create_topic,
            TRANSACTIONS,
            config.number("transaction.state.log.num.partitions"),
            {
                "cleanup.policy": "compact",
                "compression.type": "uncompressed",
                "min.insync.replicas": "1",
                "segment.bytes": str(config.number("transaction.state.log.segment.bytes")),
                "unclean.leader.election.enable": "false",
            },
        )
        self.schemas: Lazy[SchemaRoom] = Lazy("kopfka_broker.schemas.room", "SchemaRoom", self)
        """Who asks the schema registry about records."""
        self.checked_topics: set[str | UUID | None] = set()
        """Names and ids of the topics whose records it is asked about."""
        self._producer_ids = ProducerIds(directory)
        self.transactions = TransactionCoordinator(
            transactions, TransactionSettings.from_config(config.number), cluster=self, producer_ids=self._producer_ids
        )
        self.groups = GroupCoordinator(offsets, GroupSettings.from_config(config.get), cluster=self)
        self.share = ShareRoom(self)

    def open(self) -> None:
        """Recover and load the logs, and what was altered of the configuration.

        Raises:
            KopfkaError: the folder cannot be used, and why.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self.logs.open()
        if not self._producer_ids.load():
            # Kafka keeps them in its metadata log, which is not read here: what is in the logs is what matters of them
            for partition in self.logs.logs():
                self._producer_ids.skip(max((producer_id for producer_id, _ in partition.producers), default=-1))
        self.config.load_altered(self.documents)
        self.group_configs.load()
        self.client_metrics.load()
        self.features.chosen = self.documents.document(_FEATURES).load() or {}
        self.authorizer.load()
        if self.documents.has(SCRAM_CREDENTIALS):
            self.credentials.load()
        if self.documents.has(DELEGATION_TOKENS):
            self.tokens.load()
        self.quotas.load()
        for topic in self.logs.topics.values():
            self._note_checks(topic)
        if self.checked_topics and not self.config.get(REGISTRY_URL):
            log.error(
                "nothing can be produced to topics with schema validation: set %s, or switch it off for %s",
                REGISTRY_URL, ", ".join(sorted(each for each in self.checked_topics if isinstance(each, str))),
            )  # fmt: skip
        self.config.on_change(self.logs.follow_settings)
        self.logs.follow_settings()
        self.config.on_change(self._apply_topic_defaults)
        self.config.on_change(self.request_log.refresh)
        self.request_log.refresh()
        if self.config.altered[""] or len(self.config.altered) > 1:
            self._apply_topic_defaults()

    @property
    def credentials(self) -> ScramCredentials:
        """By what users log in with SCRAM."""
        return self._credentials()

    @property
    def tokens(self) -> DelegationTokens:
        """The delegation tokens (KIP-48)."""
        return self._tokens()

    # -- what APIs ask ------------------------------------------------------------------------------------------------

    def allows(
        self,
        context: RequestContext,
        operation: Operation,
        resource: ResourceType,
        name: str,
        *,
        log_denied: bool = True,
    ) -> bool:
        """Tell whether the client of a request may do this to one resource (see `Authorizer.allows`)."""
        return self.authorizer.allows(context, operation, resource, name, log_denied=log_denied)

    @property
    def transaction_version(self) -> int:
        """The level of the feature transaction.version."""
        return self.features.finalized.get(TRANSACTION_VERSION, 0)

    def broker(self, listener: str) -> Node:
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

    @property
    def cordoned(self) -> bool:
        """Whether no partition may be added to the data folder now (cordoned.log.dirs, KIP-1066)."""
        folders = self.config.get("cordoned.log.dirs")
        return bool(folders) and ("*" in folders or str(self.directory.absolute()) in folders)

    def topic_name(self, topic_id: UUID) -> str | None:
        """Return the name of a topic, None where no topic has this id."""
        found = self.logs.topic_by_id(topic_id)
        return None if found is None else found.name

    def topic_id(self, name: str) -> UUID | None:
        """Return the id of a topic, None where there is none of this name."""
        found = self.logs.topics.get(name)
        return None if found is None else found.topic_id

    def topic_names(self) -> Iterable[str]:
        """Return the names of all topics."""
        return self.logs.topics

    def group_config(self, group: str, name: str) -> Any:
        """Return the value of a config of a group: its own, else that of the broker's config `group.` + `name`."""
        return self.group_configs.get(group, name)

    def partition_count(self, name: str) -> int:
        """Return how many partitions a topic has, 0 where there is none of this name."""
        found = self.logs.topics.get(name)
        return 0 if found is None else len(found.partitions)

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
        return self._created(topic)

    def _created(self, topic: Topic) -> Topic:
        self._note_checks(topic)
        log.info("created topic %s with %s partitions", topic.name, len(topic.partitions))
        self.groups.topics_changed([topic.name], created=True)
        return topic

    async def create_topic_gradually(self, name: str, partitions: int, overrides: dict[str, str]) -> Topic:
        """As `create_topic`; others are served meanwhile.

        Raises:
            ApiError: storage refused or failed.
        """
        config = self.config.log_config(overrides)
        try:
            topic = await self.logs.create_topic_gradually(name, partitions, overrides, config)
        except StorageError as error:
            raise ApiError(error.code, str(error)) from error
        return self._created(topic)

    def add_partitions(self, name: str, count: int) -> None:
        """Let a topic grow to `count` partitions, durably.

        Raises:
            ApiError: storage refused or failed.
        """
        try:
            self.logs.add_partitions(name, count)
        except StorageError as error:
            raise ApiError(error.code, str(error)) from error
        self.groups.topics_changed([name])

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
        topic_id = self.topic_id(name)
        try:
            self.logs.delete_topic(name)
        except StorageError as error:
            raise ApiError(error.code, str(error)) from error
        self.checked_topics -= {name, topic_id}
        log.info("deleted topic %s", name)
        await self.groups.topics_deleted([name])
        if topic_id is not None:
            await self.share.topics_deleted([topic_id])

    def alter_topic_config(self, topic: Topic, settings: dict[str, str], log_config: LogConfig) -> None:
        """Replace a topic's own settings, which mean `log_config`; durable, and in force, when it returns.

        Raises:
            StorageError: it could not be kept; the old settings are in force.
        """
        self.logs.alter_config(topic.name, settings, log_config)
        self._note_checks(topic)

    def _note_checks(self, topic: Topic) -> None:
        both: set[str | UUID | None] = {topic.name, topic.topic_id}
        if topic.partitions[0].config.checks_schemas:
            self.checked_topics |= both
        else:
            self.checked_topics -= both

    def alter_broker_config(self, broker: str, settings: dict[str, str]) -> None:
        """Replace what was altered of the broker's config, for this broker or (empty) for all.

        Raises:
            ApiError: it could not be kept.
        """
        try:
            self.config.alter(broker, settings)
        except StorageError as error:
            raise ApiError(error.code, f"cannot keep the configuration: {error}") from error

    def finalize_features(self, levels: Mapping[str, int]) -> None:
        """Give features these levels, which the caller has checked; durably.

        Raises:
            StorageError: it cannot be kept; the levels are as they were.
        """
        self.documents.document(_FEATURES).save({**self.features.chosen, **levels})
        self.features.finalize(levels)

    def _apply_topic_defaults(self) -> None:
        """Let topics follow broker configs that are their defaults."""
        for topic in self.logs.topics.values():
            self.logs.alter_config(topic.name, topic.config, self.config.log_config(topic.config))
