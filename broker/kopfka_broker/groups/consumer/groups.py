"""All consumer groups of the coordinator: which group a request is about, and the parts that work on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.consumer.classic import ClassicMembers
from kopfka_broker.groups.consumer.group import ConsumerGroup
from kopfka_broker.groups.consumer.heartbeats import Heartbeats
from kopfka_broker.groups.consumer.migration import Migration
from kopfka_broker.groups.consumer.regexes import Regexes
from kopfka_broker.groups.consumer.restoring import restore
from kopfka_broker.groups.errors import GroupError
from kopfka_broker.groups.group import State
from kopfka_broker.groups.modern.groups import Work

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_broker.groups.core import Core


class ConsumerGroups:
    """What happens to consumer groups; `kopfka_broker.groups.modern.Kind`."""

    def __init__(self, core: Core) -> None:
        settings = core.settings.consumer
        self._core = core
        self.regexes = Regexes(core.modern, core.cluster, settings, core.clock)
        self.migration = Migration(core)
        self.heartbeats = Heartbeats(core, self.migration, self.regexes)
        self.classic = ClassicMembers(core, self.heartbeats, self.migration, self.regexes)

    def existing(self, group_id: str) -> ConsumerGroup:
        """Return a group.

        Raises:
            GroupError: GROUP_ID_NOT_FOUND.
        """
        found = self._core.group(group_id)
        if found is None:
            raise GroupError(ErrorCode.group_id_not_found, f"Group {group_id} not found.")
        if not isinstance(found, ConsumerGroup):
            raise GroupError(ErrorCode.group_id_not_found, f"Group {group_id} is not a consumer group.")
        return found

    def joined(self, group_id: str, *, create: bool) -> tuple[ConsumerGroup, Work]:
        """Return the group a member is in or, where `create`, joins: a new one where there is none.

        Raises:
            GroupError: GROUP_ID_NOT_FOUND.
        """
        core = self._core
        found = core.group(group_id)
        if isinstance(found, ConsumerGroup):
            return found, Work(found)
        if found is None:
            if not create:
                raise GroupError(ErrorCode.group_id_not_found, f"Consumer group {group_id} not found.")
            group = ConsumerGroup(group_id)
            return group, Work(group)
        classic = core.membership.groups.get(group_id)
        if create and classic is not None:
            if classic.state is State.EMPTY:
                return self.migration.replaced_empty(group_id)
            return self.migration.upgraded(classic)
        raise GroupError(ErrorCode.group_id_not_found, f"Group {group_id} is not a consumer group.")

    def of_classic_member(self, group_id: str) -> ConsumerGroup | None:
        """Return the consumer group that a request of the classic protocol is about, None where there is none."""
        found = self._core.modern.groups.get(group_id)
        return found if isinstance(found, ConsumerGroup) and not found.is_empty else None

    def make_way(self, group_id: str) -> None:
        """End an empty group, as a classic group is to take its place; committed offsets stay.

        Raises:
            GroupError: INCONSISTENT_GROUP_PROTOCOL, as it has members, or is of a kind that stays.
        """
        found = self._core.modern.groups.get(group_id)
        if found is not None:
            if not found.is_empty or not found.expires:
                raise GroupError(ErrorCode.inconsistent_group_protocol)
            work = Work(found, before=self._core.modern.tombstones(group_id), ends=True)
            self._core.modern.write_later(work, "an empty group made way for a classic one")

    def restore(self, kind: int, names: list[str], value: bytes, group: object) -> tuple[ConsumerGroup, Any] | None:
        """Read a record back (`Kind`)."""
        return restore(kind, names, value, group)

    def topics_changed(self, names: Iterable[str], *, created: bool) -> None:
        """Take note that topics came, went or grew: groups that read them have something new to assign."""
        changed = set(names)
        if created:
            self.regexes.topics_version += 1
        for group in self._core.modern.groups.values():
            if isinstance(group, ConsumerGroup) and not group.stale:
                group.stale = not changed.isdisjoint(group.subscribed_topics())

    def loaded(self) -> None:
        """Go on with the groups that were found at the start."""
        for group in self._core.modern.groups.values():
            if isinstance(group, ConsumerGroup):
                self.heartbeats.loaded(group)
