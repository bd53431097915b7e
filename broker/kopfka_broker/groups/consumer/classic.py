"""Members of the classic protocol in a consumer group: JoinGroup, SyncGroup, Heartbeat and LeaveGroup of theirs.

To such a member each target assignment looks like a rebalance: its heartbeat tells it to join again, its join is what
a heartbeat is to others (its metadata says what it owns), and its sync gets what it has by now. Nobody waits for
anybody, so each request is answered at once.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.answers import NO_MEMBER, JoinResult, LeaveResult, SyncResult
from kopfka_broker.groups.consumer.changes import MemberChanged
from kopfka_broker.groups.consumer.embedded import MalformedProtocolError, read_subscription
from kopfka_broker.groups.consumer.members import ClassicMember, Member, MemberState
from kopfka_broker.groups.errors import GroupError
from kopfka_broker.groups.group import CONSUMER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_broker.context import RequestContext
    from kopfka_broker.groups.answers import JoinRequest, LeaveRequest, SyncRequest
    from kopfka_broker.groups.consumer.group import ConsumerGroup
    from kopfka_broker.groups.consumer.heartbeats import Heartbeats
    from kopfka_broker.groups.consumer.migration import Migration
    from kopfka_broker.groups.consumer.regexes import Regexes
    from kopfka_broker.groups.core import Core
    from kopfka_broker.groups.modern.groups import Work


class ClassicMembers:
    """What members of the classic protocol ask of consumer groups."""

    def __init__(self, core: Core, heartbeats: Heartbeats, migration: Migration, regexes: Regexes) -> None:
        self._core = core
        self._timers = core.timers
        self._heartbeats = heartbeats
        self._migration = migration
        self._regexes = regexes

    # ---- JoinGroup

    def join(self, group: ConsumerGroup, request: JoinRequest, context: RequestContext, work: Work) -> JoinResult:
        """Let a member join, or join again.

        Raises:
            GroupError: it may not.
        """
        unknown = request.member_id == NO_MEMBER
        member_id = str(uuid4()) if unknown else request.member_id
        self._check_join(group, request, member_id)
        if unknown and request.member_id_required and request.group_instance_id is None:
            return JoinResult(member_id, ErrorCode.member_id_required)
        member = self._joining(group, request, member_id, work)
        replaced = group.static_member(request.group_instance_id)
        try:
            subscription = read_subscription(request.protocols[0][1])
        except MalformedProtocolError as error:
            raise GroupError(ErrorCode.unknown_server_error) from error
        updated = replace(
            member,
            instance_id=request.group_instance_id or member.instance_id,
            rack_id=subscription.rack_id or member.rack_id,
            rebalance_timeout_ms=request.rebalance_timeout_ms,
            topics=subscription.topics,
            regex="",
            client_id=request.client_id,
            client_host=request.client_host,
            classic=ClassicMember(request.session_timeout_ms, request.protocols),
        )
        changes = work.changes
        if updated != member:
            changes.append(MemberChanged(updated))
        regex = self._regexes.changed(group, member, updated, changes)
        changed = updated.topics != member.topics or regex.changed
        members = group.with_member(updated)
        epoch = group.epoch
        assigning = self._heartbeats.assigning
        if changed or group.stale:
            epoch = assigning.epoch(group, members, changes, bump=changed)
            work.applied.append(partial(_looked_at, group))
        owned = self._migration.by_id(subscription.owned)
        if replaced is not None and replaced.classic is None and self._migration.can_downgrade(group, members.values()):
            stale = changed or group.assignment_epoch < epoch
            reason = "a static member came back with the classic protocol" if stale else None
            classic = self._migration.downgrade(group, members.values(), work, reason)
            return self._joined(updated, classic.generation)
        target = assigning.target(group, epoch, members, updated, changes)
        updated = assigning.reconciled(group, updated, target, owned, changes, subscription_changed=changed)
        work.applied.append(partial(self._on_joined, group, updated))
        work.applied.append(partial(self._regexes.refresh, group, context))
        return self._joined(updated, updated.epoch)

    def _check_join(self, group: ConsumerGroup, request: JoinRequest, member_id: str) -> None:
        if self._core.settings.consumer.migration_policy == "disabled":
            raise GroupError(ErrorCode.inconsistent_group_protocol)
        self._heartbeats.check_room(group, member_id)
        classic = [member.classic for member in group.members.values() if member.classic is not None]
        shared = (
            any(all(name in dict(each.protocols) for each in classic) for name, _ in request.protocols)
            if classic
            else bool(request.protocols)
        )
        if request.protocol_type != CONSUMER or not shared:
            raise GroupError(ErrorCode.inconsistent_group_protocol)

    def _joining(self, group: ConsumerGroup, request: JoinRequest, member_id: str, work: Work) -> Member:
        instance_id = request.group_instance_id
        if instance_id is None:
            return group.members.get(member_id) or Member(member_id)
        found = group.static_member(instance_id)
        if request.member_id == NO_MEMBER:
            return (
                Member(member_id) if found is None else self._heartbeats.replace_member(group, found, member_id, work)
            )
        if found is None:
            raise GroupError(ErrorCode.unknown_member_id)
        if found.member_id != member_id:
            raise GroupError(ErrorCode.fenced_instance_id)
        return found

    @staticmethod
    def _joined(member: Member, generation: int) -> JoinResult:
        assert member.classic is not None
        protocol = member.classic.protocols[0][0]
        return JoinResult(member.member_id, ErrorCode.none, generation, CONSUMER, protocol)

    def _on_joined(self, group: ConsumerGroup, member: Member) -> None:
        assert member.classic is not None
        self._timers.cancel(_join(group, member.member_id))
        self._heartbeats.expect_heartbeat(group, member.member_id, member.classic.session_timeout_ms)
        self._expect(group, member, "sync")

    # ---- SyncGroup, Heartbeat, LeaveGroup

    def sync(self, group: ConsumerGroup, request: SyncRequest) -> SyncResult:
        """Give a member what it has.

        Raises:
            GroupError: REBALANCE_IN_PROGRESS and others.
        """
        member = self._member(group, request.member_id, request.group_instance_id, request.generation)
        assert member.classic is not None
        protocol = member.classic.protocols[0][0]
        if request.protocol_type not in (None, CONSUMER) or request.protocol not in (None, protocol):
            raise GroupError(ErrorCode.inconsistent_group_protocol)
        if group.assignment_epoch > member.epoch and member.state is not MemberState.UNREVOKED_PARTITIONS:
            self._expect(group, member, "join", again=False)
            raise GroupError(ErrorCode.rebalance_in_progress)
        self._timers.cancel(("consumer-sync", group.group_id, member.member_id))
        self._heartbeats.expect_heartbeat(group, member.member_id, member.classic.session_timeout_ms)
        return SyncResult(
            ErrorCode.none, CONSUMER, protocol, self._migration.assignment(member, member.assigned, protocol)
        )

    def heartbeat(self, group: ConsumerGroup, generation: int, member_id: str, instance_id: str | None) -> None:
        """Prolong a member's session.

        Raises:
            GroupError: REBALANCE_IN_PROGRESS tells a member to join again, with its session prolonged too.
        """
        member = self._member(group, member_id, instance_id, generation)
        assert member.classic is not None
        self._heartbeats.expect_heartbeat(group, member.member_id, member.classic.session_timeout_ms)
        behind = member.epoch < group.assignment_epoch or member.state is MemberState.UNREVOKED_PARTITIONS
        if behind or (member.state is MemberState.UNRELEASED_PARTITIONS and not group.waits_for_others(member)):
            self._expect(group, member, "join", again=False)
            raise GroupError(ErrorCode.rebalance_in_progress)

    def leave(self, group: ConsumerGroup, requests: Iterable[LeaveRequest], work: Work) -> list[LeaveResult]:
        """Remove members, of either protocol."""
        results: list[LeaveResult] = []
        leaving: dict[str, Member] = {}
        for request in requests:
            error = ErrorCode.none
            try:
                member = self._leaving(group, request)
                leaving[member.member_id] = member
            except GroupError as refused:
                error = refused.code
            results.append(LeaveResult(request.member_id, request.group_instance_id, error))
        if leaving:
            self._heartbeats.fence(group, list(leaving.values()), work)
        return results

    @staticmethod
    def _leaving(group: ConsumerGroup, request: LeaveRequest) -> Member:
        if request.group_instance_id is None:
            return group.member(request.member_id)
        found = group.static_member(request.group_instance_id)
        if found is None:
            raise GroupError(ErrorCode.unknown_member_id)
        if request.member_id not in (NO_MEMBER, found.member_id):
            raise GroupError(ErrorCode.fenced_instance_id)
        return found

    @staticmethod
    def _member(group: ConsumerGroup, member_id: str, instance_id: str | None, generation: int) -> Member:
        if instance_id is None:
            member = group.member(member_id)
        else:
            found = group.static_member(instance_id)
            if found is None:
                raise GroupError(ErrorCode.unknown_member_id)
            if found.member_id != member_id:
                raise GroupError(ErrorCode.fenced_instance_id)
            member = found
        if member.classic is None:
            raise GroupError(ErrorCode.unknown_member_id)
        if generation != member.epoch:
            raise GroupError(ErrorCode.illegal_generation)
        return member

    # ---- time

    def _expect(self, group: ConsumerGroup, member: Member, what: str, *, again: bool = True) -> None:
        """Expect a member to join or sync within its rebalance timeout."""
        key = (f"consumer-{what}", group.group_id, member.member_id)
        if again or key not in self._timers:
            ended = partial(self._heartbeats.on_silence, group, member.member_id, f"no {what} came in time")
            self._timers.schedule(key, member.rebalance_timeout_ms, ended)


def _looked_at(group: ConsumerGroup) -> None:
    group.stale = False


def _join(group: ConsumerGroup, member_id: str) -> tuple[str, str, str]:
    return ("consumer-join", group.group_id, member_id)
