"""The append that nearly all are, in a quarter of the time: one batch, about which there is nothing to be said.

What is written, and where, is what `PartitionLog.append` would do; whatever is not plain is left to it, errors too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_broker.storage.errors import KafkaStorageError
from kopfka_broker.storage.indexes import MAX_RELATIVE_OFFSET
from kopfka_broker.storage.producers import SeenBatch
from kopfka_wire.batches import NO_PRODUCER_ID, increment_sequence
from kopfka_wire.plain_batches import place

if TYPE_CHECKING:
    from kopfka_broker.storage.log import PartitionLog
    from kopfka_broker.storage.segment import Segment
    from kopfka_wire.plain_batches import Placed

NOT_PLAIN: Final = -1


def append_plain(log: PartitionLog, batch: memoryview, now_ms: int) -> int:
    """Append one batch, and return the offset of its first record.

    The batch gets its place in the log where it is, so that it is written from there as it is.

    Returns:
        `NOT_PLAIN` where these are no bytes that can be appended without a closer look. Nothing was done then, but for
        a base offset and a leader epoch in the batch, which mean nothing in one that is produced.
    """
    segment = plain_segment(log, len(batch))
    if segment is None or batch.readonly or len(batch) > log.config.max_message_bytes:
        return NOT_PLAIN
    first = log.log_end_offset
    placed = place(batch, first, log.leader_epoch, now_ms + log.config.message_timestamp_after_max_ms)
    if placed is None or not append_placed(log, segment, batch, placed, now_ms):
        return NOT_PLAIN
    return first


def plain_segment(log: PartitionLog, size: int) -> Segment | None:
    """Return the segment that takes so many bytes as they are; None where the log has a say in it first."""
    segment = log.segments[-1]
    if (
        log.closed
        or log.durability.unsafe
        or log.disk_troubled
        or not log.config.plain
        or not segment.size
        or segment.torn
        or segment.is_full(log.config, size)
        or log.epochs.latest != log.leader_epoch
    ):
        return None
    return segment


def append_placed(log: PartitionLog, segment: Segment, batch: memoryview, placed: Placed, now_ms: int) -> bool:
    """Write a batch that has its place at the end of this log; False where nothing was done."""
    delta, max_timestamp, producer_id, epoch, sequence = placed
    config, first = log.config, log.log_end_offset
    if (
        segment.waited_ms(max_timestamp, now_ms) > config.segment_ms - segment.jitter_ms
        or first + delta - segment.base_offset >= MAX_RELATIVE_OFFSET
    ):
        return False
    producer = None
    if producer_id != NO_PRODUCER_ID:
        producer = log.producers.continued(producer_id, epoch, sequence)
        if producer is None:
            return False
    size = len(batch)
    try:
        segment.write([batch], size)
    except KafkaStorageError:
        return False
    if producer is not None:
        producer.last_timestamp = max_timestamp
        producer.batches.append(SeenBatch(increment_sequence(sequence, delta), first + delta, delta, max_timestamp))
    wrote_placed(log, segment, size, placed)
    return True


def wrote_placed(log: PartitionLog, segment: Segment, size: int, placed: Placed) -> None:
    """Take note of a batch that was written, and whose producer needs none."""
    delta, max_timestamp, *_ = placed
    last = log.log_end_offset + delta
    segment.added(size, last, max_timestamp, log.config.index_interval_bytes)
    log.appended(last + 1, size)


def written_within(log: PartitionLog, segment: Segment) -> tuple[int, int]:
    """Return the largest timestamp, and the largest delta of a last offset, with which nothing but the write is left.

    As `append_placed` finds them; the timestamp is -1 where that cannot be told before.
    """
    oldest = segment.first_timestamp
    newest = oldest + log.config.segment_ms - segment.jitter_ms if oldest >= 0 else -1
    return newest, MAX_RELATIVE_OFFSET - 1 - log.log_end_offset + segment.base_offset
