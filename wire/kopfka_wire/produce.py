"""Produce, the busiest request: read and answered by hand, in every version, without copying a batch.

Reads what `Codec` would read and writes what it would write (tests hold them against each other), but for versions 0 to
2, which kio and Kafka no longer have; of those only enough is known to refuse them in their own form.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from kopfka_wire.errors import MalformedMessageError
from kopfka_wire.reading import read_unsigned_varint
from kopfka_wire.writing import compact_text, legacy_text, unsigned_varint

FIRST_FLEXIBLE = 9
_FIRST_WITH_IDS = 13
_ACKS_TIMEOUT = struct.Struct(">hi")
_INT16 = struct.Struct(">h")
_INT32 = struct.Struct(">i")
_PARTITION = struct.Struct(">ihq")
_ZERO_UUID = bytes(16)

TopicKey = str | UUID | None
"""How a request names a topic: by name before version 13, by id from there on (None: the zero id)."""


@dataclass(frozen=True, slots=True)
class ProduceRequest:
    """A Produce request; batches are views of the frame."""

    transactional_id: str | None
    acks: int
    timeout_ms: int
    topics: list[tuple[TopicKey, list[tuple[int, memoryview | None]]]]


class PartitionResult(NamedTuple):
    """What became of one partition's batches."""

    partition: int
    code: int
    base_offset: int = -1
    log_append_time: int = -1
    log_start_offset: int = -1
    error_message: str | None = None
    record_errors: tuple[tuple[int, str | None], ...] = ()


def read_produce(frame: memoryview, position: int, version: int) -> ProduceRequest:
    """Read the body of a Produce request at `position`.

    Raises:
        MalformedMessageError: these bytes are no such request.
    """
    try:
        if version >= FIRST_FLEXIBLE:
            return _read_flexible(frame, position, version)
        return _read_legacy(frame, position, version)
    except (struct.error, IndexError):
        raise MalformedMessageError(f"ProduceRequest v{version} is cut short") from None
    except ValueError as error:
        raise MalformedMessageError(f"ProduceRequest v{version}: {error}") from None


def _read_flexible(frame: memoryview, position: int, version: int) -> ProduceRequest:
    transactional_id, position = _compact_text(frame, position)
    acks, timeout_ms = _ACKS_TIMEOUT.unpack_from(frame, position)
    position += 6
    topic_count, position = read_unsigned_varint(frame, position)
    topics: list[tuple[TopicKey, list[tuple[int, memoryview | None]]]] = []
    for _ in range(_checked(topic_count - 1, frame, position)):
        topic: TopicKey
        if version >= _FIRST_WITH_IDS:
            raw = bytes(frame[position : position + 16])
            topic = None if raw == _ZERO_UUID else UUID(bytes=raw)
            position += 16
        else:
            topic, position = _compact_text(frame, position)
        partition_count, position = read_unsigned_varint(frame, position)
        partitions: list[tuple[int, memoryview | None]] = []
        for _ in range(_checked(partition_count - 1, frame, position)):
            (index,) = _INT32.unpack_from(frame, position)
            size, position = read_unsigned_varint(frame, position + 4)
            if size == 0:
                partitions.append((index, None))
            else:
                end = position + _checked(size - 1, frame, position)
                partitions.append((index, frame[position:end]))
                position = end
            position = _skip_tags(frame, position)
        position = _skip_tags(frame, position)
        topics.append((topic, partitions))
    _skip_tags(frame, position)
    return ProduceRequest(transactional_id, acks, timeout_ms, topics)


def _read_legacy(frame: memoryview, position: int, version: int) -> ProduceRequest:
    transactional_id = None
    if version >= 3:
        transactional_id, position = _legacy_text(frame, position)
    acks, timeout_ms = _ACKS_TIMEOUT.unpack_from(frame, position)
    position += 6
    (topic_count,) = _INT32.unpack_from(frame, position)
    position += 4
    topics: list[tuple[TopicKey, list[tuple[int, memoryview | None]]]] = []
    for _ in range(_checked(topic_count, frame, position)):
        name, position = _legacy_text(frame, position)
        (partition_count,) = _INT32.unpack_from(frame, position)
        position += 4
        partitions: list[tuple[int, memoryview | None]] = []
        for _ in range(_checked(partition_count, frame, position)):
            (index,) = _INT32.unpack_from(frame, position)
            (size,) = _INT32.unpack_from(frame, position + 4)
            position += 8
            if size == -1:
                partitions.append((index, None))
            else:
                end = position + _checked(size, frame, position)
                partitions.append((index, frame[position:end]))
                position = end
        topics.append((name, partitions))
    return ProduceRequest(transactional_id, acks, timeout_ms, topics)


def write_produce_response(version: int, topics: list[tuple[TopicKey, list[PartitionResult]]]) -> bytes:
    """Return the body of the answer, in the version of the request."""
    flexible = version >= FIRST_FLEXIBLE
    out = bytearray(unsigned_varint(len(topics) + 1) if flexible else _INT32.pack(len(topics)))
    for topic, results in topics:
        if version >= _FIRST_WITH_IDS:
            out += topic.bytes if isinstance(topic, UUID) else _ZERO_UUID
        else:
            name = topic if isinstance(topic, str) else ""
            out += compact_text(name) if flexible else legacy_text(name)
        out += unsigned_varint(len(results) + 1) if flexible else _INT32.pack(len(results))
        for result in results:
            _write_partition(out, version, result)
        if flexible:
            out += b"\0"
    if version >= 1:
        out += b"\0\0\0\0"  # throttle_time_ms
    if flexible:
        out += b"\0"
    return bytes(out)


def with_throttle_time(body: bytes | bytearray | memoryview, version: int, milliseconds: int) -> bytes:
    """Return the body of an answer with another throttle time in it; version 0 has none."""
    if version == 0:
        return bytes(body)
    end = len(body) - (1 if version >= FIRST_FLEXIBLE else 0)
    return b"".join((body[: end - 4], _INT32.pack(milliseconds), body[end:]))


def _write_partition(out: bytearray, version: int, result: PartitionResult) -> None:
    out += _PARTITION.pack(result.partition, result.code, result.base_offset)
    if version >= 2:
        out += result.log_append_time.to_bytes(8, "big", signed=True)
    if version >= 5:
        out += result.log_start_offset.to_bytes(8, "big", signed=True)
    if version < 8:
        return
    flexible = version >= FIRST_FLEXIBLE
    text = compact_text if flexible else legacy_text
    out += unsigned_varint(len(result.record_errors) + 1) if flexible else _INT32.pack(len(result.record_errors))
    for index, message in result.record_errors:
        out += _INT32.pack(index) + text(message)
        if flexible:
            out += b"\0"
    out += text(result.error_message)
    if flexible:
        out += b"\0"


def _checked(length: int, frame: memoryview, position: int) -> int:
    if length < 0 or length > len(frame) - position:
        raise ValueError(f"a length of {length} is announced, and {len(frame) - position} bytes follow")
    return length


def _compact_text(frame: memoryview, position: int) -> tuple[str | None, int]:
    size, position = read_unsigned_varint(frame, position)
    if size == 0:
        return None, position
    end = position + _checked(size - 1, frame, position)
    return str(frame[position:end], "utf-8"), end


def _legacy_text(frame: memoryview, position: int) -> tuple[str | None, int]:
    (size,) = _INT16.unpack_from(frame, position)
    position += 2
    if size == -1:
        return None, position
    end = position + _checked(size, frame, position)
    return str(frame[position:end], "utf-8"), end


def _skip_tags(frame: memoryview, position: int) -> int:
    count = frame[position]
    if count == 0:
        return position + 1
    count, position = read_unsigned_varint(frame, position)
    for _ in range(_checked(count, frame, position)):
        _, position = read_unsigned_varint(frame, position)
        size, position = read_unsigned_varint(frame, position)
        position += _checked(size, frame, position)
    return position
