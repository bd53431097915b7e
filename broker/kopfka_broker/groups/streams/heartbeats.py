"""StreamsGroupHeartbeat, apart from its version: who joins, stays, leaves, is fenced or runs out of time.

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
from kopfka_broker.groups.modern.topics import metadata_hash
from kopfka_broker.groups.streams.assignor import MemberSpec, assign
from kopfka_broker.groups.streams.changes import (
    CurrentChanged,
    CurrentRemoved,
    EpochChanged,
    MemberChanged,
    MemberRemoved,
    TargetChanged,
    TargetEpochChanged,
    TargetRemoved,
    TopologyChanged,
)
from kopfka_broker.groups.streams.configuring import Configured, Status, configure
from kopfka_broker.groups.streams.members import Member, MemberState
from kopfka_broker.groups.streams.reconcile import reconcile
from kopfka_broker.groups.streams.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_broker.groups.core import Core
    from kopfka_broker.groups.streams.changes import Change
    from kopfka_broker.groups.streams.group import StreamsGroup
    from kopfka_broker.groups.streams.topology import InternalTopic, Topology

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A StreamsGroupHeartbeat request; None stands for what has not changed since the last one."""

    group_id: str
    member_id: str
    member_epoch: int
    endpoint_epoch: int
    rack_id: str | None
    rebalance_timeout_ms: int
    """-1 for what has not changed."""
    topology: Topology | None
    owned: Tasks | None
    process_id: str | None
    endpoint: tuple[str, int] | None
    client_tags: tuple[tuple[str, str], ...] | None
    shutdown: bool
    client_id: str
    client_host: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the member is told."""

    member_id: str
    member_epoch: int
    status: tuple[tuple[Status, str], ...] = ()
    heartbeat_interval_ms: int = 0
    tasks: Tasks | None = None
    """None where nothing has changed."""
    endpoint_epoch: int = 0
    endpoints: bool = False
    """Whether it is to be told where tasks can be queried."""
    missing: tuple[InternalTopic, ...] = ()
    """Internal topics that are to be created."""


class Heartbeats:
    """Streams groups as their members see them."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._cluster = core.cluster
        self._timers = core.timers
        self._settings = core.settings.streams

    # ---- heartbeats

    def heartbeat(self, group: StreamsGroup, beat: Heartbeat, work: Work) -> Answer:
        """Let a member join or stay.

        Raises:
            GroupError: it may not; nothing has changed.
        """
        changes, status = work.changes, list[tuple[Status, str]]()
        joins = beat.member_epoch == 0
        if joins:
            self._check_room(group)
        member = group.members.get(beat.member_id) if joins else group.member(beat.member_id)
        if member is None:
            member = Member(beat.member_id)
        elif not joins or member.epoch != 0:
            _check_epoch(member, beat.member_epoch, beat.owned)
        updated = _updated(member, beat)
        if updated != member:
            changes.append(MemberChanged(updated))
        topology = self._topology(group, beat, updated, changes, status)
        configured, hashed = self._configured(group, topology, work)
        validated = topology.epoch if configured.is_ready else -1
        if configured.is_ready and beat.owned is not None:
            _check_tasks(beat.owned, configured)
        configs = {"num.standby.replicas": str(self._config(group, "num.standby.replicas"))}
        wanted = EpochChanged(group.epoch, hashed, validated, configs)
        epoch = group.epoch
        if updated != member or group.topology is None or wanted != _epoch_of(group):
            epoch += 1
            changes.append(replace(wanted, epoch=epoch))
        initial = group.is_empty and self._config(group, "initial.rebalance.delay.ms") > 0
        if initial:
            work.applied.append(partial(self._delay_first_assignment, group))
        waits = self._reason_to_wait(group, epoch, initial=initial)
        if waits is None:
            members = {**group.members, updated.member_id: updated}
            target = epoch, self._assign(group, epoch, members, configured, changes)[updated.member_id]
        else:
            target = group.assignment_epoch, group.targets.get(updated.member_id, Tasks())
            status += [(Status.ASSIGNMENT_DELAYED, waits)] if waits else []
        before = updated
        if not updated.is_reconciled_to(target[0]):
            updated = reconcile(updated, *target, beat.owned, group)
            if updated != before:
                changes.append(CurrentChanged(updated))
        work.applied.append(partial(self._expect, group, updated, moved=updated != before))
        status += [configured.problem] if configured.problem is not None else []
        status += self._shutdown(group, beat, work)
        told = joins or updated.assigned.tasks != member.assigned.tasks
        endpoint_epoch = group.endpoint_epoch + (told and updated.endpoint is not None)
        work.applied.append(partial(setattr, group, "endpoint_epoch", endpoint_epoch))
        known = group.group_id in self._core.modern.groups
        return Answer(
            beat.member_id, updated.epoch, tuple(status), self._config(group, "heartbeat.interval.ms"),
            updated.assigned.tasks if told else None, endpoint_epoch if known else 0,
            endpoint_epoch != beat.endpoint_epoch, configured.missing,
        )  # fmt: skip

    def leave(self, group: StreamsGroup, beat: Heartbeat, work: Work) -> Answer:
        """Let a member leave.

        Raises:
            GroupError: it is no member.
        """
        member = group.member(beat.member_id)
        if beat.shutdown:
            work.applied.append(partial(setattr, group, "shutdown_member", beat.member_id))
        self._fence(group, member, work)
        return Answer(beat.member_id, beat.member_epoch)

    # ---- its parts

    @staticmethod
    def _shutdown(group: StreamsGroup, beat: Heartbeat, work: Work) -> list[tuple[Status, str]]:
        """Return what a member is told where it or another one wants the whole application to stop."""
        member_id = group.shutdown_member
        if beat.shutdown:
            member_id = beat.member_id
            work.applied.append(partial(setattr, group, "shutdown_member", member_id))
        if member_id is None:
            return []
        detail = (
            f"Streams group member {member_id} encountered a fatal error and requested a shutdown for the entire "
            "application."
        )
        return [(Status.SHUTDOWN_APPLICATION, detail)]

    def _check_room(self, group: StreamsGroup) -> None:
        most = self._settings.max_size
        if len(group.members) >= most:
            message = f"The streams group has reached its maximum capacity of {most} members."
            raise GroupError(ErrorCode.group_max_size_reached, message)

    @staticmethod
    def _topology(
        group: StreamsGroup,
        beat: Heartbeat,
        member: Member,
        changes: list[Change],
        status: list[tuple[Status, str]],
    ) -> Topology:
        """Return the group's topology, the one just told where it had none; who runs an older one is told so."""
        known, told = group.topology, beat.topology
        if known is None:
            if told is None:
                raise GroupError(ErrorCode.unknown_server_error)
            changes.append(TopologyChanged(told))
            return told
        if told is not None and told.epoch >= known.epoch and told != known:
            raise GroupError(ErrorCode.invalid_request, "Topology updates are not supported yet.")
        if member.topology_epoch < known.epoch:
            detail = (
                f"The member's topology epoch {member.topology_epoch} is behind the group's topology epoch "
                f"{known.epoch}."
            )
            status.append((Status.STALE_TOPOLOGY, detail))
        return known

    def _configured(self, group: StreamsGroup, topology: Topology, work: Work) -> tuple[Configured, int]:
        """Return what the topology comes to with the topics there are, and a number that stands for them."""
        if group.configured is not None and not group.stale and group.topology is not None:
            return group.configured, group.metadata_hash
        hashed = metadata_hash(topology.required_topics, self._cluster)
        configured = configure(topology, self._cluster.partition_count)
        work.applied.append(partial(_looked_at, group, configured))
        return configured, hashed

    def _reason_to_wait(self, group: StreamsGroup, epoch: int, *, initial: bool) -> str | None:
        """Return why nothing is assigned now: an empty text where nothing is to be, None where it is due."""
        if initial or _delay(group) in self._timers:
            return "Assignment delayed due to the configured initial rebalance delay."
        if epoch <= group.assignment_epoch:
            return ""
        interval, last = self._config(group, "assignment.interval.ms"), group.assignment_timestamp
        if last and interval and self._core.clock.wall_ms() < last + interval:
            return "Assignment delayed due to the configured assignment interval."
        return None

    def _assign(
        self,
        group: StreamsGroup,
        epoch: int,
        members: Mapping[str, Member],
        configured: Configured,
        changes: list[Change],
    ) -> dict[str, Tasks]:
        specs = {one: MemberSpec(each.process_id, group.targets.get(one, Tasks())) for one, each in members.items()}
        tasks = configured.tasks if configured.is_ready else {}
        stateful = frozenset(name for name, topics in configured.changelogs.items() if topics)
        given = assign(specs, tasks, stateful, self._config(group, "num.standby.replicas"))
        changes += [TargetChanged(one, given[one]) for one in members if group.targets.get(one) != given[one]]
        changes.append(TargetEpochChanged(epoch, self._core.clock.wall_ms()))
        return given

    def _fence(self, group: StreamsGroup, member: Member, work: Work) -> None:
        """Remove a member, and give the group a new epoch."""
        work.changes += [
            CurrentRemoved(member.member_id),
            TargetRemoved(member.member_id),
            MemberRemoved(member.member_id),
            replace(_epoch_of(group), epoch=group.epoch + 1),
        ]
        for name in ("session", "rebalance"):
            work.applied.append(partial(self._timers.cancel, _timer(name, group, member.member_id)))

    def _config(self, group: StreamsGroup, name: str) -> int:
        return int(self._cluster.group_config(group.group_id, f"streams.{name}"))

    # ---- time

    def loaded(self, group: StreamsGroup) -> None:
        """Go on with a group after a restart; each member has its full time to send its next heartbeat."""
        if group.topology is not None:
            group.configured = configure(group.topology, self._cluster.partition_count)
        for member in group.members.values():
            self._expect(group, member, moved=True)

    def _expect(self, group: StreamsGroup, member: Member, *, moved: bool) -> None:
        silent = partial(self._on_silence, group, member.member_id)
        session = self._config(group, "session.timeout.ms")
        self._timers.schedule(_timer("session", group, member.member_id), session, silent)
        key = _timer("rebalance", group, member.member_id)
        if moved and member.state is MemberState.UNREVOKED_TASKS:
            late = partial(self._on_silence, group, member.member_id, member.epoch)
            self._timers.schedule(key, member.rebalance_timeout_ms, late)
        elif moved:
            self._timers.cancel(key)

    def _on_silence(self, group: StreamsGroup, member_id: str, epoch: int | None = None) -> None:
        """Remove a member that did not do what it had to in time: in `epoch`, where that was to give up tasks."""
        member = group.members.get(member_id)
        known = self._core.modern.groups.get(group.group_id) is group
        if member is None or not known or (epoch is not None and epoch != member.epoch):
            return
        log.info("group %s: member %s is removed, as nothing came from it in time", group.group_id, member_id)
        work = Work(group)
        self._fence(group, member, work)
        self._core.modern.write_later(work, "a member was removed")

    def _delay_first_assignment(self, group: StreamsGroup) -> None:
        """Wait for more members of a new group before tasks are given out for the first time."""
        if _delay(group) not in self._timers:
            delay = self._config(group, "initial.rebalance.delay.ms")
            self._timers.schedule(_delay(group), delay, partial(self._on_delay_end, group))

    def _on_delay_end(self, group: StreamsGroup) -> None:
        known = self._core.modern.groups.get(group.group_id) is group
        if known and group.members and group.configured is not None and group.epoch > group.assignment_epoch:
            work = Work(group)
            self._assign(group, group.epoch, group.members, group.configured, work.changes)
            self._core.modern.write_later(work, "tasks were assigned")


def _updated(member: Member, beat: Heartbeat) -> Member:
    return replace(
        member,
        rack_id=beat.rack_id or member.rack_id,
        rebalance_timeout_ms=member.rebalance_timeout_ms
        if beat.rebalance_timeout_ms == -1
        else beat.rebalance_timeout_ms,
        topology_epoch=member.topology_epoch if beat.topology is None else beat.topology.epoch,
        client_id=beat.client_id,
        client_host=beat.client_host,
        process_id=member.process_id if beat.process_id is None else beat.process_id,
        endpoint=beat.endpoint or member.endpoint,
        client_tags=member.client_tags if beat.client_tags is None else beat.client_tags,
    )


def _check_epoch(member: Member, epoch: int, owned: Tasks | None) -> None:
    """Check that a member is where it says it is, or one step behind because the answer got lost."""
    if epoch == member.epoch:
        return
    behind = epoch < member.epoch
    if behind and epoch == member.previous_epoch and owned is not None and owned.is_within(member.assigned.tasks):
        return
    message = (
        f"The streams group member has a {'smaller' if behind else 'greater'} member epoch ({epoch}) than the one "
        f"known by the group coordinator ({member.epoch}). The member must abandon all its partitions and rejoin."
    )
    raise GroupError(ErrorCode.fenced_member_epoch, message)


def _check_tasks(owned: Tasks, configured: Configured) -> None:
    for role in owned.by_role:
        for subtopology, partition in sorted(role):
            number = configured.tasks.get(subtopology)
            if number is None:
                message = f"Subtopology {subtopology} does not exist in the topology."
                raise GroupError(ErrorCode.invalid_request, message)
            if not 0 <= partition < number:
                message = (
                    f"Task {partition} for subtopology {subtopology} is invalid. "
                    f"Number of tasks for this subtopology: {number}"
                )
                raise GroupError(ErrorCode.invalid_request, message)


def _epoch_of(group: StreamsGroup) -> EpochChanged:
    """Return what the group's epoch was made with."""
    return EpochChanged(group.epoch, group.metadata_hash, group.validated_topology_epoch, group.assignment_configs)


def _looked_at(group: StreamsGroup, configured: Configured) -> None:
    group.configured, group.stale = configured, False


def _timer(name: str, group: StreamsGroup, member_id: str) -> tuple[str, str, str]:
    return (f"streams-{name}", group.group_id, member_id)


def _delay(group: StreamsGroup) -> tuple[str, str]:
    return ("streams-first", group.group_id)
