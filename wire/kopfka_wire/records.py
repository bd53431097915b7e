"""Records inside a batch (version 2): encoding a batch from records, decoding a batch to records.

For those who look inside: time look-ups, the coordinators, the log cleaner, topics that ask for another compression,
tests. The path of plain user data never comes here. Who needs no more than keys and places walks the raw records
(`walk_records`), who needs all decodes them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from kopfka_wire.batches import (
    ATTRIBUTES_OFFSET,
    CONTROL_MASK,
    CRC_OFFSET,
    HEADER,
    HEADER_SIZE,
    LOG_OVERHEAD,
    MAGIC,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    NO_TIMESTAMP,
    TRANSACTIONAL_MASK,
    CorruptBatchError,
    read_header,
)
from kopfka_wire.checksum import crc32c
from kopfka_wire.compression import CorruptCompressionError, compress, decompress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kopfka_wire.batches import BatchHeader, Buffer

_CHECKED = struct.Struct(">hiqqqhii")
_PREFIX = struct.Struct(">qiibI")


@dataclass(frozen=True, slots=True)
class Record:
    """One record as its reader sees it; `offset` and `timestamp` are absolute."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class RawRecord(NamedTuple):
    """A record as it lies in the records section of a batch: what tells it apart, and where its bytes are."""

    start: int
    """Where its length begins."""
    rest: int
    """Where its offset delta begins, behind length, attributes and timestamp delta."""
    end: int
    timestamp_delta: int
    offset_delta: int
    key: bytes | None
    has_value: bool


def encode_batch(
    records: Iterable[Record],
    *,
    base_offset: int = 0,
    timestamp: int = NO_TIMESTAMP,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
    leader_epoch: int = 0,
    transactional: bool = False,
    control: bool = False,
    compression: int = 0,
) -> bytes:
    """Encode one batch, in the codec that `compression` is the number of.

    Records take the offsets from `base_offset` on, in their order; their own `offset` is not looked at, since a batch
    that is produced has none yet. A record whose timestamp is -1 gets `timestamp`.

    Raises:
        ValueError: there are no records.
    """
    body = bytearray()
    base_timestamp: int | None = None
    max_timestamp = NO_TIMESTAMP
    count = 0
    for record in records:
        moment = timestamp if record.timestamp == NO_TIMESTAMP else record.timestamp
        if base_timestamp is None:
            base_timestamp = moment
        max_timestamp = max(max_timestamp, moment)
        encoded = _encode_record(record, moment - base_timestamp, count)
        _write_varint(body, len(encoded))
        body += encoded
        count += 1
    if base_timestamp is None:
        raise ValueError("a batch holds at least one record")
    attributes = (TRANSACTIONAL_MASK if transactional else 0) | (CONTROL_MASK if control else 0) | compression
    section = bytes(compress(compression, bytes(body)))
    checked = _CHECKED.pack(
        attributes, count - 1, base_timestamp, max_timestamp, producer_id, producer_epoch, base_sequence, count
    )
    crc = crc32c(section, crc32c(checked))
    length = HEADER_SIZE - LOG_OVERHEAD + len(section)
    return _PREFIX.pack(base_offset, length, leader_epoch, MAGIC, crc) + checked + section


def decode_batch(buffer: Buffer, position: int = 0) -> Iterator[Record]:
    """Read the records of the batch that begins at `position`, in their order. The checksum is not looked at.

    Raises:
        CorruptBatchError: the batch or a record contradicts itself.
    """
    header = read_header(buffer, position)
    return _decode_records(header, records_section(buffer, position, header))


def records_section(buffer: Buffer, position: int, header: BatchHeader) -> bytes:
    """Return what follows the header of the batch at `position`, decompressed.

    Raises:
        CorruptBatchError: the batch is cut, or cannot be decompressed.
    """
    end = position + header.size
    if end > len(buffer):
        raise CorruptBatchError(
            f"batch at {position} has {header.size} bytes, of which {len(buffer) - position} are there"
        )
    try:
        return bytes(decompress(header.compression, memoryview(buffer)[position + HEADER_SIZE : end]))
    except CorruptCompressionError as error:
        raise CorruptBatchError(str(error)) from error


def walk_records(section: bytes, count: int) -> Iterator[RawRecord]:
    """Read keys, deltas and places of the records in a batch's section, without making anything of the rest.

    Raises:
        CorruptBatchError: a record contradicts itself, or there are more or fewer than `count`.
    """
    at, size = 0, len(section)
    try:
        for _ in range(count):
            start = at
            length, at = _read_varint(section, at)
            end = at + length
            if length < 0 or end > size:
                raise CorruptBatchError(f"a record of {length} bytes in a batch whose records have {size}")
            timestamp_delta, rest = _read_varint(section, at + 1)
            offset_delta, at = _read_varint(section, rest)
            length = section[at]
            if length < 0x80 and not length & 1:  # a key of at most 63 bytes
                at += 1
                key: bytes | None = section[at : at + (length >> 1)]
                at += length >> 1
            else:
                key, at = _read_bytes(section, at)
            length, at = _read_varint(section, at)
            has_value = length >= 0
            at += max(length, 0)
            headers = section[at]
            at += 1
            if headers:
                at = _skip_headers(section, at - 1)
            if at != end:
                raise CorruptBatchError(f"a record does not fill its {end - start} bytes")
            yield RawRecord(start, rest, end, timestamp_delta, offset_delta, key, has_value)
    except IndexError as error:
        raise CorruptBatchError("a record is cut") from error
    if at != size:
        raise CorruptBatchError(f"{size - at} bytes after the last record")


def moved_in_time(section: bytes, record: RawRecord, by: int) -> bytes:
    """Return a raw record with a timestamp delta that is `by` larger; nothing else of it changes."""
    body = bytearray(b"\0")
    _write_varint(body, record.timestamp_delta + by)
    body += section[record.rest : record.end]
    out = bytearray()
    _write_varint(out, len(body))
    return bytes(out + body)


def build_batch(header: BatchHeader, section: bytes | memoryview, *, level: int | None = None) -> bytes:
    """Return a batch with the fields of `header` and these records, compressed as its attributes say.

    Length and checksum are reckoned anew.
    """
    body = compress(header.compression, section, level)
    sized = header._replace(batch_length=HEADER_SIZE - LOG_OVERHEAD + len(body))
    packed = HEADER.pack(*sized)
    crc = crc32c(body, crc32c(packed[ATTRIBUTES_OFFSET:]))
    return b"".join((packed[:CRC_OFFSET], crc.to_bytes(4, "big"), packed[ATTRIBUTES_OFFSET:], body))


def _decode_records(header: BatchHeader, data: bytes) -> Iterator[Record]:
    at = 0
    for _ in range(header.record_count):
        try:
            length, at = _read_varint(data, at)
            end = at + length
            if length < 0 or end > len(data):
                raise CorruptBatchError(f"a record of {length} bytes in a batch whose records have {len(data)}")
            record, stop = _decode_record(header, data, at)
        except (IndexError, UnicodeDecodeError) as error:
            raise CorruptBatchError(
                f"a record of the batch at offset {header.base_offset} is cut or malformed"
            ) from error
        if stop != end:
            raise CorruptBatchError(
                f"a record of the batch at offset {header.base_offset} does not fill its {length} bytes"
            )
        at = end
        yield record
    if at != len(data):
        raise CorruptBatchError(
            f"{len(data) - at} bytes after the last record of the batch at offset {header.base_offset}"
        )


def _skip_headers(section: bytes, at: int) -> int:
    count, at = _read_varint(section, at)
    if count < 0:
        raise CorruptBatchError(f"a record with {count} headers")
    for _ in range(count):
        length, at = _read_varint(section, at)
        if length < 0:
            raise CorruptBatchError("a record header without a name")
        at += length
        length, at = _read_varint(section, at)
        at += max(length, 0)
    return at


def _decode_record(header: BatchHeader, data: bytes, at: int) -> tuple[Record, int]:
    timestamp_delta, at = _read_varint(data, at + 1)  # the byte before: attributes, unused in version 2
    offset_delta, at = _read_varint(data, at)
    key, at = _read_bytes(data, at)
    value, at = _read_bytes(data, at)
    count, at = _read_varint(data, at)
    if count < 0:
        raise CorruptBatchError(f"a record with {count} headers")
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(count):
        name, at = _read_bytes(data, at)
        if name is None:
            raise CorruptBatchError("a record header without a name")
        content, at = _read_bytes(data, at)
        headers.append((name.decode(), content))
    timestamp = header.max_timestamp if header.is_log_append_time else header.base_timestamp + timestamp_delta
    return Record(header.base_offset + offset_delta, timestamp, key, value, tuple(headers)), at


def _encode_record(record: Record, timestamp_delta: int, offset_delta: int) -> bytes:
    out = bytearray(b"\0")
    _write_varint(out, timestamp_delta)
    _write_varint(out, offset_delta)
    _write_bytes(out, record.key)
    _write_bytes(out, record.value)
    _write_varint(out, len(record.headers))
    for name, content in record.headers:
        _write_bytes(out, name.encode())
        _write_bytes(out, content)
    return bytes(out)


def _write_varint(out: bytearray, value: int) -> None:
    value = value << 1 if value >= 0 else (~value << 1) | 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = data[at]
    if value < 0x80:
        return (value >> 1) ^ -(value & 1), at + 1
    shift = value = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise CorruptBatchError("a variable-length number has more than 10 bytes")
    return (value >> 1) ^ -(value & 1), at


def _write_bytes(out: bytearray, value: bytes | None) -> None:
    if value is None:
        _write_varint(out, -1)
    else:
        _write_varint(out, len(value))
        out += value


def _read_bytes(data: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = _read_varint(data, at)
    if length < 0:
        return None, at
    end = at + length
    if end > len(data):
        raise IndexError
    return data[at:end], end
