"""The log cleaner: finds the log where cleaning pays most, cleans it on a thread of its own, and goes on to the next.

What is decided and what readers see changes on the event loop; the thread reads closed segments and writes new files,
and knows nothing of logs. One thread is all there is, whatever `log.cleaner.threads` says: more of them would wait for
each other, in Python.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from kopfka_broker.storage.checkpoints import read_offsets, write_offsets
from kopfka_broker.storage.cleaning.pace import Pace, StoppedError
from kopfka_broker.storage.cleaning.plan import Cleanable, cleanable
from kopfka_broker.storage.errors import KafkaStorageError, StorageError
from kopfka_wire.batches import CorruptBatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from kopfka_broker.storage.cleaning.files import CleanedSegment
    from kopfka_broker.storage.cleaning.work import Work
    from kopfka_broker.storage.log import PartitionLog
    from kopfka_broker.storage.segment import Segment

log = logging.getLogger(__name__)

T = TypeVar("T")

CHECKPOINT = "cleaner-offset-checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanerSettings:
    """Broker configs of the cleaner, with Kafka's defaults."""

    enable: bool = True
    """`log.cleaner.enable`"""
    backoff_ms: int = 15_000
    """`log.cleaner.backoff.ms`: how long to wait where nothing is to be cleaned."""
    dedupe_buffer_size: int = 128 * 1024 * 1024
    """`log.cleaner.dedupe.buffer.size`: memory for the keys of one cleaning, taken as they come."""
    dedupe_load_factor: float = 0.9
    """`log.cleaner.io.buffer.load.factor`: the share of it that may be filled."""
    io_buffer_size: int = 512 * 1024
    """`log.cleaner.io.buffer.size`"""
    io_max_bytes_per_second: float = 1.7976931348623157e308
    """`log.cleaner.io.max.bytes.per.second`"""

    @classmethod
    def from_config(cls, get: Callable[[str], Any]) -> CleanerSettings:
        """Read them by `get(name)`, which returns a broker config's value."""
        return cls(
            enable=get("log.cleaner.enable"),
            backoff_ms=get("log.cleaner.backoff.ms"),
            dedupe_buffer_size=get("log.cleaner.dedupe.buffer.size"),
            dedupe_load_factor=get("log.cleaner.io.buffer.load.factor"),
            io_buffer_size=get("log.cleaner.io.buffer.size"),
            io_max_bytes_per_second=get("log.cleaner.io.max.bytes.per.second"),
        )


@dataclass(slots=True)
class CleanerStats:
    """What the cleaner did since the start."""

    runs: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    last_recopy_percent: float = 0.0
    """Bytes written of bytes read in the last run."""
    last_seconds: float = 0.0
    longest_seconds: float = 0.0
    last_buffer_percent: float = 0.0
    last_run_ms: int = 0
    """When the last run ended, 0 where there was none."""


class LogCleaner:
    """Cleans the compacted logs of a data folder. To be used on one thread, that of the event loop."""

    def __init__(
        self,
        directory: Path,
        logs: Callable[[], Iterable[PartitionLog]],
        clock: Callable[[], int],
        remove_later: Callable[[Path, int], None],
        settings: CleanerSettings,
    ) -> None:
        self.settings = settings
        self.stats = CleanerStats()
        self.uncleanable: dict[Path, str] = {}
        """Partition folders that cannot be cleaned before a restart, and why."""
        self._path = directory / CHECKPOINT
        self._logs = logs
        self._clock = clock
        self._remove_later = remove_later
        self._cleaned: dict[tuple[str, int], int] | None = None
        self._stop = threading.Event()
        self._failed_once: set[Path] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Clean what pays until `stop` is set."""
        if not self.settings.enable:
            await stop.wait()
            return
        stopping = asyncio.create_task(self._end_with(stop))
        try:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.settings.backoff_ms / 1000):
                        await stop.wait()
                await self._clean_what_pays(stop)
        finally:
            self._stop.set()
            stopping.cancel()

    async def _end_with(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stop.set()

    async def _clean_what_pays(self, stop: asyncio.Event) -> None:
        tried: set[Path] = set()
        executor: ThreadPoolExecutor | None = None
        try:
            while not stop.is_set() and (found := self.filthiest(tried)) is not None:
                executor = executor or ThreadPoolExecutor(1, thread_name_prefix="log-cleaner")
                partition, plan = found
                tried.add(partition.directory)
                await self._clean(partition, plan, executor)
        except Exception:
            log.exception("the log cleaner failed; it tries again later")
        finally:
            if executor is not None:
                executor.shutdown()

    def clean_now(self) -> int:
        """Clean everything that pays before this returns; returns how many logs that were."""
        tried: set[Path] = set()
        while (found := self.filthiest(tried)) is not None:
            partition, plan = found
            tried.add(partition.directory)
            asyncio.run(self._clean(partition, plan, None))
        return len(tried)

    def filthiest(self, besides: Iterable[Path] = ()) -> tuple[PartitionLog, Cleanable] | None:
        """Return the log where cleaning pays most, and what of it may be cleaned; None where none does."""
        now, best = self._clock(), None
        skipped = set(besides)
        for partition in self._logs():
            if (
                len(partition.segments) == 1
                or not partition.config.compacts
                or partition.closed
                or partition.directory in self.uncleanable
                or partition.directory in skipped
            ):
                continue
            plan = self._plan(partition, now)
            if plan is not None and plan.pays(partition.config) and (best is None or plan.ratio > best[1].ratio):
                best = partition, plan
        return best

    def dirtiest_percent(self) -> int:
        """Return the largest dirty ratio of all logs, in percent: what Kafka's metric `max-dirty-percent` says."""
        now, most = self._clock(), 0.0
        for partition in self._logs():
            if partition.config.compacts and not partition.closed and len(partition.segments) > 1:
                plan = self._plan(partition, now)
                most = max(most, plan.ratio if plan is not None else 0.0)
        return int(100 * most)

    def uncleanable_bytes(self) -> int:
        """Return the size of the logs that cannot be cleaned."""
        return sum(partition.size for partition in self._logs() if partition.directory in self.uncleanable)

    def cleaned_to(self, partition: PartitionLog) -> int | None:
        """Return the offset up to which a log was cleaned, None where it never was."""
        if self._cleaned is None:
            self._cleaned = read_offsets(self._path)
        return self._cleaned.get((partition.topic, partition.partition))

    def _plan(self, partition: PartitionLog, now: int) -> Cleanable | None:
        try:
            return cleanable(partition, self.cleaned_to(partition), now)
        except StorageError as error:
            self._give_up(partition, str(error))
            return None

    async def _clean(self, partition: PartitionLog, plan: Cleanable, executor: ThreadPoolExecutor | None) -> None:
        """Clean one log, on the thread of `executor`, or on this one where that is None."""
        from kopfka_broker.storage.cleaning.work import Work  # noqa: PLC0415 - for those who have something to clean

        began = time.perf_counter()
        pace = None if executor is None else Pace(self._stop, self.settings.io_max_bytes_per_second)
        work = Work(partition, plan, self.settings, self._clock(), pace)
        try:
            await _on(executor, work.read_keys)
            if work.keys.end <= plan.first_dirty:
                self._give_up(partition, "log.cleaner.dedupe.buffer.size has no room for the keys of one batch")
                return
            for group in work.groups():
                source = work.source(group)
                cleaned = await _on(executor, partial(work.clean, source))
                if not await self._swap(work, group, cleaned, executor):
                    log.info("%s: changed while it was cleaned, which begins again later", partition.directory)
                    return
            self._finished(partition, work, time.perf_counter() - began)
        except StoppedError:
            return
        except CorruptBatchError as error:
            self._give_up(partition, str(error))
        except (OSError, KafkaStorageError) as error:
            if not partition.closed:
                self._later(partition, error)

    async def _swap(
        self, work: Work, group: list[Segment], cleaned: CleanedSegment, executor: ThreadPoolExecutor | None
    ) -> bool:
        """Put a cleaned segment in the place of those it comes from; False where they are no longer there."""
        partition = work.partition
        segment = work.put_in_place(group, cleaned)
        if segment is None:
            await _on(executor, cleaned.discard)
            return False
        await _on(executor, work.sync)
        for path in work.settle(group, cleaned, segment):
            self._remove_later(path, partition.config.file_delete_delay_ms)
        return True

    def _finished(self, partition: PartitionLog, work: Work, seconds: float) -> None:
        stats = self.stats
        stats.runs += 1
        stats.bytes_read += work.bytes_read
        stats.bytes_written += work.bytes_written
        stats.last_recopy_percent = 100 * work.bytes_written / max(1, work.bytes_read)
        stats.last_seconds, stats.longest_seconds = seconds, max(stats.longest_seconds, seconds)
        stats.last_buffer_percent = 100 * work.keys.utilization
        stats.last_run_ms = self._clock()
        self._failed_once.discard(partition.directory)
        log.info(
            "%s: cleaned up to offset %d, %d bytes of %d are left, in %.2f s",
            partition.directory, work.keys.end, work.bytes_written, work.bytes_read, seconds,
        )  # fmt: skip
        self._checkpoint(partition, work.keys.end)

    def _checkpoint(self, partition: PartitionLog, offset: int) -> None:
        known = {(each.topic, each.partition) for each in self._logs() if each.config.compacts}
        cleaned = {key: at for key, at in (self._cleaned or {}).items() if key in known}
        cleaned[partition.topic, partition.partition] = offset
        self._cleaned = cleaned
        try:
            write_offsets(self._path, cleaned)
        except KafkaStorageError as error:  # the next start then cleans again what is clean
            log.error("%s", error)

    def _give_up(self, partition: PartitionLog, why: str) -> None:
        self.uncleanable[partition.directory] = why
        log.error("%s is not cleaned any more until the broker is started again: %s", partition.directory, why)

    def _later(self, partition: PartitionLog, error: Exception) -> None:
        """Try again at the next round: a disk that is full or failed may come back."""
        if isinstance(error, OSError) and error.errno == errno.ENOENT:  # a segment was deleted by retention meanwhile
            return
        if partition.directory not in self._failed_once:
            self._failed_once.add(partition.directory)
            log.error("%s could not be cleaned, that is tried again: %s", partition.directory, error)


async def _on(executor: ThreadPoolExecutor | None, call: Callable[[], T]) -> T:
    return call() if executor is None else await asyncio.get_running_loop().run_in_executor(executor, call)
