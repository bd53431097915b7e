"""Records of MM2's internal topics, byte for byte (Java reads them in tests/interop)."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from kopfka_mirror.formats import (
    Position,
    checkpoint,
    heartbeat,
    offset_sync,
    partition_of,
    position_record,
    read_position,
)


def test_structs():
    assert heartbeat("a", "b", 5) == (b"\0\1a\0\1b", b"\0\0" + bytes(7) + b"\5")
    assert offset_sync("t", 2, 3, 4) == (b"\0\1t\0\0\0\2", bytes(7) + b"\3" + bytes(7) + b"\4")
    key, value = checkpoint("g", ("a.t", 1), 3, 4, "m")
    assert key == b"\0\1g\0\3a.t\0\0\0\1"
    assert value == b"\0\0" + bytes(7) + b"\3" + bytes(7) + b"\4" + b"\0\1m"


def test_positions_are_read_back():
    position = Position(7, 3, UUID(int=5))
    key, value = position_record("a", "orders", 2, position)
    assert key == b'["MirrorSourceConnector",{"cluster":"a","partition":2,"topic":"orders"}]'
    assert json.loads(value)["offset"] == 6, "MM2 keeps the offset of the last record"
    assert read_position(key, value) == ("orders", 2, position)
    assert read_position(key, b'{"offset":6}') == ("orders", 2, Position(7))
    assert read_position(key, None) == ("orders", 2, None)


@pytest.mark.parametrize("key", [None, b"", b"[]", b'["Other",{}]', b'["MirrorSourceConnector",{}]', b"\xff"])
def test_records_of_others_are_passed_over(key):
    assert read_position(key, b'{"offset":1}') is None


@pytest.mark.parametrize(
    # as org.apache.kafka.common.utils.Utils.murmur2 has them in Kafka's own tests
    ("key", "hashed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_partitions_are_those_of_kafkas_partitioner(key, hashed):
    assert partition_of(key, 1_000_003) == (hashed & 0x7FFFFFFF) % 1_000_003
