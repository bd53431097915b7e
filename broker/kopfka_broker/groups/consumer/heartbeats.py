"""ConsumerGroupHeartbeat, apart from its versions: who joins, stays, leaves, is fenced or runs out of time.

The rules are those of Apache Kafka's coordinator (4.3). A heartbeat that arrives is turned into `Work` for
`ModernGroups.write`; so is a timeout. Nothing here does I/O.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.consumer.assigning import Assigning
from kopfka_broker.groups.consumer.changes import (
    CurrentChanged,
    CurrentRemoved,
    EpochChanged,
    MemberChanged,
    MemberRemoved,
    RegexRemoved,
    TargetChanged,
    TargetRemoved,
)
from kopfka_broker.groups.consumer.members import JOINING, LEAVING_FOR_A_WHILE, Member, MemberState
from kopfka_broker.groups.errors import GroupError
from kopfka_broker.groups.modern.groups import Work
from kopfka_broker.groups.modern.topics import metadata_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_broker.context import RequestContext
    from kopfka_broker.groups.consumer.group import ConsumerGroup
    from kopfka_broker.groups.consumer.members import Assigned
    from kopfka_broker.groups.consumer.migration import Migration
    from kopfka_broker.groups.consumer.reconcile import Owned
    from kopfka_broker.groups.consumer.regexes import Regexes
    from kopfka_broker.groups.core import Core

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A ConsumerGroupHeartbeat request of any version; None stands for what has not changed since the last one."""

    group_id: str
    member_id: str
    member_epoch: int
    instance_id: str | None
    rack_id: str | None
    rebalance_timeout_ms: int
    """-1 for what has not changed."""
    topics: frozenset[str] | None
    regex: str | None
    assignor: str | None
    owned: Owned
    context: RequestContext
    """Who sent it, with which rights."""

    @property
    def client_id(self) -> str:
        """The client's name for itself."""
        return self.context.client_id or ""

    @property
    def client_host(self) -> str:
        """The client's address, as Java writes it."""
        return f"/{self.context.client_host}"

    @property
    def is_full(self) -> bool:
        """Whether it says everything, as after a failure: so its sender wants to be told everything."""
        subscribed = self.topics is not None or self.regex is not None
        return self.rebalance_timeout_ms != -1 and subscribed and self.owned is not None


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """What the member is told."""

    member_id: str
    member_epoch: int
    heartbeat_interval_ms: int = 0
    assigned: Assigned | None = None
    """None where nothing has changed."""


class Heartbeats:
    """Consumer groups as their members see them."""

    def __init__(self, core: Core, migration: Migration, regexes: Regexes) -> None:
        self._migration = migration
        self._groups = core.modern
        self._cluster = core.cluster
        self._settings = core.settings.consumer
        self._timers = core.timers
        self._clock = core.clock
        self._regexes = regexes
        self.assigning = Assigning(core.cluster, core.settings.consumer, core.clock)

    # ---- heartbeats

    def heartbeat(self, group: ConsumerGroup, beat: Heartbeat, work: Work) -> HeartbeatAnswer:
        """Let a member join or stay.

        Raises:
            GroupError: it may not; nothing has changed.
        """
        changes = work.changes
        self.check_room(group, beat.member_id)
        joins = beat.member_epoch == JOINING
        member_id = beat.member_id or str(uuid4())
        if beat.instance_id is None:
            member = self._dynamic_member(group, member_id, beat, joins=joins)
        else:
            member = self._static_member(group, member_id, beat, work, joins=joins)
        updated = replace(
            member,
            instance_id=beat.instance_id or member.instance_id,
            rack_id=beat.rack_id or member.rack_id,
            rebalance_timeout_ms=member.rebalance_timeout_ms
            if beat.rebalance_timeout_ms == -1
            else beat.rebalance_timeout_ms,
            assignor=beat.assignor or member.assignor,
            topics=member.topics if beat.topics is None else beat.topics,
            regex=member.regex if beat.regex is None else beat.regex,
            client_id=beat.client_id,
            client_host=beat.client_host,
            classic=None,
        )
        if updated != member:
            changes.append(MemberChanged(updated))
        names_changed = updated.topics != member.topics
        regex = self._regexes.changed(group, member, updated, changes)
        members = group.with_member(updated)
        bump = names_changed or regex.resolved
        epoch = group.epoch
        if bump or group.stale:
            epoch = self.assigning.epoch(group, members, changes, bump=bump)
            work.applied.append(partial(_looked_at, group))
        target = self.assigning.target(group, epoch, members, updated, changes)
        before = updated
        updated = self.assigning.reconciled(
            group, updated, target, beat.owned, changes, subscription_changed=names_changed or regex.changed
        )
        work.applied.append(partial(self._expect, group, updated, moved=updated != before))
        work.applied.append(partial(self._regexes.refresh, group, beat.context))
        told = joins or beat.is_full or updated.assigned != member.assigned
        return HeartbeatAnswer(
            member_id, updated.epoch, self._heartbeat_interval(group), updated.assigned if told else None
        )

    def leave(self, group: ConsumerGroup, beat: Heartbeat, work: Work) -> HeartbeatAnswer:
        """Let a member leave; a static one for a while, if it says so.

        Raises:
            GroupError: it is no member.
        """
        if beat.instance_id is None:
            member = group.member(beat.member_id)
        else:
            found = group.static_member(beat.instance_id)
            if found is None:
                raise GroupError(ErrorCode.unknown_member_id, f"Instance id {beat.instance_id} is unknown.")
            _check_instance(found, beat.member_id, beat.instance_id)
            member = found
        if beat.instance_id is not None and beat.member_epoch == LEAVING_FOR_A_WHILE:
            # its partitions stay with it, for as long as its session lasts; what it was to give up is given up
            kept = {topic: dict.fromkeys(numbers, 0) for topic, numbers in member.assigned.items()}
            away = replace(member, epoch=LEAVING_FOR_A_WHILE, assigned=kept, revoking={})
            work.changes.append(CurrentChanged(away))
        else:
            self.fence(group, [member], work)
        return HeartbeatAnswer(beat.member_id, beat.member_epoch)

    # ---- members

    def check_room(self, group: ConsumerGroup, member_id: str) -> None:
        """Check that there is room for one more member.

        Raises:
            GroupError: GROUP_MAX_SIZE_REACHED.
        """
        most = self._settings.max_size
        if len(group.members) >= most and member_id not in group.members:
            message = f"The consumer group has reached its maximum capacity of {most} members."
            raise GroupError(ErrorCode.group_max_size_reached, message)

    def _dynamic_member(self, group: ConsumerGroup, member_id: str, beat: Heartbeat, *, joins: bool) -> Member:
        if joins and member_id not in group.members:
            return Member(member_id)
        member = group.member(member_id)
        check_epoch(member, beat.member_epoch, beat.owned)
        return member

    def _static_member(
        self, group: ConsumerGroup, member_id: str, beat: Heartbeat, work: Work, *, joins: bool
    ) -> Member:
        instance_id = beat.instance_id or ""
        found = group.static_member(instance_id)
        if not joins:
            if found is None:
                raise GroupError(ErrorCode.unknown_member_id, f"Instance id {instance_id} is unknown.")
            _check_instance(found, member_id, instance_id)
            check_epoch(found, beat.member_epoch, beat.owned)
            return found
        if found is None:
            return group.members.get(member_id, Member(member_id))
        if found.epoch != LEAVING_FOR_A_WHILE and found.classic is None:
            message = (
                f"Static member {member_id} with instance id {instance_id} cannot join the group because the "
                f"instance id is owned by {found.member_id} member."
            )
            raise GroupError(ErrorCode.unreleased_instance_id, message)
        return self.replace_member(group, found, member_id, work)

    def replace_member(self, group: ConsumerGroup, old: Member, member_id: str, work: Work) -> Member:
        """Let a new process take the place of a static member, with all that one had and was to have."""
        new = replace(old, member_id=member_id, epoch=0, previous_epoch=0)
        work.changes += [
            CurrentRemoved(old.member_id),
            TargetRemoved(old.member_id),
            MemberRemoved(old.member_id),
            MemberChanged(new),
            TargetChanged(member_id, group.targets.get(old.member_id, {})),
            CurrentChanged(new),
        ]
        work.applied.append(partial(self.cancel, group, old.member_id))
        return new

    def fence(self, group: ConsumerGroup, members: Sequence[Member], work: Work) -> None:
        """Remove members, and give the group a new epoch."""
        changes = work.changes
        gone = {member.member_id for member in members}
        rest = [member for member in group.members.values() if member.member_id not in gone]
        if self._migration.can_downgrade(group, rest):
            self._migration.downgrade(group, rest, work, "members of the consumer protocol left")
            return
        for member in members:
            changes += [CurrentRemoved(member.member_id), TargetRemoved(member.member_id)]
            changes.append(MemberRemoved(member.member_id))
            work.applied.append(partial(self.cancel, group, member.member_id))
        used = {member.regex for member in rest}
        changes += [RegexRemoved(regex) for regex in group.regexes if regex not in used]
        changes.append(EpochChanged(group.epoch + 1, metadata_hash(group.subscribed_topics(rest), self._cluster)))

    # ---- time

    def _heartbeat_interval(self, group: ConsumerGroup) -> int:
        return int(self._cluster.group_config(group.group_id, "consumer.heartbeat.interval.ms"))

    def _session_timeout(self, group: ConsumerGroup) -> int:
        return int(self._cluster.group_config(group.group_id, "consumer.session.timeout.ms"))

    def _expect(self, group: ConsumerGroup, member: Member, *, moved: bool) -> None:
        self.expect_heartbeat(group, member.member_id, self._session_timeout(group))
        if moved and member.state is MemberState.UNREVOKED_PARTITIONS:
            self._expect_revocation(group, member)
        elif moved:
            self._timers.cancel(_rebalance(group, member.member_id))

    def _expect_revocation(self, group: ConsumerGroup, member: Member) -> None:
        ended = partial(self._on_rebalance_end, group, member.member_id, member.epoch)
        self._timers.schedule(_rebalance(group, member.member_id), member.rebalance_timeout_ms, ended)

    def expect_heartbeat(self, group: ConsumerGroup, member_id: str, timeout_ms: int) -> None:
        """Begin a member's session anew."""
        self._timers.schedule(_session(group, member_id), timeout_ms, partial(self._on_session_end, group, member_id))

    def loaded(self, group: ConsumerGroup) -> None:
        """Go on with a group after a restart; each member has its full time to send its next heartbeat."""
        session = self._session_timeout(group)
        for member in group.members.values():
            timeout = session if member.classic is None else member.classic.session_timeout_ms
            self.expect_heartbeat(group, member.member_id, timeout)
            if member.state is MemberState.UNREVOKED_PARTITIONS:
                self._expect_revocation(group, member)

    def cancel(self, group: ConsumerGroup, member_id: str) -> None:
        """Expect nothing of a member any more."""
        for name in ("session", "rebalance", "join", "sync"):
            self._timers.cancel((f"consumer-{name}", group.group_id, member_id))

    def _on_session_end(self, group: ConsumerGroup, member_id: str) -> None:
        self.on_silence(group, member_id, "its session ended")

    def _on_rebalance_end(self, group: ConsumerGroup, member_id: str, epoch: int) -> None:
        member = group.members.get(member_id)
        if member is not None and member.epoch == epoch:
            self.on_silence(group, member_id, "it did not give up partitions in time")

    def on_silence(self, group: ConsumerGroup, member_id: str, why: str) -> None:
        """Remove a member that did not do what it had to in time."""
        member = group.members.get(member_id)
        if member is None or self._groups.groups.get(group.group_id) is not group:
            return
        log.info("group %s: member %s is removed: %s", group.group_id, member_id, why)
        work = Work(group)
        self.fence(group, [member], work)
        self._groups.write_later(work, "a member was removed")


def check_epoch(member: Member, epoch: int, owned: Owned) -> None:
    """Check that a member is where it says it is, or one step behind because the answer got lost.

    Raises:
        GroupError: FENCED_MEMBER_EPOCH.
    """
    if epoch in (JOINING, member.epoch):
        return
    behind = "smaller" if epoch < member.epoch else "greater"
    if epoch < member.epoch and epoch == member.previous_epoch and _is_part(owned, member.assigned):
        return
    message = (
        f"The consumer group member has a {behind} member epoch ({epoch}) than the one known by the group coordinator "
        f"({member.epoch}). The member must abandon all its partitions and rejoin."
    )
    raise GroupError(ErrorCode.fenced_member_epoch, message)


def _check_instance(found: Member, member_id: str, instance_id: str) -> None:
    if found.member_id != member_id:
        message = f"Static member {member_id} with instance id {instance_id} was fenced by member {found.member_id}."
        raise GroupError(ErrorCode.fenced_instance_id, message)


def _is_part(owned: Owned, assigned: Assigned) -> bool:
    if owned is None:
        return False
    return all(numbers <= assigned.get(topic, {}).keys() for topic, numbers in owned.items())


def _looked_at(group: ConsumerGroup) -> None:
    group.stale = False


def _session(group: ConsumerGroup, member_id: str) -> tuple[str, str, str]:
    return ("consumer-session", group.group_id, member_id)


def _rebalance(group: ConsumerGroup, member_id: str) -> tuple[str, str, str]:
    return ("consumer-rebalance", group.group_id, member_id)
