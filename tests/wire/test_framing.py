"""Frames: whatever pieces a stream comes in, the same messages come out."""

from __future__ import annotations

import struct
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kopfka_wire.errors import FrameTooLargeError
from kopfka_wire.framing import FIRST_RESERVE, FrameReader


def feed(reader: FrameReader, data: bytes, pieces) -> list[bytes]:
    """Put `data` into the reader's space in pieces of at most the sizes given, and return the messages."""
    found: deque[bytearray] = deque()
    position = 0
    for size in pieces:
        space = reader.space()
        piece = data[position : position + min(size, len(space))]
        if not piece:
            break
        space[: len(piece)] = piece
        reader.take(len(piece), found)
        position += len(piece)
    assert position == len(data)
    return [bytes(each) for each in found]


def endless(sizes):
    while True:
        yield from sizes


@given(
    st.lists(st.binary(max_size=100) | st.integers(100, 5000).map(bytes), max_size=8),
    st.lists(st.integers(1, 300), min_size=1, max_size=10),
    st.integers(1, 200),
)
@settings(max_examples=300, deadline=None)
def test_any_pieces_give_the_same_messages(messages, pieces, scratch):
    data = b"".join(struct.pack(">i", len(each)) + each for each in messages)
    assert feed(FrameReader(memoryview(bytearray(scratch)), 10_000), data, endless(pieces)) == messages


def test_readers_may_share_their_scratch():
    scratch = memoryview(bytearray(64))
    first, second = FrameReader(scratch, 1000), FrameReader(scratch, 1000)
    assert feed(first, b"\0\0\0\x06abc", [99]) == []
    assert feed(second, b"\0\0", [99]) == []
    assert feed(first, b"def", [99]) == [b"abcdef"]
    assert feed(second, b"\0\1x", [99]) == [b"x"]


def test_a_large_message_grows_as_it_comes():
    message = bytes(range(256)) * (5 * FIRST_RESERVE // 256)
    reader = FrameReader(memoryview(bytearray(4096)), len(message))
    assert feed(reader, struct.pack(">i", len(message)) + message, endless([100_000])) == [message]


def test_an_announced_size_reserves_little():
    reader = FrameReader(memoryview(bytearray(64)), 2**31 - 1)
    feed(reader, struct.pack(">i", 2**31 - 1) + b"abc", [99])
    assert len(reader.space()) <= FIRST_RESERVE


@pytest.mark.parametrize("size", [-1, -(2**31), 1001, 2**31 - 1])
def test_impossible_sizes_are_refused(size):
    reader = FrameReader(memoryview(bytearray(64)), 1000)
    with pytest.raises(FrameTooLargeError, match=r"socket\.request"):
        feed(reader, struct.pack(">i", size), [99])
