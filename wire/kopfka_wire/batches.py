"""Headers of record batches, version 2 (KIP-98): read, check and walk them without touching the records inside.

Batches stay opaque bytes between socket and disk; what is inside is the business of `kopfka_wire.records`. Magic 0
and 1 (message sets of before Kafka 0.11) are refused: Apache Kafka 4 neither writes nor accepts them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from kopfka_runtime.errors import KopfkaError
from kopfka_wire.checksum import crc32c

if TYPE_CHECKING:
    from collections.abc import Iterator

    Buffer = bytes | bytearray | memoryview

HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_SIZE = HEADER.size
MAGIC = 2
LENGTH_OFFSET = 8
LOG_OVERHEAD = 12
"""Bytes before those that `batch_length` counts: base offset and length."""
MAGIC_OFFSET = 16
CRC_OFFSET = 17
ATTRIBUTES_OFFSET = 21
"""Where the bytes begin that the checksum covers."""

COMPRESSION_MASK = 0x07
TIMESTAMP_TYPE_MASK = 0x08
TRANSACTIONAL_MASK = 0x10
CONTROL_MASK = 0x20
DELETE_HORIZON_MASK = 0x40

NO_TIMESTAMP = -1
NO_PRODUCER_ID = -1
NO_PRODUCER_EPOCH = -1
NO_SEQUENCE = -1

_MAX_INT = 0x7FFFFFFF
_SMALLEST_LENGTH = HEADER_SIZE - LOG_OVERHEAD
_FRAME = struct.Struct(">qiib")


class CorruptBatchError(KopfkaError):
    """The bytes of a record batch contradict themselves."""


class UnsupportedBatchError(CorruptBatchError):
    """A batch has a format version other than 2."""


def increment_sequence(sequence: int, by: int) -> int:
    """Return the sequence number `by` further on; after 2^31-1 comes 0."""
    return (sequence + by) & _MAX_INT


class BatchHeader(NamedTuple):
    """The 61 bytes before the records, by the names of Kafka's message format. One is made for each batch: a tuple."""

    base_offset: int
    batch_length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return LOG_OVERHEAD + self.batch_length

    @property
    def last_offset(self) -> int:
        """Offset of the last record."""
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        """Offset after the last record."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def compression(self) -> int:
        """Codec of the records: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd."""
        return self.attributes & COMPRESSION_MASK

    @property
    def is_log_append_time(self) -> bool:
        """Whether every record's timestamp is `max_timestamp`, the broker's clock at the append."""
        return bool(self.attributes & TIMESTAMP_TYPE_MASK)

    @property
    def is_transactional(self) -> bool:
        """Whether the batch is part of a transaction."""
        return bool(self.attributes & TRANSACTIONAL_MASK)

    @property
    def is_control(self) -> bool:
        """Whether the batch holds a marker (commit or abort) instead of a user's records."""
        return bool(self.attributes & CONTROL_MASK)

    @property
    def delete_horizon(self) -> int | None:
        """When its tombstones or its marker may go: set by log compaction in place of the base timestamp (KIP-534)."""
        return self.base_timestamp if self.attributes & DELETE_HORIZON_MASK else None

    @property
    def last_sequence(self) -> int:
        """Sequence number of the last record, -1 where there is no producer id."""
        if self.base_sequence == NO_SEQUENCE:
            return NO_SEQUENCE
        return increment_sequence(self.base_sequence, self.last_offset_delta)


def read_header(buffer: Buffer, position: int = 0) -> BatchHeader:
    """Read the header that begins at `position`; the records after it need not be in the buffer.

    Raises:
        UnsupportedBatchError: the format version is not 2.
        CorruptBatchError: the buffer ends inside the header, or a field has an impossible value.
    """
    try:
        header = BatchHeader._make(HEADER.unpack_from(buffer, position))
    except struct.error:
        if len(buffer) - position > MAGIC_OFFSET and buffer[position + MAGIC_OFFSET] != MAGIC:
            raise UnsupportedBatchError(_unsupported(_FRAME.unpack_from(buffer, position)[3])) from None
        raise CorruptBatchError(
            f"{max(0, len(buffer) - position)} bytes at {position} are too few for a batch header of {HEADER_SIZE}"
        ) from None
    if header.magic != MAGIC:
        raise UnsupportedBatchError(_unsupported(header.magic))
    if header.batch_length < _SMALLEST_LENGTH:
        raise CorruptBatchError(f"batch length {header.batch_length} at {position} is below {_SMALLEST_LENGTH}")
    if header.base_offset < 0 or header.last_offset_delta < 0 or header.record_count < 0:
        raise CorruptBatchError(
            f"batch at {position} has base offset {header.base_offset}, last offset delta {header.last_offset_delta}, "
            f"{header.record_count} records"
        )
    return header


def split_batches(buffer: Buffer) -> Iterator[tuple[int, BatchHeader]]:
    """Walk the whole batches of a buffer: the position and the header of each.

    Raises:
        CorruptBatchError: a header is impossible, or the last batch is cut.
    """
    position, end = 0, len(buffer)
    while position < end:
        header = read_header(buffer, position)
        if position + header.size > end:
            raise _cut(buffer, position, header)
        yield position, header
        position += header.size


def checksum(buffer: Buffer, position: int, size: int) -> int:
    """Return the CRC-32C of the batch of `size` bytes that begins at `position`."""
    with memoryview(buffer) as whole, whole[position + ATTRIBUTES_OFFSET : position + size] as covered:
        return crc32c(covered)


def verify_crc(buffer: Buffer, position: int, header: BatchHeader) -> None:
    """Check the batch that begins at `position` against its checksum.

    Raises:
        CorruptBatchError: they differ, or the batch is cut.
    """
    if len(buffer) - position < header.size:
        raise CorruptBatchError(
            f"batch at {position} has {header.size} bytes, of which {len(buffer) - position} are there"
        )
    found = checksum(buffer, position, header.size)
    if found != header.crc:
        raise CorruptBatchError(
            f"batch at {position} (base offset {header.base_offset}) has checksum {found:#010x}, "
            f"its header says {header.crc:#010x}"
        )


def _cut(buffer: Buffer, position: int, header: BatchHeader) -> CorruptBatchError:
    there = len(buffer) - position
    return CorruptBatchError(f"batch at {position} has {header.size} bytes, of which {there} are there")


def _unsupported(magic: int) -> str:
    return f"record batch format version {magic} is not supported: clients since Kafka 0.11 write version {MAGIC}"
