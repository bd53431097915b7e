"""Writes to partitions: idempotent, in order, several batches on their way at a time, `acks=all`.

A `Producer` is one producer id with its epoch; a `PartitionWriter` is what it writes to one partition: sequence
numbers, accumulation, retries. With a transactional id the epoch fences: see `Producer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_wire.client.cluster import Cluster
    from kopfka_wire.records import Record

    Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Sent:
    """Where a record is now: its offset, and the timestamp the log has for it."""

    offset: int
    timestamp: int


class Producer:
    """One producer id.

    With a `transactional_id`, `start` takes the next epoch of its producer id, and what an older epoch writes later is
    refused by a partition from the moment on that it has the first batch of the newer one: who takes over writes a
    record and waits for it before trusting what was read. A deposed producer's calls raise `FencedError`, and it stays
    so. The batches are plain idempotent ones: no transaction, no marker, visible at once.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        transactional_id: str | None = None,
        compression: str = "none",
        max_batch_bytes: int = 1024 * 1024,
        delivery_timeout: float = 120.0,
        transaction_timeout: float = 60.0,
    ) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    @property
    def producer_id(self) -> int:
        """The producer id, -1 before the start."""
        raise NotImplementedError

    @property
    def epoch(self) -> int:
        """The producer epoch, -1 before the start."""
        raise NotImplementedError

    async def start(self) -> None:
        """Get the producer id and its epoch (InitProducerId); sends do so themselves where it was not called.

        Raises:
            AuthorizationError: writing, or this transactional id, is not allowed.
            ClientError: the cluster cannot be reached within the delivery timeout.
        """
        raise NotImplementedError

    def partition(self, topic: str, partition: int) -> PartitionWriter:
        """Return the writer of one partition; the same one each time."""
        raise NotImplementedError

    async def flush(self) -> None:
        """Wait until everything that was sent is answered, however that is."""
        raise NotImplementedError

    async def close(self) -> None:
        """Flush, then end; later sends raise `ClosedError`. Cancelled, it ends without waiting."""
        raise NotImplementedError


class PartitionWriter:
    """What one producer writes to one partition. Calls that run at the same time share batches; order is that of calls.

    Every call returns once the records are on all in-sync replicas, or raises:

    - FencedError: a newer producer with this transactional id has taken over. Nothing was written by this call.
    - DeliveryTimeoutError: no answer within the delivery timeout; whether the records were written is not known
      (`sent` tells whether they were ever on their way).
    - BrokerError (by its class: RecordTooLargeError, InvalidRecordError, AuthorizationError…): refused, not written.
    - ClosedError: the producer was closed.

    A cancelled call withdraws its records if they are not on their way yet.
    """

    async def send(
        self,
        value: bytes | None,
        key: bytes | None = None,
        *,
        headers: tuple[tuple[str, bytes | None], ...] = (),
        timestamp: int | None = None,
    ) -> Sent:
        """Write one record; `timestamp` in milliseconds, now where it is None."""
        raise NotImplementedError

    async def send_records(self, records: Sequence[Record]) -> Sent:
        """Write records in one batch, all or none; return where the first one is. Their `offset` is not looked at."""
        raise NotImplementedError

    async def send_batch(self, batch: Buffer) -> Sent:
        """Write a ready-made batch (format version 2), records and compression as they are; return its first offset.

        Producer id, epoch, sequence and checksum in its header are replaced; the buffer is not copied and must not
        change until the call returns.

        Raises:
            CorruptBatchError: these bytes are no batch.
        """
        raise NotImplementedError
