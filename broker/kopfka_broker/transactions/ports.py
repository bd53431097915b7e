"""What the transaction coordinator needs from the rest of the broker beside its log and the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kopfka_broker.coordinators.ports import StateLog
from kopfka_broker.security.authorizer import Access

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from kopfka_broker.security.authorizer import Authorizer


class TransactionLog(StateLog, Protocol):
    """The topic `__transaction_state`."""

    def leader_epoch(self, partition: int) -> int:
        """Return the leader epoch of a partition: the coordinator's epoch, which its markers carry."""
        ...


class Ended(Protocol):
    """Where a marker was written."""

    @property
    def last_offset(self) -> int:
        """Its offset."""
        ...


class MarkedLog(Protocol):
    """A partition that transactions write to."""

    def append_marker(
        self,
        producer_id: int,
        producer_epoch: int,
        *,
        commit: bool,
        coordinator_epoch: int,
        now_ms: int,
        transaction_version: int = 0,
    ) -> Ended:
        """Append the marker that ends a producer's transaction.

        Raises:
            StorageError: it was not written; the class says why.
        """
        ...

    async def flushed(self, offset: int) -> None:
        """Return once everything below `offset` is durable.

        Raises:
            StorageError: it is not.
        """
        ...


class Groups(Protocol):
    """The coordinator of groups, who has to know when offsets committed in a transaction become real."""

    def partition_of(self, group: str) -> int:
        """Return the partition of `__consumer_offsets` that a group's records are in."""
        ...

    def end_transaction(
        self,
        partition: int,
        producer_id: int,
        producer_epoch: int,
        *,
        commit: bool,
        coordinator_epoch: int,
        transaction_version: int,
    ) -> Awaitable[None]:
        """Write the marker to a partition of `__consumer_offsets` now; what is returned waits until it is durable.

        Raises:
            KopfkaError: it was not written, or is not durable.
        """
        ...


class Cluster(Access, Protocol):
    """What exists in the cluster, and who may do what."""

    @property
    def authorizer(self) -> Authorizer:
        """Who may do what."""
        ...

    @property
    def groups(self) -> Groups:
        """The coordinator of groups."""
        ...

    @property
    def transaction_version(self) -> int:
        """The level of the feature transaction.version."""
        ...

    def partition(self, topic: str, index: int) -> MarkedLog | None:
        """Return a partition's log, None where there is no such partition."""
        ...


class ProducerIds(Protocol):
    """Where producer ids come from."""

    def skip(self, used: int) -> None:
        """Give out no id up to one that somebody has."""
        ...

    def take(self) -> int:
        """Return an id nobody has had.

        Raises:
            KopfkaError: none can be kept from coming again.
        """
        ...
