"""Transactions in a log's files: the markers that end them, and the index of the aborted ones (`.txnindex`, KIP-98).

What is open, and who may write, is known to `producers.py`; nothing here reads or writes a log file. An entry of the
index is in its file before the marker it speaks of is in the log, so that a kill between the two leaves an entry too
many, which recovery sees and drops, and never a marker that readers would not hear of.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_left, insort
from typing import TYPE_CHECKING, NamedTuple

from kopfka_broker.storage.errors import KafkaStorageError
from kopfka_broker.storage.segment import TXN_INDEX_SUFFIX, offset_name
from kopfka_wire.records import Record, decode_batch, encode_batch

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kopfka_broker.storage.log import PartitionLog
    from kopfka_wire.batches import BatchHeader, Buffer

_VERSION = 0
_KEY = struct.Struct(">hh")
_VALUE = struct.Struct(">hi")
_ABORT = 0
_COMMIT = 1
_ENTRY = struct.Struct(">hqqqq")


class Marker(NamedTuple):
    """What a control batch says: who ended the transaction of which producer, and how."""

    producer_id: int
    producer_epoch: int
    coordinator_epoch: int
    commit: bool


class AbortedTransaction(NamedTuple):
    """A transaction whose records no reader of committed records may see."""

    producer_id: int
    first_offset: int
    last_offset: int
    """Where its marker is."""
    last_stable_offset: int
    """What the last stable offset was once the marker was written."""


def encode_marker(marker: Marker, now_ms: int) -> bytes:
    """Return the control batch that ends a transaction, as Kafka's EndTransactionMarker is written."""
    key = _KEY.pack(_VERSION, _COMMIT if marker.commit else _ABORT)
    value = _VALUE.pack(_VERSION, marker.coordinator_epoch)
    return encode_batch(
        [Record(0, now_ms, key, value)],
        producer_id=marker.producer_id,
        producer_epoch=marker.producer_epoch,
        transactional=True,
        control=True,
    )


def decode_marker(header: BatchHeader, batch: Buffer) -> Marker | None:
    """Read a control batch; None where it ends no transaction (it is of another kind, or the cleaner emptied it).

    Raises:
        CorruptBatchError: the batch contradicts itself.
    """
    for record in decode_batch(batch):
        key, value = record.key or b"", record.value or b""
        if len(key) < _KEY.size or len(value) < _VALUE.size:
            return None
        kind = _KEY.unpack_from(key)[1]
        if kind not in (_ABORT, _COMMIT):
            return None
        epoch: int = _VALUE.unpack_from(value)[1]
        return Marker(header.producer_id, header.producer_epoch, epoch, kind == _COMMIT)
    return None


class AbortedTransactions:
    """The aborted transactions of one log, by the segment that holds their marker. Most logs have none."""

    __slots__ = ("_bases", "_directory", "_indexes")

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._indexes: dict[int, _TransactionIndex] = {}
        self._bases: list[int] = []

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self._bases)

    def path(self, base_offset: int) -> Path:
        """Return the index file of the segment that begins at `base_offset`."""
        return self._directory / offset_name(base_offset, TXN_INDEX_SUFFIX)

    def load(self, bases: Iterable[int]) -> int | None:
        """Take the files of these segments; returns the base offset of the first one that is damaged, or None.

        Raises:
            OSError: the disk failed.
        """
        damaged = None
        for base in sorted(bases):
            index = _TransactionIndex(self.path(base))
            if not index.open(base) and damaged is None:
                damaged = base
            if index.count:
                self._put(base, index)
        return damaged

    def add(self, base_offset: int, entry: AbortedTransaction) -> Path:
        """Write an entry for the segment at `base_offset`, and return the file, which the next sync is to cover.

        Raises:
            KafkaStorageError: the disk is full or failed; there is no new entry.
        """
        index = self._indexes.get(base_offset) or _TransactionIndex(self.path(base_offset))
        index.append(entry)
        if base_offset not in self._indexes:
            self._put(base_offset, index)
        return index.path

    def take_back(self, base_offset: int) -> None:
        """Forget the entry that was added last: its marker could not be written."""
        index = self._indexes[base_offset]
        index.truncate(index.count - 1)
        if not index.count:
            self.forget(base_offset)

    def truncate(self, offset: int) -> None:
        """Forget transactions whose marker is at `offset` or above."""
        for base in list(self._bases):
            index = self._indexes[base]
            keep = bisect_left(index.entries, offset, key=lambda entry: entry.last_offset)
            if keep < index.count:
                index.truncate(keep)
            if not keep:
                self.forget(base)

    def forget(self, base_offset: int) -> None:
        """Forget a segment that is no longer part of the log; its files are left to the caller."""
        if self._indexes.pop(base_offset, None) is not None:
            self._bases.remove(base_offset)

    def reload(self, base_offset: int) -> None:
        """Take the file of one segment anew, after the cleaner has replaced it. May raise OSError."""
        self.forget(base_offset)
        self.load([base_offset])

    def entries(self, base_offset: int) -> list[AbortedTransaction]:
        """Return the entries of one segment, oldest marker first."""
        index = self._indexes.get(base_offset)
        return list(index.entries) if index is not None else []

    def collect(self, from_offset: int, to_offset: int) -> list[AbortedTransaction]:
        """Return those with records from `from_offset` on and below `to_offset`, by their markers' offsets."""
        found: list[AbortedTransaction] = []
        for base in self._bases:
            entries = self._indexes[base].entries
            first = bisect_left(entries, from_offset, key=lambda entry: entry.last_offset)
            for entry in entries[first:]:
                if entry.first_offset < to_offset:
                    found.append(entry)
                if entry.last_stable_offset >= to_offset:  # all that follow began at or above it
                    return found
        return found

    def release(self) -> None:
        """Give memory back; the files are read again at the next use."""
        for index in self._indexes.values():
            index.release()

    def _put(self, base_offset: int, index: _TransactionIndex) -> None:
        self._indexes[base_offset] = index
        insort(self._bases, base_offset)


class _TransactionIndex:
    """One `.txnindex` file: entries of 34 bytes, in the order of the markers."""

    __slots__ = ("_entries", "count", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._entries: list[AbortedTransaction] | None = []

    @property
    def entries(self) -> list[AbortedTransaction]:
        if self._entries is None:
            self._entries = _read(self.path)[: self.count]
        return self._entries

    def open(self, base_offset: int) -> bool:
        """Take the file up to the first entry that makes no sense; False where there is such an entry."""
        data = self.path.read_bytes() if self.path.exists() else b""
        entries: list[AbortedTransaction] = []
        last = base_offset - 1
        for version, *fields in _ENTRY.iter_unpack(data[: len(data) - len(data) % _ENTRY.size]):
            entry = AbortedTransaction(*fields)
            if version < _VERSION or not (0 <= entry.first_offset <= entry.last_offset and entry.last_offset > last):
                break
            entries.append(entry)
            last = entry.last_offset
        self._entries, self.count = entries, len(entries)
        return len(data) == len(entries) * _ENTRY.size

    def append(self, entry: AbortedTransaction) -> None:
        try:
            self._write(_ENTRY.pack(_VERSION, *entry))
        except OSError as error:
            raise KafkaStorageError(f"cannot write {self.path}: {error.strerror}") from error
        self.entries.append(entry)
        self.count += 1

    def truncate(self, keep: int) -> None:
        """Keep the oldest `keep` entries. A file that cannot be cut now is cut by the next write to it, or by recovery,
        which knows where the log ends.
        """
        del self.entries[keep:]
        self.count = keep
        try:
            self._write(b"")
        except OSError:
            return

    def release(self) -> None:
        self._entries = None

    def _write(self, data: bytes) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            position = self.count * _ENTRY.size
            os.ftruncate(descriptor, position)
            while data:
                written = os.pwrite(descriptor, data, position)
                data, position = data[written:], position + written
        finally:
            os.close(descriptor)


def write_index(path: Path, entries: Iterable[AbortedTransaction]) -> None:
    """Write the index file of a segment that was made anew. May raise OSError."""
    path.write_bytes(b"".join(_ENTRY.pack(_VERSION, *entry) for entry in entries))


def fetch_upper_bound(log: PartitionLog, offset: int, size: int) -> int:
    """Return the offset up to which a read of `size` bytes from `offset` on may reach, by the sparse index.

    It is the first indexed offset behind what was read, as in Kafka, whose list of aborted transactions it bounds.
    """
    segment, position = log.place_of(offset)
    entries = segment.index.entries
    at = bisect_left(entries, position + size, key=lambda entry: entry & 0xFFFFFFFF)
    if at < len(entries):
        return segment.base_offset + (entries[at] >> 32)
    following = log.segment_at(segment.base_offset) + 1
    return log.segments[following].base_offset if following < len(log.segments) else log.log_end_offset


def _read(path: Path) -> list[AbortedTransaction]:
    try:
        data = path.read_bytes()
        whole = data[: len(data) - len(data) % _ENTRY.size]
        return [AbortedTransaction(*fields) for _, *fields in _ENTRY.iter_unpack(whole)]
    except OSError as error:
        raise KafkaStorageError(f"cannot read {path}: {error.strerror}") from error
