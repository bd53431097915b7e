"""The records of `__consumer_offsets`: committed offsets and group metadata in Kafka's own schemas.

Written: OffsetCommitValue version 4 (1 where the client gave a retention time, as Kafka does) and GroupMetadataValue
version 3. Read: every version Kafka ever wrote. Records of other kinds of groups (keys from 3 on) are told apart only.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from kopfka_broker.coordinators.binary import Reader, Writer
from kopfka_broker.groups.errors import MalformedRecordError

if TYPE_CHECKING:
    from collections.abc import Sequence

OFFSET_KEY_VERSION = 1
GROUP_KEY_VERSION = 2
_OFFSET_VALUE_VERSION = 4
_OFFSET_VALUE_VERSION_WITH_EXPIRY = 1
_GROUP_VALUE_VERSION = 3
_TOPIC_ID_TAG = 0
_TOPIC_ID_FIELD = bytes((1, _TOPIC_ID_TAG, 16))
"""What stands before a topic id: one tagged field, its tag, its size."""

# Commits are what a coordinator does all day: these two records are packed at once, the rare ones value by value.
_INT16, _INT32, _INT64 = struct.Struct(">h"), struct.Struct(">i"), struct.Struct(">q")
_TWO_INT16 = struct.Struct(">hh")
_OFFSET_VALUE_HEAD = struct.Struct(">hqi")


@dataclass(frozen=True, slots=True)
class OffsetKey:
    """Which partition an offset was committed for, by which group."""

    group: str
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class GroupKey:
    """Which group a metadata record is about."""

    group: str


@dataclass(frozen=True, slots=True)
class OtherKey:
    """A record of a kind this broker does not keep, by the version of its key."""

    version: int


@dataclass(frozen=True, slots=True)
class CommittedOffset:
    """What a group committed for one partition."""

    offset: int
    leader_epoch: int = -1
    metadata: str = ""
    commit_timestamp: int = -1
    expire_timestamp: int = -1
    """-1 where offsets.retention.minutes decides."""
    topic_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class MemberMetadata:
    """One member of a stored generation."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout: int
    session_timeout: int
    subscription: bytes
    assignment: bytes


@dataclass(frozen=True, slots=True)
class GroupMetadata:
    """A stored generation of a group."""

    protocol_type: str
    generation: int
    protocol: str | None
    leader: str | None
    current_state_timestamp: int = -1
    members: Sequence[MemberMetadata] = ()


def encode_offset_key(group: str, topic: str, partition: int) -> bytes:
    """Write an OffsetCommitKey."""
    group_data, topic_data = group.encode(), topic.encode()
    return b"".join((
        _TWO_INT16.pack(OFFSET_KEY_VERSION, len(group_data)), group_data,
        _INT16.pack(len(topic_data)), topic_data, _INT32.pack(partition),
    ))  # fmt: skip


def encode_group_key(group: str) -> bytes:
    """Write a GroupMetadataKey."""
    return Writer().int16(GROUP_KEY_VERSION).string(group).finish()


def encode_offset_value(value: CommittedOffset) -> bytes:
    """Write an OffsetCommitValue."""
    if value.expire_timestamp != -1:
        writer = Writer().int16(_OFFSET_VALUE_VERSION_WITH_EXPIRY).int64(value.offset).string(value.metadata)
        return writer.int64(value.commit_timestamp).int64(value.expire_timestamp).finish()
    metadata = value.metadata.encode()
    tagged = b"\0" if value.topic_id is None else _TOPIC_ID_FIELD + value.topic_id.bytes
    return b"".join((
        _OFFSET_VALUE_HEAD.pack(_OFFSET_VALUE_VERSION, value.offset, value.leader_epoch),
        Writer().varint(len(metadata) + 1).finish() if metadata else b"\1", metadata,
        _INT64.pack(value.commit_timestamp), tagged,
    ))  # fmt: skip


def encode_group_value(value: GroupMetadata) -> bytes:
    """Write a GroupMetadataValue."""
    writer = Writer().int16(_GROUP_VALUE_VERSION).string(value.protocol_type).int32(value.generation)
    writer.nullable_string(value.protocol).nullable_string(value.leader).int64(value.current_state_timestamp)
    writer.int32(len(value.members))
    for member in value.members:
        writer.string(member.member_id).nullable_string(member.group_instance_id)
        writer.string(member.client_id).string(member.client_host)
        writer.int32(member.rebalance_timeout).int32(member.session_timeout)
        writer.sized(member.subscription).sized(member.assignment)
    return writer.finish()


def decode_key(key: bytes) -> OffsetKey | GroupKey | OtherKey:
    """Read the key of a record.

    Raises:
        MalformedRecordError: it ends too early or holds what its schema does not allow.
    """
    try:
        reader = Reader(key)
        version = reader.int16()
        if version in (0, OFFSET_KEY_VERSION):
            return OffsetKey(reader.string(), reader.string(), reader.int32())
        if version == GROUP_KEY_VERSION:
            return GroupKey(reader.string())
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise MalformedRecordError(f"malformed key in __consumer_offsets: {error}") from error
    return OtherKey(version)


def decode_offset_value(value: bytes) -> CommittedOffset:
    """Read an OffsetCommitValue of any version.

    Raises:
        MalformedRecordError: it ends too early, or is of a version newer than 4.
    """
    try:
        reader = Reader(value)
        version = reader.int16()
        if not 0 <= version <= _OFFSET_VALUE_VERSION:
            raise ValueError(f"version {version}")
        offset = reader.int64()
        leader_epoch = reader.int32() if version >= 3 else -1
        metadata = reader.compact_string() if version >= 4 else reader.string()
        commit_timestamp = reader.int64()
        expire_timestamp = reader.int64() if version == 1 else -1
        topic_id = None
        if version >= 4:
            tagged = reader.tagged_fields().get(_TOPIC_ID_TAG)
            topic_id = UUID(bytes=tagged) if tagged and any(tagged) else None
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise MalformedRecordError(f"malformed committed offset in __consumer_offsets: {error}") from error
    return CommittedOffset(offset, leader_epoch, metadata, commit_timestamp, expire_timestamp, topic_id)


def decode_group_value(value: bytes) -> GroupMetadata:
    """Read a GroupMetadataValue of any version.

    Raises:
        MalformedRecordError: it ends too early, or is of a version newer than 4.
    """
    try:
        reader = Reader(value)
        version = reader.int16()
        if not 0 <= version <= 4:
            raise ValueError(f"version {version}")
        reader.flexible = version >= 4
        protocol_type = reader.string()
        generation = reader.int32()
        protocol, leader = reader.nullable_string(), reader.nullable_string()
        timestamp = reader.int64() if version >= 2 else -1
        members = tuple(_read_member(reader, version) for _ in range(reader.count()))
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise MalformedRecordError(f"malformed group metadata in __consumer_offsets: {error}") from error
    return GroupMetadata(protocol_type, generation, protocol, leader, timestamp, members)


def _read_member(reader: Reader, version: int) -> MemberMetadata:
    member_id = reader.string()
    instance_id = reader.nullable_string() if version >= 3 else None
    client_id, client_host = reader.string(), reader.string()
    rebalance_timeout = reader.int32() if version >= 1 else -1
    session_timeout = reader.int32()
    subscription, assignment = reader.sized(), reader.sized()
    if reader.flexible:
        reader.tagged_fields()
    return MemberMetadata(
        member_id, instance_id, client_id, client_host, rebalance_timeout, session_timeout, subscription, assignment
    )
