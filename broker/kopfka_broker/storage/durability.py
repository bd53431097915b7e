"""What of one log is on disk: the recovery point, jobs for the group commit, and what a failed sync does to the log.

After a failed sync the log takes no records and acknowledges nothing until its unsynced tail was written again and
synced (`flusher.py` says why); that is tried again until it works or the log is closed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from kopfka_broker.storage.errors import KafkaStorageError
from kopfka_broker.storage.flusher import FlushJob, FlushPart

if TYPE_CHECKING:
    from pathlib import Path

    from kopfka_broker.storage.disk import Disk
    from kopfka_broker.storage.log import PartitionLog
    from kopfka_broker.storage.segment import Segment

log = logging.getLogger(__name__)

REPAIR_INTERVAL_MS = 1000


class Durability:
    """The state of one log towards its disk; the flusher's side of a log."""

    __slots__ = ("_disk", "_indexes", "_log", "_repairing", "_timed", "new_files", "recovery_point", "unsafe")

    def __init__(self, partition: PartitionLog, disk: Disk) -> None:
        self._log = partition
        self._disk = disk
        self._timed = False
        self._repairing = False
        self._indexes: dict[Path, None] = {}
        self.recovery_point = 0
        """Everything below is on disk."""
        self.new_files = True
        """Whether there may be files whose directory entries are not on disk."""
        self.unsafe: str | None = None
        """Why the log takes no records: a sync failed, and what it covered is not known to be on disk."""

    def store_indexes(self, segment: Segment, *, closing: bool = False) -> None:
        """Write a segment's indexes to their files, which the next sync puts on disk; raises KafkaStorageError.

        A segment below the recovery point is not looked into at a start: its indexes must be there in full.
        """
        if segment.store_indexes(closing=closing):
            self._indexes[segment.index.path] = None
            self._indexes[segment.times.path] = None

    def wrote(self, path: Path) -> None:
        """Have the next sync put a small file beside the log on disk as well."""
        self._indexes[path] = None

    async def reach(self, offset: int) -> None:
        """Return once every record below `offset` is on disk, or is written where no sync is waited for.

        Raises:
            KafkaStorageError: it could not be put there, or is in doubt.
        """
        if offset <= self.recovery_point:
            return
        if self.waits:
            await self._disk.flusher.flush(self)
        elif self._log.closed or self.unsafe:
            raise KafkaStorageError(f"not on disk: {self._log.closed or self.unsafe}")

    @property
    def waits(self) -> bool:
        """Whether `reach` waits for a sync (`kopfka.acks.all.fsync`)."""
        return self._disk.sync_before_answer

    def request(self) -> None:
        """Have the log on disk soon."""
        self._disk.flusher.request(self)

    def appended(self, end_offset: int) -> None:
        """Sync after an append where `flush.messages` or `flush.ms` wants it."""
        config = self._log.config
        if end_offset - self.recovery_point >= config.flush_messages:
            self.request()
        elif config.flushes_by_time and not self._timed:
            self._timed = self._disk.later(config.flush_ms, self._time_is_over)

    def begin_flush(self) -> FlushJob | None:
        """Pin what is not on disk yet; None where that is nothing.

        Raises:
            KafkaStorageError: the log is closed, or a file cannot be opened.
        """
        partition = self._log
        if partition.closed:
            raise KafkaStorageError(partition.closed)
        if self.recovery_point >= partition.log_end_offset and not self.unsafe and not self._indexes:
            return None
        parts: list[FlushPart] = []
        try:
            for segment in partition.segments[partition.segment_at(self.recovery_point) :]:
                if segment.size:
                    start = segment.position_of(self.recovery_point) if self.unsafe else 0
                    descriptor = segment.file.descriptor()
                    segment.file.pins += 1
                    parts.append(FlushPart(segment.file, descriptor, start, segment.size))
        except (OSError, KafkaStorageError) as error:
            _unpin(parts)
            raise KafkaStorageError(f"cannot sync {partition.directory}: {error}") from error
        directories = (partition.directory, partition.directory.parent) if self.new_files else ()
        indexes, self._indexes, self.new_files = tuple(self._indexes), {}, False
        return FlushJob(tuple(parts), indexes, directories, partition.log_end_offset, rewrite=self.unsafe is not None)

    def end_flush(self, job: FlushJob, wrong: str | None) -> None:
        """Unpin, and move the recovery point or take the log out of use."""
        _unpin(job.parts)
        if wrong is None:
            if self.unsafe:
                self.unsafe = None
                self._disk.recovered(self._log.directory)
            self.recovery_point = max(self.recovery_point, job.offset)
            return
        self.new_files = self.new_files or bool(job.directories)
        self._indexes.update(dict.fromkeys(job.indexes))
        self.unsafe = f"{self._log.directory} takes no records until it is repaired, its last sync failed: {wrong}"
        self._disk.sync_failed(self._log.directory, self.unsafe)
        if not self._repairing:
            self._repairing = self._disk.later(REPAIR_INTERVAL_MS, self._repair)

    def _repair(self) -> None:
        self._repairing = False
        if self.unsafe and not self._log.closed:
            self.request()

    def _time_is_over(self) -> None:
        self._timed = False
        if not self._log.closed:
            self.request()


def _unpin(parts: tuple[FlushPart, ...] | list[FlushPart]) -> None:
    for part in parts:
        part.file.pins -= 1
        if part.file.retired and not part.file.pins:
            part.file.close()
