"""The append that nearly all are, in a quarter of the time: one batch, about which there is nothing to be said.

What is written, and where, is what `PartitionLog.append` would do; whatever is not plain is left to it, errors too.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from kopfka_broker.storage.errors import KafkaStorageError
from kopfka_broker.storage.indexes import MAX_RELATIVE_OFFSET
from kopfka_broker.storage.producers import SeenBatch
from kopfka_wire.batches import (
    ATTRIBUTES_OFFSET,
    HEADER,
    HEADER_SIZE,
    LOG_OVERHEAD,
    MAGIC,
    NO_PRODUCER_ID,
    increment_sequence,
)
from kopfka_wire.checksum import crc32c
from kopfka_wire.compression import ZSTD

if TYPE_CHECKING:
    from kopfka_broker.storage.log import PartitionLog

NOT_PLAIN: Final = -1
_PLACE = struct.Struct(">qii")
_LAST_CODEC: Final = ZSTD


def append_plain(log: PartitionLog, batch: memoryview, now_ms: int) -> int:
    """Append one batch, and return the offset of its first record.

    The batch gets its place in the log where it is, so that it is written from there as it is.

    Returns:
        `NOT_PLAIN` where these are no bytes that can be appended without a closer look. Nothing was done then, but for
        a base offset and a leader epoch in the batch, which mean nothing in one that is produced.
    """
    config, size = log.config, len(batch)
    segment = log.segments[-1]
    if (
        log.closed
        or log.durability.unsafe
        or log.disk_troubled
        or not config.plain
        or not HEADER_SIZE <= size <= config.max_message_bytes
        or not segment.size
        or segment.is_full(config, size)
        or batch.readonly
        or log.epochs.latest != log.leader_epoch
    ):
        return NOT_PLAIN
    (
        base_offset, length, _, magic, crc, attributes, delta,
        _, max_timestamp, producer_id, epoch, sequence, count,
    ) = HEADER.unpack_from(batch)  # fmt: skip
    first = log.log_end_offset
    if (
        magic != MAGIC
        or length != size - LOG_OVERHEAD
        or base_offset < 0
        or delta < 0
        or count != delta + 1
        or not 0 <= attributes <= _LAST_CODEC  # any of the flags is for the closer look
        or max_timestamp > now_ms + config.message_timestamp_after_max_ms
        or segment.waited_ms(max_timestamp, now_ms) > config.segment_ms - segment.jitter_ms
        or first + delta - segment.base_offset >= MAX_RELATIVE_OFFSET
    ):
        return NOT_PLAIN
    producer = None
    if producer_id != NO_PRODUCER_ID:
        producer = log.producers.continued(producer_id, epoch, sequence)
        if producer is None:
            return NOT_PLAIN
    if crc32c(batch[ATTRIBUTES_OFFSET:]) != crc:
        return NOT_PLAIN
    _PLACE.pack_into(batch, 0, first, length, log.leader_epoch)
    try:
        segment.write([batch], size)
    except KafkaStorageError:
        return NOT_PLAIN
    last = first + delta
    segment.added(size, last, max_timestamp, config.index_interval_bytes)
    if producer is not None:
        producer.last_timestamp = max_timestamp
        producer.batches.append(SeenBatch(increment_sequence(sequence, delta), last, delta, max_timestamp))
    log.appended(last + 1, size)
    return first
