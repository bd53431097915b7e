"""What is known of the producers of one log: epochs, the last batches of each, and open transactions (KIP-98, KIP-890).

Kept in memory, rebuilt from batch headers and markers at recovery, and saved in Apache Kafka's `.snapshot` files so
that recovery needs to read only what came after. A snapshot holds the last batch of each producer, as Kafka's does.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from kopfka_broker.storage.errors import (
    InvalidProducerEpochError,
    InvalidTxnStateError,
    OutOfOrderSequenceError,
    TransactionCoordinatorFencedError,
)
from kopfka_wire.batches import (
    CONTROL_MASK,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    TRANSACTIONAL_MASK,
    increment_sequence,
)
from kopfka_wire.checksum import crc32c

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kopfka_broker.storage.transactions import Marker
    from kopfka_wire.batches import BatchHeader

BATCHES_KEPT = 5
"""As many batches as `max.in.flight.requests.per.connection` of an idempotent producer may be on their way."""

_SNAPSHOT_VERSION = 1
_PREFIX = struct.Struct(">hI")
_COUNT = struct.Struct(">i")
_ENTRY = struct.Struct(">qhiqiqiq")
_NO_OFFSET = -1
_VERSION_WITH_BUMPS = 2  # of the feature transaction.version


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

    @property
    def last_sequence(self) -> int:
        """Sequence number of the last record, -1 where none is known."""
        return self.batches[-1].last_sequence if self.batches else NO_SEQUENCE


@dataclass(slots=True, eq=False)
class Verification:
    """Stands for asking the coordinator whether a producer may write here (KIP-890); an append shows it as its pass.

    It is void once the producer has written in a transaction here, or a marker was written for it: a transaction that
    ended while the coordinator was asked is not begun anew by a batch that comes too late.
    """

    epoch: int
    lowest_sequence: int
    """The lowest one that was to be written: nothing above it is, before it is there."""
    bumps_epoch: bool
    """Whether the producer gets a new epoch with each transaction, and so begins with sequence number 0 (TV2)."""
    started_ms: int


class ProducerStates:
    """Every producer of one log."""

    __slots__ = ("_open", "_producers", "_verifications", "first_unstable")

    def __init__(self) -> None:
        self._producers: dict[int, Producer] = {}
        self._open: dict[int, int] = {}  # producer id to first offset, in the order of the offsets
        self._verifications: dict[int, Verification] = {}
        self.first_unstable = _NO_OFFSET
        """First offset of the oldest open transaction, -1 where none is open."""

    def __len__(self) -> int:
        return len(self._producers)

    def __iter__(self) -> Iterator[tuple[int, Producer]]:
        """Go through the producers by id."""
        return iter(self._producers.items())

    def open_transaction(self, producer_id: int, producer_epoch: int | None = None) -> int | None:
        """Return the first offset of a producer's open transaction, None where it has none (or not in this epoch)."""
        first = self._open.get(producer_id)
        if first is None or producer_epoch in (None, self._producers[producer_id].epoch):
            return first
        return None

    def begin_verification(
        self, producer_id: int, epoch: int, sequence: int, now_ms: int, *, bumps_epoch: bool
    ) -> Verification:
        """Return the pass for a batch whose transaction the coordinator is to be asked about before it is appended."""
        entry = self._verifications.get(producer_id)
        if entry is None:
            entry = self._verifications[producer_id] = Verification(epoch, sequence, bumps_epoch, now_ms)
        elif epoch > entry.epoch:
            entry.epoch, entry.lowest_sequence = epoch, sequence
        elif epoch == entry.epoch:
            entry.lowest_sequence = min(entry.lowest_sequence, sequence)
        return entry

    def continued(self, producer_id: int, epoch: int, sequence: int) -> Producer | None:
        """Return the producer whose next batch, outside of any transaction, this is; None where `check` has to look."""
        producer = self._producers.get(producer_id)
        if (
            producer is None
            or producer.epoch != epoch
            or not producer.batches
            or increment_sequence(producer.batches[-1].last_sequence, 1) != sequence
            or producer.transaction_start != _NO_OFFSET
            or self._verifications
        ):
            return None
        return producer

    def duplicate(self, header: BatchHeader) -> SeenBatch | None:
        """Return the batch that was written before with these sequence numbers, if it is one of the last five."""
        producer = self._producers.get(header.producer_id)
        if producer is not None and producer.epoch == header.producer_epoch:
            for seen in producer.batches:
                if seen.first_sequence == header.base_sequence and seen.last_sequence == header.last_sequence:
                    return seen
        return None

    def check(
        self, headers: Iterable[BatchHeader], *, verified: Verification | None = None, coordinator: bool = False
    ) -> None:
        """Check that the batches of one append follow what their producers wrote last.

        A producer that is not known here (its records were deleted, or it is new) may begin with any sequence number.

        Args:
            headers: of the batches.
            verified: the pass of the producer where the coordinator was asked.
            coordinator: the group coordinator writes offsets of a transaction; it has no sequence numbers and has
                seen to it that the transaction is open.

        Raises:
            InvalidProducerEpochError: a newer epoch of the producer has written.
            OutOfOrderSequenceError: there is a gap.
            InvalidTxnStateError: a batch is in no transaction that the coordinator knows, or it is in none at all
                while the producer has one open.
        """
        pending: dict[int, tuple[int, int]] = {}
        for header in headers:
            producer_id, epoch = header.producer_id, header.producer_epoch
            if producer_id == NO_PRODUCER_ID:
                continue
            transactional = header.attributes & TRANSACTIONAL_MASK
            if transactional and not coordinator and producer_id not in pending:
                self._check_verified(producer_id, epoch, verified)
            last_epoch, last_sequence = pending.get(producer_id) or self._last(producer_id)
            if epoch < last_epoch:
                raise InvalidProducerEpochError(
                    f"producer {producer_id} writes with epoch {epoch}, but epoch {last_epoch} has written already"
                )
            if not coordinator:
                self._check_sequence(header, last_epoch, last_sequence)
            if not transactional and producer_id in self._open:
                raise InvalidTxnStateError(f"producer {producer_id} has a transaction open and writes outside of it")
            pending[producer_id] = (epoch, header.last_sequence)

    def check_marker(self, marker: Marker, transaction_version: int) -> None:
        """Check that a marker is of this transaction of its producer, and of the present coordinator.

        From transaction version 2 on every transaction has its own epoch, and its marker the one after it; one with
        the epoch of the producer itself is written again where nothing is open (a coordinator that was restarted).

        Raises:
            InvalidProducerEpochError: it is of an older epoch.
            TransactionCoordinatorFencedError: a newer coordinator has written a marker.
        """
        producer = self._producers.get(marker.producer_id)
        if producer is None:
            return
        again = marker.producer_epoch == producer.epoch and producer.transaction_start == _NO_OFFSET
        lowest = producer.epoch + 1 if transaction_version >= _VERSION_WITH_BUMPS and not again else producer.epoch
        if marker.producer_epoch < lowest:
            raise InvalidProducerEpochError(
                f"a marker for producer {marker.producer_id} has epoch {marker.producer_epoch}, and the last one seen "
                f"is {producer.epoch}"
            )
        if marker.coordinator_epoch < producer.coordinator_epoch:
            raise TransactionCoordinatorFencedError(
                f"a marker for producer {marker.producer_id} has coordinator epoch {marker.coordinator_epoch}, and "
                f"the last one seen is {producer.coordinator_epoch}"
            )

    def update(self, header: BatchHeader, base_offset: int, timestamp: int) -> None:
        """Take note of a batch that was written at `base_offset`, without checking it; markers are for `complete`."""
        producer_id, epoch, attributes = header.producer_id, header.producer_epoch, header.attributes
        if producer_id == NO_PRODUCER_ID or attributes & CONTROL_MASK:
            return
        producer = self._of_epoch(producer_id, epoch)
        producer.last_timestamp = timestamp
        delta = header.last_offset_delta
        producer.batches.append(SeenBatch(header.last_sequence, base_offset + delta, delta, timestamp))
        if attributes & TRANSACTIONAL_MASK:
            self._verifications.pop(producer_id, None)
            if producer.transaction_start == _NO_OFFSET:
                producer.transaction_start = self._open[producer_id] = base_offset
                if self.first_unstable == _NO_OFFSET:
                    self.first_unstable = base_offset

    def complete(self, marker: Marker, timestamp: int) -> None:
        """Take note of a marker that was written, without checking it."""
        producer = self._of_epoch(marker.producer_id, marker.producer_epoch)
        producer.coordinator_epoch = marker.coordinator_epoch
        producer.last_timestamp = timestamp
        producer.transaction_start = _NO_OFFSET
        self._verifications.pop(marker.producer_id, None)
        if self._open.pop(marker.producer_id, None) == self.first_unstable:
            self.first_unstable = next(iter(self._open.values()), _NO_OFFSET)

    def stable_after(self, marker: Marker, offset: int) -> int:
        """Return what the last stable offset is once a marker is written at `offset`."""
        others = (first for producer_id, first in self._open.items() if producer_id != marker.producer_id)
        return next(others, offset + 1)

    def expire(self, before_ms: int) -> None:
        """Forget producers that wrote nothing since `before_ms` (`producer.id.expiration.ms`) and have nothing open."""
        idle = [
            producer_id
            for producer_id, producer in self._producers.items()
            if producer.last_timestamp < before_ms and producer.transaction_start == _NO_OFFSET
        ]
        for producer_id in idle:
            del self._producers[producer_id]
        unused = [key for key, entry in self._verifications.items() if entry.started_ms < before_ms]
        for producer_id in unused:
            del self._verifications[producer_id]

    def clear(self) -> None:
        """Forget every producer."""
        self._producers.clear()
        self._open.clear()
        self._verifications.clear()
        self.first_unstable = _NO_OFFSET

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
        self.clear()
        for entry in _ENTRY.iter_unpack(body[_COUNT.size :]):
            producer_id, epoch, sequence, offset, delta, timestamp, coordinator_epoch, transaction_start = entry
            producer = self._producers[producer_id] = Producer(epoch)
            producer.last_timestamp = timestamp
            producer.coordinator_epoch = coordinator_epoch
            producer.transaction_start = transaction_start
            if offset >= 0:
                producer.batches.append(SeenBatch(sequence, offset, delta, timestamp))
            if transaction_start != _NO_OFFSET:
                self._open[producer_id] = transaction_start
        self._open = dict(sorted(self._open.items(), key=lambda item: item[1]))
        self.first_unstable = next(iter(self._open.values()), _NO_OFFSET)
        return True

    def _of_epoch(self, producer_id: int, epoch: int) -> Producer:
        producer = self._producers.get(producer_id)
        if producer is None:
            producer = self._producers[producer_id] = Producer(epoch)
        elif producer.epoch != epoch:
            producer.epoch = epoch
            producer.batches.clear()
        return producer

    def _check_verified(self, producer_id: int, epoch: int, verified: Verification | None) -> None:
        if self.open_transaction(producer_id, epoch) is None and (
            verified is None or self._verifications.get(producer_id) is not verified
        ):
            raise InvalidTxnStateError(f"a batch of producer {producer_id} is in no transaction that is open")

    def _check_sequence(self, header: BatchHeader, last_epoch: int, last_sequence: int) -> None:
        producer_id, epoch, sequence = header.producer_id, header.producer_epoch, header.base_sequence
        entry = self._verifications.get(producer_id) if self._verifications else None
        if entry is not None:
            if entry.bumps_epoch and sequence and last_sequence == NO_SEQUENCE:
                raise OutOfOrderSequenceError(f"producer {producer_id} begins with sequence number {sequence}, not 0")
            if sequence > entry.lowest_sequence:
                raise OutOfOrderSequenceError(
                    f"producer {producer_id} sends sequence number {sequence} before {entry.lowest_sequence}"
                )
        if epoch != last_epoch:
            follows = sequence == 0 or last_epoch == NO_PRODUCER_EPOCH
        else:
            follows = sequence == (0 if last_sequence < 0 else increment_sequence(last_sequence, 1))
        if not follows:
            raise OutOfOrderSequenceError(
                f"producer {producer_id} (epoch {epoch}) sends sequence number {sequence} "
                f"after {last_sequence} of epoch {last_epoch}"
            )

    def _last(self, producer_id: int) -> tuple[int, int]:
        producer = self._producers.get(producer_id)
        if producer is None:
            return NO_PRODUCER_EPOCH, NO_SEQUENCE
        return producer.epoch, producer.last_sequence
