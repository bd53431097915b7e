"""What can change in a consumer group, each with its record in Kafka's schemas (all values in version 0).

Read and written: ConsumerGroupMetadata (3), MemberMetadata (5), TargetAssignmentMetadata (6), TargetAssignmentMember
(7), CurrentMemberAssignment (8) and RegularExpression (16). PartitionMetadata (4) was written by Kafka before 4.1: it
is kept as it is until the group's epoch changes the next time, and then removed, as Kafka does.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kopfka_broker.coordinators.binary import Writer
from kopfka_broker.groups.consumer.members import ClassicMember, Member, MemberState
from kopfka_broker.groups.modern import changes
from kopfka_broker.groups.modern.changes import MemberRecordRemoved, TargetPartitionsChanged, new_value
from kopfka_broker.groups.modern.keys import encode_key
from kopfka_broker.groups.ports import OffsetsRecord

if TYPE_CHECKING:
    from kopfka_broker.groups.consumer.group import ConsumerGroup, ResolvedRegex
    from kopfka_broker.groups.consumer.members import Assigned

EPOCH, PARTITION_METADATA, MEMBER, TARGET_EPOCH, TARGET, CURRENT, REGEX = 3, 4, 5, 6, 7, 8, 16
KINDS: Final = frozenset({EPOCH, PARTITION_METADATA, MEMBER, TARGET_EPOCH, TARGET, CURRENT, REGEX})
HASH_TAG = CLASSIC_TAG = EPOCHS_TAG = 0
_INT64 = struct.Struct(">q")


@dataclass(frozen=True, slots=True)
class EpochChanged:
    """The group's epoch: from now on there is something new to assign."""

    epoch: int
    metadata_hash: int

    def record(self, group_id: str) -> OffsetsRecord:
        """ConsumerGroupMetadata."""
        tags = {HASH_TAG: _INT64.pack(self.metadata_hash)} if self.metadata_hash else {}
        return OffsetsRecord(encode_key(EPOCH, group_id), new_value().int32(self.epoch).tagged_fields(tags).finish())

    def apply(self, group: ConsumerGroup) -> None:
        """Take it over; the subscriptions' topics were looked at just now."""
        group.epoch, group.metadata_hash = self.epoch, self.metadata_hash


@dataclass(frozen=True, slots=True)
class OldMetadataRemoved:
    """The record of partition metadata that an older Kafka wrote is of no use any more."""

    def record(self, group_id: str) -> OffsetsRecord:
        """ConsumerGroupPartitionMetadata."""
        return OffsetsRecord(encode_key(PARTITION_METADATA, group_id), None)

    def apply(self, group: ConsumerGroup) -> None:
        """Remember that it is gone."""
        group.has_old_metadata = False


@dataclass(frozen=True, slots=True)
class OldMetadataFound:
    """An older Kafka wrote partition metadata; it is read, not written."""

    value: bytes

    def record(self, group_id: str) -> OffsetsRecord:
        """ConsumerGroupPartitionMetadata."""
        return OffsetsRecord(encode_key(PARTITION_METADATA, group_id), self.value)

    def apply(self, group: ConsumerGroup) -> None:
        """Remember that it is there."""
        group.has_old_metadata = True


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """A member joined, or says something else of itself."""

    member: Member

    def record(self, group_id: str) -> OffsetsRecord:
        """ConsumerGroupMemberMetadata."""
        member = self.member
        value = new_value().nullable_string(member.instance_id).nullable_string(member.rack_id)
        value.string(member.client_id).string(member.client_host).count(len(member.topics))
        for topic in sorted(member.topics):
            value.string(topic)
        value.nullable_string(member.regex).int32(member.rebalance_timeout_ms).nullable_string(member.assignor)
        tags = {CLASSIC_TAG: _encode_classic(member.classic)}
        return OffsetsRecord(encode_key(MEMBER, group_id, member.member_id), value.tagged_fields(tags).finish())

    def apply(self, group: ConsumerGroup) -> None:
        """Take it over; what the member has stays."""
        old = group.members.get(self.member.member_id, Member(self.member.member_id))
        group.put(
            replace(
                self.member, epoch=old.epoch, previous_epoch=old.previous_epoch, state=old.state,
                assigned=old.assigned, revoking=old.revoking,
            )
        )  # fmt: skip


class MemberRemoved(MemberRecordRemoved):
    """A member is none any more; what it was given was taken back before."""

    __slots__ = ()
    KIND = MEMBER

    def apply(self, group: ConsumerGroup) -> None:
        """Forget it."""
        group.remove(self.member_id)


class TargetEpochChanged(changes.TargetEpochChanged):
    """ConsumerGroupTargetAssignmentMetadata."""

    __slots__ = ()
    KIND = TARGET_EPOCH


class TargetChanged(TargetPartitionsChanged):
    """ConsumerGroupTargetAssignmentMember."""

    __slots__ = ()
    KIND = TARGET


class TargetRemoved(changes.TargetRemoved):
    """The end of a ConsumerGroupTargetAssignmentMember."""

    __slots__ = ()
    KIND = TARGET


@dataclass(frozen=True, slots=True)
class CurrentChanged:
    """A member has other partitions, or has come further."""

    member: Member

    def record(self, group_id: str) -> OffsetsRecord:
        """ConsumerGroupCurrentMemberAssignment."""
        member = self.member
        value = new_value().int32(member.epoch).int32(member.previous_epoch).int8(member.state)
        _write_assigned(value, member.assigned)
        _write_assigned(value, member.revoking)
        return OffsetsRecord(encode_key(CURRENT, group_id, member.member_id), value.tagged_fields().finish())

    def apply(self, group: ConsumerGroup) -> None:
        """Take it over; what the member said of itself stays."""
        old, new = group.members.get(self.member.member_id), self.member
        if old is not None:
            group.put(
                replace(
                    old, epoch=new.epoch, previous_epoch=new.previous_epoch, state=new.state,
                    assigned=new.assigned, revoking=new.revoking,
                )
            )  # fmt: skip


class CurrentRemoved(MemberRecordRemoved):
    """A member gave back all it had."""

    __slots__ = ()
    KIND = CURRENT

    def apply(self, group: ConsumerGroup) -> None:
        """Take it back."""
        old = group.members.get(self.member_id)
        if old is not None:
            group.put(replace(old, epoch=-1, previous_epoch=-1, state=MemberState.STABLE, assigned={}, revoking={}))


@dataclass(frozen=True, slots=True)
class RegexResolved:
    """What a regular expression matches now."""

    regex: str
    resolved: ResolvedRegex

    def record(self, group_id: str) -> OffsetsRecord:
        """ConsumerGroupRegularExpression."""
        value = new_value().count(len(self.resolved.topics))
        for topic in sorted(self.resolved.topics):
            value.string(topic)
        value.int64(self.resolved.version).int64(self.resolved.timestamp).tagged_fields()
        return OffsetsRecord(encode_key(REGEX, group_id, self.regex), value.finish())

    def apply(self, group: ConsumerGroup) -> None:
        """Take it over."""
        group.regexes[self.regex] = self.resolved


@dataclass(frozen=True, slots=True)
class RegexRemoved:
    """Nobody subscribes to a regular expression any more."""

    regex: str

    def record(self, group_id: str) -> OffsetsRecord:
        """ConsumerGroupRegularExpression."""
        return OffsetsRecord(encode_key(REGEX, group_id, self.regex), None)

    def apply(self, group: ConsumerGroup) -> None:
        """Forget it."""
        group.regexes.pop(self.regex, None)


Change = (
    EpochChanged | OldMetadataRemoved | MemberChanged | MemberRemoved | TargetEpochChanged | TargetChanged
    | TargetRemoved | CurrentChanged | CurrentRemoved | RegexResolved | RegexRemoved
)  # fmt: skip


def _encode_classic(classic: ClassicMember | None) -> bytes:
    if classic is None:
        return b"\0"  # a struct that may be null says first whether it is there
    writer = Writer(flexible=True).varint(1)
    writer.int32(classic.session_timeout_ms).count(len(classic.protocols))
    for name, metadata in classic.protocols:
        writer.string(name).sized(metadata).tagged_fields()
    return writer.tagged_fields().finish()


def _write_assigned(writer: Writer, assigned: Assigned) -> None:
    writer.count(len(assigned))
    for topic, epochs in assigned.items():
        numbers = sorted(epochs)
        writer.uuid(topic).count(len(numbers))
        for number in numbers:
            writer.int32(number)
        tag = Writer(flexible=True).count(len(numbers))
        for number in numbers:
            tag.int32(epochs[number])
        writer.tagged_fields({EPOCHS_TAG: tag.finish()})
