"""All streams groups of the coordinator: which group a request is about, and what becomes of it at a start."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.errors import GroupError
from kopfka_broker.groups.group import Group
from kopfka_broker.groups.modern.groups import Work
from kopfka_broker.groups.ports import OffsetsRecord
from kopfka_broker.groups.records import encode_group_key
from kopfka_broker.groups.streams.changes import restore
from kopfka_broker.groups.streams.group import StreamsGroup
from kopfka_broker.groups.streams.heartbeats import Heartbeats

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kopfka_broker.groups.core import Core


class StreamsGroups:
    """What happens to streams groups; `kopfka_broker.groups.modern.Kind`."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.heartbeats = Heartbeats(core)

    def existing(self, group_id: str) -> StreamsGroup:
        """Return a group.

        Raises:
            GroupError: GROUP_ID_NOT_FOUND.
        """
        found = self._core.group(group_id)
        if found is None:
            raise GroupError(ErrorCode.group_id_not_found, f"Group {group_id} not found.")
        if not isinstance(found, StreamsGroup):
            raise GroupError(ErrorCode.group_id_not_found, f"Group {group_id} is not a streams group.")
        return found

    def joined(self, group_id: str, *, create: bool) -> tuple[StreamsGroup, Work]:
        """Return the group a member is in or, where `create`, joins: a new one where there is none.

        Raises:
            GroupError: GROUP_ID_NOT_FOUND.
        """
        core = self._core
        found = core.group(group_id)
        if isinstance(found, StreamsGroup):
            return found, Work(found)
        if found is None and not create:
            raise GroupError(ErrorCode.group_id_not_found, f"Streams group {group_id} not found.")
        group = StreamsGroup(group_id, core.cluster.topic_name)
        if found is None:
            return group, Work(group)
        if create and isinstance(found, Group) and found.is_empty:
            work = Work(group, before=[OffsetsRecord(encode_group_key(group_id), None)])
            work.applied.append(partial(core.membership.give_up, group_id))
            work.durable.append(partial(core.generations.pop, group_id, None))
            return group, work
        raise GroupError(ErrorCode.group_id_not_found, f"Group {group_id} is not a streams group.")

    def restore(self, kind: int, names: list[str], value: bytes, group: object) -> tuple[StreamsGroup, Any] | None:
        """Read a record back (`Kind`)."""
        return restore(kind, names, value, group, self._core.cluster.topic_name)

    def topics_changed(self, names: Iterable[str], *, created: bool) -> None:
        """Take note that topics came, went or grew: topologies that need them are worked out again."""
        changed = set(names)
        for group in self._all():
            if group.topology is not None and not changed.isdisjoint(group.topology.required_topics):
                group.stale = True

    def loaded(self) -> None:
        """Go on with the groups that were found at the start."""
        for group in self._all():
            self.heartbeats.loaded(group)

    def _all(self) -> Iterator[StreamsGroup]:
        for group in self._core.modern.groups.values():
            if isinstance(group, StreamsGroup):
                yield group
