"""One cluster's admin client: what topics there are, and the changes to them. Never blocks the event loop.

librdkafka works in threads of its own; its futures are awaited here. Errors come out in two kinds: the broker cannot
be reached (worth trying again), or it said no, in its own words. Importing this module loads librdkafka.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from kopfka_operator.errors import BrokerRefusedError, BrokerUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future

    from confluent_kafka import KafkaError

    from kopfka_operator.actions import AddPartitions, AlterConfig, CreateTopic

log = logging.getLogger(__name__)

T = TypeVar("T")

REQUEST_SECONDS = 10.0
_GIVE_UP_SECONDS = 15.0
_DYNAMIC_TOPIC_CONFIG = 1  # DescribeConfigs: config_source DYNAMIC_TOPIC_CONFIG
# Kafka writes ids in the URL-safe alphabet of base64, librdkafka in the other one
_URL_SAFE = str.maketrans("+/", "-_")
_BROKER_DEFAULT = -1  # CreateTopics: num_partitions and replication_factor


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as the broker describes it; `config` holds what is set on the topic itself, without defaults."""

    topic_id: str
    partitions: int
    replicas: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GroupState:
    """A group as the broker describes it."""

    state: str
    """`Stable`, `CompletingRebalance`, `Empty`, …"""
    assignments: tuple[bytes, ...] = ()
    """What its members were given, each in the words of the group's own protocol."""


class Admin:
    """The admin client of the cluster that `bootstrap` leads to."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        settings: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "client.id": "kopfka-operator",
            "socket.connection.setup.timeout.ms": 3000,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1000,
            "log_level": 0,
            "error_cb": self._on_error,
        }
        self._client = AdminClient(settings)

    def _on_error(self, error: KafkaError) -> None:
        log.debug("%s: %s", self.bootstrap, error)

    def close(self) -> None:
        """Let go of librdkafka's threads and connections; may block."""
        del self._client

    async def cluster_id(self) -> str:
        """Return the id that the cluster gave itself."""
        description = await self._one(lambda: self._client.describe_cluster(request_timeout=REQUEST_SECONDS))
        return str(description.cluster_id)

    async def group(self, name: str) -> GroupState | None:
        """Return a group of any protocol; None where there is none of that name."""
        try:
            # librdkafka has no other call for groups that are not of consumers, and this one blocks
            found = await asyncio.to_thread(_describe_group, self._client, name)
        except KafkaException as error:
            raise _mapped(error.args[0], self.bootstrap) from error
        if not found:
            return None
        if found[0].error is not None:
            raise _mapped(found[0].error, self.bootstrap)
        return GroupState(str(found[0].state), tuple(bytes(each.assignment or b"") for each in found[0].members))

    async def topics(self, names: Iterable[str]) -> dict[str, TopicState]:
        """Return those of the named topics that exist: one Metadata and one DescribeConfigs for all of them."""
        wanted = sorted(set(names))
        if not wanted:
            return {}
        described = await self._all(
            lambda: self._client.describe_topics(TopicCollection(wanted), request_timeout=REQUEST_SECONDS)
        )
        found = {name: topic for name, topic in described.items() if not isinstance(topic, BrokerRefusedError)}
        for topic in described.values():
            if isinstance(topic, BrokerRefusedError) and topic.code not in _NO_SUCH_TOPIC:
                raise topic
        if not found:
            return {}
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in found]
        configs = await self._all(lambda: self._client.describe_configs(resources, request_timeout=REQUEST_SECONDS))
        settings = {resource.name: entries for resource, entries in configs.items()}
        out = {}
        for name, topic in found.items():
            entries = settings.get(name)
            if isinstance(entries, BrokerRefusedError):
                if entries.code == "UNKNOWN_TOPIC_OR_PART":
                    continue  # deleted in between
                raise entries
            out[name] = TopicState(
                topic_id=str(topic.topic_id).translate(_URL_SAFE),
                partitions=len(topic.partitions),
                replicas=max((len(partition.replicas) for partition in topic.partitions), default=0),
                config=_overrides(entries or {}),
            )
        return out

    async def create(self, action: CreateTopic) -> None:
        """Create a topic."""
        topic = NewTopic(
            action.topic,
            num_partitions=action.partitions or _BROKER_DEFAULT,
            replication_factor=action.replicas or _BROKER_DEFAULT,
            config=dict(action.config),
        )
        await self._each(lambda: self._client.create_topics([topic], request_timeout=REQUEST_SECONDS))

    async def alter(self, action: AlterConfig) -> None:
        """Change settings of a topic, one by one; those not named stay."""
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in action.set.items()
        ]
        entries += [ConfigEntry(name, None, incremental_operation=AlterConfigOpType.DELETE) for name in action.unset]
        resource = ConfigResource(ResourceType.TOPIC, action.topic, incremental_configs=entries)
        await self._each(lambda: self._client.incremental_alter_configs([resource], request_timeout=REQUEST_SECONDS))

    async def add_partitions(self, action: AddPartitions) -> None:
        """Bring a topic up to a number of partitions."""
        more = NewPartitions(action.topic, action.total)
        await self._each(lambda: self._client.create_partitions([more], request_timeout=REQUEST_SECONDS))

    async def delete(self, topic: str) -> None:
        """Delete a topic; one that is gone already is no error."""
        try:
            await self._each(lambda: self._client.delete_topics([topic], request_timeout=REQUEST_SECONDS))
        except BrokerRefusedError as error:
            if error.code != "UNKNOWN_TOPIC_OR_PART":
                raise

    async def _each(self, call: Callable[[], dict[Any, Future[Any]]]) -> None:
        for result in (await self._all(call)).values():
            if isinstance(result, BrokerRefusedError):
                raise result

    async def _all(self, call: Callable[[], dict[T, Future[Any]]]) -> dict[T, Any]:
        """Return each key's result, or the broker's refusal."""
        futures = await self._start(call)
        out: dict[T, Any] = {}
        for key, future in futures.items():
            try:
                out[key] = await self._await(future)
            except BrokerRefusedError as error:
                out[key] = error
        return out

    async def _one(self, call: Callable[[], Future[Any]]) -> Any:
        return await self._await(await self._start(call))

    async def _start(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except KafkaException as error:
            raise _mapped(error.args[0], self.bootstrap) from error
        except (TypeError, ValueError) as error:
            raise BrokerRefusedError("INVALID_REQUEST", str(error)) from error

    async def _await(self, future: Future[Any]) -> Any:
        try:
            async with asyncio.timeout(_GIVE_UP_SECONDS):
                # shielded: librdkafka resolves the future even when nobody waits for it any more
                return await asyncio.shield(asyncio.wrap_future(future))
        except TimeoutError as error:
            raise BrokerUnreachableError(f"{self.bootstrap} does not answer") from error
        except KafkaException as error:
            raise _mapped(error.args[0], self.bootstrap) from error


def _describe_group(client: AdminClient, name: str) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return list(client.list_groups(name, timeout=REQUEST_SECONDS))


def _overrides(entries: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: entry.value
        for name, entry in entries.items()
        if int(getattr(entry.source, "value", entry.source)) == _DYNAMIC_TOPIC_CONFIG and entry.value is not None
    }


def _mapped(error: KafkaError, bootstrap: str) -> BrokerUnreachableError | BrokerRefusedError:
    # negative codes are librdkafka's own: the request never got an answer
    if error.code() < 0 or error.retriable() or error.name() in _TRY_AGAIN:
        return BrokerUnreachableError(f"{bootstrap} cannot be reached: {error.str()}")
    return BrokerRefusedError(error.name(), error.str())


_NO_SUCH_TOPIC = frozenset({"UNKNOWN_TOPIC_OR_PART", "TOPIC_EXCEPTION"})
_TRY_AGAIN = frozenset({"REQUEST_TIMED_OUT", "NOT_CONTROLLER", "BROKER_NOT_AVAILABLE", "NETWORK_EXCEPTION"})
