"""Fetch requests, read by hand in every version: consumers that wait send hundreds a second, most of them empty.

Takes and refuses what `Codec` takes and refuses (tests hold them against each other), but for null where Kafka allows
none, which is refused here. Gives only what a broker without followers looks at: who follows, from which folder, in
which rack and in which cluster is checked and left out. The answer is written in `fetch.py`.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from kopfka_wire.errors import MalformedMessageError
from kopfka_wire.reading import read_unsigned_varint

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_wire.fetch import TopicKey

_FIRST_WITH_SESSIONS = 7
_FIRST_WITH_LEADER_EPOCH = 9
_FIRST_WITH_RACK = 11
_FIRST_FLEXIBLE = 12
_FIRST_WITH_IDS = 13
_FIRST_WITH_REPLICA_STATE = 15
_FIRST_WITH_DIRECTORY_ID = 17
_FIRST_WITH_HIGH_WATERMARK = 18

_INT16 = struct.Struct(">h")
_INT32 = struct.Struct(">i")
# replica_id (skipped, from version 15 on a tag), max_wait_ms, min_bytes, max_bytes, isolation_level
_UNTIL_ISOLATION = struct.Struct(">4xiiib")
# ... and session_id, session_epoch
_UNTIL_SESSION = struct.Struct(">4xiiibii")
_UNTIL_SESSION_WITHOUT_REPLICA = struct.Struct(">iiibii")
# partition, [current_leader_epoch], fetch_offset, [last_fetched_epoch], log_start_offset (skipped), partition_max_bytes
_PARTITION = struct.Struct(">iqi")
_PARTITION_WITH_LOG_START = struct.Struct(">iq8xi")
_PARTITION_WITH_EPOCH = struct.Struct(">iiq8xi")
# ... and the number of tags, almost always 0 and so one byte
_FLEXIBLE_PARTITION = struct.Struct(">iiqi8xiB")
_REPLICA_STATE = struct.Struct(">iq")
_ZERO_UUID = bytes(16)


class WantedPartition(NamedTuple):
    """A partition that is to be read, and from where; epochs are -1 where the client knows none."""

    topic: TopicKey
    partition: int
    offset: int
    max_bytes: int
    leader_epoch: int = -1
    last_fetched_epoch: int = -1


@dataclass(slots=True)  # not frozen: one is made for every request
class FetchRequest:
    """A Fetch request; `wanted` and `forgotten` are in the order of the request, repetitions included."""

    max_wait_ms: int
    min_bytes: int
    max_bytes: int
    isolation_level: int
    session_id: int
    session_epoch: int
    wanted: list[WantedPartition]
    forgotten: list[tuple[TopicKey, int]]
    """Topic and partition of what the session is to leave out."""


def read_fetch(frame: memoryview, position: int, version: int) -> FetchRequest:
    """Read the body of a Fetch request at `position`, of version 4 or later.

    Raises:
        MalformedMessageError: these bytes are no such request.
    """
    try:
        if version >= _FIRST_FLEXIBLE:
            return _read_flexible(frame, position, version)
        return _read_legacy(frame, position, version)
    except (struct.error, IndexError):
        raise MalformedMessageError(f"FetchRequest v{version} is cut short") from None
    except ValueError as error:
        raise MalformedMessageError(f"FetchRequest v{version}: {error}") from None


def _read_flexible(frame: memoryview, position: int, version: int) -> FetchRequest:
    layout = _UNTIL_SESSION_WITHOUT_REPLICA if version >= _FIRST_WITH_REPLICA_STATE else _UNTIL_SESSION
    wait, least, most, isolation, session_id, epoch = layout.unpack_from(frame, position)
    position += layout.size
    by_id = version >= _FIRST_WITH_IDS
    unpack, size_of_partition = _FLEXIBLE_PARTITION.unpack_from, _FLEXIBLE_PARTITION.size
    wanted: list[WantedPartition] = []
    count, position = _count(frame, position)
    for _ in range(count):
        topic, position = _topic_id(frame, position) if by_id else _compact_text(frame, position)
        partitions, position = _count(frame, position)
        for _ in range(partitions):
            index, leader_epoch, offset, fetched_epoch, size, tags = unpack(frame, position)
            position += size_of_partition
            if tags:
                position = _skip_tags(frame, position - 1, _tag_of_partition, version)
            wanted.append(WantedPartition(topic, index, offset, size, leader_epoch, fetched_epoch))
        position = _skip_tags(frame, position)
    forgotten: list[tuple[TopicKey, int]] = []
    count, position = _count(frame, position)
    for _ in range(count):
        topic, position = _topic_id(frame, position) if by_id else _compact_text(frame, position)
        partitions, position = _count(frame, position)
        forgotten += [(topic, index) for index in _int32s(frame, position, partitions)]
        position = _skip_tags(frame, position + 4 * partitions)
    _, position = _compact_text(frame, position)  # rack_id
    _skip_tags(frame, position, _tag_of_request, version)
    return FetchRequest(wait, least, most, isolation, session_id, epoch, wanted, forgotten)


def _read_legacy(frame: memoryview, position: int, version: int) -> FetchRequest:
    session_id, epoch = 0, -1
    if version >= _FIRST_WITH_SESSIONS:
        wait, least, most, isolation, session_id, epoch = _UNTIL_SESSION.unpack_from(frame, position)
        position += _UNTIL_SESSION.size
    else:
        wait, least, most, isolation = _UNTIL_ISOLATION.unpack_from(frame, position)
        position += _UNTIL_ISOLATION.size
    with_epoch = version >= _FIRST_WITH_LEADER_EPOCH
    layout = _PARTITION_WITH_EPOCH if with_epoch else _PARTITION_WITH_LOG_START if version >= 5 else _PARTITION
    wanted: list[WantedPartition] = []
    topics, position = _legacy_count(frame, position)
    for _ in range(topics):
        topic, position = _legacy_text(frame, position)
        partitions, position = _legacy_count(frame, position)
        end = position + _fits(partitions * layout.size, frame, position)
        if with_epoch:
            wanted += [
                WantedPartition(topic, index, offset, size, leader_epoch)
                for index, leader_epoch, offset, size in layout.iter_unpack(frame[position:end])
            ]
        else:
            wanted += [
                WantedPartition(topic, index, offset, size)
                for index, offset, size in layout.iter_unpack(frame[position:end])
            ]
        position = end
    forgotten: list[tuple[TopicKey, int]] = []
    if version >= _FIRST_WITH_SESSIONS:
        topics, position = _legacy_count(frame, position)
        for _ in range(topics):
            topic, position = _legacy_text(frame, position)
            partitions, position = _legacy_count(frame, position)
            forgotten += [(topic, index) for index in _int32s(frame, position, partitions)]
            position += 4 * partitions
    if version >= _FIRST_WITH_RACK:
        _legacy_text(frame, position)  # rack_id
    return FetchRequest(wait, least, most, isolation, session_id, epoch, wanted, forgotten)


def _fits(length: int, frame: memoryview, position: int) -> int:
    if length < 0 or length > len(frame) - position:
        raise ValueError(f"a length of {length} is announced, and {len(frame) - position} bytes follow")
    return length


def _count(frame: memoryview, position: int) -> tuple[int, int]:
    count = frame[position]
    if count == 1:  # nothing: there is little else in what a session says
        return 0, position + 1
    count, position = read_unsigned_varint(frame, position)
    return _fits(count - 1, frame, position), position


def _legacy_count(frame: memoryview, position: int) -> tuple[int, int]:
    (count,) = _INT32.unpack_from(frame, position)
    position += 4
    return _fits(count, frame, position), position


def _int32s(frame: memoryview, position: int, count: int) -> tuple[int, ...]:
    _fits(4 * count, frame, position)
    return struct.unpack_from(f">{count}i", frame, position)


def _topic_id(frame: memoryview, position: int) -> tuple[UUID | None, int]:
    end = position + _fits(16, frame, position)
    return _uuid(bytes(frame[position:end])), end


@functools.lru_cache(maxsize=1024)  # to make one takes as long as all of a request without topics
def _uuid(raw: bytes) -> UUID | None:
    return None if raw == _ZERO_UUID else UUID(bytes=raw)


def _compact_text(frame: memoryview, position: int) -> tuple[str, int]:
    size, position = _count(frame, position)
    end = position + size
    return str(frame[position:end], "utf-8") if size else "", end


def _legacy_text(frame: memoryview, position: int) -> tuple[str, int]:
    (size,) = _INT16.unpack_from(frame, position)
    position += 2
    end = position + _fits(size, frame, position)
    return str(frame[position:end], "utf-8"), end


# -- tags -------------------------------------------------------------------------------------------------------------


def _tag_of_request(tag: int, value: memoryview, version: int) -> None:
    """Check cluster_id and replica_state, which brokers send to each other."""
    if tag == 0:
        if read_unsigned_varint(value, 0)[0]:  # 0 is null
            _compact_text(value, 0)
    elif tag == 1 and version >= _FIRST_WITH_REPLICA_STATE:
        _REPLICA_STATE.unpack_from(value)
        _skip_tags(value, _REPLICA_STATE.size)


def _tag_of_partition(tag: int, value: memoryview, version: int) -> None:
    """Check replica_directory_id and high_watermark, which followers send."""
    if tag == 0 and version >= _FIRST_WITH_DIRECTORY_ID:
        _fits(16, value, 0)
    elif tag == 1 and version >= _FIRST_WITH_HIGH_WATERMARK:
        _fits(8, value, 0)


def _skip_tags(
    frame: memoryview, position: int, check: Callable[[int, memoryview, int], None] | None = None, version: int = 0
) -> int:
    if frame[position] == 0:
        return position + 1
    count, position = read_unsigned_varint(frame, position)
    for _ in range(_fits(count, frame, position)):
        tag, position = read_unsigned_varint(frame, position)
        size, position = read_unsigned_varint(frame, position)
        end = position + _fits(size, frame, position)
        if check is not None:
            check(tag, frame[position:end], version)
        position = end
    return position
