"""Group commit: one thread per data folder syncs what all waiting appends of all logs wrote meanwhile.

While a round of syncs runs, those who ask next wait together for the next round, so under load one fdatasync answers
for many appends, and the files of a round are synced by one call where the system has one (`syncs.py`). A failed sync
is never taken back by a later one that succeeds: the kernel may have dropped the pages and forgotten about it. Such a
log is repaired first (`FlushJob.rewrite`): the bytes are read back, checked against their checksums and written again,
so that they are dirty pages again, and only then synced.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kopfka_broker.metrics.histogram import Histogram
from kopfka_broker.storage.checkpoints import sync_directory
from kopfka_broker.storage.errors import KafkaStorageError
from kopfka_broker.storage.syncs import Syncs, one_by_one
from kopfka_wire.batches import HEADER_SIZE, CorruptBatchError, read_header, verify_crc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kopfka_broker.storage.files import LogFile
    from kopfka_broker.storage.syncs import Outcomes

    Sync = Callable[[Sequence[int]], Outcomes]

log = logging.getLogger(__name__)

_CHUNK = 4 * 1024 * 1024
_MOST_AT_ONCE = 128
"""Logs in one round: each holds a descriptor until its end, and those who wait are answered then."""


@dataclass(frozen=True, slots=True)
class FlushPart:
    """A file to sync, held open by a pin, and the range of whole batches in it that is not on disk yet."""

    file: LogFile
    descriptor: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class FlushJob:
    """What puts a log on disk up to `offset`."""

    parts: tuple[FlushPart, ...]
    indexes: tuple[Path, ...]
    """Index files that were written: small, opened for the sync alone."""
    directories: tuple[Path, ...]
    offset: int
    rewrite: bool

    def begin(self, opened: list[int]) -> list[int]:
        """Do all but the syncs, on any thread, and return the descriptors to be synced; may raise OSError.

        `opened` gets those of them that are to be closed after that.

        Raises:
            CorruptBatchError: what is to be written again is not there in full.
        """
        found = [part.descriptor for part in self.parts]
        if self.rewrite:
            for part in self.parts:
                _write_again(part)
        for path in self.indexes:
            with contextlib.suppress(FileNotFoundError):  # deleted by retention meanwhile
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                opened.append(descriptor)
                found.append(descriptor)
        return found


class Flushable(Protocol):
    """A log as the flusher knows it."""

    def begin_flush(self) -> FlushJob | None:
        """Pin what is to be synced now; None where everything is on disk. Raises KafkaStorageError."""

    def end_flush(self, job: FlushJob, wrong: str | None) -> None:
        """Unpin, and take note of the outcome."""


_Waiting = dict[Flushable, list[asyncio.Future[None]]]


class _Round(NamedTuple):
    """What the thread does at once, and what it calls with the outcome."""

    jobs: list[FlushJob]
    done: Callable[[list[str | None] | Exception], None]


class Flusher:
    """The group commit of one data folder."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._handed: SimpleQueue[_Round | None] = SimpleQueue()
        self._waiting: _Waiting = {}
        self._syncs = Syncs()
        self._idle = asyncio.Event()
        self._idle.set()
        self.times = Histogram()
        """Of each round, which is one wait for the disk for all who wait."""

    async def flush(self, target: Flushable) -> None:
        """Return once all that `target` has now is on disk.

        Raises:
            KafkaStorageError: it could not be put there.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(target, []).append(future)
        self._start()
        await future

    def request(self, target: Flushable) -> None:
        """Put `target` on disk soon; no one waits for it. Without a running loop it is done at once."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.flush_now(target)
            return
        self._waiting.setdefault(target, [])
        self._start()

    def flush_now(self, target: Flushable) -> str | None:
        """Put `target` on disk before this returns; None, or what went wrong."""
        try:
            job = target.begin_flush()
        except KafkaStorageError as error:
            return str(error)
        if job is None:
            return None
        [wrong] = _run_all([job], one_by_one)
        target.end_flush(job, wrong)
        return wrong

    async def close(self) -> None:
        """Wait for what is under way and end the thread."""
        await self._idle.wait()
        if self._thread is not None:
            self._handed.put(None)
            self._thread.join()
            self._thread = None
        self._syncs.close()

    def _start(self) -> None:
        if self._idle.is_set():
            self._idle.clear()
            # not at once: what else is asked for in this turn of the loop is of the same round
            asyncio.get_running_loop().call_soon(self._begin_round)

    def _begin_round(self) -> None:
        while self._waiting:
            waiting = dict(islice(self._waiting.items(), _MOST_AT_ONCE))
            for target in waiting:
                del self._waiting[target]
            try:
                jobs = _begin_all(waiting)
            except Exception as error:
                _give_up(waiting, error)
                continue
            if jobs:
                self._hand_over(waiting, jobs)
                return
        self._idle.set()

    def _hand_over(self, waiting: _Waiting, jobs: dict[Flushable, FlushJob]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()

        def done(results: list[str | None] | Exception) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and no one waits
                loop.call_soon_threadsafe(self._end_round, waiting, jobs, results, began)

        if self._thread is None:
            self._thread = threading.Thread(
                target=_work, args=(self._handed, self._syncs.sync), name="fdatasync", daemon=True
            )
            self._thread.start()
        self._handed.put(_Round(list(jobs.values()), done))

    def _end_round(
        self, waiting: _Waiting, jobs: dict[Flushable, FlushJob], results: list[str | None] | Exception, began: float
    ) -> None:
        try:
            if isinstance(results, Exception):
                raise results
            self.times.add(asyncio.get_running_loop().time() - began)
            for (target, job), wrong in zip(jobs.items(), results, strict=True):
                target.end_flush(job, wrong)
                _answer(waiting[target], wrong)
        except Exception as error:
            _give_up(waiting, error)
        self._begin_round()


def _begin_all(waiting: _Waiting) -> dict[Flushable, FlushJob]:
    """Return what is to be done for those who wait; who need not wait, or cannot be helped, is answered."""
    jobs = {}
    for target, waiters in waiting.items():
        try:
            job = target.begin_flush()
        except KafkaStorageError as error:
            _answer(waiters, str(error))
            continue
        if job is None:
            _answer(waiters, None)
        else:
            jobs[target] = job
    return jobs


def _work(rounds: SimpleQueue[_Round | None], sync: Sync) -> None:
    """Do rounds, one after the other, on a thread of its own until None comes.

    As an executor does, for a quarter of its processor time, which counts beside what is as short as a sync.
    """
    while (round_ := rounds.get()) is not None:
        try:
            round_.done(_run_all(round_.jobs, sync))
        except Exception as error:
            round_.done(error)


def _run_all(jobs: list[FlushJob], sync: Sync) -> list[str | None]:
    """Do the jobs of one round: all their files, then each folder once. Returns what went wrong, by job."""
    results: list[str | None] = [None] * len(jobs)
    wanted: list[int] = []
    owners: list[int] = []
    opened: list[int] = []
    try:
        for at, job in enumerate(jobs):
            try:
                found = job.begin(opened)
            except (OSError, CorruptBatchError) as error:
                results[at] = str(error)
                continue
            wanted += found
            owners += [at] * len(found)
        for at, wrong in zip(owners, sync(wanted), strict=True):
            if wrong is not None:
                results[at] = results[at] or str(wrong)
    finally:
        for descriptor in opened:
            os.close(descriptor)
    failed: dict[Path, str] = {}
    for directory in dict.fromkeys(directory for job in jobs for directory in job.directories):
        try:
            sync_directory(directory)
        except OSError as error:
            failed[directory] = str(error)
    for at, job in enumerate(jobs):
        for directory in job.directories:
            results[at] = results[at] or failed.get(directory)
    return results


def _give_up(waiting: _Waiting, error: Exception) -> None:
    """Answer all who still wait: no one is to wait for ever because of a mistake here."""
    log.error("a round of syncs failed", exc_info=error)
    for waiters in waiting.values():
        _answer(waiters, str(error))


def _answer(waiters: list[asyncio.Future[None]], wrong: str | None) -> None:
    for future in waiters:
        if future.done():  # its request was cancelled
            continue
        if wrong is None:
            future.set_result(None)
        else:
            future.set_exception(KafkaStorageError(f"not on disk: {wrong}"))


def _write_again(part: FlushPart) -> None:
    position = part.start
    while position < part.end:
        data = os.pread(part.descriptor, min(_CHUNK, part.end - position), position)
        size = read_header(data).size
        if size > len(data):  # one batch that is larger than a chunk
            data = os.pread(part.descriptor, min(size, part.end - position), position)
        end = 0
        while len(data) - end >= HEADER_SIZE:
            header = read_header(data, end)
            if end + header.size > len(data):
                break
            verify_crc(data, end, header)
            end += header.size
        if not end:
            raise CorruptBatchError(f"{part.file.path} is shorter than what was written to it")
        view = memoryview(data)[:end]
        while view:
            written = os.pwrite(part.descriptor, view, position)
            view, position = view[written:], position + written
