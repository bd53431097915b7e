"""What can change in a streams group, each with its record in Kafka's schemas (all values in version 0).

Read and written: StreamsGroupMetadata (17), MemberMetadata (19), TargetAssignmentMetadata (20), TargetAssignmentMember
(21), CurrentMemberAssignment (22) and Topology (23).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kopfka_broker.coordinators.binary import Reader, Writer
from kopfka_broker.groups.errors import MalformedRecordError
from kopfka_broker.groups.modern import changes
from kopfka_broker.groups.modern.changes import VERSION, MemberRecordRemoved, new_value
from kopfka_broker.groups.modern.keys import encode_key
from kopfka_broker.groups.ports import OffsetsRecord
from kopfka_broker.groups.streams.group import StreamsGroup
from kopfka_broker.groups.streams.members import Member, MemberState
from kopfka_broker.groups.streams.tasks import Held, Tasks, by_subtopology
from kopfka_broker.groups.streams.topology import Topology, read_topology, write_topology

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from kopfka_broker.groups.streams.tasks import Task

EPOCH, MEMBER, TARGET_EPOCH, TARGET, CURRENT, TOPOLOGY = 17, 19, 20, 21, 22, 23
_VALIDATED_TAG, _CONFIGS_TAG = 0, 1
_EPOCHS_TAG = 0
_INT32, _UINT16 = struct.Struct(">i"), struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class EpochChanged:
    """The group's epoch, and what it was made with: from now on there is something new to assign."""

    epoch: int
    metadata_hash: int
    validated_topology_epoch: int
    configs: Mapping[str, str]

    def record(self, group_id: str) -> OffsetsRecord:
        """StreamsGroupMetadata."""
        tags = {}
        if self.validated_topology_epoch != -1:
            tags[_VALIDATED_TAG] = _INT32.pack(self.validated_topology_epoch)
        if self.configs:
            configs = Writer(flexible=True).count(len(self.configs))
            for key, text in sorted(self.configs.items()):
                configs.string(key).string(text).tagged_fields()
            tags[_CONFIGS_TAG] = configs.finish()
        value = new_value().int32(self.epoch).int64(self.metadata_hash).tagged_fields(tags).finish()
        return OffsetsRecord(encode_key(EPOCH, group_id), value)

    def apply(self, group: StreamsGroup) -> None:
        """Take it over."""
        group.epoch, group.metadata_hash = self.epoch, self.metadata_hash
        group.validated_topology_epoch = self.validated_topology_epoch
        group.assignment_configs = dict(self.configs)


@dataclass(frozen=True, slots=True)
class TopologyChanged:
    """The application told its topology."""

    topology: Topology

    def record(self, group_id: str) -> OffsetsRecord:
        """StreamsGroupTopology."""
        value = new_value()
        write_topology(value, self.topology)
        return OffsetsRecord(encode_key(TOPOLOGY, group_id), value.finish())

    def apply(self, group: StreamsGroup) -> None:
        """Take it over; what it comes to was worked out with the change of epoch."""
        group.topology = self.topology


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """A member joined, or says something else of itself."""

    member: Member

    def record(self, group_id: str) -> OffsetsRecord:
        """StreamsGroupMemberMetadata."""
        member = self.member
        value = new_value().nullable_string(member.instance_id).nullable_string(member.rack_id)
        value.string(member.client_id).string(member.client_host).int32(member.rebalance_timeout_ms)
        value.int32(member.topology_epoch).string(member.process_id)
        if member.endpoint is None:
            value.int8(-1)
        else:
            value.int8(1).string(member.endpoint[0]).raw(_UINT16.pack(member.endpoint[1])).tagged_fields()
        value.count(len(member.client_tags))
        for key, text in member.client_tags:
            value.string(key).string(text).tagged_fields()
        return OffsetsRecord(encode_key(MEMBER, group_id, member.member_id), value.tagged_fields().finish())

    def apply(self, group: StreamsGroup) -> None:
        """Take it over; what the member has stays."""
        old = group.members.get(self.member.member_id, Member(self.member.member_id))
        group.members[self.member.member_id] = replace(
            self.member, epoch=old.epoch, previous_epoch=old.previous_epoch, state=old.state, assigned=old.assigned,
            revoking=old.revoking,
        )  # fmt: skip


class MemberRemoved(MemberRecordRemoved):
    """A member is none any more."""

    __slots__ = ()
    KIND = MEMBER

    def apply(self, group: StreamsGroup) -> None:
        """Forget it; with the last member, the wish to stop is over."""
        group.members.pop(self.member_id, None)
        if not group.members:
            group.shutdown_member = None


class TargetEpochChanged(changes.TargetEpochChanged):
    """StreamsGroupTargetAssignmentMetadata."""

    __slots__ = ()
    KIND = TARGET_EPOCH


@dataclass(frozen=True, slots=True)
class TargetChanged:
    """A member is to have other tasks than before."""

    member_id: str
    tasks: Tasks

    def record(self, group_id: str) -> OffsetsRecord:
        """StreamsGroupTargetAssignmentMember."""
        value = new_value()
        for role in self.tasks.by_role:
            _write_tasks(value, role, None)
        return OffsetsRecord(encode_key(TARGET, group_id, self.member_id), value.tagged_fields().finish())

    def apply(self, group: StreamsGroup) -> None:
        """Take it over."""
        group.targets[self.member_id] = self.tasks


class TargetRemoved(changes.TargetRemoved):
    """The end of a StreamsGroupTargetAssignmentMember."""

    __slots__ = ()
    KIND = TARGET


@dataclass(frozen=True, slots=True)
class CurrentChanged:
    """A member has other tasks, or has come further."""

    member: Member

    def record(self, group_id: str) -> OffsetsRecord:
        """StreamsGroupCurrentMemberAssignment."""
        member = self.member
        value = new_value().int32(member.epoch).int32(member.previous_epoch).int8(member.state)
        for held in (member.assigned, member.revoking):
            _write_tasks(value, held.tasks.active, held.epochs)
            _write_tasks(value, held.tasks.standby, None)
            _write_tasks(value, held.tasks.warmup, None)
        return OffsetsRecord(encode_key(CURRENT, group_id, member.member_id), value.tagged_fields().finish())

    def apply(self, group: StreamsGroup) -> None:
        """Take it over; what the member said of itself stays."""
        old, new = group.members.get(self.member.member_id), self.member
        if old is not None:
            group.members[new.member_id] = replace(
                old, epoch=new.epoch, previous_epoch=new.previous_epoch, state=new.state, assigned=new.assigned,
                revoking=new.revoking,
            )  # fmt: skip


class CurrentRemoved(MemberRecordRemoved):
    """A member gave back all it had."""

    __slots__ = ()
    KIND = CURRENT

    def apply(self, group: StreamsGroup) -> None:
        """Take it back."""
        old = group.members.get(self.member_id)
        if old is not None:
            group.members[self.member_id] = replace(
                old, epoch=-1, previous_epoch=-1, state=MemberState.STABLE, assigned=Held(), revoking=Held()
            )


Change = (
    EpochChanged | TopologyChanged | MemberChanged | MemberRemoved | TargetEpochChanged | TargetChanged | TargetRemoved
    | CurrentChanged | CurrentRemoved
)  # fmt: skip


# ---- reading


def restore(
    kind: int, names: list[str], value: bytes, group: object, topic_name: Callable[[UUID], str | None]
) -> tuple[StreamsGroup, Change] | None:
    """Read a record back, for `ModernGroups.replay`.

    Raises:
        MalformedRecordError: it ends too early, or is of a version newer than 0.
    """
    if kind not in _READERS:
        return None
    try:
        reader = Reader(value, flexible=True)
        if reader.int16() != VERSION:
            raise ValueError("a version this broker does not know")
        change = _READERS[kind](names, reader)
    except (struct.error, UnicodeDecodeError, ValueError, IndexError) as error:
        raise MalformedRecordError(f"malformed record of streams group {names[0]}: {error}") from error
    return (group if isinstance(group, StreamsGroup) else StreamsGroup(names[0], topic_name)), change


def _read_epoch(_: list[str], reader: Reader) -> EpochChanged:
    epoch, metadata_hash, tags = reader.int32(), reader.int64(), reader.tagged_fields()
    configs = {}
    if _CONFIGS_TAG in tags:
        inner = Reader(tags[_CONFIGS_TAG], flexible=True)
        for _number in range(inner.count()):
            key = inner.string()
            configs[key] = inner.string()
            inner.tagged_fields()
    validated = _INT32.unpack(tags[_VALIDATED_TAG])[0] if _VALIDATED_TAG in tags else -1
    return EpochChanged(epoch, metadata_hash, validated, configs)


def _read_member(names: list[str], reader: Reader) -> MemberChanged:
    instance_id, rack_id = reader.nullable_string(), reader.nullable_string()
    client_id, client_host = reader.string(), reader.string()
    timeout, topology_epoch, process_id = reader.int32(), reader.int32(), reader.string()
    endpoint = None
    if reader.int8() >= 0:
        endpoint = (reader.string(), _UINT16.unpack(reader.raw(2))[0])
        reader.tagged_fields()
    tags = []
    for _ in range(reader.count()):
        tags.append((reader.string(), reader.string()))
        reader.tagged_fields()
    return MemberChanged(
        Member(
            names[1], instance_id, rack_id, client_id, client_host, timeout, topology_epoch, process_id, endpoint,
            tuple(tags),
        )
    )  # fmt: skip


def _read_target(names: list[str], reader: Reader) -> TargetChanged:
    return TargetChanged(names[1], Tasks(*(frozenset(_read_tasks(reader, 0)) for _ in range(3))))


def _read_current(names: list[str], reader: Reader) -> CurrentChanged:
    epoch, previous, state = reader.int32(), reader.int32(), reader.int8()
    known = any(state == each for each in MemberState)
    held = []
    for _ in range(2):
        active, standby, warmup = (_read_tasks(reader, epoch) for _ in range(3))
        held.append(Held(Tasks(frozenset(active), frozenset(standby), frozenset(warmup)), active))
    return CurrentChanged(
        Member(
            names[1],
            epoch=epoch,
            previous_epoch=previous,
            state=MemberState(state) if known else MemberState.UNKNOWN,
            assigned=held[0],
            revoking=held[1],
        )
    )


def _read_topology(_: list[str], reader: Reader) -> TopologyChanged:
    return TopologyChanged(read_topology(reader))


_READERS: Final[Mapping[int, Callable[[list[str], Reader], Change]]] = {
    EPOCH: _read_epoch,
    MEMBER: _read_member,
    TARGET_EPOCH: lambda _, reader: TargetEpochChanged.read(reader),
    TARGET: _read_target,
    CURRENT: _read_current,
    TOPOLOGY: _read_topology,
}


def _write_tasks(writer: Writer, tasks: frozenset[Task], epochs: Mapping[Task, int] | None) -> None:
    listed = list(by_subtopology(tasks))
    writer.count(len(listed))
    for subtopology, partitions in listed:
        writer.string(subtopology).count(len(partitions))
        for partition in partitions:
            writer.int32(partition)
        if epochs is None:
            writer.tagged_fields()
            continue
        tag = Writer(flexible=True).count(len(partitions))
        for partition in partitions:
            tag.int32(epochs[subtopology, partition])
        writer.tagged_fields({_EPOCHS_TAG: tag.finish()})


def _read_tasks(reader: Reader, epoch: int) -> dict[Task, int]:
    """Read tasks with the epochs they were assigned in; where none are stored, `epoch` stands for them."""
    found: dict[Task, int] = {}
    for _ in range(reader.count()):
        subtopology = reader.string()
        partitions = [reader.int32() for _ in range(reader.count())]
        tagged = reader.tagged_fields().get(_EPOCHS_TAG)
        epochs = [epoch] * len(partitions)
        if tagged:
            inner = Reader(tagged, flexible=True)
            count = inner.varint() - 1  # the array may be null
            epochs = [inner.int32() for _ in range(count)] if count == len(partitions) else epochs
        found |= {(subtopology, partition): each for partition, each in zip(partitions, epochs, strict=True)}
    return found
