"""Which records of a batch stay, and the batch that is left: Apache Kafka's rules, on bytes. No files, no clock.

- Of a key the record with the largest offset stays; a record without a key goes.
- A tombstone stays until the delete horizon of its batch, which the first cleaning that meets it sets to
  `delete.retention.ms` from then (KIP-534).
- Records of aborted transactions go. A marker stays while the log has a batch of its transaction, and then until its
  own delete horizon.
- A batch is kept empty where it is its producer's last, so that the next sequence number can be checked, and where it
  is the last of what is cleaned, so that its offset is not lost.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from kopfka_broker.storage.transactions import AbortedTransaction, decode_marker
from kopfka_wire.batches import (
    COMPRESSION_MASK,
    DELETE_HORIZON_MASK,
    HEADER_SIZE,
    LOG_OVERHEAD,
    NO_PRODUCER_ID,
    NO_TIMESTAMP,
)
from kopfka_wire.records import build_batch, moved_in_time, records_section, walk_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kopfka_wire.batches import BatchHeader, Buffer
    from kopfka_wire.records import RawRecord

_DIGEST = 16
_BYTES_EACH = 176
"""What an entry of `KeyMap` takes: a digest, an offset, and their share of the table."""


class KeyMap:
    """The newest offset of each key, in no more memory than given; keys are told apart by 128 bits, as in Kafka."""

    __slots__ = ("_most", "_offsets", "end")

    def __init__(self, most_bytes: int) -> None:
        self._most = max(1, most_bytes // _BYTES_EACH)
        self._offsets: dict[bytes, int] = {}
        self.end = 0
        """Every record below was looked at."""

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def utilization(self) -> float:
        """How full it is, from 0 to 1."""
        return len(self._offsets) / self._most

    def put(self, key: bytes, offset: int) -> bool:
        """Take note of a key; False where there is no room for another."""
        if len(self._offsets) >= self._most:
            return False
        self._offsets[_digest(key)] = offset
        return True

    def newest(self, key: bytes) -> int:
        """Return the newest offset of a key, -1 where none was seen."""
        return self._offsets.get(_digest(key), -1)

    def add_batch(self, header: BatchHeader, batch: Buffer, first: int) -> bool:
        """Take note of a batch's keys from the offset `first` on; False where there was no room for all."""
        for record in walk_records(records_section(batch, 0, header), header.record_count):
            offset = header.base_offset + record.offset_delta
            if record.key is not None and offset >= first and not self.put(record.key, offset):
                return False
        return True


def _digest(key: bytes) -> bytes:
    return key if len(key) < _DIGEST else hashlib.blake2b(key, digest_size=_DIGEST).digest()


class Transactions:
    """Which transactions are open at a place of the log, and how they end; batches are to be shown in their order."""

    __slots__ = ("_aborted", "_committing", "_ending_aborted", "kept")

    def __init__(self, aborted: Iterable[AbortedTransaction]) -> None:
        self._aborted = sorted(aborted, key=lambda entry: entry.first_offset, reverse=True)
        self._ending_aborted: dict[int, tuple[AbortedTransaction, bool]] = {}
        self._committing: set[int] = set()
        self.kept: list[AbortedTransaction] = []
        """Those whose marker must stay: what the index of the cleaned segment is to say."""

    def is_aborted(self, header: BatchHeader) -> bool:
        """Tell whether a batch with data belongs to a transaction that was aborted."""
        self._begin(header.last_offset)
        if not header.is_transactional:
            return False
        found = self._ending_aborted.get(header.producer_id)
        if found is None:
            self._committing.add(header.producer_id)
            return False
        self._ending_aborted[header.producer_id] = (found[0], True)
        return True

    def may_drop_marker(self, header: BatchHeader, batch: Buffer) -> bool:
        """Tell whether no batch of the transaction that a control batch ends is left."""
        self._begin(header.last_offset)
        if not header.record_count:
            return True
        marker = decode_marker(header, batch)
        if marker is None:
            return False
        if marker.commit:
            there = header.producer_id in self._committing
            self._committing.discard(header.producer_id)
            return not there
        ended = self._ending_aborted.pop(header.producer_id, None)
        if ended is not None and ended[1]:
            self.kept.append(ended[0])
            return False
        return True

    def _begin(self, offset: int) -> None:
        while self._aborted and self._aborted[-1].first_offset <= offset:
            entry = self._aborted.pop()
            self._ending_aborted.setdefault(entry.producer_id, (entry, False))


class LastBatch(NamedTuple):
    """What a producer that is still active wrote last."""

    offset: int
    """Of its last record, -1 where only a marker is left."""
    epoch: int


class RecordFilter:
    """Takes batches in their order and says what is left of each."""

    __slots__ = ("_delete_retention_ms", "_end", "_keys", "_now_ms", "_producers", "transactions")

    def __init__(
        self,
        keys: KeyMap,
        transactions: Transactions,
        producers: Mapping[int, LastBatch],
        *,
        end: int,
        now_ms: int,
        delete_retention_ms: int,
    ) -> None:
        """Take the offset `end` where cleaning stops: the batch before it is kept, if empty."""
        self._keys = keys
        self.transactions = transactions
        self._producers = producers
        self._end = end
        self._now_ms = now_ms
        self._delete_retention_ms = delete_retention_ms

    def kept(self, header: BatchHeader, batch: Buffer) -> Buffer | None:
        """Return the batch as it is to be written, None where nothing of it is.

        Raises:
            CorruptBatchError: a record contradicts itself.
        """
        horizon = header.delete_horizon
        expired = horizon is not None and horizon <= self._now_ms
        if header.is_control:
            ended = self.transactions.may_drop_marker(header, batch)
            drop = ended and expired
        else:
            ended = False
            drop = self.transactions.is_aborted(header)
        if drop or not header.record_count:
            return self._empty(header) if self._is_needed(header) else None
        if header.is_control:
            keep_all, tombstones, raw, section = True, ended, [], b""
            if ended and horizon is None:
                section = records_section(batch, 0, header)
                raw = list(walk_records(section, header.record_count))
        else:
            section = records_section(batch, 0, header)
            records = list(walk_records(section, header.record_count))
            raw = [record for record in records if self._stays(header, record, expired=expired)]
            if not raw:
                return self._empty(header) if self._is_needed(header) else None
            keep_all = len(raw) == len(records)
            tombstones = any(not record.has_value for record in raw)
        if tombstones and horizon is None:
            return self._rebuilt(header, section, raw, self._now_ms + self._delete_retention_ms)
        return batch if keep_all else self._rebuilt(header, section, raw, horizon)

    def _stays(self, header: BatchHeader, record: RawRecord, *, expired: bool) -> bool:
        offset = header.base_offset + record.offset_delta
        if offset >= self._keys.end:
            return True
        if record.key is None or offset < self._keys.newest(record.key):
            return False
        return record.has_value or not expired

    def _is_needed(self, header: BatchHeader) -> bool:
        if header.next_offset == self._end:
            return True
        last = self._producers.get(header.producer_id) if header.producer_id != NO_PRODUCER_ID else None
        if last is None:
            return False
        if last.offset >= 0:
            return header.last_offset == last.offset
        return header.is_control and header.producer_epoch == last.epoch

    @staticmethod
    def _empty(header: BatchHeader) -> bytes:
        attributes = header.attributes & ~(COMPRESSION_MASK | DELETE_HORIZON_MASK)
        return build_batch(
            header._replace(
                attributes=attributes,
                base_timestamp=NO_TIMESTAMP,
                record_count=0,
                batch_length=HEADER_SIZE - LOG_OVERHEAD,
            ),
            b"",
        )

    @staticmethod
    def _rebuilt(header: BatchHeader, section: bytes, raw: list[RawRecord], horizon: int | None) -> bytes:
        """Write a batch anew with some of its records; a delete horizon takes the place of the base timestamp."""
        base, attributes = header.base_timestamp, header.attributes
        newest = header.max_timestamp
        if not header.is_log_append_time:
            newest = base + max(record.timestamp_delta for record in raw)
        if horizon is not None and header.delete_horizon is None:
            body = b"".join(moved_in_time(section, record, base - horizon) for record in raw)
            base, attributes = horizon, attributes | DELETE_HORIZON_MASK
        else:
            body = b"".join(section[record.start : record.end] for record in raw)
        return build_batch(
            header._replace(attributes=attributes, base_timestamp=base, max_timestamp=newest, record_count=len(raw)),
            body,
        )
