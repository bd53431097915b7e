"""One cleaning of one log: the keys of its dirty part, then segment after segment without what they make obsolete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_broker.storage.checkpoints import sync_directory
from kopfka_broker.storage.cleaning.files import CleanedSegment, SourceSegment
from kopfka_broker.storage.cleaning.plan import Cleanable, grouped
from kopfka_broker.storage.cleaning.records import KeyMap, LastBatch, RecordFilter, Transactions
from kopfka_wire.batches import read_header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kopfka_broker.storage.cleaning.cleaner import CleanerSettings
    from kopfka_broker.storage.cleaning.pace import Pace
    from kopfka_broker.storage.log import PartitionLog
    from kopfka_broker.storage.segment import Segment


@dataclass(frozen=True, slots=True)
class Source:
    """What a thread needs to clean a group of segments."""

    segments: list[SourceSegment]
    producers: dict[int, LastBatch]
    modified_ns: int


class Work:
    """The state of one cleaning. Methods say on which thread they are to be called."""

    def __init__(
        self, partition: PartitionLog, plan: Cleanable, settings: CleanerSettings, now_ms: int, pace: Pace | None
    ) -> None:
        """Take what of the log is needed; on the event loop."""
        self.bytes_read = 0
        self.bytes_written = 0
        self.keys = KeyMap(int(settings.dedupe_buffer_size * settings.dedupe_load_factor))
        self.partition = partition
        self._plan = plan
        self._chunk = settings.io_buffer_size
        self._now_ms = now_ms
        self._pace = pace
        self._directory = partition.directory
        self._removed: list[Path] = []
        self._config = partition.config
        self.keys.end = plan.first_dirty
        first = partition.segment_at(plan.first_dirty)
        self._dirty = SourceSegment.of(partition.segments[first : partition.segment_at(plan.end)], plan.end)
        aborted = partition.aborted_transactions(partition.log_start_offset, plan.end)
        self._reading = Transactions(aborted)
        self._writing = Transactions(aborted)

    def read_keys(self) -> None:
        """Read the dirty part, as much of it as the memory for keys takes; on any thread.

        Raises:
            CorruptBatchError: a batch is damaged.
            OSError: the disk failed.
        """
        for segment in self._dirty:
            for header, batch in segment.batches(self._chunk):
                if header.is_control:
                    self._reading.may_drop_marker(header, batch)
                elif not self._reading.is_aborted(header) and not self.keys.add_batch(
                    header, batch, self._plan.first_dirty
                ):
                    return
                self.keys.end = max(self.keys.end, header.next_offset)
                self._worked(header.size)
            self.keys.end = max(self.keys.end, segment.end_offset)

    def groups(self) -> Iterator[list[Segment]]:
        """Give the segments to be cleaned, those together that are to become one; on the event loop."""
        count = 0
        for segment in self.partition.segments:
            if segment.base_offset >= min(self.keys.end, self._plan.end):
                break
            count += 1
        segments = self.partition.segments[:count]
        end = self.partition.segments[count].base_offset
        yield from grouped(segments, end, self._config)

    def source(self, group: list[Segment]) -> Source:
        """Return what `clean` needs of a group; on the event loop."""
        producers = {
            producer_id: LastBatch(producer.batches[-1].last_offset if producer.batches else -1, producer.epoch)
            for producer_id, producer in self.partition.producers
        }
        modified = group[-1].file.path.stat().st_mtime_ns
        following = self.partition.segments[self.partition.segments.index(group[-1]) + 1]
        return Source(SourceSegment.of(group, following.base_offset), producers, modified)

    def clean(self, source: Source) -> CleanedSegment:
        """Write what is to be left of a group of segments; on any thread.

        Raises:
            CorruptBatchError: a batch is damaged.
            OSError: the disk is full or failed. In both cases nothing of it is left behind.
        """
        interval = self._config.index_interval_bytes
        cleaned = CleanedSegment(self._directory, source.segments[0].base_offset, interval, self._chunk)
        keep = RecordFilter(
            self.keys,
            self._writing,
            source.producers,
            end=self._plan.end,
            now_ms=self._now_ms,
            delete_retention_ms=self._config.delete_retention_ms,
        )
        try:
            for segment in source.segments:
                for header, batch in segment.batches(self._chunk):
                    self.bytes_read += header.size
                    kept = keep.kept(header, batch)
                    if kept is not None:
                        cleaned.add(header if kept is batch else read_header(kept), kept)
                        self.bytes_written += len(kept)
                    self._worked(header.size + (len(kept) if kept is not None else 0))
            cleaned.finish(self._writing.kept, source.modified_ns)
        except BaseException:
            cleaned.discard()
            raise
        self._writing.kept = []
        return cleaned

    def put_in_place(self, group: list[Segment], cleaned: CleanedSegment) -> Segment | None:
        """Have readers read the cleaned segment; None where the log has changed meanwhile. On the event loop.

        May raise OSError: the next start then puts it in place.
        """
        segment = self.partition.replace_segments(group)
        if segment is None:
            return None
        cleaned.take_place(segment)
        self._removed = [path for old in group for path in old.mark_deleted()]
        return segment

    def sync(self) -> None:
        """Have on disk that the old files are none any more; on any thread. May raise OSError."""
        sync_directory(self._directory)

    def settle(self, group: list[Segment], cleaned: CleanedSegment, segment: Segment) -> list[Path]:
        """Give the files their lasting names, and return those that are to be removed; on the event loop.

        May raise OSError: the next start then does it.
        """
        if segment not in self.partition.segments:  # retention was faster
            cleaned.discard()
            return self._removed
        cleaned.settle(segment)
        for old in group:
            self.partition.aborted.forget(old.base_offset)
        self.partition.aborted.reload(segment.base_offset)
        segment.release()
        return self._removed

    def _worked(self, size: int) -> None:
        if self._pace is not None:
            self._pace.worked(size)
