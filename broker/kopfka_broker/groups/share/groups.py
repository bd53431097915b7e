"""All share groups of the coordinator, and what is asked for them of the share coordinator, which keeps the states."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.errors import LOG_ERRORS, GroupError
from kopfka_broker.groups.modern.groups import Work
from kopfka_broker.groups.share.changes import StoredChanged, restore
from kopfka_broker.groups.share.group import ShareGroup, StoredParts
from kopfka_broker.groups.share.heartbeats import Heartbeats
from kopfka_broker.share.states import UNINITIALIZED, ShareError, SharePartitionKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from kopfka_broker.groups.core import Core
    from kopfka_broker.groups.share.group import TopicParts

log = logging.getLogger(__name__)


class ShareGroups:
    """What happens to share groups; `kopfka_broker.groups.modern.Kind`."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.heartbeats = Heartbeats(core, self._begin)
        self._running: set[asyncio.Task[None]] = set()

    def existing(self, group_id: str) -> ShareGroup:
        """Return a group.

        Raises:
            GroupError: GROUP_ID_NOT_FOUND.
        """
        found = self._core.group(group_id)
        if found is None:
            raise GroupError(ErrorCode.group_id_not_found, f"Group {group_id} not found.")
        if not isinstance(found, ShareGroup):
            raise GroupError(ErrorCode.group_id_not_found, f"Group {group_id} is not a share group.")
        return found

    def joined(self, group_id: str, *, create: bool) -> ShareGroup:
        """Return the group a member is in or, where `create`, joins: a new one where there is none.

        Raises:
            GroupError: GROUP_ID_NOT_FOUND.
        """
        found = self._core.group(group_id)
        if found is None:
            if not create:
                raise GroupError(ErrorCode.group_id_not_found, f"Share group {group_id} not found.")
            return ShareGroup(group_id)
        return self.existing(group_id)

    def restore(self, kind: int, names: list[str], value: bytes, group: object) -> tuple[ShareGroup, Any] | None:
        """Read a record back (`Kind`)."""
        return restore(kind, names, value, group)

    def topics_changed(self, names: Iterable[str], *, created: bool) -> None:
        """Take note that topics came, went or grew: groups that read them have something new to assign."""
        changed = set(names)
        for group in self._groups():
            if not group.stale:
                group.stale = not changed.isdisjoint(group.subscribed_topics())
            stored = {*group.stored.all(), *group.stored.deleting}
            gone = {topic for topic in stored if self._core.cluster.topic_name(topic) is None}
            if gone:
                work = Work(group, changes=[StoredChanged(group.stored.without(gone))])
                self._core.modern.write_later(work, "topics were deleted")

    def loaded(self) -> None:
        """Go on with the groups that were found at the start."""
        for group in self._groups():
            self.heartbeats.loaded(group)

    def _groups(self) -> list[ShareGroup]:
        return [group for group in self._core.modern.groups.values() if isinstance(group, ShareGroup)]

    # ---- states of partitions

    def _begin(self, group: ShareGroup, epoch: int, topics: Mapping[UUID, TopicParts]) -> None:
        task = asyncio.get_running_loop().create_task(self._initialize(group, epoch, topics))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _initialize(self, group: ShareGroup, epoch: int, topics: Mapping[UUID, TopicParts]) -> None:
        """Let partitions have a state, beginning where share.auto.offset.reset says."""
        offsets = {(topic, number): UNINITIALIZED for topic, parts in topics.items() for number in parts.partitions}
        try:
            errors = await self.set_offsets(group, epoch, offsets)
            if not errors:
                await self.initialized(group, topics)
                return
            why = str(next(iter(errors.values())))
        except LOG_ERRORS as error:
            why = str(error)
        log.warning("group %s: partitions could not be initialized: %s", group.group_id, why)
        if self._core.modern.groups.get(group.group_id) is group:
            work = Work(group, changes=[StoredChanged(group.stored.gave_up(topics))])
            self._core.modern.write_later(work, "partitions could not be initialized")

    async def initialized(self, group: ShareGroup, topics: Mapping[UUID, TopicParts]) -> None:
        """Take note that partitions have a state now: they may be assigned.

        Raises:
            KopfkaError: it could not be stored.
        """
        if self._core.modern.groups.get(group.group_id) is group:
            await self._core.modern.write(Work(group, changes=[StoredChanged(group.stored.done(topics))]))

    async def set_offsets(
        self, group: ShareGroup, epoch: int, offsets: Mapping[tuple[UUID, int], int]
    ) -> dict[tuple[UUID, int], ShareError]:
        """Begin partitions, or begin them anew, at these offsets; return the errors of those that could not be."""
        share = self._core.cluster.share
        await share.coordinator.ready()
        errors = {}
        for (topic, number), offset in offsets.items():
            key = SharePartitionKey(group.group_id, topic, number)
            try:
                await share.coordinator.initialize(key, epoch, offset)
            except ShareError as error:
                errors[topic, number] = error
            else:
                share.partitions.forget([key])
        return errors

    async def delete_states(
        self, group_id: str, partitions: Iterable[tuple[UUID, int]]
    ) -> dict[tuple[UUID, int], ShareError]:
        """Delete the states of partitions; return the errors of those whose state could not be."""
        share = self._core.cluster.share
        await share.coordinator.ready()
        errors = {}
        for topic, number in partitions:
            key = SharePartitionKey(group_id, topic, number)
            try:
                await share.coordinator.delete(key)
            except ShareError as error:
                errors[topic, number] = error
            else:
                share.partitions.forget([key])
        return errors

    async def end(self, group: ShareGroup) -> None:
        """Delete everything that is stored of a group's partitions, before the group itself is deleted.

        Raises:
            GroupError: some of it could not be.
        """
        topics = group.stored.all()
        deleting = {topic: parts.name for topic, parts in topics.items()}
        for topic, name in group.stored.deleting.items():
            if self._core.cluster.topic_name(topic) is not None:
                deleting[topic] = name
        await self._core.modern.write(Work(group, changes=[StoredChanged(StoredParts(deleting=deleting))]))
        places = [(topic, number) for topic in deleting for number in self._numbers(topic, topics)]
        errors = await self.delete_states(group.group_id, places)
        if errors:
            raise GroupError(next(iter(errors.values())).code)

    def _numbers(self, topic: UUID, topics: Mapping[UUID, TopicParts]) -> Iterable[int]:
        if topic in topics:
            return sorted(topics[topic].partitions)
        return range(self._core.cluster.partition_count(self._core.cluster.topic_name(topic) or ""))
