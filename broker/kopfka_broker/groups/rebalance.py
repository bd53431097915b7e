"""The phases of a rebalance: who is waited for how long, who leads, what members are told when a phase ends.

A join phase collects requests to join until every member came or the rebalance timeout is over; the leader then
assigns, and the sync phase hands the assignment out. The rules are those of Apache Kafka's coordinator for classic
groups (4.3). Nothing here does I/O: time comes from `Timers` and the clock, and storing a generation is a function
given by the coordinator, which says later whether that worked.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.answers import JoinedMember, JoinResult, SyncResult
from kopfka_broker.groups.group import Group, Member, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kopfka_broker.coordinators.timers import Timers
    from kopfka_broker.groups.ports import Clock
    from kopfka_broker.groups.records import GroupMetadata
    from kopfka_broker.groups.settings import GroupSettings

    Store = Callable[[str, GroupMetadata, Callable[[ErrorCode], None]], None]
    """Writes a generation of a group to the log; calls back with `none` once it is durable, or with what went wrong."""

_LEAST_WAIT_MS = 1_000
"""Between two looks at a group whose members all stay away, however small their rebalance timeouts are."""

log = logging.getLogger(__name__)


class Rebalancer:
    """Moves groups from one generation to the next."""

    def __init__(self, settings: GroupSettings, timers: Timers, clock: Clock, store: Store) -> None:
        self._settings = settings
        self._timers = timers
        self._clock = clock
        self._store = store

    # ---- the join phase

    def rebalance_or_complete(self, group: Group, reason: str) -> None:
        """Begin a join phase, or end the one that runs if nobody is missing any more."""
        if group.state is State.PREPARING_REBALANCE:
            self.maybe_complete_join(group)
        else:
            self.prepare(group, reason)

    def prepare(self, group: Group, reason: str) -> None:
        """Begin a join phase: every member has to join again."""
        if group.state is State.COMPLETING_REBALANCE:
            self._propagate(group, {}, ErrorCode.rebalance_in_progress)
        group.pending_sync.clear()
        self._timers.cancel(_sync_phase(group))
        initial = group.state is State.EMPTY
        group.transition(State.PREPARING_REBALANCE, self._clock.wall_ms())
        log.info("group %s rebalances, generation %d ends: %s", group.group_id, group.generation, reason)
        if initial:
            delay = self._settings.initial_rebalance_delay_ms
            self._delay_initial(group, delay, max(group.rebalance_timeout_ms - delay, 0))
        elif group.all_joined:
            self._complete_join(group)
        else:
            self._limit_join_phase(group)

    def maybe_complete_join(self, group: Group) -> None:
        """End the join phase if every member has joined; the first one of a group lasts its whole delay."""
        initial = group.previous_state is State.EMPTY
        if group.state is State.PREPARING_REBALANCE and not initial and group.all_joined:
            self._complete_join(group)

    def joined(
        self, group: Group, member_id: str, *, leader: str | None = None, skip_assignment: bool = False
    ) -> JoinResult:
        """Tell a member of the current generation; the leader learns of all members."""
        leader = leader or group.leader or ""
        members: tuple[JoinedMember, ...] = ()
        if leader == member_id:
            members = tuple(
                JoinedMember(member.member_id, member.group_instance_id, member.metadata(group.protocol))
                for member in group.members.values()
            )
        return JoinResult(
            member_id, ErrorCode.none, group.generation, group.protocol_type, group.protocol, leader, members,
            skip_assignment,
        )  # fmt: skip

    def _delay_initial(self, group: Group, delay: int, remaining: int) -> None:
        """Wait for more members of a new group, as long as new ones come, up to the rebalance timeout."""

        def over() -> None:
            if group.new_member_added and remaining:
                group.new_member_added = False
                most = self._settings.initial_rebalance_delay_ms
                self._delay_initial(group, min(most, remaining), max(remaining - delay, 0))
            else:
                self._complete_join(group)

        self._timers.schedule(_join_phase(group), delay, over)

    def _limit_join_phase(self, group: Group, least: int = 0) -> None:
        timeout = max(group.rebalance_timeout_ms, least)
        self._timers.schedule(_join_phase(group), timeout, partial(self._complete_join, group))

    def _complete_join(self, group: Group) -> None:
        self._timers.cancel(_join_phase(group))
        for member in list(group.members.values()):
            if member.member_id not in group.awaiting_join and member.group_instance_id is None:
                log.info("group %s: member %s did not join again in time", group.group_id, member.member_id)
                self.remove(group, member.member_id)
        if group.members and not group.elect_joined_leader():
            # only static members, and none of them came: their session timeouts decide
            self._limit_join_phase(group, least=_LEAST_WAIT_MS)
            return
        group.next_generation(self._clock.wall_ms())
        log.info("group %s: generation %d has %d members", group.group_id, group.generation, len(group.members))
        if not group.members:
            self._store(group.group_id, group.stored({}), partial(self._emptied, group))
            return
        for member in group.members.values():
            group.pending_sync.add(member.member_id)
            member.is_new = False
            self.expect_heartbeat(group, member)
            group.answer_join(member.member_id, self.joined(group, member.member_id))
        self._timers.schedule(
            _sync_phase(group), group.rebalance_timeout_ms, partial(self._on_sync_phase_end, group, group.generation)
        )

    def _emptied(self, group: Group, error: ErrorCode) -> None:
        if error is not ErrorCode.none:
            # Harmless: a restart would find the generation before, whose members then time out.
            log.warning("group %s became empty, which could not be stored: %s", group.group_id, error.name)

    # ---- the sync phase

    def sync(self, group: Group, member_id: str, assignment: Mapping[str, bytes]) -> None:
        """Take note that a member syncs; the leader's assignment is stored, then handed out."""
        group.pending_sync.discard(member_id)
        if not group.pending_sync:
            self._timers.cancel(_sync_phase(group))
        if group.state is State.COMPLETING_REBALANCE and group.leader == member_id:
            whole = {known: assignment.get(known, b"") for known in group.members}
            done = partial(self._assigned, group, group.generation, whole)
            self._store(group.group_id, group.stored(whole), done)

    def synced(self, group: Group, member_id: str) -> SyncResult:
        """Tell a member its part of the assignment."""
        return SyncResult(ErrorCode.none, group.protocol_type, group.protocol, group.members[member_id].assignment)

    def _assigned(self, group: Group, generation: int, assignment: Mapping[str, bytes], error: ErrorCode) -> None:
        if group.state is not State.COMPLETING_REBALANCE or generation != group.generation:
            return  # a member joined or left while the assignment was being stored
        if error is ErrorCode.none:
            group.transition(State.STABLE, self._clock.wall_ms())
            self._propagate(group, assignment, error)
        else:
            log.warning("group %s: the assignment could not be stored: %s", group.group_id, error.name)
            self._propagate(group, {}, error)
            self.prepare(group, "the assignment could not be stored")

    def _propagate(self, group: Group, assignment: Mapping[str, bytes], error: ErrorCode) -> None:
        for member in group.members.values():
            member.assignment = assignment.get(member.member_id, b"")
            result = self.synced(group, member.member_id) if error is ErrorCode.none else SyncResult(error)
            if group.answer_sync(member.member_id, result):
                # while it waited its session could not end, so it begins now
                self.expect_heartbeat(group, member)

    def _on_sync_phase_end(self, group: Group, generation: int) -> None:
        if generation != group.generation or not group.is_in(State.COMPLETING_REBALANCE, State.STABLE):
            return
        late = sorted(group.pending_sync)
        for member_id in late:
            self.remove(group, member_id)
        if late:
            self.prepare(group, f"no SyncGroup came from {', '.join(late)}")

    # ---- sessions

    def expect_heartbeat(self, group: Group, member: Member, timeout_ms: int | None = None) -> None:
        """Begin a member's session anew; it lasts its session timeout where nothing else is said."""
        self._expect(group, member.member_id, member.session_timeout_ms if timeout_ms is None else timeout_ms)

    def add_pending(self, group: Group, member_id: str, timeout_ms: int) -> None:
        """Expect a member to join with the id it was given."""
        group.pending_members.add(member_id)
        self._expect(group, member_id, timeout_ms)

    def forget_session(self, group: Group, member_id: str) -> None:
        """Expect nothing of this member id any more."""
        self._timers.cancel(_session(group, member_id))

    def forget(self, group: Group) -> None:
        """Expect nothing of a group any more."""
        for member_id in (*group.members, *group.pending_members):
            self.forget_session(group, member_id)
        self._timers.cancel(_join_phase(group))
        self._timers.cancel(_sync_phase(group))

    def remove(self, group: Group, member_id: str) -> None:
        """Remove a member, or an id given out; the caller sees to the rebalance."""
        self.forget_session(group, member_id)
        group.remove(member_id)

    def _expect(self, group: Group, member_id: str, timeout_ms: int) -> None:
        self._timers.schedule(_session(group, member_id), timeout_ms, partial(self._on_session_end, group, member_id))

    def _on_session_end(self, group: Group, member_id: str) -> None:
        member = group.members.get(member_id)
        waits = member_id in group.awaiting_join or member_id in group.awaiting_sync
        if member is not None and waits and not member.is_new:
            return  # it waits for us, not we for it
        pending = member_id in group.pending_members
        if member is None and not pending:
            return
        log.info("group %s: %s did not show up in time", group.group_id, member_id)
        group.remove(member_id)
        if group.state is State.PREPARING_REBALANCE and group.all_joined:
            self._complete_join(group)
        elif group.is_in(State.STABLE, State.COMPLETING_REBALANCE) and not pending:
            self.prepare(group, f"the session of member {member_id} ended")


def _session(group: Group, member_id: str) -> tuple[str, str, str]:
    return ("session", group.group_id, member_id)


def _join_phase(group: Group) -> tuple[str, str]:
    return ("join", group.group_id)


def _sync_phase(group: Group) -> tuple[str, str]:
    return ("sync", group.group_id)
