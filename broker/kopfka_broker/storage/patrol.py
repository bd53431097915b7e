"""Reads closed segments through, slowly, so that damage on disk is known before a consumer meets it.

One round begins a while after the start and then once a day. It reads no faster than some megabytes a second, on a
thread of its own, and only says what it finds: serving is up to those who read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from kopfka_broker.storage.cleaning.files import SourceSegment
from kopfka_broker.storage.cleaning.pace import Pace, StoppedError
from kopfka_broker.storage.integrity import DamagedBatch
from kopfka_wire.batches import CorruptBatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kopfka_broker.storage.integrity import Damage
    from kopfka_broker.storage.log import PartitionLog

log = logging.getLogger(__name__)

FIRST_SECONDS = 600.0
EVERY_SECONDS = 24 * 3600.0
BYTES_PER_SECOND = 16 * 1024 * 1024
_CHUNK = 512 * 1024


class Patrol:
    """The rounds over one data folder."""

    def __init__(self, logs: Callable[[], Iterable[PartitionLog]], damage: Damage) -> None:
        self._logs = logs
        self._damage = damage
        self._stop = threading.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Make rounds until `stop` is set."""
        pause = FIRST_SECONDS
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await stop.wait()
            if not stop.is_set():
                await self._round(stop)
            pause = EVERY_SECONDS

    async def _round(self, stop: asyncio.Event) -> None:
        pace = Pace(self._stop, BYTES_PER_SECOND)
        waiting = asyncio.create_task(self._end_with(stop))
        loop = asyncio.get_running_loop()
        executor = ThreadPoolExecutor(1, thread_name_prefix="log-patrol")
        try:
            for partition in list(self._logs()):
                for segment in _closed(partition):
                    found = await loop.run_in_executor(executor, partial(damage_of, segment, pace))
                    if found is not None:
                        self._report(partition, segment, found)
        except StoppedError:
            return
        finally:
            waiting.cancel()
            executor.shutdown()

    def check_now(self) -> None:
        """Make a round before this returns."""
        for partition in list(self._logs()):
            for segment in _closed(partition):
                found = damage_of(segment, None)
                if found is not None:
                    self._report(partition, segment, found)

    async def _end_with(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stop.set()

    def _report(self, partition: PartitionLog, segment: SourceSegment, found: tuple[int, int, str]) -> None:
        if partition.closed or segment not in _closed(partition):  # cleaned or deleted while it was read
            return
        position, offset, why = found
        batch = DamagedBatch(partition.topic, partition.partition, segment.path, position, offset, why)
        self._damage.found(batch)


def damage_of(segment: SourceSegment, pace: Pace | None) -> tuple[int, int, str] | None:
    """Return position, offset and kind of the first damage in a segment; None where there is none, or it is gone."""
    position, offset = 0, segment.base_offset
    try:
        for header, _ in segment.batches(_CHUNK):
            position, offset = position + header.size, header.next_offset
            if pace is not None:
                pace.worked(header.size)
    except CorruptBatchError as error:
        return position, offset, str(error)
    except OSError as error:
        if segment.path.exists():
            return position, offset, str(error)
    return None


def _closed(partition: PartitionLog) -> list[SourceSegment]:
    """Return the segments that are not written to."""
    if partition.closed or len(partition.segments) == 1:
        return []
    return SourceSegment.of(partition.segments[:-1], partition.active.base_offset)
