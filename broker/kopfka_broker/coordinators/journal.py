"""Writes to an internal topic: a change takes effect once it is durable, and in the order it was written.

So what a reader has seen is never taken back by a crash. It knows partitions and records, not what is in them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kopfka_broker.coordinators.ports import Clock, StateLog, StateRecord

# The records of one request are one batch of the log, except where that would come near Kafka's message.max.bytes.
_LONGEST_BATCH = 900_000
_RECORD_OVERHEAD = 64


@dataclass(slots=True, eq=False)
class Write:
    """Something appended that waits to become durable."""

    partition: int
    end: int
    apply: Callable[[], None]


class Journal:
    """Appends now, waits for the disk, then applies."""

    def __init__(self, store: StateLog, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._pending: dict[int, deque[Write]] = {}
        self.appended: dict[int, int] = {}
        """How many records were written to each partition."""
        self.on_quiet: Callable[[int], None] | None = None
        """Called with a partition when everything written to it is durable and applied."""

    def append(self, partition: int, records: Sequence[StateRecord], apply: Callable[[], None]) -> Write:
        """Append records; `apply` is called once they are durable, during `settle` of this or a later write.

        Raises:
            KopfkaError: nothing was appended (or, of a request too large for one batch, only a part).
        """

        return self.write(partition, partial(self._append, partition, records), len(records), apply)

    def note(self, partition: int, records: Sequence[StateRecord]) -> None:
        """Append records whose loss would change nothing; they are durable with the next write.

        Raises:
            KopfkaError: nothing was appended.
        """
        self._append(partition, records, self._clock.wall_ms())
        self.appended[partition] = self.appended.get(partition, 0) + len(records)

    def _append(self, partition: int, records: Sequence[StateRecord], now: int) -> int:
        end = 0
        for chunk in _chunks(records):
            end = self._store.append(partition, chunk, now)
        return end

    def write(self, partition: int, append: Callable[[int], int], count: int, apply: Callable[[], None]) -> Write:
        """Append `count` records in a way of the caller's own, who is given the time and returns the offset after them.

        Raises:
            KopfkaError: nothing was appended.
        """
        write = Write(partition, append(self._clock.wall_ms()), apply)
        self._pending.setdefault(partition, deque()).append(write)
        self.appended[partition] = self.appended.get(partition, 0) + count
        return write

    def busy(self, partition: int) -> bool:
        """Tell whether something written to a partition is not durable and applied yet."""
        return bool(self._pending.get(partition))

    async def settle(self, write: Write) -> None:
        """Return once a write is durable and applied.

        Raises:
            KopfkaError: it could not be made durable; it is not applied, though it may be found after a restart.
        """
        pending = self._pending[write.partition]
        try:
            await self._store.flushed(write.partition, write.end)
        except Exception:
            if write in pending:
                pending.remove(write)
            raise
        while pending and pending[0].end <= write.end:
            pending.popleft().apply()
        if not pending and self.on_quiet is not None:
            self.on_quiet(write.partition)


def _chunks(records: Sequence[StateRecord]) -> list[Sequence[StateRecord]]:
    sizes = [len(record.key) + len(record.value or b"") + _RECORD_OVERHEAD for record in records]
    if sum(sizes) <= _LONGEST_BATCH:
        return [records]
    chunks: list[Sequence[StateRecord]] = []
    begin = total = 0
    for index, size in enumerate(sizes):
        if total + size > _LONGEST_BATCH and index > begin:
            chunks.append(records[begin:index])
            begin, total = index, 0
        total += size
    return [*chunks, records[begin:]]
