"""Reads the records of consumer groups back into the changes they were written for (`changes`)."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from kopfka_broker.coordinators.binary import Reader
from kopfka_broker.groups.consumer.changes import (
    CLASSIC_TAG,
    CURRENT,
    EPOCH,
    EPOCHS_TAG,
    HASH_TAG,
    KINDS,
    MEMBER,
    PARTITION_METADATA,
    REGEX,
    TARGET,
    TARGET_EPOCH,
    CurrentChanged,
    EpochChanged,
    MemberChanged,
    OldMetadataFound,
    RegexResolved,
    TargetChanged,
    TargetEpochChanged,
)
from kopfka_broker.groups.consumer.group import ConsumerGroup, ResolvedRegex
from kopfka_broker.groups.consumer.members import ClassicMember, Member, MemberState
from kopfka_broker.groups.errors import MalformedRecordError
from kopfka_broker.groups.modern.changes import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from kopfka_broker.groups.consumer.changes import Change

_INT64 = struct.Struct(">q")


def restore(
    kind: int, names: list[str], value: bytes, group: object
) -> tuple[ConsumerGroup, Change | OldMetadataFound] | None:
    """Read a record back, for `ModernGroups.replay`.

    Raises:
        MalformedRecordError: it ends too early, or is of a version newer than 0.
    """
    if kind not in KINDS:
        return None
    try:
        reader = Reader(value, flexible=True)
        if reader.int16() != VERSION:
            raise ValueError("a version this broker does not know")
        change = _READERS[kind](names, reader)
    except (struct.error, UnicodeDecodeError, ValueError, IndexError) as error:
        raise MalformedRecordError(f"malformed record of consumer group {names[0]}: {error}") from error
    return (group if isinstance(group, ConsumerGroup) else ConsumerGroup(names[0])), change


def _read_epoch(_: list[str], reader: Reader) -> EpochChanged:
    epoch = reader.int32()
    tagged = reader.tagged_fields().get(HASH_TAG)
    return EpochChanged(epoch, _INT64.unpack(tagged)[0] if tagged else 0)


def _read_old_metadata(_: list[str], reader: Reader) -> OldMetadataFound:
    return OldMetadataFound(_INT16_ZERO + reader.raw(reader.left))


def _read_member(names: list[str], reader: Reader) -> MemberChanged:
    member = Member(
        member_id=names[1],
        instance_id=reader.nullable_string(),
        rack_id=reader.nullable_string(),
        client_id=reader.string(),
        client_host=reader.string(),
        topics=frozenset([reader.string() for _ in range(reader.count())]),
        regex=reader.nullable_string() or "",
        rebalance_timeout_ms=reader.int32(),
        assignor=reader.nullable_string(),
    )
    tagged = reader.tagged_fields().get(CLASSIC_TAG)
    return MemberChanged(replace(member, classic=_decode_classic(tagged)) if tagged else member)


def _read_current(names: list[str], reader: Reader) -> CurrentChanged:
    epoch, previous, state = reader.int32(), reader.int32(), reader.int8()
    known = state in (MemberState.STABLE, MemberState.UNREVOKED_PARTITIONS, MemberState.UNRELEASED_PARTITIONS)
    return CurrentChanged(
        Member(
            member_id=names[1],
            epoch=epoch,
            previous_epoch=previous,
            state=MemberState(state) if known else MemberState.UNKNOWN,
            assigned=_read_assigned(reader, epoch),
            revoking=_read_assigned(reader, epoch),
        )
    )


def _read_regex(names: list[str], reader: Reader) -> RegexResolved:
    topics = frozenset([reader.string() for _ in range(reader.count())])
    return RegexResolved(names[1], ResolvedRegex(topics, reader.int64(), reader.int64()))


_READERS: Mapping[int, Callable[[list[str], Reader], Change | OldMetadataFound]] = {
    EPOCH: _read_epoch,
    PARTITION_METADATA: _read_old_metadata,
    MEMBER: _read_member,
    TARGET_EPOCH: lambda _, reader: TargetEpochChanged.read(reader),
    TARGET: lambda names, reader: TargetChanged.read(names[1], reader),
    CURRENT: _read_current,
    REGEX: _read_regex,
}

_INT16_ZERO = b"\0\0"


def _decode_classic(data: bytes) -> ClassicMember | None:
    reader = Reader(data, flexible=True)
    if reader.varint() == 0:
        return None
    timeout = reader.int32()
    protocols = []
    for _ in range(reader.count()):
        protocols.append((reader.string(), reader.sized()))
        reader.tagged_fields()
    return ClassicMember(timeout, tuple(protocols))


def _read_assigned(reader: Reader, epoch: int) -> dict[UUID, dict[int, int]]:
    """Read partitions; Kafka before 4.3 wrote no epochs of them, and took the member's."""
    found: dict[UUID, dict[int, int]] = {}
    for _ in range(reader.count()):
        topic = reader.uuid()
        numbers = [reader.int32() for _ in range(reader.count())]
        tagged = reader.tagged_fields().get(EPOCHS_TAG)
        epochs = [epoch] * len(numbers)
        if tagged:
            inner = Reader(tagged, flexible=True)
            count = inner.varint() - 1  # the array may be null
            epochs = [inner.int32() for _ in range(count)] if count == len(numbers) else epochs
        found[topic] = dict(zip(numbers, epochs, strict=True))
    return found
