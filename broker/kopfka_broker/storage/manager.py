"""All logs of a data folder: opening and recovery, topics, clean shutdown.

The folder is laid out as Apache Kafka's `log.dirs` are, apart from the metadata log: see `topics.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from types import MappingProxyType
from typing import TYPE_CHECKING

from kopfka_broker.storage import boot, checkpoints, layout
from kopfka_broker.storage.cleaning import LogCleaner
from kopfka_broker.storage.disk import Disk
from kopfka_broker.storage.errors import (
    DataFolderError,
    InvalidPartitionsError,
    KafkaStorageError,
    StorageError,
    TopicExistsError,
    UnknownTopicError,
)
from kopfka_broker.storage.files import OpenFiles, default_limit
from kopfka_broker.storage.folder import FolderLock
from kopfka_broker.storage.log import PartitionLog
from kopfka_broker.storage.patrol import Patrol
from kopfka_broker.storage.recovery import load
from kopfka_broker.storage.schedule import Schedule, StorageSettings
from kopfka_broker.storage.topics import Topic, TopicEntry, check_name, read_topics, write_topics
from kopfka_broker.storage.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from pathlib import Path
    from uuid import UUID

    from kopfka_broker.metrics.histogram import Histogram
    from kopfka_broker.storage.config import LogConfig
    from kopfka_broker.storage.integrity import Damage

log = logging.getLogger(__name__)

_AT_ONCE = 16
"""Partitions that are made before others have a turn: some milliseconds."""


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
        self._upkeep = Upkeep(directory, self.logs, clock, self._settings.producer_expiration_ms)
        self._disk = Disk(
            OpenFiles(default_limit()),
            clock,
            save_log_starts=self._upkeep.write_log_starts,
            save_checkpoints=self._upkeep.save_checkpoints,
            distrust=lambda: boot.forget_boot(directory),
        )
        self.cleaner = LogCleaner(directory, self.logs, clock, self._upkeep.remove_later, self._settings.cleaner)
        self.patrol = Patrol(self.logs, self._disk.damage)
        self._topics: dict[str, Topic] = {}
        self._by_id: dict[UUID, Topic] = {}
        self._being_made: set[str] = set()
        self._lock: FolderLock | None = None

    def follow_settings(self) -> None:
        """Take over settings that changed and are needed too often to be looked up each time."""
        self._disk.sync_before_answer = self._settings.sync_before_answer()

    @property
    def topics(self) -> Mapping[str, Topic]:
        """Topics by name."""
        return MappingProxyType(self._topics)

    @property
    def offline(self) -> Mapping[Path, str]:
        """Partition folders that take no records now, and why; an entry goes when writing works again."""
        return MappingProxyType(self._disk.offline)

    @property
    def damage(self) -> Damage:
        """What was found damaged on disk since the start."""
        return self._disk.damage

    @property
    def flush_times(self) -> Histogram:
        """How long the disk took for each round of syncs."""
        return self._disk.flusher.times

    def topic_by_id(self, topic_id: UUID) -> Topic | None:
        """Return the topic with that id."""
        return self._by_id.get(topic_id)

    def logs(self) -> Iterator[PartitionLog]:
        """Return every partition of every topic."""
        for topic in self._topics.values():
            yield from topic.partitions

    def open(self) -> None:
        """Lock the folder and load every log; after an unclean end, recover those that were written to.

        A log that cannot be loaded stays out of use (`offline`), the others are served.

        Raises:
            DataFolderError: another broker has the folder, it is of another node, or cannot be read.
            KafkaStorageError: the disk is full or failed.
        """
        self._lock = FolderLock(self.directory)
        try:
            self._open()
        except OSError as error:
            self._lock.release()
            raise DataFolderError(f"cannot use the data folder {self.directory}: {error}") from error
        except BaseException:
            self._lock.release()
            raise

    def _open(self) -> None:
        began = time.monotonic()
        self.cluster_id = checkpoints.load_meta(self.directory, self._node_id)
        marker = self.directory / checkpoints.CLEAN_SHUTDOWN
        clean = marker.exists()
        same_boot = boot.same_boot(self.directory)
        layout.remove_deleted(self.directory)
        entries = read_topics(self.directory)
        if entries is None:
            entries = layout.take_over(self.directory)
            write_topics(self.directory, entries)
        layout.set_strays_aside(self.directory, entries)
        recovery = checkpoints.read_offsets(self.directory / checkpoints.RECOVERY_POINTS)
        starts = checkpoints.read_offsets(self.directory / checkpoints.LOG_START_OFFSETS)
        for entry in entries:
            topic = self._register(Topic(entry.name, entry.topic_id, config=dict(entry.config)))
            for partition in range(entry.partitions):
                key = (entry.name, partition)
                self._load(topic, partition, starts.get(key, 0), recovery.get(key, 0), clean=clean, same_boot=same_boot)
        boot.mark_boot(self.directory)
        if clean:  # only now: a start that is killed half way has changed nothing that needs a recovery
            marker.unlink()
            checkpoints.sync_directory(self.directory)
        if entries:
            count, seconds = sum(entry.partitions for entry in entries), time.monotonic() - began
            log.info("%d logs %s in %.3f s", count, "loaded" if clean else "recovered", seconds)

    def _load(
        self, topic: Topic, partition: int, log_start: int, recovery_point: int, *, clean: bool, same_boot: bool
    ) -> None:
        directory = self._directory_of(topic, partition)
        if recovery_point and not directory.exists():
            log.error("%s is missing: its records are gone, the partition begins anew", directory)
            log_start = max(log_start, recovery_point)
        added = self._add_log(topic, partition, self.defaults.overridden(topic.config))
        try:
            layout.make_folder(added.directory, added.topic_id)
            load(
                added,
                log_start=log_start,
                recovery_point=recovery_point,
                clean=clean,
                now_ms=self._clock(),
                same_boot=same_boot,
            )
        except StorageError as error:
            reason = f"{directory} is out of use until the broker is started again: {error}"
            self._disk.failed(directory, reason)
            added.log_start_offset = log_start
            added.close(reason)

    async def close(self) -> None:
        """Put everything on disk and mark the folder as cleanly shut down. Does nothing where it is not open."""
        if self._lock is None:
            return
        await self._disk.flusher.close()
        # First the logs and what they need at the next start, then the marker that says it is all there.
        finished = [self._finish(partition) for partition in self.logs()]
        try:
            self._upkeep.write_checkpoints()
            boot.forget_boot(self.directory)
            if all(finished):
                marker = self.directory / checkpoints.CLEAN_SHUTDOWN
                checkpoints.write_atomically(marker, b'{"version":0,"brokerEpoch":-1}')
        except (KafkaStorageError, OSError) as error:
            log.error("not shut down cleanly, the next start recovers: %s", error)
        for partition in self.logs():
            partition.close("the broker is shutting down")
            for segment in partition.segments:
                segment.release()
        self._lock.release()
        self._lock = None

    def _finish(self, partition: PartitionLog) -> bool:
        """Put one log on disk with its indexes and producers; False where that failed."""
        if partition.closed:
            return False
        wrong = None
        try:
            if partition.epochs.latest >= 0:
                partition.epochs.assign(partition.leader_epoch, partition.log_end_offset)
            if partition.log_end_offset > partition.segments[0].base_offset:
                partition.durability.store_indexes(partition.active, closing=True)
                partition.snapshots.save(partition)
        except KafkaStorageError as error:
            wrong = str(error)
        wrong = self._disk.flusher.flush_now(partition.durability) or wrong
        if wrong:
            log.error("%s-%s is not closed cleanly: %s", partition.topic, partition.partition, wrong)
        return wrong is None

    def create_topic(
        self, name: str, partitions: int, config: dict[str, str], log_config: LogConfig, topic_id: UUID | None = None
    ) -> Topic:
        """Create a topic; it is on disk when this returns.

        Args:
            name: of letters, digits, `.`, `_` and `-`.
            partitions: how many.
            config: the topic's own settings as they were given.
            log_config: what they mean, on top of the defaults.
            topic_id: a new one where None.

        Raises:
            InvalidTopicError, TopicExistsError, InvalidPartitionsError: the request cannot be done.
            KafkaStorageError: the disk is full or failed; there is no topic.
        """
        topic = self._new_topic(name, partitions, config, topic_id)
        self._grow(topic, partitions, log_config)
        return self._register(topic)

    async def create_topic_gradually(
        self, name: str, partitions: int, config: dict[str, str], log_config: LogConfig, topic_id: UUID | None = None
    ) -> Topic:
        """As `create_topic`, but while many partitions are made others are served; it is there when all are.

        Raises:
            StorageError: as `create_topic` does.
        """
        topic = self._new_topic(name, partitions, config, topic_id)
        self._being_made.add(name)
        try:
            with contextlib.closing(self._growing(topic, partitions, log_config)) as growing:
                for made, _ in enumerate(growing, 1):
                    if not made % _AT_ONCE:
                        await asyncio.sleep(0)
            return self._register(topic)
        finally:
            self._being_made.discard(name)

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
        self._grow(topic, total, topic.partitions[0].config)

    def delete_topic(self, name: str) -> None:
        """Delete a topic: gone for all when this returns, its files after `file.delete.delay.ms`.

        Raises:
            UnknownTopicError: there is none.
            KafkaStorageError: the disk failed; the topic is still there.
        """
        topic = self._existing(name)
        write_topics(self.directory, [entry for entry in self._entries() if entry.name != name])
        del self._topics[name]
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
            write_topics(self.directory, self._entries())
        except KafkaStorageError:
            topic.config = before
            raise
        for partition in topic.partitions:
            partition.config = log_config

    async def run(self, stop: asyncio.Event) -> None:
        """Do what is due by the clock until `stop` is set: retention, checkpoints, expiry of producers, compaction."""
        settings = self._settings
        due = {
            self._upkeep.apply_retention: settings.retention_check_interval_ms,
            self._upkeep.remove_due: settings.removal_interval_ms,
            self._upkeep.save_checkpoints: settings.checkpoint_interval_ms,
            self._upkeep.expire_producers: settings.producer_check_interval_ms,
        }
        await asyncio.gather(Schedule(due).run(stop), self.cleaner.run(stop), self.patrol.run(stop))

    def apply_retention(self) -> None:
        """Do at once what `run` does every `log.retention.check.interval.ms`, and remove what is due."""
        self._upkeep.apply_retention()
        self._upkeep.remove_due()

    def save_checkpoints(self) -> None:
        """Do at once what `run` does every `log.flush.offset.checkpoint.interval.ms`."""
        self._upkeep.save_checkpoints()

    def _directory_of(self, topic: Topic, partition: int) -> Path:
        return self.directory / f"{topic.name}-{partition}"

    def _add_log(self, topic: Topic, partition: int, config: LogConfig) -> PartitionLog:
        directory = self._directory_of(topic, partition)
        added = PartitionLog(topic.name, partition, topic.topic_id, directory=directory, config=config, disk=self._disk)
        topic.partitions.append(added)
        return added

    def _new_topic(self, name: str, partitions: int, config: dict[str, str], topic_id: UUID | None) -> Topic:
        check_name(name)
        if name in self._topics or name in self._being_made:
            raise TopicExistsError(f"topic {name} exists")
        if partitions < 1:
            raise InvalidPartitionsError(f"{partitions} is not a number of partitions")
        return Topic(name, topic_id or checkpoints.random_uuid(), config=dict(config))

    def _grow(self, topic: Topic, total: int, config: LogConfig) -> None:
        list(self._growing(topic, total, config))

    def _growing(self, topic: Topic, total: int, config: LogConfig) -> Generator[None, None, None]:
        """Make partitions, one each time it is asked, and write the list of topics when all are there."""
        before = len(topic.partitions)
        try:
            for partition in range(before, total):
                added = self._add_log(topic, partition, config)
                if added.directory.exists():  # what a deletion that was cut short has left
                    added.directory.rename(layout.renamed(added.directory, layout.STRAY_SUFFIX))
                layout.make_folder(added.directory, added.topic_id)
                load(added, log_start=0, recovery_point=0, clean=True, now_ms=self._clock())
                yield
            entries = [entry for entry in self._entries() if entry.name != topic.name]
            write_topics(self.directory, [*entries, topic.entry])
        except BaseException as error:
            added_logs, topic.partitions[before:] = topic.partitions[before:], []
            self._discard(added_logs)
            if isinstance(error, OSError):
                raise KafkaStorageError(f"cannot make the partitions of {topic.name}: {error}") from error
            raise

    def _discard(self, partitions: list[PartitionLog]) -> None:
        """Close logs, and rename their folders so that they are removed later, by this process or the next."""
        for partition in partitions:
            partition.close(f"{partition.topic}-{partition.partition} is deleted")
            self._disk.offline.pop(partition.directory, None)
            for segment in partition.segments:
                segment.file.retired = True
                segment.release()
            target = layout.renamed(partition.directory, layout.DELETED_SUFFIX)
            try:
                partition.directory.rename(target)
                self._upkeep.remove_later(target, partition.config.file_delete_delay_ms)
            except OSError as error:
                log.error("cannot remove %s, the next start sets it aside: %s", partition.directory, error)

    def _register(self, topic: Topic) -> Topic:
        self._topics[topic.name] = topic
        self._by_id[topic.topic_id] = topic
        return topic

    def _existing(self, name: str) -> Topic:
        topic = self._topics.get(name)
        if topic is None:
            raise UnknownTopicError(f"there is no topic {name}")
        return topic

    def _entries(self) -> list[TopicEntry]:
        return [topic.entry for topic in self._topics.values()]
