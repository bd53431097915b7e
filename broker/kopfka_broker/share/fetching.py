"""One fetch of a member: waits until some of its partitions have records for it, reads and acquires them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_broker.share.acquiring import Read, acquire, withdraw
from kopfka_broker.share.answers import Fetched
from kopfka_broker.share.runs import Span
from kopfka_broker.storage import StorageError
from kopfka_wire.batches import split_batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_broker.share.acquiring import Wish
    from kopfka_broker.share.manager import Loaded, SharePartitions
    from kopfka_broker.share.sessions import Partition
    from kopfka_broker.share.states import Acquired
    from kopfka_broker.storage import PartitionLog
    from kopfka_wire.batches import BatchHeader


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a fetch waits, and for how much."""

    wait_seconds: float
    min_bytes: int
    max_bytes: int
    committed: bool
    """Whether only records of committed transactions are read."""


class ShareFetchJob:
    """One request on its way to its records."""

    def __init__(
        self, partitions: SharePartitions, wanted: Sequence[tuple[Partition, Loaded]], wish: Wish, bounds: Bounds
    ) -> None:
        self._partitions = partitions
        self._wanted = wanted
        self._wish = wish
        self._bounds = bounds

    async def run(self) -> dict[Partition, Fetched]:
        """Return what is acquired, at once where there is enough, else when there is, or the time is up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._bounds.wait_seconds
        if self._bounds.wait_seconds > 0 and not self._ready():
            wake = asyncio.Event()

            def appended(_: PartitionLog) -> None:
                wake.set()

            for _, loaded in self._wanted:
                loaded.log.watch(appended)
            watched = [loaded.watch(wake.set) for _, loaded in self._wanted]
            try:
                while not self._ready() and loop.time() < deadline:
                    wake.clear()
                    try:
                        async with asyncio.timeout_at(deadline):
                            await wake.wait()
                    except TimeoutError:
                        break
            finally:
                for unwatch in watched:
                    unwatch()
                for _, loaded in self._wanted:
                    loaded.log.unwatch(appended)
        return self._acquire()

    def _acquirable(self) -> list[tuple[Partition, Loaded]]:
        """Return the partitions that can give records, as far as their states and the limits say."""
        return [
            (key, loaded)
            for key, loaded in self._wanted
            if not loaded.fenced and loaded.partition.can_acquire(self._partitions.limits(loaded.key))
        ]

    def _end(self, log: PartitionLog) -> int:
        return log.last_stable_offset if self._bounds.committed else log.high_watermark

    def _ready(self) -> bool:
        acquirable = self._acquirable()
        if not acquirable:
            return False
        share = self._bounds.max_bytes // len(acquirable)
        available = 0
        for _, loaded in acquirable:
            log, offset = loaded.log, loaded.partition.next_fetch_offset()
            if log.closed or not log.log_start_offset <= offset <= self._end(log):
                return True
            if offset < self._end(log):
                available += min(log.bytes_from(offset), share)
        return available >= self._bounds.min_bytes

    def _acquire(self) -> dict[Partition, Fetched]:
        acquirable = self._acquirable()
        found: dict[Partition, Fetched] = {}
        given = 0
        for key, loaded in acquirable:
            room = max(self._bounds.max_bytes // len(acquirable), 0)
            found[key] = each = self._acquire_one(loaded, room, self._wish.records - given)
            given += sum(part.last - part.first + 1 for part in each.acquired)
        return found

    def _acquire_one(self, loaded: Loaded, room: int, most: int) -> Fetched:
        log, partition = loaded.log, loaded.partition
        offset, end = partition.next_fetch_offset(), self._end(log)
        if offset < log.log_start_offset:
            partition.log_start_moved(log.log_start_offset)  # the next fetch reads from there
            return Fetched()
        if offset >= end or most <= 0:
            return Fetched()
        try:
            data = log.read(offset, room, before=end)
        except StorageError as error:
            return Fetched(error.code)
        batches = [(position, header) for position, header in split_batches(data)]
        if not batches:
            return Fetched()
        spans = [Span(header.base_offset, header.last_offset) for _, header in batches]
        limits = self._partitions.limits(loaded.key)
        wish = self._wish.of(most)
        acquired = acquire(partition, wish, Read(offset, spans), limits, self._partitions.now())
        if acquired and self._bounds.committed:
            acquired = withdraw(partition, acquired, _aborted(log, spans, [header for _, header in batches]))
        self._partitions.watch_locks(loaded)
        if not acquired:
            return Fetched()
        positions = [position for position, _ in batches]
        return Fetched(records=_slice(data, positions, spans, acquired), acquired=acquired)


def _slice(
    data: bytes | memoryview, positions: Sequence[int], spans: Sequence[Span], acquired: Sequence[Acquired]
) -> bytes | memoryview:
    """Return the batches from the first one with an acquired record to the last one."""
    first, last = acquired[0].first, acquired[-1].last
    inside = [place for place, span in enumerate(spans) if span.last >= first and span.first <= last]
    begin = positions[inside[0]]
    end = positions[inside[-1] + 1] if inside[-1] + 1 < len(positions) else len(data)
    return data if (begin, end) == (0, len(data)) else memoryview(data)[begin:end]


def _aborted(log: PartitionLog, spans: Sequence[Span], headers: Sequence[BatchHeader]) -> list[Span]:
    """Return the batches whose transaction was aborted; markers are no one's records and stay."""
    aborted = log.aborted_transactions(spans[0].first, spans[-1].last + 1)
    return [
        span
        for span, header in zip(spans, headers, strict=True)
        if header.is_transactional
        and not header.is_control
        and any(
            each.producer_id == header.producer_id and each.first_offset <= span.first <= each.last_offset
            for each in aborted
        )
    ]
