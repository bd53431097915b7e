"""Requests of members: JoinGroup, SyncGroup, Heartbeat, LeaveGroup, apart from the versions they are written in.

Who may do what in which state is decided here; the phases of a rebalance are `rebalance`'s. The rules are those of
Apache Kafka's coordinator for classic groups (4.3). Nothing here does I/O; a request that has to wait is answered by a
callback.
"""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.answers import NO_MEMBER, JoinResult, LeaveResult, SyncResult
from kopfka_broker.groups.errors import GroupError
from kopfka_broker.groups.group import Group, Member, State
from kopfka_broker.groups.rebalance import Rebalancer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kopfka_broker.coordinators.timers import Timers
    from kopfka_broker.groups.answers import JoinRequest, LeaveRequest, SyncRequest
    from kopfka_broker.groups.ports import Clock
    from kopfka_broker.groups.rebalance import Store
    from kopfka_broker.groups.records import GroupMetadata
    from kopfka_broker.groups.settings import GroupSettings

    JoinReply = Callable[[JoinResult], None]
    SyncReply = Callable[[SyncResult], None]

log = logging.getLogger(__name__)


class Membership:
    """Every classic group of this coordinator, by id, and what its members ask for."""

    def __init__(self, settings: GroupSettings, timers: Timers, clock: Clock, store: Store) -> None:
        self.groups: dict[str, Group] = {}
        self._settings = settings
        self._clock = clock
        self._store = store
        self._rebalancer = Rebalancer(settings, timers, clock, store)

    # ---- groups

    def get_or_create(self, group_id: str) -> Group:
        """Return the group, a new empty one where there is none."""
        group = self.groups.get(group_id)
        if group is None:
            group = self.groups[group_id] = Group(group_id, self._clock.wall_ms())
        return group

    def delete(self, group_id: str) -> None:
        """Forget a group without members; ids given out to members to come are void."""
        group = self.groups.pop(group_id)
        for member_id in list(group.pending_members):
            self._rebalancer.remove(group, member_id)
        group.transition(State.DEAD, self._clock.wall_ms())

    def give_up(self, group_id: str) -> None:
        """Forget a group that goes on as another kind; who waits is sent to join again."""
        group = self.groups.pop(group_id)
        for member_id in list(group.awaiting_join):
            group.answer_join(member_id, JoinResult(member_id, ErrorCode.rebalance_in_progress))
        for member_id in list(group.awaiting_sync):
            group.answer_sync(member_id, SyncResult(ErrorCode.rebalance_in_progress))
        self._rebalancer.forget(group)
        group.transition(State.DEAD, self._clock.wall_ms())

    def adopt(self, group: Group, rebalance: str | None) -> None:
        """Go on with a group that was of another kind; it rebalances where a reason is given."""
        self.groups[group.group_id] = group
        for member in group.members.values():
            self._rebalancer.expect_heartbeat(group, member)
        if rebalance is not None:
            self._rebalancer.prepare(group, rebalance)

    def load(self, stored: Mapping[str, GroupMetadata]) -> None:
        """Go on with stored groups; each member has a full session timeout to send its next heartbeat."""
        for group_id, metadata in stored.items():
            group = self.groups[group_id] = Group.loaded(group_id, metadata)
            for member in group.members.values():
                self._rebalancer.expect_heartbeat(group, member)
            if len(group.members) > self._settings.max_size:
                self._rebalancer.prepare(group, f"{len(group.members)} members are more than group.max.size")

    # ---- JoinGroup

    def join(self, request: JoinRequest, reply: JoinReply) -> None:
        """Let a member join; `reply` is called once, now or when the join phase ends."""
        group = self.groups.get(request.group_id)
        if group is None:
            if request.member_id != NO_MEMBER:
                reply(JoinResult(request.member_id, ErrorCode.unknown_member_id))
                return
            group = self.get_or_create(request.group_id)
            self._store(group.group_id, group.stored({}), self._created)
        if not self._has_room(group, request.member_id):
            self._rebalancer.remove(group, request.member_id)
            reply(JoinResult(NO_MEMBER, ErrorCode.group_max_size_reached))
        elif not group.supports(request.protocol_type, request.protocols):
            reply(JoinResult(request.member_id, ErrorCode.inconsistent_group_protocol))
        elif request.member_id == NO_MEMBER:
            self._join_new(group, request, reply)
        elif request.member_id in group.pending_members and request.group_instance_id is None:
            self._add(group, request, request.member_id, reply)
        else:
            self._join_again(group, request, reply)

    def _created(self, error: ErrorCode) -> None:
        if error is not ErrorCode.none:
            # Nothing was promised yet; the members' first assignment is refused where this lasts.
            log.warning("a new group could not be stored: %s", error.name)

    def _has_room(self, group: Group, member_id: str) -> bool:
        most = self._settings.max_size
        if group.state is State.PREPARING_REBALANCE:
            # counts who has joined again, not who is a member: over capacity, the last to come back are turned away
            return member_id in group.awaiting_join or len(group.awaiting_join) < most
        if group.is_in(State.COMPLETING_REBALANCE, State.STABLE):
            return member_id in group.members or len(group.members) < most
        return True

    def _join_new(self, group: Group, request: JoinRequest, reply: JoinReply) -> None:
        if request.group_instance_id is not None:
            member_id = f"{request.group_instance_id}-{uuid.uuid4()}"
            existing = group.static_members.get(request.group_instance_id)
            if existing is None:
                self._add(group, request, member_id, reply)
            else:
                self._replace_static(group, request, existing, member_id, reply)
            return
        member_id = f"{request.client_id}-{uuid.uuid4()}"
        if request.member_id_required:
            self._rebalancer.add_pending(group, member_id, request.session_timeout_ms)
            reply(JoinResult(member_id, ErrorCode.member_id_required))
        else:
            self._add(group, request, member_id, reply)

    def _join_again(self, group: Group, request: JoinRequest, reply: JoinReply) -> None:
        member_id = request.member_id
        try:
            group.validate_member(member_id, request.group_instance_id)
        except GroupError as error:
            reply(JoinResult(member_id, error.code))
            return
        member = group.members[member_id]
        # In the phase after, a member may have missed the answer to its last request. Later only the leader can want a
        # rebalance for a reason that its metadata does not show, such as a topic's new partitions.
        settled = group.state is State.COMPLETING_REBALANCE or (
            group.state is State.STABLE and group.leader != member_id
        )
        if settled and member.protocols == request.protocols:
            reply(self._rebalancer.joined(group, member_id))
            return
        self._update(group, member, request, reply)
        self._rebalancer.rebalance_or_complete(group, f"member {member_id} joins again: {request.reason}")

    def _add(self, group: Group, request: JoinRequest, member_id: str, reply: JoinReply) -> None:
        if group.state is State.PREPARING_REBALANCE and group.previous_state is State.EMPTY:
            group.new_member_added = True
        member = Member(
            member_id, request.group_instance_id, request.client_id, request.client_host,
            request.rebalance_timeout_ms, request.session_timeout_ms, request.protocol_type, request.protocols,
            is_new=True,
        )  # fmt: skip
        group.add(member)
        group.awaiting_join[member_id] = reply
        # It cannot send heartbeats before it is answered, and that may take long; but one that went away meanwhile is
        # not to stay for ever.
        self._rebalancer.expect_heartbeat(group, member, self._settings.new_member_join_timeout_ms)
        self._rebalancer.rebalance_or_complete(group, f"member {member_id} joins: {request.reason}")

    def _update(self, group: Group, member: Member, request: JoinRequest, reply: JoinReply) -> None:
        group.update(member, request.protocols, request.rebalance_timeout_ms, request.session_timeout_ms)
        # a client that gave up waiting and asks again leaves its first request behind: that one gets an answer too
        group.answer_join(member.member_id, JoinResult(member.member_id, ErrorCode.rebalance_in_progress))
        group.awaiting_join[member.member_id] = reply

    # ---- static members

    def _replace_static(self, group: Group, request: JoinRequest, old_id: str, new_id: str, reply: JoinReply) -> None:
        """Let a restarted process take the place of the static member it is."""
        old, leader = group.members[old_id], group.leader
        member = group.replace_static(str(request.group_instance_id), old_id, new_id)
        self._rebalancer.forget_session(group, old_id)
        self._rebalancer.expect_heartbeat(group, member)
        self._update(group, member, request, reply)
        if group.state is State.STABLE and group.select_protocol() == group.protocol:
            # The assignment stays valid, so nobody needs to stop: only the new id is to be remembered.
            def done(error: ErrorCode) -> None:
                if group.members.get(new_id) is not member:
                    return
                if error is not ErrorCode.none:
                    self._restore_static(group, member, old, error)
                elif request.skips_assignment:
                    skip = group.leader == new_id
                    group.answer_join(new_id, self._rebalancer.joined(group, new_id, skip_assignment=skip))
                else:
                    # An old client that is told it leads would assign anew; it is told who led before.
                    group.answer_join(new_id, self._rebalancer.joined(group, new_id, leader=leader))

            self._store(group.group_id, group.stored(group.assignments()), done)
        elif group.is_in(State.STABLE, State.COMPLETING_REBALANCE):
            # another protocol is to be used, or the leader may be assigning to the old id right now
            self._rebalancer.prepare(group, f"static member {new_id} joins again: {request.reason}")
        else:
            self._rebalancer.maybe_complete_join(group)

    def _restore_static(self, group: Group, member: Member, old: Member, error: ErrorCode) -> None:
        """Undo the change of a static member's id that could not be stored."""
        log.warning("group %s: new id of static member %s not stored: %s", group.group_id, member.member_id, error.name)
        refused = JoinResult(
            NO_MEMBER, error, group.generation, group.protocol_type, group.protocol, group.leader or ""
        )
        group.answer_join(member.member_id, refused)
        group.update(member, old.protocols, old.rebalance_timeout_ms, old.session_timeout_ms)
        self._rebalancer.forget_session(group, member.member_id)
        restored = group.replace_static(str(member.group_instance_id), member.member_id, old.member_id)
        self._rebalancer.expect_heartbeat(group, restored)

    # ---- SyncGroup, Heartbeat, LeaveGroup

    def sync(self, request: SyncRequest, reply: SyncReply) -> None:
        """Take the leader's assignment, give a member its part; `reply` is called once, now or later."""
        try:
            group = self._group_of_sync(request)
        except GroupError as error:
            reply(SyncResult(error.code))
            return
        member_id = request.member_id
        if group.state is State.STABLE:
            reply(self._rebalancer.synced(group, member_id))
        else:
            # of a client that gave up waiting and asks again
            group.answer_sync(member_id, SyncResult(ErrorCode.rebalance_in_progress))
            group.awaiting_sync[member_id] = reply
        self._rebalancer.sync(group, member_id, request.assignment)

    def _group_of_sync(self, request: SyncRequest) -> Group:
        group = self.groups.get(request.group_id)
        if group is None or group.state is State.EMPTY:
            raise GroupError(ErrorCode.unknown_member_id)
        group.validate_member(request.member_id, request.group_instance_id)
        if request.generation != group.generation:
            raise GroupError(ErrorCode.illegal_generation)
        if _differ(request.protocol_type, group.protocol_type) or _differ(request.protocol, group.protocol):
            raise GroupError(ErrorCode.inconsistent_group_protocol)
        if group.state is State.PREPARING_REBALANCE:
            raise GroupError(ErrorCode.rebalance_in_progress)
        return group

    def heartbeat(self, group_id: str, generation: int, member_id: str, instance_id: str | None) -> None:
        """Prolong a member's session.

        Raises:
            GroupError: REBALANCE_IN_PROGRESS tells a member to join again, with its session prolonged too.
        """
        group = self.groups.get(group_id)
        if group is None:
            raise GroupError(ErrorCode.unknown_member_id)
        group.validate_member(member_id, instance_id)
        if generation != group.generation:
            raise GroupError(ErrorCode.illegal_generation)
        self.touch(group, member_id)
        if group.state is State.PREPARING_REBALANCE:
            raise GroupError(ErrorCode.rebalance_in_progress)

    def touch(self, group: Group, member_id: str) -> None:
        """Prolong the session of a member that showed it is alive."""
        self._rebalancer.expect_heartbeat(group, group.members[member_id])

    def leave(self, group_id: str, members: Iterable[LeaveRequest]) -> list[LeaveResult]:
        """Remove members, all before the group rebalances once."""
        group = self.groups.get(group_id)
        results = [LeaveResult(m.member_id, m.group_instance_id, self._leave_one(group, m)) for m in members]
        if group is not None and any(result.error is ErrorCode.none for result in results):
            if group.is_in(State.STABLE, State.COMPLETING_REBALANCE):
                self._rebalancer.prepare(group, "members left")
            else:
                self._rebalancer.maybe_complete_join(group)
        return results

    def _leave_one(self, group: Group | None, request: LeaveRequest) -> ErrorCode:
        if group is None:
            return ErrorCode.unknown_member_id
        member_id = request.member_id
        if member_id == NO_MEMBER:  # an administrator removes a static member by its name
            member_id = group.static_members.get(request.group_instance_id or "", NO_MEMBER)
            if member_id == NO_MEMBER:
                return ErrorCode.unknown_member_id
        elif member_id not in group.pending_members:
            try:
                group.validate_member(member_id, request.group_instance_id)
            except GroupError as error:
                return error.code
        self._rebalancer.remove(group, member_id)
        log.info("group %s: member %s left: %s", group.group_id, member_id, request.reason)
        return ErrorCode.none


def _differ(given: str | None, of_the_group: str | None) -> bool:
    return given is not None and of_the_group is not None and given != of_the_group
