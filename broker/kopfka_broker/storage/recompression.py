"""Batches in another codec than their producer's, where a topic's `compression.type` asks for it.

The records stay the bytes they are, since a record is the same in every codec: they are checked as Apache Kafka checks
them on this way, and only what is around them is made anew. Batches that are in the wanted codec are not touched,
whatever their level.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kopfka_broker.storage.errors import InvalidRecordError, MessageTooLargeError
from kopfka_broker.storage.validation import raw_records
from kopfka_wire.batches import COMPRESSION_MASK, HEADER_SIZE, CorruptBatchError, read_header
from kopfka_wire.records import build_batch, decode_batch, encode_batch

if TYPE_CHECKING:
    from kopfka_broker.storage.config import LogConfig
    from kopfka_wire.batches import BatchHeader

    Buffer = bytes | bytearray | memoryview


def recompressed(
    records: Buffer, batches: list[tuple[int, BatchHeader]], config: LogConfig
) -> tuple[Buffer, list[tuple[int, BatchHeader]]]:
    """Return the batches of an append in the topic's own codec, and their positions and headers.

    Raises:
        InvalidRecordError: a batch cannot be decompressed, or a record in it contradicts itself.
        MessageTooLargeError: a batch is larger than `max.message.bytes` in this codec.
    """
    codec = config.compression_type
    if all(header.compression == codec for _, header in batches):
        return records, batches
    out: list[Buffer] = []
    found: list[tuple[int, BatchHeader]] = []
    at = 0
    for position, header in batches:
        if header.compression == codec:
            out.append(memoryview(records)[position : position + header.size])
        else:
            try:
                out.append(_reencoded(records, position, header, config))
            except (CorruptBatchError, struct.error) as error:  # headers that are no text, times beyond 64 bits
                raise InvalidRecordError(f"a record contradicts itself: {error}") from error
            header = read_header(out[-1])  # noqa: PLW2901 - the one that counts from here on
            if header.size > config.max_message_bytes:
                raise MessageTooLargeError(
                    f"a batch of {header.size} bytes once compressed, and max.message.bytes is "
                    f"{config.max_message_bytes}"
                )
        found.append((at, header))
        at += header.size
    return b"".join(out), found


def _reencoded(records: Buffer, position: int, header: BatchHeader, config: LogConfig) -> bytes:
    section, raw = raw_records(records, position, header)
    base = header.base_timestamp
    if any(record.offset_delta != index for index, record in enumerate(raw)):
        # offsets are taken from the order of the records, as where Kafka writes a batch anew
        plain = encode_batch(decode_batch(records, position))
        section, base = plain[HEADER_SIZE:], read_header(plain).base_timestamp
    newest = header.base_timestamp + max(record.timestamp_delta for record in raw)
    attributes = header.attributes & ~COMPRESSION_MASK | config.compression_type
    return build_batch(
        header._replace(attributes=attributes, base_timestamp=base, max_timestamp=newest),
        section,
        level=config.compression_level,
    )
