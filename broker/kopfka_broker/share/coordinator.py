"""The share coordinator: what is stored of every share partition, in `__share_group_state`.

A change is an update record, and every now and then a snapshot that makes the records before it superfluous. States
in memory are what the log says, up to its end; whoever asked for a change is told once it is on disk. It knows nothing
of consumers: Apache Kafka has brokers ask it by APIs 83 to 87, here the one broker asks it directly.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from kio.schema.errors import ErrorCode

from kopfka_broker.coordinators.errors import LOG_ERRORS, MalformedRecordError, of_the_log
from kopfka_broker.coordinators.partitions import partition_for
from kopfka_broker.coordinators.ports import StateRecord, TrimmableLog
from kopfka_broker.share import records
from kopfka_broker.share.records import ShareState, ShareUpdate
from kopfka_broker.share.states import UNINITIALIZED, ShareError, SharePartitionKey, invalid_request, not_hosted
from kopfka_broker.storage.checkpoints import encode_uuid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from kopfka_broker.coordinators.ports import Clock, StateLog
    from kopfka_broker.share.settings import ShareSettings
    from kopfka_broker.share.states import StateBatch

_RECORDS_A_TURN = 10_000
_NO_EPOCH = -1
_FENCED_LEADER = "The leader epoch in the request is older than the epoch on the broker."
_FENCED_STATE = "The share coordinator rejected the request because the share-group state epoch did not match."

log = logging.getLogger(__name__)


class Topics(Protocol):
    """Which topics there are."""

    def topic_name(self, topic_id: UUID) -> str | None:
        """Return the name of a topic, None where no topic has this id."""
        ...

    def partition_count(self, name: str) -> int:
        """Return how many partitions a topic has, 0 where there is none of this name."""
        ...


class ShareCoordinator:
    """The states of all share partitions. Life: construct, `await load()`, then the rest; `run(stop)` as a task."""

    def __init__(self, store: StateLog, settings: ShareSettings, clock: Clock, topics: Topics) -> None:
        self._loaded = asyncio.Event()
        self._store = store
        self._settings = settings
        self._clock = clock
        self._topics = topics
        self._states: dict[SharePartitionKey, ShareState] = {}
        self._updates: dict[SharePartitionKey, int] = {}
        self._snapshots: dict[int, dict[SharePartitionKey, int]] = {}
        """Where the last snapshot of each share partition is, by partition of the log; 0 for those of earlier runs."""

    async def load(self) -> None:
        """Replay `__share_group_state`."""
        for partition in range(self._store.partition_count):
            await self._replay(partition)
        self._loaded.set()
        if self._states:
            log.info("loaded the state of %d share partitions", len(self._states))

    @property
    def loaded(self) -> bool:
        """Whether `load` is done."""
        return self._loaded.is_set()

    async def ready(self) -> None:
        """Return when `load` is done: those inside the broker wait, as Kafka's persister tries again."""
        await self._loaded.wait()

    async def run(self, stop: asyncio.Event) -> None:
        """Write snapshots of what is not written otherwise, and let go of what snapshots made superfluous."""
        period = min(self._settings.cold_snapshot_ms, self._settings.prune_ms) / 1000
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), period)
            except TimeoutError:
                await self.keep_short()

    def partition_for(self, key: SharePartitionKey) -> int:
        """Return the partition of `__share_group_state` that a share partition's records are in."""
        name = f"{key.group}:{encode_uuid(key.topic_id)}:{key.partition}"
        return partition_for(name, self._store.partition_count)

    # -- what there is ------------------------------------------------------------------------------------------------

    def summary(self, key: SharePartitionKey) -> ShareState | None:
        """Return what is stored of a share partition, None where it was never initialized.

        Raises:
            ShareError: there is no such partition.
        """
        self._check(key)
        return self._states.get(key)

    async def read(self, key: SharePartitionKey, leader_epoch: int = _NO_EPOCH) -> ShareState:
        """Return what is stored of a share partition, for its leader of this epoch.

        Raises:
            ShareError: it was never initialized, or there is no such partition, or a newer leader.
        """
        self._check(key, need_topic=False)
        state = self._states.get(key)
        if state is None:
            raise invalid_request("Read operation on uninitialized share partition not allowed.")
        if _NO_EPOCH < leader_epoch < state.leader_epoch:
            raise ShareError(ErrorCode.fenced_leader_epoch, _FENCED_LEADER)
        self._check_topic(key)
        if leader_epoch not in {_NO_EPOCH, state.leader_epoch}:
            await self._update(
                key, ShareUpdate(state.snapshot_epoch, leader_epoch, state.start_offset, state.completed, ())
            )
        return state

    # -- what is changed ----------------------------------------------------------------------------------------------

    async def initialize(self, key: SharePartitionKey, state_epoch: int, start_offset: int) -> None:
        """Begin a share partition, or begin it anew; -1 lets share.auto.offset.reset decide where.

        Raises:
            ShareError: there is no such partition, or it was begun anew since, or the state could not be stored.
        """
        self._check(key, need_topic=False)
        state = self._states.get(key)
        if state is not None and _NO_EPOCH < state_epoch < state.state_epoch:
            raise ShareError(ErrorCode.fenced_state_epoch, _FENCED_STATE)
        self._check_topic(key)
        snapshot_epoch = 0 if state is None else state.snapshot_epoch + 1
        completed = -1 if start_offset == UNINITIALIZED else 0
        await self._snapshot(key, ShareState(snapshot_epoch, state_epoch, 0, start_offset, completed))

    async def write(
        self,
        key: SharePartitionKey,
        epochs: tuple[int, int],
        start_offset: int,
        completed: int,
        batches: Sequence[StateBatch],
    ) -> None:
        """Store changed states, by someone who knows the share partition of this (state epoch, leader epoch).

        Raises:
            ShareError: it was never initialized, or begun anew since, or there is no such partition, or the states
                could not be stored.
        """
        self._check(key, need_topic=False)
        state_epoch, leader_epoch = epochs
        state = self._states.get(key)
        if state is None:
            raise invalid_request("Write operation on uninitialized share partition not allowed.")
        if _NO_EPOCH < leader_epoch < state.leader_epoch:
            raise ShareError(ErrorCode.fenced_leader_epoch, _FENCED_LEADER)
        if _NO_EPOCH < state_epoch < state.state_epoch:
            raise ShareError(ErrorCode.fenced_state_epoch, _FENCED_STATE)
        self._check_topic(key)
        batches = records.overlay((), batches, start_offset)
        await self._update(key, ShareUpdate(state.snapshot_epoch, state.leader_epoch, start_offset, completed, batches))

    async def delete(self, key: SharePartitionKey) -> None:
        """Forget a share partition.

        Raises:
            ShareError: there is no such partition, or it could not be stored.
        """
        self._check(key)
        if key in self._states:
            await self._append(key, StateRecord(records.encode_key(records.SNAPSHOT, key), None), None)

    async def topics_deleted(self, topic_ids: Iterable[UUID]) -> None:
        """Forget the share partitions of these topics."""
        gone = set(topic_ids)
        for key in [key for key in self._states if key.topic_id in gone]:
            try:
                await self._append(key, StateRecord(records.encode_key(records.SNAPSHOT, key), None), None)
            except ShareError as error:
                log.warning("the state of %s is to be forgotten, which could not be stored: %s", key, error)

    async def keep_short(self) -> None:
        """Do once what `run` does by the clock."""
        now = self._clock.wall_ms()
        for key, state in list(self._states.items()):
            if now - state.written_ms >= self._settings.cold_snapshot_ms and self._states.get(key) is state:
                try:
                    cold = replace(state, snapshot_epoch=state.snapshot_epoch + 1, written_ms=now)
                    await self._append_snapshot(key, cold)
                except ShareError as error:
                    log.warning("a snapshot of %s could not be stored: %s", key, error)
        if isinstance(self._store, TrimmableLog):
            for partition, snapshots in self._snapshots.items():
                oldest = min(snapshots.values(), default=0)
                if oldest > 0:
                    try:
                        self._store.trim(partition, oldest)
                    except LOG_ERRORS as error:
                        log.warning("partition %d of __share_group_state could not be trimmed: %s", partition, error)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _check(self, key: SharePartitionKey, *, need_topic: bool = True) -> None:
        if not self.loaded:
            raise ShareError(ErrorCode.coordinator_load_in_progress)
        if key.partition < 0:
            raise invalid_request("The partition id cannot be a negative number.")
        if need_topic:
            self._check_topic(key)

    def _check_topic(self, key: SharePartitionKey) -> None:
        name = self._topics.topic_name(key.topic_id)
        if name is None or key.partition >= self._topics.partition_count(name):
            raise not_hosted()

    async def _update(self, key: SharePartitionKey, update: ShareUpdate) -> None:
        state = records.combine(self._states[key], update)
        if self._updates.get(key, 0) >= self._settings.updates_per_snapshot:
            await self._snapshot(key, replace(state, snapshot_epoch=state.snapshot_epoch + 1))
            return
        self._updates[key] = self._updates.get(key, 0) + 1
        record = StateRecord(records.encode_key(records.UPDATE, key), records.encode_update(update))
        await self._append(key, record, state)

    async def _snapshot(self, key: SharePartitionKey, state: ShareState) -> None:
        now = self._clock.wall_ms()
        await self._append_snapshot(key, replace(state, created_ms=now, written_ms=now))

    async def _append_snapshot(self, key: SharePartitionKey, state: ShareState) -> None:
        self._updates[key] = 0
        record = StateRecord(records.encode_key(records.SNAPSHOT, key), records.encode_snapshot(state))
        await self._append(key, record, state, snapshot=True)

    async def _append(
        self, key: SharePartitionKey, record: StateRecord, state: ShareState | None, *, snapshot: bool = False
    ) -> None:
        """Append a record, take the state it makes, and wait until it is durable."""
        partition = self.partition_for(key)
        try:
            end = self._store.append(partition, [record], self._clock.wall_ms())
        except LOG_ERRORS as error:
            raise _storage_error(error) from error
        snapshots = self._snapshots.setdefault(partition, {})
        if state is None:
            self._states.pop(key, None)
            self._updates.pop(key, None)
            snapshots.pop(key, None)
        else:
            self._states[key] = state
            if snapshot:
                snapshots[key] = end - 1
        try:
            await self._store.flushed(partition, end)
        except LOG_ERRORS as error:
            await self._replay(partition)  # whether the record is in the log is for the log to say
            raise _storage_error(error) from error

    async def _replay(self, partition: int) -> None:
        states: dict[SharePartitionKey, ShareState] = {}
        updates: dict[SharePartitionKey, int] = {}
        number = 0
        try:
            for number, record in enumerate(self._store.read_all(partition), 1):
                _replay_record(record, states, updates, partition)
                if number % _RECORDS_A_TURN == 0 and not self.loaded:
                    await asyncio.sleep(0)
        except LOG_ERRORS as error:
            log.error("partition %d of __share_group_state cannot be read: %s", partition, error)
            return
        for key in [key for key in self._states if self.partition_for(key) == partition]:
            del self._states[key]
        self._states.update(states)
        self._updates.update(updates)
        self._snapshots[partition] = dict.fromkeys(states, 0)


def _replay_record(
    record: StateRecord,
    states: dict[SharePartitionKey, ShareState],
    updates: dict[SharePartitionKey, int],
    partition: int,
) -> None:
    try:
        kind, key = records.decode_key(record.key)
        if kind == records.SNAPSHOT:
            updates[key] = 0
            if record.value is None:
                states.pop(key, None)
            else:
                states[key] = records.decode_snapshot(record.value)
        elif kind == records.UPDATE and record.value is not None:
            update = records.decode_update(record.value)
            if key in states:
                states[key] = records.combine(states[key], update)
                updates[key] += 1
    except MalformedRecordError as error:
        log.error("partition %d of __share_group_state: a record was left out: %s", partition, error)


def _storage_error(error: Exception) -> ShareError:
    return ShareError(of_the_log(error), str(error))
