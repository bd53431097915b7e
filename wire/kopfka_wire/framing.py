"""Frames: cuts a stream of bytes into messages by the four bytes of size before each. Knows no socket and no message.

Made for a reader that asks where to put the next bytes (`asyncio.BufferedProtocol`): once a large message is known to
come, its bytes go straight into its own buffer. Memory is reserved as bytes arrive; a size that was only announced
costs nothing.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from kopfka_wire.errors import FrameTooLargeError

if TYPE_CHECKING:
    from collections.abc import MutableSequence

FIRST_RESERVE: Final = 1024 * 1024
"""Bytes reserved at once for a message whose size is above that; four times as many each time they are used up."""
_SIZE = struct.Struct(">i")


class FrameReader:
    """The receiving side of one connection.

    `scratch` is where bytes go that are not the rest of a known message. It may be shared by all connections of an
    event loop, since nothing stays in it. `largest` may change between messages.
    """

    __slots__ = ("_filled", "_frame", "_part", "_scratch", "_size", "largest")

    def __init__(self, scratch: memoryview, largest: int) -> None:
        self._scratch = scratch
        self.largest = largest
        self._part = bytearray()  # the size before a frame, or as much of it as has come
        self._frame: bytearray | None = None
        self._size = 0
        self._filled = 0

    @property
    def begun(self) -> int:
        """The size of the message that has come in part, 0 where none has."""
        return 0 if self._frame is None else self._size

    def space(self) -> memoryview:
        """Return where the next bytes are to go."""
        frame = self._frame
        if frame is None:
            return self._scratch
        if self._filled == len(frame):
            grown = bytearray(min(self._size, 4 * len(frame)))
            grown[: self._filled] = frame
            self._frame = frame = grown
        return memoryview(frame)[self._filled :]

    def take(self, count: int, into: MutableSequence[bytearray]) -> None:
        """Take `count` bytes that were put into `space()`, and append the messages they complete, without their size.

        Raises:
            FrameTooLargeError: a size is negative or above the largest; nothing more can be read from this stream.
        """
        if self._frame is None:
            self._cut(self._scratch[:count], into)
            return
        self._filled += count
        if self._filled == self._size:
            into.append(self._frame)
            self._frame = None

    def _cut(self, data: memoryview, into: MutableSequence[bytearray]) -> None:
        position, end = 0, len(data)
        while position < end:
            part = self._part
            if part or end - position < _SIZE.size:
                missing = data[position : position + _SIZE.size - len(part)]
                part += missing
                position += len(missing)
                if len(part) < _SIZE.size:
                    return
                (size,) = _SIZE.unpack(part)
                part.clear()
            else:
                (size,) = _SIZE.unpack_from(data, position)
                position += _SIZE.size
            if size < 0 or size > self.largest:
                raise FrameTooLargeError(
                    f"a request of {size} bytes was announced; from 0 to {self.largest} are taken "
                    "(socket.request.max.bytes)"
                )
            body = data[position : position + size]
            position += len(body)
            if len(body) == size:
                into.append(bytearray(body))
            else:
                frame = bytearray(min(size, max(FIRST_RESERVE, len(body))))
                frame[: len(body)] = body
                self._frame, self._size, self._filled = frame, size, len(body)
