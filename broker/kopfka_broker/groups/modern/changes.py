"""Changes that every kind of modern group has, each with its record in Kafka's schemas (all values in version 0).

A kind makes them its own by naming the record (`KIND`); what is different from kind to kind is in its own `changes`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from kopfka_broker.coordinators.binary import Writer
from kopfka_broker.groups.modern.keys import encode_key
from kopfka_broker.groups.ports import OffsetsRecord

if TYPE_CHECKING:
    from typing import Self
    from uuid import UUID

    from kopfka_broker.coordinators.binary import Reader
    from kopfka_broker.groups.modern.topics import Partitions

VERSION: Final = 0
_TIMESTAMP_TAG: Final = 0
_INT64 = struct.Struct(">q")


class Assigning(Protocol):
    """A group that assigns something to its members."""

    assignment_epoch: int
    assignment_timestamp: int
    targets: dict[str, Any]


def new_value() -> Writer:
    """Begin the value of a record."""
    return Writer(flexible=True).int16(VERSION)


@dataclass(frozen=True, slots=True)
class MemberRecordRemoved:
    """A record of one member is of no use any more."""

    KIND: ClassVar[int]
    member_id: str

    def record(self, group_id: str) -> OffsetsRecord:
        """Its tombstone."""
        return OffsetsRecord(encode_key(self.KIND, group_id, self.member_id), None)


class TargetRemoved(MemberRecordRemoved):
    """A member is to have nothing any more."""

    __slots__ = ()

    def apply(self, group: Assigning) -> None:
        """Forget it."""
        group.targets.pop(self.member_id, None)


@dataclass(frozen=True, slots=True)
class TargetEpochChanged:
    """A target assignment is complete: for this epoch of the group, made at this time."""

    KIND: ClassVar[int]
    epoch: int
    timestamp: int

    def record(self, group_id: str) -> OffsetsRecord:
        """TargetAssignmentMetadata."""
        tags = {_TIMESTAMP_TAG: _INT64.pack(self.timestamp)} if self.timestamp else {}
        value = new_value().int32(self.epoch).tagged_fields(tags).finish()
        return OffsetsRecord(encode_key(self.KIND, group_id), value)

    def apply(self, group: Assigning) -> None:
        """Take it over."""
        group.assignment_epoch, group.assignment_timestamp = self.epoch, self.timestamp

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read what `record` wrote, after the version."""
        epoch = reader.int32()
        tagged = reader.tagged_fields().get(_TIMESTAMP_TAG)
        return cls(epoch, 0 if tagged is None else _INT64.unpack(tagged)[0])


@dataclass(frozen=True, slots=True)
class TargetPartitionsChanged:
    """A member is to have other partitions than before."""

    KIND: ClassVar[int]
    member_id: str
    partitions: Partitions

    def record(self, group_id: str) -> OffsetsRecord:
        """TargetAssignmentMember."""
        value = write_partitions(new_value(), self.partitions).tagged_fields().finish()
        return OffsetsRecord(encode_key(self.KIND, group_id, self.member_id), value)

    def apply(self, group: Assigning) -> None:
        """Take it over."""
        group.targets[self.member_id] = self.partitions

    @classmethod
    def read(cls, member_id: str, reader: Reader) -> Self:
        """Read what `record` wrote, after the version."""
        return cls(member_id, read_partitions(reader))


def write_partitions(writer: Writer, partitions: Partitions) -> Writer:
    """Write an array of topic ids, each with the numbers of its partitions."""
    writer.count(len(partitions))
    for topic, numbers in partitions.items():
        writer.uuid(topic).count(len(numbers))
        for number in sorted(numbers):
            writer.int32(number)
        writer.tagged_fields()
    return writer


def read_partitions(reader: Reader) -> dict[UUID, frozenset[int]]:
    """Read what `write_partitions` wrote."""
    partitions: dict[UUID, frozenset[int]] = {}
    for _ in range(reader.count()):
        topic = reader.uuid()
        partitions[topic] = frozenset([reader.int32() for _ in range(reader.count())])
        reader.tagged_fields()
    return partitions
