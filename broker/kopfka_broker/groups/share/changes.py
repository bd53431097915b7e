"""What can change in a share group, each with its record in Kafka's schemas (all values in version 0).

ShareGroupMemberMetadata (10), Metadata (11), TargetAssignmentMetadata (12), TargetAssignmentMember (13),
CurrentMemberAssignment (14) and StatePartitionMetadata (15).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kopfka_broker.coordinators.binary import Reader
from kopfka_broker.groups.errors import MalformedRecordError
from kopfka_broker.groups.modern import changes
from kopfka_broker.groups.modern.changes import (
    VERSION,
    MemberRecordRemoved,
    TargetPartitionsChanged,
    new_value,
    read_partitions,
    write_partitions,
)
from kopfka_broker.groups.modern.keys import encode_key
from kopfka_broker.groups.ports import OffsetsRecord
from kopfka_broker.groups.share.group import ShareGroup, ShareMember, StoredParts, TopicParts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID


MEMBER, EPOCH, TARGET_EPOCH, TARGET, CURRENT, STORED = 10, 11, 12, 13, 14, 15
KINDS: Final = frozenset({MEMBER, EPOCH, TARGET_EPOCH, TARGET, CURRENT, STORED})
_STABLE = 0
"""The one state a member of a share group is ever in."""


@dataclass(frozen=True, slots=True)
class EpochChanged:
    """The group's epoch: from now on there is something new to assign."""

    epoch: int
    metadata_hash: int

    def record(self, group_id: str) -> OffsetsRecord:
        """ShareGroupMetadata."""
        value = new_value().int32(self.epoch).int64(self.metadata_hash).tagged_fields().finish()
        return OffsetsRecord(encode_key(EPOCH, group_id), value)

    def apply(self, group: ShareGroup) -> None:
        """Take it over."""
        group.epoch, group.metadata_hash = self.epoch, self.metadata_hash


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """A member joined, or says something else of itself."""

    member: ShareMember

    def record(self, group_id: str) -> OffsetsRecord:
        """ShareGroupMemberMetadata."""
        member = self.member
        value = new_value().nullable_string(member.rack_id).string(member.client_id).string(member.client_host)
        value.count(len(member.topics))
        for topic in sorted(member.topics):
            value.string(topic)
        return OffsetsRecord(encode_key(MEMBER, group_id, member.member_id), value.tagged_fields().finish())

    def apply(self, group: ShareGroup) -> None:
        """Take it over; what the member has stays."""
        old = group.members.get(self.member.member_id, ShareMember(self.member.member_id))
        group.members[self.member.member_id] = replace(
            self.member, epoch=old.epoch, previous_epoch=old.previous_epoch, assigned=old.assigned
        )


class MemberRemoved(MemberRecordRemoved):
    """A member is none any more."""

    __slots__ = ()
    KIND = MEMBER

    def apply(self, group: ShareGroup) -> None:
        """Forget it."""
        group.members.pop(self.member_id, None)


class TargetEpochChanged(changes.TargetEpochChanged):
    """ShareGroupTargetAssignmentMetadata."""

    __slots__ = ()
    KIND = TARGET_EPOCH


class TargetChanged(TargetPartitionsChanged):
    """ShareGroupTargetAssignmentMember."""

    __slots__ = ()
    KIND = TARGET


class TargetRemoved(changes.TargetRemoved):
    """The end of a ShareGroupTargetAssignmentMember."""

    __slots__ = ()
    KIND = TARGET


@dataclass(frozen=True, slots=True)
class CurrentChanged:
    """What a member has, and since which epoch."""

    member: ShareMember

    def record(self, group_id: str) -> OffsetsRecord:
        """ShareGroupCurrentMemberAssignment."""
        member = self.member
        value = new_value().int32(member.epoch).int32(member.previous_epoch).int8(_STABLE)
        value = write_partitions(value, member.assigned).tagged_fields()
        return OffsetsRecord(encode_key(CURRENT, group_id, member.member_id), value.finish())

    def apply(self, group: ShareGroup) -> None:
        """Take it over."""
        old = group.members.get(self.member.member_id, self.member)
        group.members[self.member.member_id] = replace(
            old, epoch=self.member.epoch, previous_epoch=self.member.previous_epoch, assigned=self.member.assigned
        )


class CurrentRemoved(MemberRecordRemoved):
    """A member has nothing any more: it is to leave."""

    __slots__ = ()
    KIND = CURRENT

    def apply(self, group: ShareGroup) -> None:
        """Take it back; the member itself goes with its own record."""
        old = group.members.get(self.member_id)
        if old is not None:
            group.members[self.member_id] = replace(old, epoch=LEFT, previous_epoch=LEFT, assigned={})


LEFT = -1
"""The epoch of a member whose assignment was taken back."""


@dataclass(frozen=True, slots=True)
class StoredChanged:
    """Which partitions have a state."""

    stored: StoredParts

    def record(self, group_id: str) -> OffsetsRecord:
        """ShareGroupStatePartitionMetadata."""
        value = new_value()
        for topics in (self.stored.initializing, self.stored.initialized):
            value.count(len(topics))
            for topic, parts in topics.items():
                value.uuid(topic).string(parts.name).count(len(parts.partitions))
                for number in sorted(parts.partitions):
                    value.int32(number)
                value.tagged_fields()
        value.count(len(self.stored.deleting))
        for topic, name in self.stored.deleting.items():
            value.uuid(topic).string(name).tagged_fields()
        return OffsetsRecord(encode_key(STORED, group_id), value.tagged_fields().finish())

    def apply(self, group: ShareGroup) -> None:
        """Take it over."""
        group.stored = self.stored


Change = (
    EpochChanged
    | MemberChanged
    | MemberRemoved
    | TargetEpochChanged
    | TargetChanged
    | TargetRemoved
    | CurrentChanged
    | CurrentRemoved
    | StoredChanged
)


def restore(kind: int, names: list[str], value: bytes, group: object) -> tuple[ShareGroup, Change] | None:
    """Read a record back: the group it is of (`group` if that is one) and the change; None for other kinds.

    Raises:
        MalformedRecordError: it is of one of the kinds here, and broken.
    """
    if kind not in KINDS:
        return None
    if not isinstance(group, ShareGroup):
        group = ShareGroup(names[0])
    try:
        reader = Reader(value, flexible=True)
        version = reader.int16()
        if version != VERSION:
            raise ValueError(f"version {version}")
        return group, _READ[kind](reader, names[1] if len(names) > 1 else "")
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise MalformedRecordError(f"malformed record {kind} of share group {names[0]}: {error}") from error


def _read_member(reader: Reader, member_id: str) -> MemberChanged:
    rack, client, host = reader.nullable_string(), reader.string(), reader.string()
    topics = frozenset(reader.string() for _ in range(reader.count()))
    return MemberChanged(ShareMember(member_id, rack, client, host, topics))


def _read_epoch(reader: Reader, _: str) -> EpochChanged:
    return EpochChanged(reader.int32(), reader.int64())


def _read_current(reader: Reader, member_id: str) -> CurrentChanged:
    epoch, previous, _ = reader.int32(), reader.int32(), reader.int8()
    return CurrentChanged(
        ShareMember(member_id, epoch=epoch, previous_epoch=previous, assigned=read_partitions(reader))
    )


def _read_stored(reader: Reader, _: str) -> StoredChanged:
    initializing, initialized = _read_topic_parts(reader), _read_topic_parts(reader)
    deleting = {}
    for _index in range(reader.count()):
        topic, name = reader.uuid(), reader.string()
        deleting[topic] = name
        reader.tagged_fields()
    return StoredChanged(StoredParts(initializing, initialized, deleting))


_READ: Mapping[int, Callable[[Reader, str], Change]] = {
    MEMBER: _read_member,
    EPOCH: _read_epoch,
    TARGET_EPOCH: lambda reader, _: TargetEpochChanged.read(reader),
    TARGET: lambda reader, member_id: TargetChanged.read(member_id, reader),
    CURRENT: _read_current,
    STORED: _read_stored,
}


def _read_topic_parts(reader: Reader) -> dict[UUID, TopicParts]:
    topics = {}
    for _ in range(reader.count()):
        topic, name = reader.uuid(), reader.string()
        topics[topic] = TopicParts(name, frozenset(reader.int32() for _ in range(reader.count())))
        reader.tagged_fields()
    return topics
