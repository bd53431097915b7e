"""Codecs of record batches by their number in the batch attributes: gzip, snappy, lz4 and zstd, read and written.

Written as Apache Kafka's Java client writes them, read as any client writes them: snappy in the framing of xerial's
library or as one raw block, lz4 frames with independent or linked blocks and whatever checksum their descriptor has,
gzip of several members, zstd with or without its content's size. A batch can claim anything, so nothing is made larger
than a limit: what an input would become is worked out before, or it is stopped on the way.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from kopfka_runtime.errors import KopfkaError

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("none", "gzip", "snappy", "lz4", "zstd")
"""Names as in `compression.type`, at the index that the batch attributes carry."""
NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
DEFAULT_LEVELS = {GZIP: -1, LZ4: 9, ZSTD: 3}
"""Levels of those that have some: defaults of `compression.gzip.level`, `compression.lz4.level` and so on."""
MOST_BYTES = 256 * 1024 * 1024
"""What the records of one batch may become: far more than `max.message.bytes` lets real ones be."""

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_VERSIONS = struct.Struct(">ii")
_XERIAL_HEADER = len(_XERIAL) + _XERIAL_VERSIONS.size
_XERIAL_BLOCK = 32 * 1024
_SIZE = struct.Struct(">i")
_LITTLE_SIZE = struct.Struct("<I")

_LZ4_MAGIC = b"\x04\x22\x4d\x18"
_LZ4_HEADER = _LZ4_MAGIC + b"\x60\x40\x82"
"""Version 1, independent blocks of at most 64 KB, no checksums; and the descriptor's own checksum."""
_LZ4_BLOCK = 64 * 1024
_LZ4_STORED = 0x80000000
_LZ4_FAST = 9
"""Up to this level Kafka takes the fast compressor, above it the high one."""

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_BLOCK = 128 * 1024
_ZSTD_RLE = 1


class CorruptCompressionError(KopfkaError):
    """Compressed records cannot be decompressed, or would become absurdly large."""


def decompress(codec: int, data: bytes | memoryview, limit: int = MOST_BYTES) -> bytes | memoryview:
    """Return the records section of a batch as it was before compression.

    Raises:
        CorruptCompressionError: the data is damaged, would be larger than `limit` bytes, or no codec has that number.
    """
    if codec == NONE:
        return data
    if codec >= len(NAMES):
        raise CorruptCompressionError(f"no compression has the number {codec}")
    try:
        return _DECOMPRESS[codec](bytes(data), limit)
    except CorruptCompressionError:
        raise
    except (zlib.error, ValueError, struct.error, IndexError, OverflowError) as error:
        raise CorruptCompressionError(f"records are not valid {NAMES[codec]}: {error}") from error
    except Exception as error:
        if type(error).__module__.startswith("cramjam"):
            raise CorruptCompressionError(f"records are not valid {NAMES[codec]}: {error}") from error
        raise


def compress(codec: int, data: bytes | memoryview, level: int | None = None) -> bytes | memoryview:
    """Return the records section of a batch in another codec; `level` where the codec has levels.

    Raises:
        ValueError: no codec has that number.
    """
    if codec == NONE:
        return data
    if codec == SNAPPY:
        return _snappy_frames(bytes(data))
    if codec not in DEFAULT_LEVELS:
        raise ValueError(f"no compression has the number {codec}")
    level = DEFAULT_LEVELS[codec] if level is None else level
    if codec == GZIP:
        engine = zlib.compressobj(level, zlib.DEFLATED, _GZIP_WINDOW)
        return engine.compress(data) + engine.flush()
    if codec == LZ4:
        return _lz4_frame(bytes(data), level)
    import cramjam  # noqa: PLC0415 - 20 MB that only those pay whose topics ask for it

    return bytes(cramjam.zstd.compress(bytes(data), level))


def _gunzip(data: bytes, limit: int) -> bytes:
    out: list[bytes] = []
    left = limit
    while data:
        engine = zlib.decompressobj(_GZIP_WINDOW)
        out.append(engine.decompress(data, left + 1))
        left -= len(out[-1])
        if left < 0:
            raise _too_large(GZIP, limit)
        if not engine.eof:
            raise ValueError("the stream is cut")
        data = engine.unused_data
        if not data.startswith(b"\x1f\x8b"):  # as Java's GZIPInputStream: what is no further member is passed over
            break
    return out[0] if len(out) == 1 else b"".join(out)


def _unsnappy(data: bytes, limit: int) -> bytes:
    from cramjam import snappy  # noqa: PLC0415

    out: list[bytes] = []
    left = limit
    for block in _snappy_blocks(data):
        left -= snappy.decompress_raw_len(block)
        if left < 0:
            raise _too_large(SNAPPY, limit)
        out.append(bytes(snappy.decompress_raw(block)))
    return out[0] if len(out) == 1 else b"".join(out)


def _snappy_blocks(data: bytes) -> Iterator[bytes]:
    if not data.startswith(_XERIAL):
        yield data
        return
    at = _XERIAL_HEADER
    while at < len(data):
        if data.startswith(_XERIAL, at):  # streams put one after the other
            at += _XERIAL_HEADER
            continue
        (size,) = _SIZE.unpack_from(data, at)
        at += _SIZE.size
        if size < 0 or at + size > len(data):
            raise ValueError(f"a block of {size} bytes, and {len(data) - at} are there")
        yield data[at : at + size]
        at += size


def _snappy_frames(data: bytes) -> bytes:
    from cramjam import snappy  # noqa: PLC0415

    out = [_XERIAL, _XERIAL_VERSIONS.pack(1, 1)]
    for at in range(0, len(data), _XERIAL_BLOCK):
        block = bytes(snappy.compress_raw(data[at : at + _XERIAL_BLOCK]))
        out += (_SIZE.pack(len(block)), block)
    return b"".join(out)


def _unlz4(data: bytes, limit: int) -> bytes:
    from cramjam import lz4  # noqa: PLC0415

    if not data.startswith(_LZ4_MAGIC):
        raise ValueError("no frame begins here")
    flags, largest = data[4], 1 << (8 + 2 * (data[5] >> 4 & 7))
    # The checksum of the descriptor is passed over, since old clients reckon it over too much: the batch has its own.
    at = 7 + (8 if flags & 0x08 else 0)
    independent, checked = bool(flags & 0x20), 4 if flags & 0x10 else 0
    out: list[bytes] = []
    left = limit
    scratch = bytearray(min(largest, limit + 1))
    while True:
        (size,) = _LITTLE_SIZE.unpack_from(data, at)
        at += 4
        if not size:
            break
        stored, size = bool(size & _LZ4_STORED), size & ~_LZ4_STORED
        block = data[at : at + size]
        if len(block) < size or (stored and size > largest):
            raise ValueError(f"a block of {size} bytes, and {len(block)} are there")
        at += size + checked
        if independent:
            if not stored:
                block = bytes(scratch[: lz4.decompress_block_into(block, scratch, output_len=len(scratch))])
            out.append(block)
            left -= len(block)
        else:  # its blocks refer to each other; a byte of a block becomes at most 255
            left -= size if stored else min(largest, size * 255)
        if left < 0:
            raise _too_large(LZ4, limit)
    return b"".join(out) if independent else bytes(lz4.decompress(data))


def _lz4_frame(data: bytes, level: int) -> bytes:
    from cramjam import lz4  # noqa: PLC0415

    how = {"mode": "default"} if level <= _LZ4_FAST else {"mode": "high_compression", "compression": level}
    out = [_LZ4_HEADER]
    for at in range(0, len(data), _LZ4_BLOCK):
        chunk = data[at : at + _LZ4_BLOCK]
        block = bytes(lz4.compress_block(chunk, store_size=False, **how))
        if len(block) < len(chunk):
            out += (_LITTLE_SIZE.pack(len(block)), block)
        else:
            out += (_LITTLE_SIZE.pack(len(chunk) | _LZ4_STORED), chunk)
    out.append(_LITTLE_SIZE.pack(0))
    return b"".join(out)


def _unzstd(data: bytes, limit: int) -> bytes:
    import cramjam  # noqa: PLC0415

    if _zstd_bound(data, limit) > limit:
        raise _too_large(ZSTD, limit)
    return bytes(cramjam.zstd.decompress(data))


def _zstd_bound(data: bytes, limit: int) -> int:
    """Return what the frames can become at most, by walking their block headers: a block is at most 128 KB."""
    at = bound = 0
    while at < len(data):
        magic = data[at : at + 4]
        if magic != _ZSTD_MAGIC:
            if len(magic) == 4 and magic[1:] == b"\x2a\x4d\x18" and magic[0] >> 4 == 5:  # skippable
                at += 8 + _LITTLE_SIZE.unpack_from(data, at + 4)[0]
                continue
            raise ValueError("no frame begins here")
        flags = data[at + 4]
        single, checksum = flags & 0x20, flags & 0x04
        content = (1 if single else 0, 2, 4, 8)[flags >> 6]
        at += 5 + (0 if single else 1) + (0, 1, 2, 4)[flags & 3] + content
        last = 0
        while not last:
            if at + 3 > len(data):
                raise ValueError("a frame is cut")
            header = int.from_bytes(data[at : at + 3], "little")
            last, kind, size = header & 1, header >> 1 & 3, header >> 3
            at += 3 + (1 if kind == _ZSTD_RLE else size)
            bound += size if kind <= _ZSTD_RLE else _ZSTD_BLOCK
            if bound > limit:
                return bound
        at += 4 if checksum else 0
    return bound


def _too_large(codec: int, limit: int) -> CorruptCompressionError:
    return CorruptCompressionError(f"records in {NAMES[codec]} would be larger than {limit} bytes")


_DECOMPRESS = {GZIP: _gunzip, SNAPPY: _unsnappy, LZ4: _unlz4, ZSTD: _unzstd}
