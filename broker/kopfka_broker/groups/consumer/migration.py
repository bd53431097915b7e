"""From a classic group to a consumer group and back, while its members go on (group.consumer.migration.policy).

A classic group is upgraded when a member of the new protocol joins it; a consumer group is downgraded when the last
one leaves, or a static member comes back with the classic protocol. Members keep what they have.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.consumer.changes import (
    CurrentChanged,
    EpochChanged,
    MemberChanged,
    TargetChanged,
    TargetEpochChanged,
)
from kopfka_broker.groups.consumer.embedded import (
    MalformedProtocolError,
    read_assignment,
    read_subscription,
    write_assignment,
)
from kopfka_broker.groups.consumer.group import ConsumerGroup
from kopfka_broker.groups.consumer.members import ClassicMember, Member
from kopfka_broker.groups.errors import GroupError
from kopfka_broker.groups.group import CONSUMER, Group
from kopfka_broker.groups.group import Member as ClassicGroupMember
from kopfka_broker.groups.modern.groups import Work
from kopfka_broker.groups.modern.topics import metadata_hash
from kopfka_broker.groups.ports import OffsetsRecord
from kopfka_broker.groups.records import encode_group_key, encode_group_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from kopfka_broker.groups.consumer.changes import Change
    from kopfka_broker.groups.core import Core

log = logging.getLogger(__name__)


class Migration:
    """Turns groups of one kind into groups of the other."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._settings = core.settings.consumer

    # ---- to a consumer group

    def replaced_empty(self, group_id: str) -> tuple[ConsumerGroup, Work]:
        """Let a consumer group take the place of an empty classic one; committed offsets stay."""
        group = ConsumerGroup(group_id)
        return group, self._in_place_of_classic(group)

    def upgraded(self, classic: Group) -> tuple[ConsumerGroup, Work]:
        """Let a consumer group take the place of a classic one, with its members and what they have.

        Raises:
            GroupError: GROUP_ID_NOT_FOUND, as the policy or the members do not allow it.
        """
        self._check_upgrade(classic)
        group = ConsumerGroup(classic.group_id)
        try:
            changes = self._opening(classic)
        except MalformedProtocolError as error:
            raise _cannot_upgrade(classic, "the embedded consumer protocol is malformed") from error
        for change in changes:
            change.apply(group)  # nobody sees it yet, and what comes next is said of the group as it will be
        work = self._in_place_of_classic(group)
        work.changes += changes
        work.applied += [
            partial(self._core.consumers.heartbeats.expect_heartbeat, group, member.member_id, timeout)
            for member in group.members.values()
            if member.classic is not None
            for timeout in (member.classic.session_timeout_ms,)
        ]
        log.info("group %s becomes a consumer group", classic.group_id)
        return group, work

    def _in_place_of_classic(self, group: ConsumerGroup) -> Work:
        core, group_id = self._core, group.group_id
        work = Work(group, before=[OffsetsRecord(encode_group_key(group_id), None)])
        work.applied.append(partial(core.membership.give_up, group_id))
        work.durable.append(partial(core.generations.pop, group_id, None))
        return work

    def _check_upgrade(self, classic: Group) -> None:
        if not self._settings.may_upgrade:
            raise _cannot_upgrade(classic, "online upgrade is disabled")
        if not classic.uses_consumer_protocol:
            raise _cannot_upgrade(classic, "the group does not use the consumer embedded protocol")
        if len(classic.members) > self._settings.max_size:
            raise _cannot_upgrade(classic, "the group size exceeds the consumer group maximum size")

    def _opening(self, classic: Group) -> list[Change]:
        """Return what makes an empty consumer group the like of a classic one."""
        cluster, epoch = self._core.cluster, classic.generation
        members = [self._modern_member(classic, member) for member in classic.members.values()]
        names = set().union(*(member.topics for member in members))
        changes: list[Change] = [MemberChanged(member) for member in members]
        changes.append(EpochChanged(epoch, metadata_hash(names, cluster)))
        for member in members:
            target = {topic: frozenset(numbers) for topic, numbers in member.assigned.items()}
            changes.append(TargetChanged(member.member_id, target))
        changes.append(TargetEpochChanged(epoch, 0))
        changes += [CurrentChanged(member) for member in members]
        return changes

    def _modern_member(self, classic: Group, member: ClassicGroupMember) -> Member:
        names = [name for name, _ in member.protocols]
        protocol = classic.protocol if classic.protocol in names else names[0]
        subscription = read_subscription(member.metadata(protocol))
        assignment = read_assignment(member.assignment)
        if assignment.user_data:
            why = (
                "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default "
                "assignor before re-attempting the upgrade"
            )
            raise _cannot_upgrade(classic, why)
        epoch = classic.generation
        assigned = {
            topic: dict.fromkeys(numbers, epoch) for topic, numbers in self.by_id(assignment.partitions).items()
        }
        return Member(
            member_id=member.member_id,
            instance_id=member.group_instance_id,
            rack_id=subscription.rack_id,
            client_id=member.client_id,
            client_host=member.client_host,
            rebalance_timeout_ms=member.rebalance_timeout_ms,
            topics=subscription.topics,
            classic=ClassicMember(member.session_timeout_ms, member.protocols),
            epoch=epoch,
            previous_epoch=epoch,
            assigned=assigned,
        )

    def by_id(self, partitions: Mapping[str, frozenset[int]]) -> dict[UUID, frozenset[int]]:
        """Return partitions by topic id, those of topics that exist."""
        cluster = self._core.cluster
        return {
            topic_id: numbers
            for name, numbers in partitions.items()
            if (topic_id := cluster.topic_id(name)) is not None
        }

    # ---- to a classic group

    def can_downgrade(self, group: ConsumerGroup, rest: Iterable[Member]) -> bool:
        """Tell whether a group that keeps only these members is to become a classic one."""
        kept = list(rest)
        if not kept or any(member.classic is None for member in kept):
            return False
        return self._settings.may_downgrade and len(kept) <= self._core.settings.max_size

    def downgrade(self, group: ConsumerGroup, members: Iterable[Member], work: Work, rebalance: str | None) -> Group:
        """Let a classic group of these members take the group's place; it rebalances where a reason is given."""
        core = self._core
        classic = Group(group.group_id, core.clock.wall_ms())
        classic.generation, classic.protocol_type = group.epoch, CONSUMER
        for member in members:
            classic.add(_classic_member(member))
        classic.protocol = classic.select_protocol()
        for member in members:
            target = group.targets.get(member.member_id) or group.target(member)
            classic.members[member.member_id].assignment = self.assignment(member, target, classic.protocol)
        classic.resume()
        value = encode_group_value(classic.stored(classic.assignments()))
        work.changes.clear()
        work.applied.clear()
        work.ends = True
        work.before = [*core.modern.tombstones(group.group_id), OffsetsRecord(encode_group_key(group.group_id), value)]
        work.applied += [
            partial(core.consumers.heartbeats.cancel, group, member_id) for member_id in list(group.members)
        ]
        work.applied.append(partial(core.membership.adopt, classic, rebalance))
        work.durable.append(partial(core.generations.__setitem__, group.group_id, value))
        log.info("group %s becomes a classic group", group.group_id)
        return classic

    def assignment(
        self, member: Member, partitions: Mapping[UUID, Iterable[int]], protocol: str | None = None
    ) -> bytes:
        """Return partitions as a member of the classic protocol is told of them."""
        cluster = self._core.cluster
        named = [(cluster.topic_name(topic), numbers) for topic, numbers in partitions.items()]
        protocols = dict(member.classic.protocols) if member.classic is not None else {}
        metadata = protocols.get(protocol or "") or next(iter(protocols.values()))
        version = int.from_bytes(metadata[:2], "big", signed=True)
        return write_assignment(version, [(name, numbers) for name, numbers in named if name is not None])


def _classic_member(member: Member) -> ClassicGroupMember:
    assert member.classic is not None
    return ClassicGroupMember(
        member.member_id, member.instance_id, member.client_id, member.client_host, member.rebalance_timeout_ms,
        member.classic.session_timeout_ms, CONSUMER, member.classic.protocols,
    )  # fmt: skip


def _cannot_upgrade(classic: Group, why: str) -> GroupError:
    message = f"Cannot upgrade classic group {classic.group_id} to consumer group because {why}."
    return GroupError(ErrorCode.group_id_not_found, message)
