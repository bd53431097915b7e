"""Codecs of record batches by their number in the batch attributes. gzip is built; the others are refused by name."""

from __future__ import annotations

import zlib

from kopfka_runtime.errors import KopfkaError

NAMES = ("none", "gzip", "snappy", "lz4", "zstd")
"""Names as in `compression.type`, at the index that the batch attributes carry."""

_GZIP = 1
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class UnsupportedCompressionError(KopfkaError):
    """The records are compressed with a codec that this version does not read."""


class CorruptCompressionError(KopfkaError):
    """Compressed records cannot be decompressed."""


def decompress(codec: int, data: bytes | memoryview) -> bytes | memoryview:
    """Return the records section of a batch as it was before compression.

    Raises:
        UnsupportedCompressionError: the codec is not built, or has no name.
        CorruptCompressionError: the data is damaged.
    """
    if codec == 0:
        return data
    if codec == _GZIP:
        try:
            engine = zlib.decompressobj(_GZIP_WINDOW)
            out = engine.decompress(data) + engine.flush()
        except zlib.error as error:
            raise CorruptCompressionError(f"records are not valid gzip: {error}") from error
        if not engine.eof:
            raise CorruptCompressionError("records are not valid gzip: the stream is cut")
        return out
    name = NAMES[codec] if codec < len(NAMES) else f"number {codec}"
    raise UnsupportedCompressionError(f"records are compressed with {name}, which is not read here: none and gzip are")
