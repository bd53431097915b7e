"""All logs of a data folder: opening and recovery, topics, retention, checkpoints, clean shutdown.

The folder is laid out as Apache Kafka's `log.dirs` are, apart from the metadata log: see `topics.py`.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
import uuid
from typing import TYPE_CHECKING

from kopfka_broker.storage import checkpoints
from kopfka_broker.storage.disk import Disk
from kopfka_broker.storage.errors import (
    InvalidPartitionsError,
    KafkaStorageError,
    TopicExistsError,
    UnknownTopicError,
)
from kopfka_broker.storage.files import OpenFiles, default_limit
from kopfka_broker.storage.folder import FolderLock
from kopfka_broker.storage.log import PartitionLog
from kopfka_broker.storage.recovery import load
from kopfka_broker.storage.retention import expired_segments
from kopfka_broker.storage.schedule import Schedule, StorageSettings
from kopfka_broker.storage.snapshots import remove_snapshots, save_snapshot, snapshot_offsets
from kopfka_broker.storage.topics import Topic, TopicEntry, check_name, read_topics, write_topics

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from uuid import UUID

    from kopfka_broker.storage.config import LogConfig

log = logging.getLogger(__name__)

DELETED_FOLDER_SUFFIX = "-delete"


def wall_clock_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class LogManager:
    """All logs of a data folder. To be used on one thread: that of the event loop."""

    def __init__(
        self,
        directory: Path,
        defaults: LogConfig,
        clock: Callable[[], int] = wall_clock_ms,
        *,
        node_id: int = 1,
        settings: StorageSettings | None = None,
    ) -> None:
        self.directory = directory
        self.defaults = defaults
        self.cluster_id = ""
        self._clock = clock
        self._node_id = node_id
        self._settings = settings or StorageSettings()
        self._disk = Disk(OpenFiles(default_limit()), clock, self._save_log_starts)
        self._topics: dict[str, Topic] = {}
        self._by_id: dict[UUID, Topic] = {}
        self._lock: FolderLock | None = None
        self._to_remove: list[tuple[int, Path]] = []
        """Files and folders that were renamed, and the time from which on they may be removed."""

    @property
    def topics(self) -> Mapping[str, Topic]:
        """Topics by name."""
        return self._topics

    @property
    def offline(self) -> Mapping[Path, str]:
        """Partition folders that take no records now, and why; an entry goes when writing works again."""
        return self._disk.offline

    def topic_by_id(self, topic_id: UUID) -> Topic | None:
        """Return the topic with that id."""
        return self._by_id.get(topic_id)

    def logs(self) -> Iterator[PartitionLog]:
        """Return every partition of every topic."""
        for topic in self._topics.values():
            yield from topic.partitions

    def open(self) -> None:
        """Lock the folder and load every log; after an unclean end, recover those that were written to.

        Raises:
            DataFolderError: another broker has the folder, or it is of another node.
            KafkaStorageError: the disk failed.
        """
        self._lock = FolderLock(self.directory)
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise

    def _open(self) -> None:
        self.cluster_id = checkpoints.load_meta(self.directory, self._node_id)
        marker = self.directory / checkpoints.CLEAN_SHUTDOWN
        clean = marker.exists()
        self._remove_leftovers()
        recovery = checkpoints.read_offsets(self.directory / checkpoints.RECOVERY_POINTS)
        starts = checkpoints.read_offsets(self.directory / checkpoints.LOG_START_OFFSETS)
        began = time.monotonic()
        for entry in read_topics(self.directory):
            topic = self._register(Topic(entry.name, entry.topic_id, config=dict(entry.config)))
            for partition in range(entry.partitions):
                key = (entry.name, partition)
                self._load(topic, partition, starts.get(key, 0), recovery.get(key, 0), clean=clean)
        if clean:
            marker.unlink()
            checkpoints.sync_directory(self.directory)
        count = sum(1 for _ in self.logs())
        if count:
            how = "cleanly shut down" if clean else "recovered"
            log.info("%d logs loaded in %.3f s (%s)", count, time.monotonic() - began, how)

    def _load(self, topic: Topic, partition: int, log_start: int, recovery_point: int, *, clean: bool) -> None:
        added = self._new_log(topic, partition, self.defaults.overridden(topic.config))
        try:
            load(added, log_start=log_start, recovery_point=recovery_point, clean=clean)
        except KafkaStorageError as error:
            self._disk.failed(added.directory, str(error))
            added.close(str(error))

    async def close(self) -> None:
        """Put everything on disk and mark the folder as cleanly shut down."""
        if self._lock is None:
            return
        await self._disk.flusher.close()
        clean = True
        for partition in self.logs():
            clean = self._close_log(partition) and clean
        try:
            self._save_checkpoints()
            if clean:
                marker = self.directory / checkpoints.CLEAN_SHUTDOWN
                checkpoints.write_atomically(marker, b'{"version":0,"brokerEpoch":-1}')
        except KafkaStorageError as error:
            log.error("not shut down cleanly, the next start recovers: %s", error)
        self._lock.release()
        self._lock = None

    def _close_log(self, partition: PartitionLog) -> bool:
        if partition.closed:
            return False
        wrong = self._disk.flusher.flush_now(partition)
        try:
            if partition.log_end_offset > partition.segments[0].base_offset:
                partition.active.store_indexes(closing=True)
                if partition.log_end_offset not in snapshot_offsets(partition.directory)[-1:]:
                    save_snapshot(partition.directory, partition.producers, partition.log_end_offset)
        except KafkaStorageError as error:
            wrong = wrong or str(error)
        if wrong:
            log.error("%s-%s is not closed cleanly: %s", partition.topic, partition.partition, wrong)
        partition.close("the broker is shutting down")
        for segment in partition.segments:
            segment.release()
        return wrong is None

    def create_topic(
        self, name: str, partitions: int, config: dict[str, str], log_config: LogConfig, topic_id: UUID | None = None
    ) -> Topic:
        """Create a topic; it is on disk when this returns.

        Args:
            config: the topic's own settings as they were given.
            log_config: what they mean, on top of the defaults.

        Raises:
            InvalidTopicError, TopicExistsError, InvalidPartitionsError: the request cannot be done.
            KafkaStorageError: the disk is full or failed; there is no topic.
        """
        check_name(name)
        if name in self._topics:
            raise TopicExistsError(f"topic {name} exists")
        if partitions < 1:
            raise InvalidPartitionsError(f"{partitions} is not a number of partitions")
        topic = Topic(name, topic_id or checkpoints.random_uuid(), config=dict(config))
        self._grow(topic, partitions, log_config)
        try:
            self._save_topics(TopicEntry(name, topic.topic_id, partitions, topic.config))
        except KafkaStorageError:
            self._discard(topic.partitions)
            raise
        return self._register(topic)

    def add_partitions(self, name: str, total: int) -> None:
        """Grow a topic to `total` partitions; durable when it returns.

        Raises:
            UnknownTopicError, InvalidPartitionsError: the request cannot be done.
            KafkaStorageError: the disk is full or failed; the topic is as it was.
        """
        topic = self._existing(name)
        before = len(topic.partitions)
        if total <= before:
            raise InvalidPartitionsError(f"topic {name} has {before} partitions: {total} would not add any")
        log_config = topic.partitions[0].config
        self._grow(topic, total, log_config)
        try:
            self._save_topics()
        except KafkaStorageError:
            added, topic.partitions[before:] = topic.partitions[before:], []
            self._discard(added)
            raise

    def delete_topic(self, name: str) -> None:
        """Delete a topic: gone for all when this returns, its files after `file.delete.delay.ms`.

        Raises:
            UnknownTopicError: there is none.
            KafkaStorageError: the disk failed; the topic is still there.
        """
        topic = self._existing(name)
        del self._topics[name]
        try:
            self._save_topics()
        except KafkaStorageError:
            self._topics[name] = topic
            raise
        del self._by_id[topic.topic_id]
        self._discard(topic.partitions)

    def alter_config(self, name: str, overrides: dict[str, str], log_config: LogConfig) -> None:
        """Replace a topic's own settings; durable, and in force, when it returns.

        Raises:
            UnknownTopicError: there is no such topic.
            KafkaStorageError: the disk failed; the old settings are in force.
        """
        topic = self._existing(name)
        before, topic.config = topic.config, dict(overrides)
        try:
            self._save_topics()
        except KafkaStorageError:
            topic.config = before
            raise
        for partition in topic.partitions:
            partition.config = log_config

    async def run(self, stop: asyncio.Event) -> None:
        """Do what is due by the clock until `stop` is set."""
        schedule = Schedule(
            {
                self.apply_retention: self._settings.retention_check_interval_ms,
                self.save_checkpoints: self._settings.checkpoint_interval_ms,
                self.expire_producers: self._settings.producer_check_interval_ms,
                self.flush_due: self._settings.flush_check_interval_ms,
            }
        )
        await schedule.run(stop)

    def apply_retention(self) -> None:
        """Remove segments by `retention.ms`, `retention.bytes` and log start offset, and files whose delay is over."""
        now = self._clock()
        for partition in self.logs():
            if partition.closed:
                continue
            try:
                self._retain(partition, now)
            except (KafkaStorageError, OSError) as error:
                log.error("retention of %s-%s: %s", partition.topic, partition.partition, error)
        due = [path for at, path in self._to_remove if at <= now]
        self._to_remove = [(at, path) for at, path in self._to_remove if at > now]
        for path in due:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def flush_due(self) -> None:
        """Sync logs whose `flush.ms` is over."""
        now = self._clock()
        for partition in self.logs():
            unsynced = partition.log_end_offset > partition.recovery_point or partition.unsafe
            overdue = partition.unsafe or now - partition.last_flush_ms >= partition.config.flush_ms
            if unsynced and overdue and not partition.closed:
                self._disk.flusher.request(partition)

    def save_checkpoints(self) -> None:
        """Write the checkpoint files; an error is said in the log, and the next call tries again."""
        try:
            self._save_checkpoints()
        except KafkaStorageError as error:
            log.error("%s", error)

    def expire_producers(self) -> None:
        """Forget idempotent producers that wrote nothing for `producer.id.expiration.ms`."""
        before = self._clock() - self._settings.producer_expiration_ms
        for partition in self.logs():
            partition.producers.expire(before)

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
        after = now + partition.config.file_delete_delay_ms
        for segment in dropped:
            self._to_remove += [(after, path) for path in segment.mark_deleted()]
        remove_snapshots(partition.directory, below=partition.segments[0].base_offset)
        partition.epochs.truncate_start(partition.log_start_offset)

    def _new_log(self, topic: Topic, partition: int, config: LogConfig) -> PartitionLog:
        directory = self.directory / f"{topic.name}-{partition}"
        added = PartitionLog(topic.name, partition, topic.topic_id, directory=directory, config=config, disk=self._disk)
        try:
            directory.mkdir(exist_ok=True)
            if not (directory / checkpoints.PARTITION_METADATA).exists():
                checkpoints.write_partition_metadata(directory, topic.topic_id)
        except OSError as error:
            raise KafkaStorageError(f"cannot make {directory}: {error.strerror}") from error
        topic.partitions.append(added)
        return added

    def _grow(self, topic: Topic, total: int, config: LogConfig) -> None:
        before = len(topic.partitions)
        try:
            for partition in range(before, total):
                load(self._new_log(topic, partition, config), log_start=0, recovery_point=0, clean=True)
        except KafkaStorageError:
            added, topic.partitions[before:] = topic.partitions[before:], []
            self._discard(added)
            raise

    def _discard(self, partitions: list[PartitionLog]) -> None:
        """Close logs, and rename their folders so that they are removed later, by this process or the next."""
        for partition in partitions:
            partition.close(f"{partition.topic}-{partition.partition} is deleted")
            self._disk.offline.pop(partition.directory, None)
            for segment in partition.segments:
                segment.file.retired = True
                segment.release()
            unique = f"{partition.directory.name}.{uuid.uuid4().hex}{DELETED_FOLDER_SUFFIX}"
            target = partition.directory.with_name(unique)
            with contextlib.suppress(OSError):
                partition.directory.rename(target)
                self._to_remove.append((self._clock() + partition.config.file_delete_delay_ms, target))

    def _remove_leftovers(self) -> None:
        for path in self.directory.glob(f"*{DELETED_FOLDER_SUFFIX}"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)

    def _register(self, topic: Topic) -> Topic:
        self._topics[topic.name] = topic
        self._by_id[topic.topic_id] = topic
        return topic

    def _existing(self, name: str) -> Topic:
        topic = self._topics.get(name)
        if topic is None:
            raise UnknownTopicError(f"there is no topic {name}")
        return topic

    def _save_topics(self, *more: TopicEntry) -> None:
        entries = [
            TopicEntry(topic.name, topic.topic_id, len(topic.partitions), topic.config)
            for topic in self._topics.values()
        ]
        write_topics(self.directory, [*entries, *more])

    def _save_log_starts(self) -> None:
        starts = {(entry.topic, entry.partition): entry.log_start_offset for entry in self.logs()}
        written = {key: start for key, start in starts.items() if start}
        checkpoints.write_offsets(self.directory / checkpoints.LOG_START_OFFSETS, written)

    def _save_checkpoints(self) -> None:
        logs = [entry for entry in self.logs() if entry.log_end_offset]
        points = {(entry.topic, entry.partition): entry.recovery_point for entry in logs}
        ends = {(entry.topic, entry.partition): entry.high_watermark for entry in logs}
        for entry in logs:
            if not entry.closed:
                entry.active.store_indexes()
        checkpoints.write_offsets(self.directory / checkpoints.RECOVERY_POINTS, points)
        checkpoints.write_offsets(self.directory / checkpoints.HIGH_WATERMARKS, ends, durable=False)
        self._save_log_starts()
