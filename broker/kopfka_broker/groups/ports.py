"""What the group coordinator needs from the rest of the broker: a log, the topics, an address, the time.

The broker implements these protocols; the coordinator opens no file and no socket itself.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from kopfka_broker.context import RequestContext

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from kopfka_broker.security.authorizer import Operation, ResourceType

Handler = Callable[[Any, RequestContext], Awaitable[Any]]
"""Takes a kio request entity and gives the kio response entity of the same API and version."""


class OffsetsRecord(NamedTuple):
    """One record of `__consumer_offsets`; a value of None is a tombstone."""

    key: bytes
    value: bytes | None


class OffsetsLog(Protocol):
    """The topic `__consumer_offsets`, created when it is first written to."""

    @property
    def partition_count(self) -> int:
        """offsets.topic.num.partitions, or what the existing topic has; never changes while the process runs."""
        ...

    def append(self, partition: int, records: Sequence[OffsetsRecord], timestamp_ms: int) -> int:
        """Append all records as one batch and return the offset after the last one, as `flushed` takes it.

        Raises:
            KopfkaError: nothing was appended; with an attribute `code` (kio's ErrorCode) where the storage has one.
        """
        ...

    async def flushed(self, partition: int, offset: int) -> None:
        """Return once everything below `offset` is as durable as `acks=all` promises.

        Raises:
            KopfkaError: it is not, and may never be.
        """
        ...

    def read_all(self, partition: int) -> Iterator[OffsetsRecord]:
        """Give every data record of the partition, oldest first (no control records, none of aborted transactions)."""
        ...


@runtime_checkable
class TrimmableLog(Protocol):
    """A log that can let go of its oldest records."""

    def trim(self, partition: int, before_offset: int) -> None:
        """Move the log start offset of a partition up, as DeleteRecords does; `read_all` starts there from then on.

        Raises:
            KopfkaError: it stays where it was.
        """
        ...


@dataclass(frozen=True, slots=True)
class Node:
    """A broker as clients reach it."""

    node_id: int
    host: str
    port: int


class Cluster(Protocol):
    """What exists in the cluster, and where its one broker is."""

    def allows(self, context: RequestContext, operation: Operation, resource: ResourceType, name: str) -> bool:
        """Tell whether the client of a request may do this to one resource."""
        ...

    def topic_name(self, topic_id: UUID) -> str | None:
        """Return the name of a topic, None where no topic has this id."""
        ...

    def topic_id(self, name: str) -> UUID | None:
        """Return the id of a topic, None where there is none of this name."""
        ...

    def partition_count(self, name: str) -> int:
        """Return how many partitions a topic has, 0 where there is none of this name."""
        ...

    def broker(self, listener: str) -> Node:
        """Return this broker with the address advertised to clients of `listener`."""
        ...


class Clock(Protocol):
    """The time, twice."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970, as they are stored in records."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since an arbitrary moment, for timeouts; never goes back."""
        ...


class SystemClock:
    """The machine's clocks."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Milliseconds since an arbitrary moment."""
        return time.monotonic_ns() // 1_000_000
