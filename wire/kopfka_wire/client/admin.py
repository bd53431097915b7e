"""The few administrative calls that components make on topics. A tool for people is Kafka's own, not this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from kopfka_wire.client.cluster import Cluster


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
    """Calls that may pass are repeated for `default.api.timeout.ms`; everything else raises a `BrokerError` by its code:
    TopicExistsError, UnknownTopicError, InvalidConfigError, AuthorizationError, PolicyViolationError…
    """

    def __init__(self, cluster: Cluster) -> None:
        raise NotImplementedError

    async def create_topic(
        self, name: str, partitions: int = -1, replication_factor: int = -1, configs: Mapping[str, str] | None = None
    ) -> None:
        """Create a topic and wait until its partitions have leaders; -1 leaves a number to the broker."""
        raise NotImplementedError

    async def describe_topic(self, name: str) -> TopicDescription:
        """Return what the cluster knows of a topic; it is not created by the question.

        Raises:
            UnknownTopicError: there is none (nothing is repeated).
        """
        raise NotImplementedError

    async def delete_topic(self, name: str) -> None:
        """Delete a topic."""
        raise NotImplementedError

    async def topic_configs(self, name: str, keys: Iterable[str] | None = None) -> dict[str, ConfigValue]:
        """Return the configs of a topic, all where `keys` is None."""
        raise NotImplementedError

    async def broker_configs(self, node_id: int, keys: Iterable[str] | None = None) -> dict[str, ConfigValue]:
        """Return the configs of a broker, all where `keys` is None."""
        raise NotImplementedError

    async def alter_topic_configs(self, name: str, configs: Mapping[str, str | None]) -> None:
        """Set configs of a topic, and take back those whose value is None; the others stay."""
        raise NotImplementedError

    async def list_offsets(
        self, topic: str, partitions: Iterable[int], timestamp: int = -1, *, committed: bool = False
    ) -> dict[int, int]:
        """Return an offset for each partition: LATEST (-1), EARLIEST (-2), or the first at or after a timestamp (-1
        where there is none). With `committed`, the latest is the last stable offset.
        """
        raise NotImplementedError
