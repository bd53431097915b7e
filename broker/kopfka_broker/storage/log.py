"""One partition's log: append, flush and look-ups over segments, as Apache Kafka's UnifiedLog with one replica.

Record batches are opaque: an append checks headers and checksums, puts offset and leader epoch into the header, and
writes with one system call. Nothing runs here on its own: retention, rolls by time and checkpoints are the manager's
(`manager.py`), loading and recovery are in `recovery.py`, reading is in `segmented.py`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_broker.storage.config import KEEP_COMPRESSION
from kopfka_broker.storage.durability import Durability
from kopfka_broker.storage.epochs import LeaderEpochs
from kopfka_broker.storage.errors import KafkaStorageError, OffsetOutOfRangeError
from kopfka_broker.storage.indexes import MAX_RELATIVE_OFFSET
from kopfka_broker.storage.placement import place, place_at_time
from kopfka_broker.storage.producers import ProducerStates
from kopfka_broker.storage.recompression import recompressed
from kopfka_broker.storage.segmented import SegmentedLog
from kopfka_broker.storage.snapshots import Snapshots
from kopfka_broker.storage.times import find_max_timestamp, find_offset_for_time
from kopfka_broker.storage.transactions import AbortedTransaction, Marker, encode_marker
from kopfka_broker.storage.validation import validate
from kopfka_wire.batches import NO_PRODUCER_ID, NO_TIMESTAMP, read_header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from uuid import UUID

    from kopfka_broker.storage.config import LogConfig
    from kopfka_broker.storage.disk import Disk
    from kopfka_broker.storage.producers import Verification
    from kopfka_broker.storage.segment import Segment
    from kopfka_wire.batches import BatchHeader

    Buffer = bytes | bytearray | memoryview

log = logging.getLogger(__name__)

PROBE_INTERVAL_MS = 5000


@dataclass(frozen=True, slots=True)
class Appended:
    """Where the records of an append are."""

    first_offset: int
    last_offset: int
    log_append_time: int = NO_TIMESTAMP
    """The time given to the records where `message.timestamp.type` is LogAppendTime, -1 otherwise."""
    log_start_offset: int = 0


class PartitionLog(SegmentedLog):
    """One partition's log. To be used on one thread."""

    __slots__ = ("_watchers", "durability", "epochs", "leader_epoch", "producers", "snapshots", "topic_id")

    def __init__(
        self, topic: str, partition: int, topic_id: UUID, *, directory: Path, config: LogConfig, disk: Disk
    ) -> None:
        super().__init__(topic, partition, directory=directory, config=config, disk=disk)
        self.topic_id = topic_id
        self.leader_epoch = 0
        self.epochs = LeaderEpochs(directory)
        self.producers = ProducerStates()
        self.snapshots = Snapshots()
        self.durability = Durability(self, disk)
        self._watchers: dict[Callable[[PartitionLog], None], None] = {}

    @property
    def last_stable_offset(self) -> int:
        """The first offset of the oldest open transaction, the high watermark where none is open."""
        first = self.producers.first_unstable
        return self.log_end_offset if first < 0 else max(first, self.log_start_offset)

    @property
    def disk_troubled(self) -> bool:
        """Whether the disk refused the last write of this log or another one."""
        return bool(self._disk.offline)

    @property
    def recovery_point(self) -> int:
        """The offset below which everything is on disk."""
        return self.durability.recovery_point

    def append(
        self, records: Buffer, now_ms: int, *, coordinator: bool = False, verified: Verification | None = None
    ) -> Appended:
        """Write whole batches at the end, with one system call.

        The batches keep their bytes but for base offset and leader epoch, and timestamp type, largest timestamp and
        checksum where the topic's timestamps are LogAppendTime. A batch of an idempotent producer that was written
        before is not written again: the answer is where it is.

        Args:
            records: the batches.
            now_ms: the time.
            coordinator: a coordinator of this broker writes; it has no sequence numbers, and needs no pass.
            verified: the pass (`producers.begin_verification`) for a batch that begins a transaction here.

        Raises:
            StorageError: nothing was written; the class says which error code the producer gets.
        """
        if self.closed or self.durability.unsafe:
            self._refuse()
        batches = validate(records, self.config, now_ms, coordinator=coordinator)
        headers = [header for _, header in batches]
        idempotent = headers[0].producer_id != NO_PRODUCER_ID or len(headers) > 1
        if idempotent:
            if not coordinator:
                seen = [found for found in map(self.producers.duplicate, headers) if found is not None]
                if len(seen) == len(headers):
                    return self._appended(seen[0].first_offset, seen[-1].last_offset, seen[0].timestamp)
            self.producers.check(headers, verified=verified, coordinator=coordinator)
        if self.config.compression_type != KEEP_COMPRESSION:
            records, batches = recompressed(records, batches, self.config)
            headers = [header for _, header in batches]
        return self._write(records, batches, headers, now_ms, idempotent=idempotent)

    def append_marker(
        self,
        producer_id: int,
        producer_epoch: int,
        *,
        commit: bool,
        coordinator_epoch: int,
        now_ms: int,
        transaction_version: int = 0,
    ) -> Appended:
        """End a producer's transaction in this log, whether or not it has written here.

        Args:
            producer_id: of the producer.
            producer_epoch: of the transaction, from transaction version 2 on the one after it.
            commit: or abort.
            coordinator_epoch: leader epoch of the coordinator's partition of `__transaction_state`.
            now_ms: the time.
            transaction_version: level of the feature `transaction.version` that the transaction ran under.

        Raises:
            InvalidProducerEpochError: the producer has written with a newer epoch.
            TransactionCoordinatorFencedError: a newer coordinator has written a marker for it.
            KafkaStorageError: the disk is full or failed. Nothing was written in any case.
        """
        if self.closed or self.durability.unsafe:
            self._refuse()
        marker = Marker(producer_id, producer_epoch, coordinator_epoch, commit)
        self.producers.check_marker(marker, transaction_version)
        records = encode_marker(marker, now_ms)
        header = read_header(records)
        return self._write(records, [(0, header)], [header], now_ms, idempotent=False, marker=marker)

    def appended(self, end_offset: int, size: int) -> None:
        """Take note that the log ends at `end_offset` now, after so many bytes more (`plain` and this log's own)."""
        self.log_end_offset = end_offset
        self._disk.written(size)
        if self._watchers:
            self._wake()

    async def flushed(self, offset: int) -> None:
        """Return once every record below `offset` is on disk; at once with `kopfka.acks.all.fsync=false`.

        Raises:
            KafkaStorageError: it could not be put there, or the log is closed: the records must not be acknowledged.
        """
        await self.durability.reach(offset)

    def aborted_transactions(self, from_offset: int, to_offset: int) -> list[AbortedTransaction]:
        """Return the aborted transactions that have records from `from_offset` on and below `to_offset`."""
        return self.aborted.collect(from_offset, to_offset)

    def watch(self, callback: Callable[[PartitionLog], None]) -> None:
        """Have `callback` called with this log after each append, and when it is deleted or closed."""
        self._watchers[callback] = None

    def unwatch(self, callback: Callable[[PartitionLog], None]) -> None:
        """Have `callback` not called any more; it need not be watching."""
        self._watchers.pop(callback, None)

    def offset_for_time(self, timestamp_ms: int) -> tuple[int, int, int] | None:
        """Return timestamp, offset and leader epoch of the first record at or after a time, or None."""
        return find_offset_for_time(self, timestamp_ms)

    def max_timestamp(self) -> tuple[int, int, int] | None:
        """Return timestamp, offset and leader epoch of the (first) record with the largest timestamp, or None."""
        return find_max_timestamp(self)

    def end_offset_for_epoch(self, epoch: int) -> tuple[int, int]:
        """Return the largest epoch at or below `epoch` and the offset it ends at; (-1, -1) where that is unknown."""
        return self.epochs.end_offset_for(epoch, self.log_end_offset)

    def delete_records(self, before_offset: int) -> int:
        """Move the log start offset up to `before_offset` (-1: the high watermark) and return it.

        Segments that are wholly below are removed by the next round of retention.

        Raises:
            OffsetOutOfRangeError: it is above the high watermark.
            KafkaStorageError: the checkpoint cannot be written.
        """
        target = self.high_watermark if before_offset == -1 else before_offset
        if not 0 <= target <= self.high_watermark:
            raise OffsetOutOfRangeError(f"{target} is not within 0 and the high watermark {self.high_watermark}")
        if target > self.log_start_offset:
            before, self.log_start_offset = self.log_start_offset, target
            try:
                self._disk.save_log_starts()
            except KafkaStorageError:
                self.log_start_offset = before
                raise
            self.epochs.truncate_start(target)
        return self.log_start_offset

    # For the manager and recovery.

    def drop_segments(self, count: int) -> list[Segment]:
        """Take the oldest segments out of the log, which has at least one more; the files are left to the caller."""
        dropped = super().drop_segments(count)
        self.durability.recovery_point = max(self.recovery_point, self.log_start_offset)
        return dropped

    def roll(self, now_ms: int) -> Segment:
        """Close the active segment and begin a new one at the log end offset.

        Raises:
            KafkaStorageError: the disk is full or failed; the log is as it was.
        """
        self.durability.store_indexes(self.active, closing=True)
        self.snapshots.save(self)
        segment = self.add_segment(self.log_end_offset, now_ms)
        self.durability.new_files = True
        try:
            segment.write([], 0)  # the file must be there before older ones may go
        except KafkaStorageError:
            self.drop_tail(len(self.segments) - 1)
            raise
        self.durability.request()
        return segment

    def close(self, reason: str) -> None:
        """Take no more records; those who watch are called back. Files stay as they are."""
        self.closed = reason
        self._wake()
        self._watchers.clear()

    def _write(
        self,
        records: Buffer,
        batches: list[tuple[int, BatchHeader]],
        headers: list[BatchHeader],
        now_ms: int,
        *,
        idempotent: bool,
        marker: Marker | None = None,
    ) -> Appended:
        """Write batches that were found good, and take note of what they say; `headers` are theirs."""
        first = self.log_end_offset
        total = len(records)
        append_time = self.config.stamps_append_time
        try:
            segment = self._writable(total, headers, now_ms)
            if append_time:
                buffers = place_at_time(records, batches, first, self.leader_epoch, now_ms)
            else:
                buffers = place(records, batches, first, self.leader_epoch)
            if marker is None:
                segment.write(buffers, total)
            else:
                self._write_marker(segment, buffers, total, marker)
        except KafkaStorageError as error:
            reason = f"{error}; reading goes on, writing resumes when the disk takes it"
            if self._disk.failed(self.directory, reason):
                self._disk.later(PROBE_INTERVAL_MS, self._probe)
            raise
        if self._disk.offline:
            self._disk.recovered(self.directory)

        offset, interval = first, self.config.index_interval_bytes
        for header in headers:
            last = offset + header.last_offset_delta
            time = now_ms if append_time else header.max_timestamp
            segment.added(header.size, last, time, interval)
            if idempotent:
                self.producers.update(header, offset, time)
            offset = last + 1
        if marker is not None:
            self.producers.complete(marker, now_ms)
        self.appended(offset, total)
        if self.config.flushes:
            self.durability.appended(offset)
        return self._appended(first, offset - 1, now_ms)

    def _write_marker(self, segment: Segment, buffers: list[Buffer], size: int, marker: Marker) -> None:
        first = self.producers.open_transaction(marker.producer_id)
        if marker.commit or first is None:
            segment.write(buffers, size)
            return
        end = self.log_end_offset
        entry = AbortedTransaction(marker.producer_id, first, end, self.producers.stable_after(marker, end))
        self.durability.wrote(self.aborted.add(segment.base_offset, entry))
        try:
            segment.write(buffers, size)
        except KafkaStorageError:
            self.aborted.take_back(segment.base_offset)
            raise

    def _refuse(self) -> None:
        raise KafkaStorageError(self.closed or self.durability.unsafe or "")

    def _appended(self, first: int, last: int, append_time: int) -> Appended:
        stamped = append_time if self.config.stamps_append_time else NO_TIMESTAMP
        return Appended(first, last, stamped, self.log_start_offset)

    def _writable(self, adding: int, headers: list[BatchHeader], now_ms: int) -> Segment:
        """The segment that takes these batches: the active one, or a new one where a limit is reached."""
        if self.epochs.latest != self.leader_epoch:
            self.epochs.assign(self.leader_epoch, self.log_end_offset)
        segment = self.active
        if not segment.size:
            return segment
        newest = now_ms if self.config.stamps_append_time else max([header.max_timestamp for header in headers])
        end_offset = self.log_end_offset + sum([header.last_offset_delta + 1 for header in headers])
        if (
            segment.is_full(self.config, adding)
            or segment.waited_ms(newest, now_ms) > self.config.roll_ms - segment.jitter_ms
            or end_offset - segment.base_offset > MAX_RELATIVE_OFFSET
        ):
            return self.roll(now_ms)
        return segment

    def _probe(self) -> None:
        """See whether the disk takes records again although none come, so that what is said of it stays true."""
        if self.closed or self.durability.unsafe or self.directory not in self._disk.offline:
            return
        if self.active.probe():
            self._disk.recovered(self.directory)
        else:
            self._disk.later(PROBE_INTERVAL_MS, self._probe)

    def _wake(self) -> None:
        for callback in list(self._watchers):
            callback(self)
