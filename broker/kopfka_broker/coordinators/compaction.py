"""Keeps an internal topic short enough to be read back in a moment, by what Kafka's tools know as DeleteRecords.

When a partition holds many more records than are still valid, the valid ones are written once more, and once that is
durable everything before them is trimmed. A log cleaner (cleanup.policy=compact) saves disk space, but leaves the
active segment alone, 100 MB of it; how long a restart takes depends on that part. A log that cannot be trimmed only
grows.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kopfka_broker.coordinators.ports import TrimmableLog
from kopfka_runtime.errors import KopfkaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_broker.coordinators.journal import Journal
    from kopfka_broker.coordinators.ports import StateLog, StateRecord

_LEAST = 1_000
_TIMES_LIVE = 4
"""A partition is written anew after this many records and this many times what was valid in it: at worst every fifth
record written is one that is written again."""

log = logging.getLogger(__name__)


class Compaction:
    """Counts what is written to each partition, and writes a partition anew when that pays."""

    def __init__(
        self,
        name: str,
        store: StateLog,
        journal: Journal,
        live: Callable[[int], list[StateRecord]],
        open_in: Callable[[int], bool],
    ) -> None:
        """Take valid records of a partition from `live`; it is called only while nothing is being written there.

        A partition in which a transaction is open (`open_in`) is left as it is: its records may count later.
        """
        self._name = name
        self.least = _LEAST
        """Fewer records than this are not worth writing a partition anew."""
        self._trim = store.trim if isinstance(store, TrimmableLog) else None
        self._journal = journal
        self._live = live
        self._open_in = open_in
        self._valid: dict[int, int] = {}
        self._running: dict[int, asyncio.Task[None]] = {}

    def loaded(self, partition: int, records: int, valid: int) -> None:
        """Take note of what a partition holds at the start."""
        self._journal.appended[partition] = records
        self._valid[partition] = valid

    def consider(self, partition: int) -> None:
        """Write a partition anew if that pays; called when everything written to it is durable and applied."""
        enough = self.least + _TIMES_LIVE * self._valid.get(partition, 0)
        if self._trim is None or partition in self._running or self._journal.appended.get(partition, 0) <= enough:
            return
        task = asyncio.get_running_loop().create_task(self._rewrite(partition))
        self._running[partition] = task
        task.add_done_callback(lambda _: self._running.pop(partition, None))

    async def _rewrite(self, partition: int) -> None:
        if self._trim is None or self._journal.busy(partition) or self._open_in(partition):
            return  # something was written since; the next time it is quiet will do
        records = self._live(partition)
        before, self._journal.appended[partition] = self._journal.appended.get(partition, 0), 0
        try:
            if records:
                write = self._journal.append(partition, records, lambda: None)
                await self._journal.settle(write)
                self._trim(partition, write.end - len(records))
        except (KopfkaError, OSError) as error:
            self._journal.appended[partition] += before
            log.warning("partition %d of %s could not be written anew: %s", partition, self._name, error)
        else:
            self._valid[partition] = len(records)
            log.debug("partition %d of %s was written anew: %d records", partition, self._name, len(records))
