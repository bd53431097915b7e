"""What the APIs of the coordinator share: groups, offsets, the log, and whether they are loaded yet."""

from __future__ import annotations

import asyncio
import logging
import struct
from functools import partial
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from kopfka_broker.coordinators.compaction import Compaction
from kopfka_broker.coordinators.journal import Journal
from kopfka_broker.coordinators.partitions import partition_for
from kopfka_broker.coordinators.timers import Timers
from kopfka_broker.coordinators.topics import GROUPS
from kopfka_broker.groups.errors import LOG_ERRORS, of_the_log
from kopfka_broker.groups.membership import Membership
from kopfka_broker.groups.modern.groups import ModernGroups
from kopfka_broker.groups.offsets import CommittedOffsets
from kopfka_broker.groups.ports import OffsetsRecord
from kopfka_broker.groups.records import (
    encode_group_key,
    encode_group_value,
    encode_offset_key,
    encode_offset_value,
)
from kopfka_broker.lazily import Lazy
from kopfka_broker.security.authorizer import Operation, ResourceType

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from kopfka_broker.context import RequestContext
    from kopfka_broker.coordinators.journal import Write
    from kopfka_broker.groups.consumer.group import ConsumerGroup
    from kopfka_broker.groups.consumer.groups import ConsumerGroups
    from kopfka_broker.groups.group import Group
    from kopfka_broker.groups.modern.groups import ModernGroup
    from kopfka_broker.groups.ports import Clock, Cluster, OffsetsLog
    from kopfka_broker.groups.records import GroupMetadata
    from kopfka_broker.groups.settings import GroupSettings
    from kopfka_broker.groups.share.groups import ShareGroups
    from kopfka_broker.groups.streams.groups import StreamsGroups

    AnyGroup = Group | ModernGroup

log = logging.getLogger(__name__)

_OPERATIONS = (
    Operation.READ, Operation.DELETE, Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS, Operation.ALTER_CONFIGS,
)  # fmt: skip
"""All there is to do with a group."""
NOT_ASKED = -(1 << 31)
"""What stands for them where a client does not want to know."""

_LONGEST_STRING = 32_767
"""Bytes of a STRING in a record's key; newer versions of requests could bring more."""


class Core:
    """The coordinator's state, and the one way to change what is stored of it."""

    def __init__(self, store: OffsetsLog, settings: GroupSettings, clock: Clock, cluster: Cluster) -> None:
        self.settings = settings
        self.clock = clock
        self.cluster = cluster
        self.timers = Timers(clock.monotonic_ms)
        self.offsets = CommittedOffsets()
        self.journal = Journal(store, clock)
        self.membership = Membership(settings, self.timers, clock, self._store_generation)
        self.compaction = Compaction(GROUPS, store, self.journal, self._live, self.offsets.pending.open_in)
        self.journal.on_quiet = self.compaction.consider
        self.modern = ModernGroups(self.journal, self.partition)
        self._consumers: Lazy[ConsumerGroups] = Lazy("kopfka_broker.groups.consumer.groups", "ConsumerGroups", self)
        self._shares: Lazy[ShareGroups] = Lazy("kopfka_broker.groups.share.groups", "ShareGroups", self)
        self._streams: Lazy[StreamsGroups] = Lazy("kopfka_broker.groups.streams.groups", "StreamsGroups", self)
        self.modern.kinds += [self._consumers, self._shares, self._streams]
        self.generations: dict[str, bytes] = {}
        """The stored generation of each group, as it is in the log."""
        self.foreign: dict[int, list[OffsetsRecord]] = {}
        """Records that are not ours to understand, by partition: they are kept as they are."""
        self.loaded = False
        self._store = store
        self._settling: set[asyncio.Task[None]] = set()

    @property
    def consumers(self) -> ConsumerGroups:
        """What happens to consumer groups (KIP-848)."""
        return self._consumers()

    @property
    def shares(self) -> ShareGroups:
        """What happens to share groups (KIP-932)."""
        return self._shares()

    @property
    def streams(self) -> StreamsGroups:
        """What happens to streams groups (KIP-1071)."""
        return self._streams()

    def refusal(self, group: str) -> ErrorCode | None:
        """Return why no request about this group can be served, None where it can."""
        if len(group) > _LONGEST_STRING // 4 and len(group.encode()) > _LONGEST_STRING:
            return ErrorCode.invalid_group_id
        return None if self.loaded else ErrorCode.coordinator_load_in_progress

    def group(self, group_id: str) -> AnyGroup | None:
        """Return a group of whatever kind, None where there is none."""
        return self.modern.groups.get(group_id) or self.membership.groups.get(group_id)

    def of_classic_member(self, group_id: str) -> ConsumerGroup | None:
        """Return the consumer group that a request of the classic protocol is about, None where there is none."""
        return self.consumers.of_classic_member(group_id) if group_id in self.modern.groups else None

    def may_describe(self, context: RequestContext, group_id: str) -> bool:
        """Tell whether a client may see a group."""
        return self.cluster.allows(context, Operation.DESCRIBE, ResourceType.GROUP, group_id)

    def authorized_operations(self, context: RequestContext, group_id: str) -> int:
        """Return what a client may do with a group, as a set of bits."""
        allowed = partial(self.cluster.allows, context, resource=ResourceType.GROUP, name=group_id, log_denied=False)
        return sum(1 << each for each in _OPERATIONS if allowed(each))

    def partition(self, group: str) -> int:
        """Return the partition of `__consumer_offsets` that a group's records are in."""
        return partition_for(group, self._store.partition_count)

    def forget_offsets(
        self, group: str, partitions: Iterable[tuple[str, int]], *, delete_group: bool = False
    ) -> Awaitable[None]:
        """Write tombstones now for committed offsets, and for a group without members where told.

        Returns:
            What to await until they are durable; it raises KopfkaError if they are not, and the group is kept.
        """
        keys = list(partitions)
        records = [OffsetsRecord(encode_offset_key(group, topic, number), None) for topic, number in keys]
        if delete_group:
            modern = group in self.modern.groups
            records += self.modern.tombstones(group) if modern else [OffsetsRecord(encode_group_key(group), None)]
        try:
            write = self.journal.append(
                self.partition(group), records, partial(self._forgotten, group, keys, delete_group)
            )
        except LOG_ERRORS as error:
            return _failed(error)
        take_back: Callable[[], object] = _nothing
        if delete_group:  # at once: who joins from now on joins a new group
            take_back = self._forget_group(group)
        return self._settle_forgotten(write, take_back)

    def _forget_group(self, group_id: str) -> Callable[[], object]:
        """Forget a group without members; return what takes it back."""
        if group_id in self.modern.groups:
            stored = self.modern.stored(group_id)
            return partial(self.modern.restore, self.modern.forget(group_id), stored)
        self.membership.delete(group_id)
        return partial(self.membership.get_or_create, group_id)

    def _forgotten(self, group: str, keys: Iterable[tuple[str, int]], deleted: bool) -> None:
        for topic, number in keys:
            self.offsets.remove(group, topic, number)
        if deleted:
            self.generations.pop(group, None)

    def _live(self, partition: int) -> list[OffsetsRecord]:
        """Return what of a partition still counts."""
        records = [*self.foreign.get(partition, ()), *self.modern.live(partition)]
        for group in self.generations.keys() | set(self.offsets.groups()):
            if self.partition(group) != partition:
                continue
            generation = self.generations.get(group)
            if generation is not None:
                records.append(OffsetsRecord(encode_group_key(group), generation))
            for topic, values in self.offsets.of_group(group).items():
                for number, value in values.items():
                    key = encode_offset_key(group, topic, number)
                    records.append(OffsetsRecord(key, encode_offset_value(value)))
        return records

    async def _settle_forgotten(self, write: Write, take_back: Callable[[], object]) -> None:
        try:
            await self.journal.settle(write)
        except LOG_ERRORS:
            take_back()
            raise

    def _store_generation(self, group: str, metadata: GroupMetadata, done: Callable[[ErrorCode], None]) -> None:
        try:
            value = encode_group_value(metadata)
        except struct.error:  # a member calls itself something longer than a record can hold
            done(ErrorCode.unknown_server_error)
            return

        def apply() -> None:
            self.generations[group] = value
            done(ErrorCode.none)

        try:
            write = self.journal.append(self.partition(group), [OffsetsRecord(encode_group_key(group), value)], apply)
        except LOG_ERRORS as error:
            done(of_the_log(error))
            return
        task = asyncio.get_running_loop().create_task(self._settle_generation(group, write, done))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle_generation(self, group: str, write: Write, done: Callable[[ErrorCode], None]) -> None:
        try:
            await self.journal.settle(write)
        except LOG_ERRORS as error:
            log.warning("group %s could not be stored: %s", group, error)
            done(of_the_log(error))


def _nothing() -> None:
    """Nothing was forgotten."""


async def _failed(error: Exception) -> None:
    raise error
