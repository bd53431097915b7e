"""Writes to partitions: idempotent, in order, several batches on their way at a time, `acks=all`.

A `Producer` is one producer id with its epoch (`session`); a `PartitionWriter` is what it writes to one partition
(`writer`): accumulation, sequence numbers, retries. With a transactional id the epoch fences: see `Producer`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from kopfka_wire.client.errors import ClosedError
from kopfka_wire.client.producing import Sent
from kopfka_wire.client.session import Session
from kopfka_wire.client.writer import PartitionWriter
from kopfka_wire.compression import NAMES

if TYPE_CHECKING:
    from kopfka_wire.client.cluster import Cluster

__all__ = ["PartitionWriter", "Producer", "Sent"]


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
        """`compression` by its name in `compression.type`; `max_batch_bytes` is `batch.size`, before compression."""
        self._cluster = cluster
        self._compression = NAMES.index(compression)
        self._max_batch_bytes = max_batch_bytes
        self._delivery_timeout = delivery_timeout
        self._session = Session(cluster, transactional_id, transaction_timeout)
        self._lane = cluster.new_lane("produce")
        self._writers: dict[tuple[str, int], PartitionWriter] = {}
        self._closed = False

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
        identity = self._session.identity
        return -1 if identity is None else identity.producer_id

    @property
    def epoch(self) -> int:
        """The producer epoch, -1 before the start."""
        identity = self._session.identity
        return -1 if identity is None else identity.epoch

    @property
    def failure(self) -> Exception | None:
        """Why nothing can be written any more (FencedError), None while it can."""
        return self._session.failure

    async def start(self) -> None:
        """Get the producer id and its epoch (InitProducerId); sends do so themselves where it was not called.

        Raises:
            AuthorizationError: writing, or this transactional id, is not allowed.
            ClientError: the cluster cannot be reached within the delivery timeout.
        """
        await self._cluster.retrying(self._session.claim, what="getting a producer id", seconds=self._delivery_timeout)

    def partition(self, topic: str, partition: int) -> PartitionWriter:
        """Return the writer of one partition; the same one each time."""
        if self._closed:
            raise ClosedError("the producer was closed")
        writer = self._writers.get((topic, partition))
        if writer is None:
            writer = self._writers[topic, partition] = PartitionWriter(
                self._cluster,
                self._session,
                topic,
                partition,
                lane=self._lane,
                compression=self._compression,
                max_batch_bytes=self._max_batch_bytes,
                delivery_timeout=self._delivery_timeout,
            )
        return writer

    async def flush(self) -> None:
        """Wait until everything that was sent is answered, however that is."""
        await asyncio.gather(*(writer.flush() for writer in self._writers.values()))

    async def close(self) -> None:
        """Flush, then end; later sends raise `ClosedError`. Cancelled, it ends without waiting."""
        self._closed = True
        try:
            await self.flush()
        finally:
            for writer in self._writers.values():
                await writer.close()
            self._cluster.release(self._lane)
