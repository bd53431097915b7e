"""Which of the records a fetch has read are given to the consumer: the one way records become acquired. No I/O.

Records that come back from another consumer are given again as they were given before; records nobody had are given in
whole batches of the log, as the consumer gets those anyway, unless it asked for its limit to be kept exactly. What was
delivered often already is given in ever smaller portions, the last time alone: one record that kills its consumers is
not to take its neighbours with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kopfka_broker.share.runs import Run, Span
from kopfka_broker.share.states import Acquired, AcquireMode, DeliveryState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_broker.share.partition import SharePartition
    from kopfka_broker.share.states import Limits

# ShareGroup's MINIMUM_THROTTLE_RECORDS_DELIVERY_LIMIT: no setting in Kafka either
_LEAST_THROTTLED_COUNT = 2


@dataclass(frozen=True, slots=True)
class Wish:
    """What a consumer asks for."""

    member: str
    records: int
    """The most it wants."""
    batch_size: int = 500
    """How many records it wants to hear of, and to acknowledge, at once."""
    mode: AcquireMode = AcquireMode.BATCH_OPTIMIZED

    def of(self, records: int) -> Wish:
        """Return the same wish for so many records."""
        return replace(self, records=records)


@dataclass(frozen=True, slots=True)
class Read:
    """The batches that were read of the log, in their order, and the offset they were read from."""

    offset: int
    batches: Sequence[Span]


def acquire(partition: SharePartition, wish: Wish, read: Read, limits: Limits, now: int) -> list[Acquired]:
    """Give a consumer what it may have of what was read.

    Returns:
        The ranges that are its own now, until it acknowledges them or its lock is over.
    """
    batches = read.batches
    if not batches or wish.records <= 0:
        return []
    last = batches[-1].last
    room = min(wish.records, limits.record_locks - partition.in_flight)
    if room <= 0:
        # full, but what was given before and came back counts already
        room = min(wish.records, partition.end_offset - read.offset)
        last = min(last, partition.end_offset - 1)
        if room <= 0:
            return []
    _close_gap(partition, read.offset, batches[0].first)
    first = max(batches[0].first, partition.start_offset)
    return _Acquisition(partition, wish, read, limits, now).run(first, last, room)


def _close_gap(partition: SharePartition, fetch_offset: int, base_offset: int) -> None:
    """Archive what was to be read but is not in the log any more (compaction): nobody will ever acknowledge it."""
    if not partition.runs:
        if base_offset > partition.start_offset:
            partition.start_offset = partition.end_offset = base_offset
        return
    if fetch_offset >= base_offset:
        return
    partition.archive(fetch_offset, base_offset - 1, DeliveryState.AVAILABLE)
    position = max(fetch_offset, partition.start_offset)
    for run in [*partition.runs.within(position, base_offset - 1), None]:
        end = base_offset if run is None else run.first
        if position < end:
            span = Span(position, end - 1)
            partition.runs.add(Run(span.first, span.last, span, DeliveryState.ARCHIVED, 0))
        if run is not None:
            position = max(position, run.last + 1)
    partition.end_offset = max(partition.end_offset, base_offset)
    partition.advance()


class _Acquisition:
    """One walk over the offsets of a fetch."""

    def __init__(self, partition: SharePartition, wish: Wish, read: Read, limits: Limits, now: int) -> None:
        self._partition = partition
        self._wish = wish
        self._batches = read.batches
        self._most = limits.delivery_count
        self._throttled_from = max(_LEAST_THROTTLED_COUNT, (self._most + 1) // 2)
        self._locked_until = now + limits.lock_duration_ms
        self._acquired: list[Acquired] = []
        self._given = 0

    def run(self, first: int, last: int, room: int) -> list[Acquired]:
        position = first
        while position <= last and self._given < room:
            runs = self._partition.runs.within(position, last)
            if not runs or runs[0].first > position:
                end = runs[0].first - 1 if runs else last
                self._give_new(position, end, room - self._given)
                position = end + 1
                continue
            span = runs[0].span
            again = [run for run in runs if run.span is span and run.free]
            throttled = any(run.count >= self._throttled_from for run in again)
            if throttled and self._given:
                break
            before = self._given
            self._give_again(span, again, position, last, room - self._given)
            if throttled and self._given > before:
                break
            position = max(position, min(span.last, last) + 1)
        return self._acquired

    def _give_new(self, first: int, last: int, room: int) -> None:
        """Give records that have no state yet, up to the end of the batch in which the limit is."""
        exact = self._wish.mode is AcquireMode.RECORD_LIMIT
        if last - first + 1 > room:
            wanted = first + room - 1
            last = wanted if exact else min(last, self._batch_end(wanted))
        begin = first
        if not exact:
            for batch in self._batches:
                if begin < batch.first <= last and batch.first - begin >= self._wish.batch_size:
                    self._give(begin, batch.first - 1)
                    begin = batch.first
        self._give(begin, last)
        self._partition.end_offset = max(self._partition.end_offset, last + 1)

    def _give(self, first: int, last: int) -> None:
        span = Span(first, last)
        run = Run(first, last, span, DeliveryState.ACQUIRED, 1, self._wish.member, self._locked_until)
        self._partition.runs.add(run)
        self._acquired.append(Acquired(first, last, 1))
        self._given += run.size

    def _batch_end(self, offset: int) -> int:
        for batch in self._batches:
            if batch.first > offset:
                break
            if offset <= batch.last:
                return batch.last
        return offset

    def _give_again(self, span: Span, runs: Sequence[Run], first: int, last: int, room: int) -> None:
        """Give records of one span that came back."""
        given, most = 0, span.size
        if self._wish.mode is AcquireMode.RECORD_LIMIT:
            most = room
        cap = -1
        parts: list[Acquired] = []
        for run in runs:
            alone = self._most > 2 and run.count == self._most - 1
            if alone and given:
                break
            if cap < 0 and run.count >= self._throttled_from:
                cap = max(1, span.size >> (run.count - self._throttled_from + 1))
                most = min(most, cap)
            begin = max(run.first, first)
            end = min(run.last, last, begin + (1 if alone else most - given) - 1)
            if end < begin:
                break
            piece = self._partition.runs.cut(run, begin, end)
            piece.state, piece.count, piece.member = DeliveryState.ACQUIRED, run.count + 1, self._wish.member
            piece.locked_until = self._locked_until
            parts.append(Acquired(piece.first, piece.last, piece.count))
            given += piece.size
            if alone or given >= most:
                break
        self._given += given
        self._acquired.extend(_joined(parts))


def _joined(parts: Sequence[Acquired]) -> list[Acquired]:
    joined: list[Acquired] = []
    for part in parts:
        if joined and joined[-1].last + 1 == part.first and joined[-1].count == part.count:
            joined[-1] = Acquired(joined[-1].first, part.last, part.count)
        else:
            joined.append(part)
    return joined


def withdraw(partition: SharePartition, acquired: Sequence[Acquired], aborted: Sequence[Span]) -> list[Acquired]:
    """Take records of aborted transactions out of what was just acquired: they are archived, no one is to see them."""
    left: list[Acquired] = []
    for part in acquired:
        begin = part.first
        for span in aborted:
            if span.last < begin or span.first > part.last:
                continue
            if span.first > begin:
                left.append(Acquired(begin, span.first - 1, part.count))
            partition.archive(max(begin, span.first), min(part.last, span.last), DeliveryState.ACQUIRED)
            begin = span.last + 1
        if begin <= part.last:
            left.append(Acquired(begin, part.last, part.count))
    if aborted:
        partition.advance()
    return left
