"""What every coordinator needs from the rest of the broker: an internal topic to keep its state in, and the time.

The broker implements these protocols; a coordinator opens no file and no socket itself.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class StateRecord(NamedTuple):
    """One record of an internal topic; a value of None is a tombstone."""

    key: bytes
    value: bytes | None


class TransactionalRecord(NamedTuple):
    """A record that counts once the transaction of its producer is committed."""

    key: bytes
    value: bytes | None
    producer_id: int


class TransactionEnd(NamedTuple):
    """A marker: the transaction of a producer ended here, in this partition."""

    producer_id: int
    commit: bool


ReplayEntry = StateRecord | TransactionalRecord | TransactionEnd


class StateLog(Protocol):
    """An internal topic, created when it is first written to."""

    @property
    def partition_count(self) -> int:
        """What the topic has, or is to have; never changes while the process runs."""
        ...

    def append(self, partition: int, records: Sequence[StateRecord], timestamp_ms: int) -> int:
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

    def read_all(self, partition: int) -> Iterator[StateRecord]:
        """Give every data record of the partition, oldest first (no control records, none of transactions)."""
        ...


class TransactionalLog(StateLog, Protocol):
    """An internal topic that transactions write to as well."""

    def append_transactional(
        self, partition: int, records: Sequence[StateRecord], timestamp_ms: int, producer_id: int, producer_epoch: int
    ) -> int:
        """Append all records as one batch of a producer's transaction; otherwise as `append`."""
        ...

    def append_marker(
        self,
        partition: int,
        producer_id: int,
        producer_epoch: int,
        timestamp_ms: int,
        *,
        commit: bool,
        coordinator_epoch: int,
        transaction_version: int,
    ) -> int:
        """Append the marker that ends a producer's transaction; otherwise as `append`."""
        ...

    def replay(self, partition: int) -> Iterator[ReplayEntry]:
        """Give everything in the partition, oldest first."""
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
