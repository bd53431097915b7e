"""What is done to all logs of a data folder by the clock: retention, removal of deleted files, checkpoints, expiry."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

from kopfka_broker.storage.checkpoints import HIGH_WATERMARKS, LOG_START_OFFSETS, RECOVERY_POINTS, write_offsets
from kopfka_broker.storage.errors import KafkaStorageError
from kopfka_broker.storage.retention import expired_segments
from kopfka_broker.storage.snapshots import remove_snapshots_below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from kopfka_broker.storage.checkpoints import Offsets
    from kopfka_broker.storage.log import PartitionLog

log = logging.getLogger(__name__)


class Upkeep:
    """The tasks, and what they remember between two runs."""

    def __init__(
        self,
        directory: Path,
        logs: Callable[[], Iterable[PartitionLog]],
        clock: Callable[[], int],
        expiration_ms: Callable[[], int],
    ) -> None:
        self._directory = directory
        self._logs = logs
        self._clock = clock
        self._expiration_ms = expiration_ms
        self._to_remove: list[tuple[int, Path]] = []
        self._written: dict[str, Offsets] = {}

    def remove_later(self, path: Path, delay_ms: int) -> None:
        """Remove a file or folder when `file.delete.delay.ms` is over (or at the next start)."""
        self._to_remove.append((self._clock() + delay_ms, path))

    def apply_retention(self) -> None:
        """Remove segments by `retention.ms`, `retention.bytes` and log start offset; release what no one uses."""
        now = self._clock()
        for partition in self._logs():
            if partition.closed:
                continue
            try:
                self._retain(partition, now)
            except (KafkaStorageError, OSError) as error:
                log.error("retention of %s-%s: %s", partition.topic, partition.partition, error)
            for segment in partition.segments:
                segment.checked_below = segment.size
                if segment is not partition.active:
                    segment.release()
            partition.aborted.release()

    def remove_due(self) -> None:
        """Remove the files and folders whose delay is over."""
        now = self._clock()
        due = [path for at, path in self._to_remove if at <= now]
        self._to_remove = [(at, path) for at, path in self._to_remove if at > now]
        for path in due:
            try:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
            except OSError as error:
                log.error("cannot remove %s, the next start tries again: %s", path, error)

    def expire_producers(self) -> None:
        """Forget idempotent producers that wrote nothing for `producer.id.expiration.ms`."""
        before = self._clock() - self._expiration_ms()
        for partition in self._logs():
            partition.producers.expire(before)

    def save_checkpoints(self) -> None:
        """Write the checkpoint files; an error is said in the log, and the next call tries again."""
        try:
            self.write_checkpoints()
        except KafkaStorageError as error:
            log.error("%s", error)

    def write_checkpoints(self) -> None:
        """Write what changed of indexes, producers, recovery points, high watermarks and log start offsets.

        Raises:
            KafkaStorageError: the disk is full or failed.
        """
        logs = [entry for entry in self._logs() if not entry.closed and entry.log_end_offset]
        for entry in logs:
            entry.durability.store_indexes(entry.active)
            entry.snapshots.checkpoint(entry)
        self._write(RECOVERY_POINTS, {(entry.topic, entry.partition): entry.recovery_point for entry in logs})
        self._write(HIGH_WATERMARKS, {(entry.topic, entry.partition): entry.high_watermark for entry in logs})
        self.write_log_starts()

    def write_log_starts(self) -> None:
        """Write `log-start-offset-checkpoint` where it changed; raises KafkaStorageError."""
        starts = {(entry.topic, entry.partition): entry.log_start_offset for entry in self._logs()}
        self._write(LOG_START_OFFSETS, {key: start for key, start in starts.items() if start})

    def _write(self, name: str, offsets: Offsets) -> None:
        if self._written.get(name) == offsets:
            return
        # Only the log start offsets say something that is nowhere else. An older recovery point, or none, costs a
        # recovery time; a high watermark is never read here, it is for the tools of Apache Kafka.
        write_offsets(self._directory / name, offsets, durable=name == LOG_START_OFFSETS)
        self._written[name] = offsets

    def _retain(self, partition: PartitionLog, now: int) -> None:
        count, why = expired_segments(partition, now)
        if not count:
            return
        if count == len(partition.segments):
            partition.roll(now)
        dropped = partition.drop_segments(count)
        log.info(
            "%s-%s: %d segments up to offset %d are deleted: %s",
            partition.topic, partition.partition, count, partition.segments[0].base_offset, why,
        )  # fmt: skip
        for segment in dropped:
            for path in segment.mark_deleted():
                self.remove_later(path, partition.config.file_delete_delay_ms)
        remove_snapshots_below(partition.directory, partition.segments[0].base_offset)
        partition.epochs.truncate_start(partition.log_start_offset)
