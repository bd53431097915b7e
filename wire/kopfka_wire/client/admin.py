"""The few administrative calls that components make on topics. A tool for people is Kafka's own, not this."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from kio.schema.errors import ErrorCode

from kopfka_wire.apis import ApiKey
from kopfka_wire.client.errors import ClientError, ConnectionLostError
from kopfka_wire.client.metadata import leader_of
from kopfka_wire.client.offsets import Isolation, list_offsets
from kopfka_wire.error_codes import BrokerError, TopicExistsError, UnknownTopicError, check

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from kopfka_wire.client.cluster import Cluster
    from kopfka_wire.client.metadata import TopicState

_TOPIC: Final = 2
_BROKER: Final = 4
"""Types of config resources."""
_TOPIC_SOURCE: Final = 1
_BROKER_SOURCE: Final = 2
"""Sources of a config that say that it was set on the resource itself."""
_SET: Final = 0
_DELETE: Final = 1
"""Operations of IncrementalAlterConfigs."""
_BY_ID: Final = 6
"""The first version of DeleteTopics with topic ids."""


@dataclass(frozen=True, slots=True)
class PartitionDescription:
    """One partition: `leader` is -1 where there is none now."""

    partition: int
    leader: int
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """One topic; partitions in the order of their numbers."""

    name: str
    topic_id: UUID | None
    internal: bool
    partitions: tuple[PartitionDescription, ...]

    @property
    def replication_factor(self) -> int:
        """Replicas of the first partition."""
        return len(self.partitions[0].replicas)


@dataclass(frozen=True, slots=True)
class ConfigValue:
    """One config of a topic or a broker."""

    value: str | None
    """None where it is sensitive."""
    is_default: bool
    """Whether nobody set it on this resource."""
    read_only: bool
    sensitive: bool


class Admin:
    """What may pass is repeated for `default.api.timeout.ms`; everything else raises a `BrokerError` by its code:
    TopicExistsError, UnknownTopicError, InvalidConfigError, AuthorizationError, PolicyViolationError…
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def create_topic(
        self, name: str, partitions: int = -1, replication_factor: int = -1, configs: Mapping[str, str] | None = None
    ) -> None:
        """Create a topic and wait until its partitions have leaders; -1 leaves a number to the broker.

        An attempt whose answer was lost may have created it: then the next one finds it there, and that is no error.
        """
        unsure = False

        async def attempt() -> None:
            nonlocal unsure
            try:
                await self._create(name, partitions, replication_factor, configs or {})
            except TopicExistsError:
                if not unsure:
                    raise
            except ClientError as error:
                unsure = unsure or _may_be_done(error)
                raise

        what = f"creating topic {name}"
        await self._cluster.retrying(attempt, what=what)
        await self._cluster.retrying(lambda: self._led(name), what=what)

    async def describe_topic(self, name: str) -> TopicDescription:
        """Return what the cluster knows of a topic; it is not created by the question.

        Raises:
            UnknownTopicError: there is none (nothing is repeated).
        """
        state = await self._cluster.retrying(lambda: self._described(name), what=f"describing topic {name}")
        partitions = tuple(
            PartitionDescription(number, each.leader, each.replicas, each.in_sync)
            for number, each in sorted(state.partitions.items())
        )
        return TopicDescription(name, state.topic_id, state.internal, partitions)

    async def delete_topic(self, name: str) -> None:
        """Delete a topic.

        An attempt whose answer was lost may have deleted it: then the next one finds none, and that is no error.
        """
        unsure = False

        async def attempt() -> None:
            nonlocal unsure
            try:
                await self._delete(name)
            except UnknownTopicError:
                if not unsure:
                    raise
            except ClientError as error:
                unsure = unsure or _may_be_done(error)
                raise

        await self._cluster.retrying(attempt, what=f"deleting topic {name}")
        self._cluster.forget(name)

    async def create_partitions(self, name: str, count: int) -> None:
        """Give a topic more partitions, `count` in all, and wait until they have leaders.

        Raises:
            InvalidConfigError: it has more than that, or the broker does not take the number. Having exactly that many
                is no error: an attempt whose answer was lost may have done it.
        """

        async def attempt() -> None:
            if len((await self._described(name)).partitions) == count:
                return
            connection = await self._cluster.controller_connection()
            form = connection.form(ApiKey.CREATE_PARTITIONS)
            topic = form.make_part("CreatePartitionsTopic", name=name, count=count, assignments=None)
            request = form.make_request(topics=(topic,), timeout=self._patience(), validate_only=False)
            (result,) = (await connection.call(form, request)).results
            check(result.error_code, f"giving topic {name} {count} partitions", result.error_message)

        what = f"giving topic {name} {count} partitions"
        await self._cluster.retrying(attempt, what=what)
        await self._cluster.retrying(lambda: self._led(name), what=what)

    async def topic_configs(self, name: str, keys: Iterable[str] | None = None) -> dict[str, ConfigValue]:
        """Return the configs of a topic, all where `keys` is None."""
        keys = None if keys is None else tuple(keys)
        return await self._cluster.retrying(
            lambda: self._configs(_TOPIC, name, keys), what=f"describing the configs of topic {name}"
        )

    async def broker_configs(self, node_id: int, keys: Iterable[str] | None = None) -> dict[str, ConfigValue]:
        """Return the configs of a broker, all where `keys` is None."""
        keys = None if keys is None else tuple(keys)
        return await self._cluster.retrying(
            lambda: self._configs(_BROKER, str(node_id), keys), what=f"describing the configs of broker {node_id}"
        )

    async def alter_topic_configs(self, name: str, configs: Mapping[str, str | None]) -> None:
        """Set configs of a topic, and take back those whose value is None; the others stay."""
        await self._cluster.retrying(lambda: self._alter(name, configs), what=f"altering the configs of topic {name}")

    async def list_offsets(
        self, topic: str, partitions: Iterable[int], timestamp: int = -1, *, committed: bool = False
    ) -> dict[int, int]:
        """Return an offset for each partition: LATEST (-1), EARLIEST (-2), or the first at or after a timestamp (-1
        where there is none). With `committed`, the latest is the last stable offset.
        """
        wanted = tuple(partitions)
        isolation = Isolation.READ_COMMITTED if committed else Isolation.READ_UNCOMMITTED
        return await self._cluster.retrying(
            lambda: list_offsets(self._cluster, topic, wanted, timestamp, isolation),
            what=f"asking for the offsets of {topic}",
        )

    # -- one attempt each -------------------------------------------------------------------------------------------

    async def _create(self, name: str, partitions: int, replication_factor: int, configs: Mapping[str, str]) -> None:
        connection = await self._cluster.controller_connection()
        form = connection.form(ApiKey.CREATE_TOPICS, least=4 if -1 in (partitions, replication_factor) else 0)
        topic = form.make_part(
            "CreatableTopic",
            name=name,
            num_partitions=partitions,
            replication_factor=replication_factor,
            assignments=(),
            configs=tuple(form.make_part("CreatableTopicConfig", name=key, value=configs[key]) for key in configs),
        )
        request = form.make_request(topics=(topic,), timeout=self._patience(), validate_only=False)
        answer = await connection.call(form, request)
        (result,) = answer.topics
        self._cluster.forget(name)
        check(result.error_code, f"creating topic {name}", result.error_message)

    async def _described(self, name: str) -> TopicState:
        state = await self._cluster.describe(name)
        if state.error == ErrorCode.unknown_topic_or_partition:
            raise UnknownTopicError(state.error, f"there is no topic {name}", retriable=False)
        check(state.error, f"topic {name}")
        return state

    async def _led(self, name: str) -> None:
        state = await self._cluster.describe(name)
        for partition in state.partitions or (0,):
            leader_of(state, partition)

    async def _delete(self, name: str) -> None:
        connection = await self._cluster.controller_connection()
        form = connection.form(ApiKey.DELETE_TOPICS)
        topics = (form.make_part("DeleteTopicState", name=name, topic_id=None),) if form.version >= _BY_ID else ()
        request = form.make_request(topics=topics, topic_names=(name,), timeout=self._patience())
        (result,) = (await connection.call(form, request)).responses
        if result.error_code == ErrorCode.unknown_topic_or_partition:
            raise UnknownTopicError(result.error_code, f"there is no topic {name} to delete", retriable=False)
        check(result.error_code, f"deleting topic {name}", getattr(result, "error_message", None))

    async def _configs(self, kind: int, name: str, keys: tuple[str, ...] | None) -> dict[str, ConfigValue]:
        connection = await (self._cluster.connection(int(name)) if kind == _BROKER else self._cluster.any_connection())
        form = connection.form(ApiKey.DESCRIBE_CONFIGS)
        resource = form.make_part(
            "DescribeConfigsResource", resource_type=kind, resource_name=name, configuration_keys=keys
        )
        request = form.make_request(resources=(resource,), include_synonyms=False, include_documentation=False)
        (result,) = (await connection.call(form, request)).results
        noun = "topic" if kind == _TOPIC else "broker"
        check(result.error_code, f"describing the configs of {noun} {name}", result.error_message)
        own = _TOPIC_SOURCE if kind == _TOPIC else _BROKER_SOURCE
        return {
            each.name: ConfigValue(each.value, each.config_source != own, each.read_only, each.is_sensitive)
            for each in result.configs
        }

    async def _alter(self, name: str, configs: Mapping[str, str | None]) -> None:
        connection = await self._cluster.controller_connection()
        form = connection.form(ApiKey.INCREMENTAL_ALTER_CONFIGS)
        changes = tuple(
            form.make_part(
                "AlterableConfig", name=key, config_operation=_DELETE if value is None else _SET, value=value
            )
            for key, value in configs.items()
        )
        resource = form.make_part("AlterConfigsResource", resource_type=_TOPIC, resource_name=name, configs=changes)
        answer = await connection.call(form, form.make_request(resources=(resource,), validate_only=False))
        (result,) = answer.responses
        check(result.error_code, f"altering the configs of topic {name}", result.error_message)

    def _patience(self) -> timedelta:
        return timedelta(seconds=self._cluster.settings.request_timeout)


def _may_be_done(error: ClientError) -> bool:
    """Tell whether what failed with this error may have been carried out."""
    late = isinstance(error, BrokerError) and error.code == ErrorCode.request_timed_out
    return late or isinstance(error, ConnectionLostError)
