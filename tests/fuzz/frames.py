"""Fuzzes what comes first from a socket: frames, headers of requests, and the reader of every request there is.

    python tests/fuzz/frames.py [options of libFuzzer] CORPUS

The first byte says in what pieces the stream arrives. Bytes are a request or a `WireError`, nothing else; a request
that was read is written, and read again, as the same.
"""

from __future__ import annotations

import sys
from collections import deque

import atheris

with atheris.instrument_imports(include=["kopfka_wire"]):
    from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
    from kopfka_wire.codec import codec, read_request_header
    from kopfka_wire.errors import WireError
    from kopfka_wire.fetch_request import read_fetch
    from kopfka_wire.framing import FrameReader
    from kopfka_wire.produce import read_produce

_LARGEST = 1 << 20


def one_input(data: bytes) -> None:
    """Take one stream."""
    if not data:
        return
    try:
        for frame in _frames(data[1:], data[0] + 1):
            _request(memoryview(frame))
    except WireError:
        return


def _frames(stream: bytes, most: int) -> deque[bytearray]:
    frames: deque[bytearray] = deque()
    reader = FrameReader(memoryview(bytearray(256)), _LARGEST)
    position = 0
    while position < len(stream):
        space = reader.space()
        piece = stream[position : position + min(most, len(space))]
        space[: len(piece)] = piece
        reader.take(len(piece), frames)
        position += len(piece)
    return frames


def _request(frame: memoryview) -> None:
    header = read_request_header(frame)
    if header.api_key not in KAFKA_VERSIONS or not KAFKA_VERSIONS[ApiKey(header.api_key)].holds(header.api_version):
        return
    if header.api_key == ApiKey.PRODUCE and header.api_version < 3:
        return
    form = codec(header.api_key, header.api_version)
    position = form.skip_header_tags(frame, header.end)
    if header.api_key == ApiKey.PRODUCE:
        read_produce(frame, position, header.api_version)
        return
    if header.api_key == ApiKey.FETCH:
        read_fetch(frame, position, header.api_version)
    request = form.read_request(frame, position)
    try:
        written = form.write_request(request, header.correlation_id, header.client_id)
    except (ValueError, OverflowError, TypeError):
        return  # kio reads what it does not write: some times, and null in some tags
    again = read_request_header(written)
    read = form.read_request(memoryview(written), form.skip_header_tags(written, again.end))
    assert form.write_request(read, again.correlation_id, again.client_id) == written


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
