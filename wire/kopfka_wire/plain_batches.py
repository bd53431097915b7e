"""Batches about which there is nothing to be said: looked at once, checked, and put in their place where they are.

Whatever is not plain (another format, a flag in the attributes, a header that contradicts itself, a wrong checksum) is
left to those who find out what it is.
"""

from __future__ import annotations

import struct
from typing import Final

from kopfka_wire.batches import ATTRIBUTES_OFFSET, HEADER, HEADER_SIZE, LOG_OVERHEAD, MAGIC
from kopfka_wire.checksum import crc32c
from kopfka_wire.compression import ZSTD

_PLACE = struct.Struct(">qii")
_LAST_CODEC: Final = ZSTD

Placed = tuple[int, int, int, int, int]
"""Last offset delta, largest timestamp, producer id and epoch, base sequence."""


def place(batch: memoryview, first_offset: int, leader_epoch: int, latest: int) -> Placed | None:
    """Give one batch, all of `batch`, its offset and leader epoch in a log.

    Args:
        batch: its bytes, which are changed where they are.
        first_offset: of its first record.
        leader_epoch: of the partition.
        latest: the largest timestamp a record may have.

    Returns:
        What its header says; None, with nothing done, where it is not plain.
    """
    size = len(batch)
    if size < HEADER_SIZE:
        return None
    (
        base_offset, length, _, magic, crc, attributes, delta,
        _, max_timestamp, producer_id, epoch, sequence, count,
    ) = HEADER.unpack_from(batch)  # fmt: skip
    if (
        magic != MAGIC
        or length != size - LOG_OVERHEAD
        or base_offset < 0
        or delta < 0
        or count != delta + 1
        or not 0 <= attributes <= _LAST_CODEC  # any of the flags is for the closer look
        or max_timestamp > latest
        or crc32c(batch[ATTRIBUTES_OFFSET:]) != crc
    ):
        return None
    _PLACE.pack_into(batch, 0, first_offset, length, leader_epoch)
    return delta, max_timestamp, producer_id, epoch, sequence
