"""Records inside a batch (version 2): encoding a batch from records, decoding a batch to records.

For those who look inside: time look-ups, the group coordinator, tests. The path of user data never comes here.
Batches are written uncompressed; reading decompresses what `kopfka_wire.compression` can.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crc32c import crc32c

from kopfka_wire.batches import (
    CONTROL_MASK,
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
from kopfka_wire.compression import CorruptCompressionError, decompress

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
) -> bytes:
    """Encode one uncompressed batch.

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
    attributes = (TRANSACTIONAL_MASK if transactional else 0) | (CONTROL_MASK if control else 0)
    checked = _CHECKED.pack(
        attributes, count - 1, base_timestamp, max_timestamp, producer_id, producer_epoch, base_sequence, count
    )
    crc = crc32c(bytes(body), crc32c(checked))
    length = HEADER_SIZE - LOG_OVERHEAD + len(body)
    return _PREFIX.pack(base_offset, length, leader_epoch, MAGIC, crc) + checked + bytes(body)


def decode_batch(buffer: Buffer, position: int = 0) -> Iterator[Record]:
    """Read the records of the batch that begins at `position`, in their order. The checksum is not looked at.

    Raises:
        CorruptBatchError: the batch or a record contradicts itself.
        UnsupportedCompressionError: the codec is not built.
    """
    header = read_header(buffer, position)
    end = position + header.size
    if end > len(buffer):
        raise CorruptBatchError(
            f"batch at {position} has {header.size} bytes, of which {len(buffer) - position} are there"
        )
    try:
        data = bytes(decompress(header.compression, memoryview(buffer)[position + HEADER_SIZE : end]))
    except CorruptCompressionError as error:
        raise CorruptBatchError(str(error)) from error
    return _decode_records(header, data)


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


def _where(header: BatchHeader) -> str:
    return f"a record of the batch at offset {header.base_offset}"


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
