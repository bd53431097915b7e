"""The records of MM2's internal topics, byte for byte: heartbeats, checkpoints, offset syncs, and source offsets.

The first three are Kafka protocol structs (in Java: Heartbeat, Checkpoint and OffsetSync); source offsets are JSON, as
Connect keeps them. Written here, and read back only where this replicator needs them.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Final
from uuid import UUID

_INT16: Final = struct.Struct(">h")
_INT32: Final = struct.Struct(">i")
_INT64: Final = struct.Struct(">q")
_TWO: Final = struct.Struct(">qq")
_VERSION: Final = _INT16.pack(0)
_CONNECTOR: Final = "MirrorSourceConnector"
"""The connector's name in MM2's dedicated mode, by which Connect keeps its offsets."""


def _text(value: str) -> bytes:
    raw = value.encode()
    return _INT16.pack(len(raw)) + raw


def heartbeat(source: str, target: str, timestamp: int) -> tuple[bytes, bytes]:
    """Return key and value of a heartbeat; the time in milliseconds."""
    return _text(source) + _text(target), _VERSION + _INT64.pack(timestamp)


def checkpoint(
    group: str, remote: tuple[str, int], upstream: int, downstream: int, metadata: str
) -> tuple[bytes, bytes]:
    """Return key and value of a checkpoint; topic and partition as they are on the target."""
    key = _text(group) + _text(remote[0]) + _INT32.pack(remote[1])
    return key, _VERSION + _TWO.pack(upstream, downstream) + _text(metadata)


def offset_sync(topic: str, partition: int, upstream: int, downstream: int) -> tuple[bytes, bytes]:
    """Return key and value of an offset sync; the topic by its name at the source."""
    return _text(topic) + _INT32.pack(partition), _TWO.pack(upstream, downstream)


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a partition of the source is mirrored."""

    next_offset: int
    """The offset of the first record that is not."""
    leader_epoch: int = -1
    """Of the last batch that is; a log that was truncated is told by it."""
    topic_id: UUID | None = None
    """None where the source has no topic ids, or MM2 wrote the position."""


def position_record(alias: str, topic: str, partition: int, position: Position) -> tuple[bytes, bytes]:
    """Return key and value of a source offset: MM2's own, and what it passes over: epoch and topic id."""
    key = json.dumps(
        [_CONNECTOR, {"cluster": alias, "partition": partition, "topic": topic}], separators=(",", ":")
    ).encode()
    # MM2 keeps the offset of the last record; -1 stands for none
    value: dict[str, object] = {"offset": position.next_offset - 1, "leaderEpoch": position.leader_epoch}
    if position.topic_id is not None:
        value["topicId"] = str(position.topic_id)
    return key, json.dumps(value, separators=(",", ":")).encode()


def read_position(key: bytes | None, value: bytes | None) -> tuple[str, int, Position | None] | None:
    """Return topic, partition and position (None where it was taken back) of a source offset.

    None where the record is another's: other connectors may share the topic.
    """
    try:
        connector, where = json.loads(key or b"")
        if connector != _CONNECTOR:
            return None
        topic, partition = str(where["topic"]), int(where["partition"])
        if value is None:
            return topic, partition, None
        said = json.loads(value)
        topic_id = UUID(said["topicId"]) if "topicId" in said else None
        return topic, partition, Position(int(said["offset"]) + 1, int(said.get("leaderEpoch", -1)), topic_id)
    except (ValueError, TypeError, KeyError):
        return None


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that Kafka's default partitioner has for a key (murmur2): where MM2 keeps it as well."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    length = len(key)
    h = (0x9747B28C ^ length) & mask
    whole = length & ~3
    for (word,) in struct.iter_unpack("<I", key[:whole]):
        k = word * m & mask
        k ^= k >> 24
        h = (h * m & mask) ^ (k * m & mask)
    rest = key[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h ^= h >> 13
    h = h * m & mask
    h ^= h >> 15
    return (h & 0x7FFFFFFF) % partitions
