"""Putting batches at their place in a log: offset and leader epoch in the header, the append time where it is wanted.

The bytes of the records are not copied: what comes out is a list of buffers for one vectored write.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kopfka_wire.batches import ATTRIBUTES_OFFSET, HEADER, HEADER_SIZE, MAGIC_OFFSET, TIMESTAMP_TYPE_MASK
from kopfka_wire.checksum import crc32c

if TYPE_CHECKING:
    from kopfka_wire.batches import BatchHeader

    Buffer = bytes | bytearray | memoryview

_PLACE = struct.Struct(">qii")


def place(records: Buffer, batches: list[tuple[int, BatchHeader]], offset: int, leader_epoch: int) -> list[Buffer]:
    """Return the batches with offsets from `offset` on. The checksum does not cover what is changed."""
    view = memoryview(records)
    buffers: list[Buffer] = []
    for position, header in batches:
        buffers.append(_PLACE.pack(offset, header.batch_length, leader_epoch))
        buffers.append(view[position + MAGIC_OFFSET : position + header.size])
        offset += header.last_offset_delta + 1
    return buffers


def place_at_time(
    records: Buffer, batches: list[tuple[int, BatchHeader]], offset: int, leader_epoch: int, now_ms: int
) -> list[Buffer]:
    """As `place`, with the timestamp type LogAppendTime and `now_ms` as every record's time: a new checksum as well."""
    view = memoryview(records)
    buffers: list[Buffer] = []
    for position, header in batches:
        body = view[position + HEADER_SIZE : position + header.size]
        stamped = header._replace(
            base_offset=offset,
            partition_leader_epoch=leader_epoch,
            attributes=header.attributes | TIMESTAMP_TYPE_MASK,
            max_timestamp=now_ms,
        )
        crc = crc32c(body, crc32c(HEADER.pack(*stamped)[ATTRIBUTES_OFFSET:]))
        buffers += (HEADER.pack(*stamped._replace(crc=crc)), body)
        offset += header.last_offset_delta + 1
    return buffers
