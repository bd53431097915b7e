"""Tells every partition of a transaction how it ended, again and again until all know. No state of its own."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

from kio.schema.errors import ErrorCode

from kopfka_broker.coordinators.errors import LOG_ERRORS
from kopfka_broker.coordinators.topics import GROUPS
from kopfka_broker.transactions.state import State

if TYPE_CHECKING:
    from kopfka_broker.coordinators.ports import Clock
    from kopfka_broker.transactions.ports import Cluster
    from kopfka_broker.transactions.state import TopicPartition, Transaction

_FIRST_RETRY_S = 0.1
_LAST_RETRY_S = 5.0

_SETTLED = frozenset({ErrorCode.invalid_producer_epoch, ErrorCode.transaction_coordinator_fenced})
"""The partition knows of a later transaction of this producer, so this one was ended there before."""

log = logging.getLogger(__name__)


class Marker(NamedTuple):
    """What a partition is told of the end of a transaction."""

    producer_id: int
    producer_epoch: int
    commit: bool
    coordinator_epoch: int
    transaction_version: int


class Markers:
    """Writes the markers of one coordinator."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self.delayed: set[str] = set()
        """Transactional ids that wait for a disk to take their markers, or the record after them."""

    async def end(self, name: str, transaction: Transaction, coordinator_epoch: int) -> None:
        """Return once every partition that is still there has the marker, durably; a full disk is waited for."""
        left, pause = list(transaction.partitions), _FIRST_RETRY_S
        marker = Marker(
            transaction.producer_id,
            transaction.producer_epoch,
            transaction.state is State.PREPARE_COMMIT,
            coordinator_epoch,
            transaction.client_version,
        )
        while left:
            # all markers are written before the first wait, so that one sync is enough for those of a log
            results = await asyncio.gather(*(self._tell(marker, each) for each in left))
            failed = [(each, wrong) for each, wrong in zip(left, results, strict=True) if wrong is not None]
            if not failed:
                self.delayed.discard(name)
                return
            self.delayed.add(name)
            left = [each for each, _ in failed]
            (topic, partition), wrong = failed[0]
            log.warning(
                "transactional id %s: %d partitions have no marker yet, of %s-%d: %s",
                name, len(left), topic, partition, wrong,
            )  # fmt: skip
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_RETRY_S)

    async def write(self, marker: Marker, topic: str, index: int) -> None:
        """Write a marker to a partition that is there; return once it is durable.

        Raises:
            KopfkaError: it was not written, or is not durable.
        """
        if topic == GROUPS:
            await self._cluster.groups.end_transaction(
                index,
                marker.producer_id,
                marker.producer_epoch,
                commit=marker.commit,
                coordinator_epoch=marker.coordinator_epoch,
                transaction_version=marker.transaction_version,
            )
            return
        partition = self._cluster.partition(topic, index)
        assert partition is not None
        written = partition.append_marker(
            marker.producer_id,
            marker.producer_epoch,
            commit=marker.commit,
            coordinator_epoch=marker.coordinator_epoch,
            now_ms=self._clock.wall_ms(),
            transaction_version=marker.transaction_version,
        )
        await partition.flushed(written.last_offset + 1)

    async def _tell(self, marker: Marker, place: TopicPartition) -> str | None:
        """Write one marker; None once it is durable or nobody needs it, else what went wrong."""
        topic, index = place
        partition = self._cluster.partition(topic, index)
        if partition is None:
            return None  # deleted
        try:
            await self.write(marker, topic, index)
        except LOG_ERRORS as error:
            if getattr(error, "code", None) in _SETTLED or self._cluster.partition(topic, index) is not partition:
                return None
            return str(error)
        return None
