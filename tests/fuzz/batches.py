"""Fuzzes record batches: everything that looks into them before they are stored.

    python tests/fuzz/batches.py [options of libFuzzer] CORPUS

The first byte says how they are looked at, and whether lengths and checksums are put right first, so that what lies
behind those is reached. What is wrong is an error of its family, nothing else.
"""

from __future__ import annotations

import struct
import sys

import atheris

with atheris.instrument_imports(include=["kopfka_wire", "kopfka_broker"]):
    from kopfka_broker.storage import LogConfig, StorageError
    from kopfka_broker.storage.config import KEEP_COMPRESSION
    from kopfka_broker.storage.recompression import recompressed
    from kopfka_broker.storage.validation import validate
    from kopfka_wire.batches import (
        CRC_OFFSET,
        HEADER_SIZE,
        LENGTH_OFFSET,
        LOG_OVERHEAD,
        MAGIC,
        MAGIC_OFFSET,
        CorruptBatchError,
        checksum,
        split_batches,
        verify_crc,
    )
    from kopfka_wire.records import decode_batch

_NOW = 1_700_000_000_000
_CONFIGS = (
    LogConfig(),
    LogConfig(cleanup_policy=frozenset({"compact"})),
    LogConfig(message_timestamp_type="LogAppendTime"),
    LogConfig(compression_type=0),
    LogConfig(compression_type=3, cleanup_policy=frozenset({"compact"})),
    LogConfig(message_timestamp_before_max_ms=1000, cleanup_policy=frozenset({"compact", "delete"})),
)
_REPAIR = 0x80


def one_input(data: bytes) -> None:
    """Take one records field of a Produce request."""
    if not data:
        return
    how, records = data[0], bytearray(data[1:])
    if how & _REPAIR and len(records) >= HEADER_SIZE:
        struct.pack_into(">i", records, LENGTH_OFFSET, len(records) - LOG_OVERHEAD)
        records[MAGIC_OFFSET] = MAGIC
        struct.pack_into(">I", records, CRC_OFFSET, checksum(records, 0, len(records)))
    try:
        for position, header in split_batches(records):
            verify_crc(records, position, header)
            for _ in decode_batch(records, position):
                pass
    except CorruptBatchError:
        pass
    config = _CONFIGS[how % len(_CONFIGS)]
    try:
        batches = validate(bytes(records), config, _NOW)
        if config.compression_type != KEEP_COMPRESSION:
            written, again = recompressed(bytes(records), batches, config)
            assert [header.record_count for _, header in again] == [header.record_count for _, header in batches]
            for position, header in again:
                verify_crc(written, position, header)
    except StorageError:
        pass


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
