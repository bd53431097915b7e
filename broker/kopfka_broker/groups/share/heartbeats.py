"""ShareGroupHeartbeat, apart from its versions: who joins, stays, leaves, is fenced or runs out of time.

The rules are those of Apache Kafka's coordinator (4.3). A heartbeat that arrives is turned into `Work` for
`ModernGroups.write`; so is a timeout. Nothing here does I/O.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.errors import GroupError
from kopfka_broker.groups.modern.groups import Work
from kopfka_broker.groups.modern.topics import metadata_hash, topic_ids
from kopfka_broker.groups.share.assignor import Wanted, simple
from kopfka_broker.groups.share.changes import (
    CurrentChanged,
    CurrentRemoved,
    EpochChanged,
    MemberChanged,
    MemberRemoved,
    StoredChanged,
    TargetChanged,
    TargetEpochChanged,
    TargetRemoved,
)
from kopfka_broker.groups.share.group import JOINING, ShareMember, TopicParts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from uuid import UUID

    from kopfka_broker.groups.core import Core
    from kopfka_broker.groups.modern.topics import Partitions
    from kopfka_broker.groups.share.changes import Change
    from kopfka_broker.groups.share.group import ShareGroup

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A ShareGroupHeartbeat request; None stands for what has not changed since the last one."""

    group_id: str
    member_id: str
    member_epoch: int
    rack_id: str | None
    topics: frozenset[str] | None
    client_id: str
    client_host: str


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """What the member is told."""

    member_id: str
    member_epoch: int
    heartbeat_interval_ms: int = 0
    assigned: Partitions | None = None
    """None where nothing has changed."""


class Heartbeats:
    """Share groups as their members see them."""

    def __init__(self, core: Core, begin: Callable[[ShareGroup, int, Mapping[UUID, TopicParts]], None]) -> None:
        """Have the states of partitions initialized by `begin(group, epoch, partitions)`."""
        self._groups = core.modern
        self._cluster = core.cluster
        self._settings = core.settings.share
        self._timers = core.timers
        self._clock = core.clock
        self._begin = begin

    # ---- heartbeats

    def heartbeat(self, group: ShareGroup, beat: Heartbeat, work: Work) -> HeartbeatAnswer:
        """Let a member join or stay.

        Raises:
            GroupError: it may not; nothing has changed.
        """
        changes = work.changes
        self._check_room(group, beat.member_id)
        joins = beat.member_epoch == JOINING
        member = group.members.get(beat.member_id)
        if member is None:
            member = ShareMember(beat.member_id) if joins else group.member(beat.member_id)
        _check_epoch(member, beat.member_epoch)
        updated = replace(
            member,
            rack_id=beat.rack_id or member.rack_id,
            topics=member.topics if beat.topics is None else beat.topics,
            client_id=beat.client_id,
            client_host=beat.client_host,
        )
        if updated != member:
            changes.append(MemberChanged(updated))
        members = {**group.members, updated.member_id: updated}
        bump = updated.topics != member.topics
        if group.assignment_epoch >= group.epoch:
            bump = bump or group.assigns_less()
        names = group.subscribed_topics(members.values())
        epoch = group.epoch
        if bump or group.stale:
            found = metadata_hash(names, self._cluster)
            bump = bump or found != group.metadata_hash
            if bump:
                epoch += 1
                changes.append(EpochChanged(epoch, found))
            work.applied.append(partial(_looked_at, group))
        target = self._target(group, epoch, members, updated, changes)
        before = updated
        updated = self._reconciled(updated, target, changed=bump)
        if updated != before:
            changes.append(CurrentChanged(updated))
        work.applied.append(partial(self._expect, group, updated.member_id))
        self._initialize(group, epoch, names, work)
        told = joins or beat.topics is not None or updated.assigned != member.assigned
        interval = int(self._cluster.group_config(group.group_id, "share.heartbeat.interval.ms"))
        return HeartbeatAnswer(updated.member_id, updated.epoch, interval, updated.assigned if told else None)

    def leave(self, group: ShareGroup, beat: Heartbeat, work: Work) -> HeartbeatAnswer:
        """Let a member leave.

        Raises:
            GroupError: it is no member.
        """
        self._fence(group, group.member(beat.member_id), work)
        return HeartbeatAnswer(beat.member_id, beat.member_epoch)

    # ---- assignments

    def _target(
        self,
        group: ShareGroup,
        epoch: int,
        members: Mapping[str, ShareMember],
        member: ShareMember,
        changes: list[Change],
    ) -> tuple[int, Partitions]:
        """Return what a member is to have, and for which epoch; assigns anew where that is due."""
        interval = self._cluster.group_config(group.group_id, "share.assignment.interval.ms")
        last, now_ms = group.assignment_timestamp, self._clock.wall_ms()
        if epoch <= group.assignment_epoch or (last and interval and now_ms < last + interval):
            return group.assignment_epoch, group.targets.get(member.member_id, {})
        stored = {topic: parts.partitions for topic, parts in group.stored.initialized.items()}
        wanted = {
            one: Wanted(topic_ids(each.topics, self._cluster), group.targets.get(one, {}))
            for one, each in members.items()
        }
        given = simple(wanted, stored)
        changes += [TargetChanged(one, given[one]) for one in members if group.targets.get(one) != given[one]]
        changes.append(TargetEpochChanged(epoch, now_ms))
        return epoch, given[member.member_id]

    def _reconciled(self, member: ShareMember, target: tuple[int, Partitions], *, changed: bool) -> ShareMember:
        """Return a member with its target: nothing has to be given up by others first."""
        epoch, partitions = target
        if epoch == member.epoch and not changed:
            return member
        topics = topic_ids(member.topics, self._cluster)
        assigned = {topic: numbers for topic, numbers in partitions.items() if topic in topics}
        if epoch != member.epoch:
            member = member.at_epoch(epoch)
        return replace(member, assigned=assigned)

    def _initialize(self, group: ShareGroup, epoch: int, names: Iterable[str], work: Work) -> None:
        """See to it that every partition members read has a state; it may be assigned as soon as that is there."""
        now_ms = self._clock.wall_ms()
        fresh = {
            topic: parts
            for topic, parts in group.stored.initializing.items()
            if now_ms - parts.since_ms < self._settings.initialize_retry_ms
        }
        known = replace(group.stored, initializing=fresh).all()
        missing: dict[UUID, TopicParts] = {}
        for name in sorted(names):
            topic = self._cluster.topic_id(name)
            if topic is None:
                continue
            there = known[topic].partitions if topic in known else frozenset()
            numbers = frozenset(range(self._cluster.partition_count(name))) - there
            if numbers:
                missing[topic] = TopicParts(name, numbers, now_ms)
        if missing:
            work.changes.append(StoredChanged(group.stored.beginning(missing)))
            work.durable.append(partial(self._begin, group, epoch, missing))

    # ---- members

    def _check_room(self, group: ShareGroup, member_id: str) -> None:
        most = self._settings.max_size
        if len(group.members) >= most and member_id not in group.members:
            message = f"The share group has reached its maximum capacity of {most} members."
            raise GroupError(ErrorCode.group_max_size_reached, message)

    def _fence(self, group: ShareGroup, member: ShareMember, work: Work) -> None:
        """Remove a member, and give the group a new epoch."""
        one = member.member_id
        work.changes += [CurrentRemoved(one), TargetRemoved(one), MemberRemoved(one)]
        work.applied.append(partial(self._timers.cancel, _session(group, one)))
        rest = [each for each in group.members.values() if each.member_id != one]
        found = metadata_hash(group.subscribed_topics(rest), self._cluster)
        work.changes.append(EpochChanged(group.epoch + 1, found))

    def loaded(self, group: ShareGroup) -> None:
        """Go on with a group after a restart; each member has its full time to send its next heartbeat."""
        for member_id in group.members:
            self._expect(group, member_id)

    def _expect(self, group: ShareGroup, member_id: str) -> None:
        timeout = int(self._cluster.group_config(group.group_id, "share.session.timeout.ms"))
        self._timers.schedule(_session(group, member_id), timeout, partial(self._on_session_end, group, member_id))

    def _on_session_end(self, group: ShareGroup, member_id: str) -> None:
        member = group.members.get(member_id)
        if member is not None and self._groups.groups.get(group.group_id) is group:
            log.info("group %s: the session of member %s ended", group.group_id, member_id)
            work = Work(group)
            self._fence(group, member, work)
            self._groups.write_later(work, "a member's session ended")


def _check_epoch(member: ShareMember, epoch: int) -> None:
    if epoch in (JOINING, member.epoch):
        return
    known = f"than the one known by the group coordinator ({member.epoch})"
    if epoch > member.epoch:
        message = f"The share group member has a greater member epoch ({epoch}) {known}."
    elif epoch == member.previous_epoch:
        return
    else:
        message = (
            f"The share group member has a smaller member epoch ({epoch}) {known}, and it does not match the previous "
            f"member epoch ({member.previous_epoch})."
        )
    raise GroupError(ErrorCode.fenced_member_epoch, f"{message} The member must abandon all its partitions and rejoin.")


def _looked_at(group: ShareGroup) -> None:
    group.stale = False


def _session(group: ShareGroup, member_id: str) -> tuple[str, str, str]:
    return ("share-session", group.group_id, member_id)
