"""Produce requests that repeat: what a producer sends to a partition differs in correlation id, size and records only.

An `Outline` holds the bytes that stay, so that a request like it is known by comparing them and need not be read again.
Only requests of one batch, without tagged fields behind it, have one.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from kopfka_wire.produce import FIRST_FLEXIBLE, PartitionResult, write_produce_response
from kopfka_wire.writing import unsigned_varint

if TYPE_CHECKING:
    from kopfka_wire.produce import ProduceRequest, TopicKey

FIRST_OUTLINED: Final = 7
"""The first version with an outline: of those before, answers have another form, and zstd is not known."""
BEFORE_CORRELATION: Final = 4
AFTER_CORRELATION: Final = 8
"""Where in a request the bytes are, API key and version, and then client id and body, around the correlation id."""
_INT32 = struct.Struct(">i")
_OFFSETS = struct.Struct(">qqq")
_NO_TIME: Final = -1
_TAGS = b"\0\0\0"  # of partition, topic and request, each empty


class Outline(NamedTuple):
    """What stays the same, and how the answer is made."""

    head: bytes
    """API key and version."""
    body: bytes
    """From the client id to where the size of the records is."""
    tail: bytes
    """Behind the records."""
    before: bytes
    """Of the answer's body, what stands before the base offset, and behind the log start offset."""
    after: bytes

    @property
    def size_at(self) -> int:
        """Where in a request the size of the records is."""
        return AFTER_CORRELATION + len(self.body)

    def answer(self, base_offset: int, log_start_offset: int) -> bytes:
        """Return the body of the answer to an append that went well."""
        return b"".join((self.before, _OFFSETS.pack(base_offset, _NO_TIME, log_start_offset), self.after))

    def header(self, frame: bytearray) -> bytes:
        """Return the header of the answer to this request."""
        correlation_id = bytes(frame[BEFORE_CORRELATION:AFTER_CORRELATION])
        return correlation_id + b"\0" if self.tail else correlation_id

    def records(self, frame: bytearray) -> tuple[int, int] | None:
        """Return where the records of a request like this one are, and how many bytes; None where it is not like it.

        Looks at what stands behind `body` only; that `head` and `body` are the same is the caller's to see.
        """
        start, size = self.size_at, 0
        end = len(frame) - len(self.tail)
        if not self.tail:
            if end < start + 4:
                return None
            (size,) = _INT32.unpack_from(frame, start)
            start += 4
        else:
            shift = 0
            while True:
                if start >= end or shift > 28:
                    return None
                byte = frame[start]
                start += 1
                size |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
                shift += 7
            size -= 1
        if size < 0 or start + size != end or not frame.endswith(self.tail):
            return None
        return start, size


def outline(frame: memoryview, version: int, request: ProduceRequest) -> Outline | None:
    """Return the outline of a request that was read from `frame`, None where it has none."""
    if version < FIRST_OUTLINED or len(request.topics) != 1 or len(request.topics[0][1]) != 1:
        return None
    topic, ((index, records),) = request.topics[0]
    if records is None:
        return None
    size = len(records)
    flexible = version >= FIRST_FLEXIBLE
    tail, announced = (_TAGS, unsigned_varint(size + 1)) if flexible else (b"", _INT32.pack(size))
    size_at = len(frame) - len(tail) - size - len(announced)
    # what has tagged fields, or bytes behind its end, does not have these bytes in these places
    if frame[len(frame) - len(tail) :] != tail or frame[size_at : size_at + len(announced)] != announced:
        return None
    before, after = _answer(version, topic, index)
    return Outline(
        bytes(frame[:BEFORE_CORRELATION]), bytes(frame[AFTER_CORRELATION:size_at]), tail, before, after
    )  # fmt: skip


def _answer(version: int, topic: TopicKey, index: int) -> tuple[bytes, bytes]:
    """Return what stands before and behind the three numbers that each answer has of its own."""
    one, other = (
        write_produce_response(version, [(topic, [PartitionResult(index, 0, filled, filled, filled)])])
        for filled in (0, -1)
    )
    differs = [at for at, (first, second) in enumerate(zip(one, other, strict=True)) if first != second]
    return one[: differs[0]], one[differs[-1] + 1 :]
