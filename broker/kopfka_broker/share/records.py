"""The records of `__share_group_state` in Kafka's own schemas: ShareSnapshot and ShareUpdate, keys and values.

A snapshot is all that is known of a share partition; an update is laid over the snapshot before it. Both are of
version 0, the only one there is.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_broker.coordinators.binary import Reader, Writer
from kopfka_broker.coordinators.errors import MalformedRecordError
from kopfka_broker.share.states import UNINITIALIZED, DeliveryState, SharePartitionKey, StateBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

SNAPSHOT = 0
UPDATE = 1
_VALUE_VERSION = 0
_COMPLETED_TAG = 0
_COMPLETED = struct.Struct(">i")
_UNKNOWN_COUNT = -1


@dataclass(frozen=True, slots=True)
class ShareState:
    """What is stored of one share partition."""

    snapshot_epoch: int
    state_epoch: int
    """Raised whenever an administrator starts the share partition anew; who has an older one is fenced."""
    leader_epoch: int
    start_offset: int
    completed: int
    """How many records at or after the start offset are done with (KIP-1226); -1 where that is not known."""
    batches: tuple[StateBatch, ...] = ()
    created_ms: int = -1
    written_ms: int = -1


@dataclass(frozen=True, slots=True)
class ShareUpdate:
    """What has changed since the last snapshot."""

    snapshot_epoch: int
    leader_epoch: int
    start_offset: int
    """-1 where it has not changed."""
    completed: int
    batches: tuple[StateBatch, ...]


def encode_key(kind: int, key: SharePartitionKey) -> bytes:
    """Write a ShareSnapshotKey or a ShareUpdateKey."""
    return Writer().int16(kind).string(key.group).uuid(key.topic_id).int32(key.partition).finish()


def decode_key(data: bytes) -> tuple[int, SharePartitionKey]:
    """Read the key of a record: its kind, and the share partition it is about.

    Raises:
        MalformedRecordError: it is no such key.
    """
    try:
        reader = Reader(data)
        kind = reader.int16()
        return kind, SharePartitionKey(reader.string(), reader.uuid(), reader.int32())
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise MalformedRecordError(f"malformed key in __share_group_state: {error}") from error


def encode_snapshot(state: ShareState) -> bytes:
    """Write a ShareSnapshotValue."""
    writer = Writer(flexible=True).int16(_VALUE_VERSION).int32(state.snapshot_epoch).int32(state.state_epoch)
    writer.int32(state.leader_epoch).int64(state.start_offset).int64(state.created_ms).int64(state.written_ms)
    return _finish(writer, state.batches, state.completed)


def encode_update(update: ShareUpdate) -> bytes:
    """Write a ShareUpdateValue."""
    writer = Writer(flexible=True).int16(_VALUE_VERSION).int32(update.snapshot_epoch).int32(update.leader_epoch)
    return _finish(writer.int64(update.start_offset), update.batches, update.completed)


def decode_snapshot(data: bytes) -> ShareState:
    """Read a ShareSnapshotValue.

    Raises:
        MalformedRecordError: it is none.
    """
    try:
        reader = _reader(data)
        epochs = reader.int32(), reader.int32(), reader.int32()
        start, created, written = reader.int64(), reader.int64(), reader.int64()
        batches, completed = _rest(reader)
    except (struct.error, ValueError) as error:
        raise MalformedRecordError(f"malformed snapshot in __share_group_state: {error}") from error
    return ShareState(*epochs, start, completed, batches, created, written)


def decode_update(data: bytes) -> ShareUpdate:
    """Read a ShareUpdateValue.

    Raises:
        MalformedRecordError: it is none.
    """
    try:
        reader = _reader(data)
        snapshot_epoch, leader_epoch, start = reader.int32(), reader.int32(), reader.int64()
        batches, completed = _rest(reader)
    except (struct.error, ValueError) as error:
        raise MalformedRecordError(f"malformed update in __share_group_state: {error}") from error
    return ShareUpdate(snapshot_epoch, leader_epoch, start, completed, batches)


def combine(state: ShareState, update: ShareUpdate) -> ShareState:
    """Lay an update over what was known."""
    start = state.start_offset if update.start_offset == UNINITIALIZED else update.start_offset
    return ShareState(
        state.snapshot_epoch,
        state.state_epoch,
        state.leader_epoch if update.leader_epoch == -1 else update.leader_epoch,
        start,
        update.completed,
        overlay(state.batches, update.batches, start),
        state.created_ms,
        state.written_ms,
    )


def overlay(before: Sequence[StateBatch], newer: Sequence[StateBatch], start: int) -> tuple[StateBatch, ...]:
    """Lay newer states over those before them, in order: none is below `start`, neighbours alike are one."""
    batches = list(before)
    for batch in newer:
        left: list[StateBatch] = []
        for old in batches:
            if old.last < batch.first or old.first > batch.last:
                left.append(old)
                continue
            if old.first < batch.first:
                left.append(StateBatch(old.first, batch.first - 1, old.state, old.count))
            if old.last > batch.last:
                left.append(StateBatch(batch.last + 1, old.last, old.state, old.count))
        left.append(batch)
        batches = left
    joined: list[StateBatch] = []
    for batch in sorted(batches, key=lambda each: each.first):
        if batch.last < start:
            continue
        first = max(batch.first, start)
        previous = joined[-1] if joined else None
        if previous and previous.last + 1 == first and (previous.state, previous.count) == (batch.state, batch.count):
            joined[-1] = StateBatch(previous.first, batch.last, batch.state, batch.count)
        else:
            joined.append(StateBatch(first, batch.last, batch.state, batch.count))
    return tuple(joined)


def _finish(writer: Writer, batches: Sequence[StateBatch], completed: int) -> bytes:
    writer.count(len(batches))
    for batch in batches:
        writer.int64(batch.first).int64(batch.last).int8(batch.state).int16(batch.count).tagged_fields()
    tagged = {} if completed == _UNKNOWN_COUNT else {_COMPLETED_TAG: _COMPLETED.pack(completed)}
    return writer.tagged_fields(tagged).finish()


def _reader(data: bytes) -> Reader:
    reader = Reader(data, flexible=True)
    version = reader.int16()
    if version != _VALUE_VERSION:
        raise ValueError(f"version {version}")
    return reader


def _rest(reader: Reader) -> tuple[tuple[StateBatch, ...], int]:
    batches = []
    for _ in range(reader.count()):
        batches.append(StateBatch(reader.int64(), reader.int64(), DeliveryState(reader.int8()), reader.int16()))
        reader.tagged_fields()
    completed = reader.tagged_fields().get(_COMPLETED_TAG)
    return tuple(batches), _UNKNOWN_COUNT if completed is None else _COMPLETED.unpack(completed)[0]
