"""What the group coordinator needs from the rest of the broker: the topics, and its own address.

The log and the time are what every coordinator needs (`coordinators.ports`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kopfka_broker.context import RequestContext
from kopfka_broker.coordinators.ports import Clock, StateRecord, SystemClock, TransactionalLog, TrimmableLog
from kopfka_broker.security.authorizer import Access

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from kopfka_broker.share.coordinator import ShareCoordinator
    from kopfka_broker.share.manager import SharePartitions
    from kopfka_broker.share.states import SharePartitionKey

__all__ = ["Clock", "Cluster", "Handler", "Node", "OffsetsLog", "OffsetsRecord", "SystemClock", "TrimmableLog"]

Handler = Callable[[Any, RequestContext], Awaitable[Any]]
"""Takes a kio request entity and gives the kio response entity of the same API and version."""


OffsetsRecord = StateRecord
"""One record of `__consumer_offsets`."""

OffsetsLog = TransactionalLog
"""The topic `__consumer_offsets`."""


@dataclass(frozen=True, slots=True)
class Node:
    """A broker as clients reach it."""

    node_id: int
    host: str
    port: int


class Transactions(Protocol):
    """The coordinator of transactions."""

    def verify(
        self,
        transactional_id: str | None,
        producer_id: int,
        producer_epoch: int,
        partitions: Sequence[tuple[str, int]],
        *,
        add: bool,
    ) -> Awaitable[dict[tuple[str, int], int]]:
        """Tell for each partition whether a producer may write to it in its transaction: an error number, or 0."""
        ...


class ShareStates(Protocol):
    """The share coordinator, and the share partitions that consumers are working on."""

    @property
    def enabled(self) -> bool:
        """Whether the cluster has share groups: the feature `share.version` may be off."""
        ...

    @property
    def coordinator(self) -> ShareCoordinator:
        """Who keeps the states."""
        ...

    @property
    def partitions(self) -> SharePartitions:
        """Who has them in memory."""
        ...

    def end_offset(self, key: SharePartitionKey) -> int:
        """Return the offset after the last record of the partition that a share partition is of."""
        ...


class Cluster(Access, Protocol):
    """What exists in the cluster, and where its one broker is."""

    @property
    def transactions(self) -> Transactions:
        """Who knows of transactions."""
        ...

    @property
    def share(self) -> ShareStates:
        """Who keeps the states of share partitions."""
        ...

    def topic_name(self, topic_id: UUID) -> str | None:
        """Return the name of a topic, None where no topic has this id."""
        ...

    def topic_id(self, name: str) -> UUID | None:
        """Return the id of a topic, None where there is none of this name."""
        ...

    def create_topic(self, name: str, partitions: int, overrides: dict[str, str]) -> object:
        """Create a topic, durably.

        Raises:
            KopfkaError: storage refused or failed.
        """
        ...

    def topic_names(self) -> Iterable[str]:
        """Return the names of all topics."""
        ...

    def group_config(self, group: str, name: str) -> Any:
        """Return the value of a config of a group (resource type GROUP): its own, else what the broker has for all."""
        ...

    def partition_count(self, name: str) -> int:
        """Return how many partitions a topic has, 0 where there is none of this name."""
        ...

    def broker(self, listener: str) -> Node:
        """Return this broker with the address advertised to clients of `listener`."""
        ...
