"""What is known of the producers of one log: epochs and the last batches of each, for idempotence (KIP-98).

Kept in memory, rebuilt from batch headers at recovery, and saved in Apache Kafka's `.snapshot` files so that recovery
needs to read only what came after. A snapshot holds the last batch of each producer, as Kafka's does.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from crc32c import crc32c

from kopfka_broker.storage.errors import InvalidProducerEpochError, OutOfOrderSequenceError
from kopfka_wire.batches import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, increment_sequence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_wire.batches import BatchHeader

BATCHES_KEPT = 5
"""As many batches as `max.in.flight.requests.per.connection` of an idempotent producer may be on their way."""

_SNAPSHOT_VERSION = 1
_PREFIX = struct.Struct(">hI")
_COUNT = struct.Struct(">i")
_ENTRY = struct.Struct(">qhiqiqiq")
_NO_OFFSET = -1


class SeenBatch(NamedTuple):
    """A batch that was written: its last sequence number and offset, how many records came before those, its time."""

    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp: int

    @property
    def first_sequence(self) -> int:
        """Sequence number of the first record."""
        return increment_sequence(self.last_sequence, -self.offset_delta)

    @property
    def first_offset(self) -> int:
        """Offset of the first record."""
        return self.last_offset - self.offset_delta


class Producer:
    """One producer id in one log."""

    __slots__ = ("batches", "coordinator_epoch", "epoch", "last_timestamp", "transaction_start")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.batches: deque[SeenBatch] = deque(maxlen=BATCHES_KEPT)
        self.coordinator_epoch = -1
        self.last_timestamp = -1
        self.transaction_start = _NO_OFFSET
        """First offset of the transaction that is open, -1 where none is."""


class ProducerStates:
    """Every producer of one log."""

    __slots__ = ("_producers",)

    def __init__(self) -> None:
        self._producers: dict[int, Producer] = {}

    def __len__(self) -> int:
        return len(self._producers)

    def duplicate(self, header: BatchHeader) -> SeenBatch | None:
        """Return the batch that was written before with these sequence numbers, if it is one of the last five."""
        producer = self._producers.get(header.producer_id)
        if producer is not None and producer.epoch == header.producer_epoch:
            for seen in producer.batches:
                if seen.first_sequence == header.base_sequence and seen.last_sequence == header.last_sequence:
                    return seen
        return None

    def check(self, headers: Iterable[BatchHeader]) -> None:
        """Check that the batches of one append follow what their producers wrote last.

        A producer that is not known here (its records were deleted, or it is new) may begin with any sequence number.

        Raises:
            InvalidProducerEpochError: a newer epoch of the producer has written.
            OutOfOrderSequenceError: there is a gap.
        """
        pending: dict[int, tuple[int, int]] = {}
        for header in headers:
            producer_id, epoch = header.producer_id, header.producer_epoch
            if producer_id == NO_PRODUCER_ID:
                continue
            last_epoch, last_sequence = pending.get(producer_id) or self._last(producer_id)
            if epoch < last_epoch:
                raise InvalidProducerEpochError(
                    f"producer {producer_id} writes with epoch {epoch}, but epoch {last_epoch} has written already"
                )
            if epoch != last_epoch:
                follows = header.base_sequence == 0 or last_epoch == NO_PRODUCER_EPOCH
            else:
                follows = header.base_sequence == (0 if last_sequence < 0 else increment_sequence(last_sequence, 1))
            if not follows:
                raise OutOfOrderSequenceError(
                    f"producer {producer_id} (epoch {epoch}) sends sequence number {header.base_sequence} "
                    f"after {last_sequence} of epoch {last_epoch}"
                )
            pending[producer_id] = (epoch, header.last_sequence)

    def update(self, header: BatchHeader, base_offset: int, timestamp: int) -> None:
        """Take note of a batch that was written at `base_offset`, without checking it."""
        producer_id, epoch = header.producer_id, header.producer_epoch
        if producer_id == NO_PRODUCER_ID:
            return
        producer = self._producers.get(producer_id)
        if producer is None:
            producer = self._producers[producer_id] = Producer(epoch)
        elif producer.epoch != epoch:
            producer.epoch = epoch
            producer.batches.clear()
        producer.last_timestamp = timestamp
        if header.is_control:
            producer.transaction_start = _NO_OFFSET
            return
        delta = header.last_offset_delta
        producer.batches.append(SeenBatch(header.last_sequence, base_offset + delta, delta, timestamp))
        if header.is_transactional and producer.transaction_start == _NO_OFFSET:
            producer.transaction_start = base_offset

    def expire(self, before_ms: int) -> None:
        """Forget producers that wrote nothing since `before_ms` (`producer.id.expiration.ms`) and have nothing open."""
        idle = [
            producer_id
            for producer_id, producer in self._producers.items()
            if producer.last_timestamp < before_ms and producer.transaction_start == _NO_OFFSET
        ]
        for producer_id in idle:
            del self._producers[producer_id]

    def clear(self) -> None:
        """Forget every producer."""
        self._producers.clear()

    def encode(self) -> bytes:
        """Return the content of a `.snapshot` file."""
        entries = [_COUNT.pack(len(self._producers))]
        for producer_id, producer in self._producers.items():
            last = producer.batches[-1] if producer.batches else SeenBatch(NO_SEQUENCE, -1, 0, producer.last_timestamp)
            entries.append(
                _ENTRY.pack(
                    producer_id,
                    producer.epoch,
                    last.last_sequence,
                    last.last_offset,
                    last.offset_delta,
                    producer.last_timestamp,
                    producer.coordinator_epoch,
                    producer.transaction_start,
                )
            )
        body = b"".join(entries)
        return _PREFIX.pack(_SNAPSHOT_VERSION, crc32c(body)) + body

    def decode(self, data: bytes) -> bool:
        """Take the content of a `.snapshot` file as the state; False, and the state as it was, where it is damaged."""
        try:
            version, crc = _PREFIX.unpack_from(data)
            (count,) = _COUNT.unpack_from(data, _PREFIX.size)
        except struct.error:
            return False
        body = data[_PREFIX.size :]
        if version != _SNAPSHOT_VERSION or crc != crc32c(body) or len(body) != _COUNT.size + count * _ENTRY.size:
            return False
        self._producers = {}
        for entry in _ENTRY.iter_unpack(body[_COUNT.size :]):
            producer_id, epoch, sequence, offset, delta, timestamp, coordinator_epoch, transaction_start = entry
            producer = self._producers[producer_id] = Producer(epoch)
            producer.last_timestamp = timestamp
            producer.coordinator_epoch = coordinator_epoch
            producer.transaction_start = transaction_start
            if offset >= 0:
                producer.batches.append(SeenBatch(sequence, offset, delta, timestamp))
        return True

    def _last(self, producer_id: int) -> tuple[int, int]:
        producer = self._producers.get(producer_id)
        if producer is None:
            return NO_PRODUCER_EPOCH, NO_SEQUENCE
        return producer.epoch, producer.batches[-1].last_sequence if producer.batches else NO_SEQUENCE
