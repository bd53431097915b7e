"""Group commit: one thread per data folder syncs what all waiting appends of all logs wrote meanwhile.

While a round of syncs runs, those who ask next wait together for the next round, so under load one fdatasync answers
for many appends. A failed sync is never taken back by a later one that succeeds: the kernel may have dropped the pages
and forgotten about it. Such a log is repaired first (`FlushJob.rewrite`): the bytes are read back, checked against
their checksums and written again, so that they are dirty pages again, and only then synced.
"""

from __future__ import annotations

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from kopfka_broker.metrics.histogram import Histogram
from kopfka_broker.storage.checkpoints import sync_data, sync_directory
from kopfka_broker.storage.errors import KafkaStorageError
from kopfka_wire.batches import HEADER_SIZE, CorruptBatchError, read_header, verify_crc

if TYPE_CHECKING:
    from pathlib import Path

    from kopfka_broker.storage.files import LogFile

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

    def run(self) -> str | None:
        """Put the files on disk, on any thread; None, or what went wrong."""
        try:
            for part in self.parts:
                if self.rewrite:
                    _write_again(part)
                sync_data(part.descriptor)
            for path in self.indexes:
                _sync_file(path)
        except (OSError, CorruptBatchError) as error:
            return str(error)
        return None


class Flushable(Protocol):
    """A log as the flusher knows it."""

    def begin_flush(self) -> FlushJob | None:
        """Pin what is to be synced now; None where everything is on disk. Raises KafkaStorageError."""

    def end_flush(self, job: FlushJob, wrong: str | None) -> None:
        """Unpin, and take note of the outcome."""


class Flusher:
    """The group commit of one data folder."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._waiting: dict[Flushable, list[asyncio.Future[None]]] = {}
        self._running: asyncio.Task[None] | None = None
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
        [wrong] = _run_all([job])
        target.end_flush(job, wrong)
        return wrong

    async def close(self) -> None:
        """Wait for what is under way and end the thread."""
        while self._running is not None:
            await asyncio.wait([self._running])
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None

    def _start(self) -> None:
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._rounds())

    async def _rounds(self) -> None:
        try:
            while self._waiting:
                round_ = dict(islice(self._waiting.items(), _MOST_AT_ONCE))
                for target in round_:
                    del self._waiting[target]
                try:
                    await self._round(round_)
                except Exception as error:  # no one is to wait for ever because of a mistake here
                    log.exception("a round of syncs failed")
                    for waiters in round_.values():
                        _answer(waiters, str(error))
        finally:
            self._running = None

    async def _round(self, round_: dict[Flushable, list[asyncio.Future[None]]]) -> None:
        jobs: list[tuple[Flushable, FlushJob]] = []
        for target, waiters in round_.items():
            try:
                job = target.begin_flush()
            except KafkaStorageError as error:
                _answer(waiters, str(error))
                continue
            if job is None:
                _answer(waiters, None)
            else:
                jobs.append((target, job))
        if not jobs:
            return
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="fdatasync")
        loop = asyncio.get_running_loop()
        began = loop.time()
        results = await loop.run_in_executor(self._executor, _run_all, [job for _, job in jobs])
        self.times.add(loop.time() - began)
        for (target, job), wrong in zip(jobs, results, strict=True):
            target.end_flush(job, wrong)
            _answer(round_[target], wrong)


def _run_all(jobs: list[FlushJob]) -> list[str | None]:
    """Do the jobs of one round: the files of each, then each folder once. Returns what went wrong, by job."""
    results = [job.run() for job in jobs]
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


def _answer(waiters: list[asyncio.Future[None]], wrong: str | None) -> None:
    for future in waiters:
        if future.done():  # its request was cancelled
            continue
        if wrong is None:
            future.set_result(None)
        else:
            future.set_exception(KafkaStorageError(f"not on disk: {wrong}"))


def _sync_file(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # deleted by retention meanwhile
        return
    try:
        sync_data(descriptor)
    finally:
        os.close(descriptor)


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
