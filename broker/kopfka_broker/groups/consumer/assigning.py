"""When a group gets a new epoch and a new target assignment, and what a member makes of it: pure, but for the time.

Each function adds the changes it finds to be made; none is applied here, so each is told what the ones before found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_broker.groups.consumer.changes import (
    CurrentChanged,
    EpochChanged,
    OldMetadataRemoved,
    TargetChanged,
    TargetEpochChanged,
)
from kopfka_broker.groups.consumer.reconcile import Target, reconcile
from kopfka_broker.groups.modern.assignors import ASSIGNORS, MemberSpec
from kopfka_broker.groups.modern.topics import metadata_hash, topic_ids

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from kopfka_broker.groups.consumer.changes import Change
    from kopfka_broker.groups.consumer.group import ConsumerGroup
    from kopfka_broker.groups.consumer.members import Member
    from kopfka_broker.groups.consumer.reconcile import Owned
    from kopfka_broker.groups.modern.settings import ConsumerGroupSettings
    from kopfka_broker.groups.modern.topics import Partitions
    from kopfka_broker.groups.ports import Clock, Cluster


class Assigning:
    """The rules, with what they ask: the topics, the settings, the time."""

    def __init__(self, cluster: Cluster, settings: ConsumerGroupSettings, clock: Clock) -> None:
        self._clock = clock
        self._cluster = cluster
        self._settings = settings

    def epoch(self, group: ConsumerGroup, members: Mapping[str, Member], changes: list[Change], *, bump: bool) -> int:
        """Return the epoch of a group with these members: a new one, if told or if the topics they read changed."""
        found = metadata_hash(group.subscribed_topics(members.values()), self._cluster)
        epoch = group.epoch
        if bump or found != group.metadata_hash:
            epoch += 1
            changes.append(EpochChanged(epoch, found))
        if group.has_old_metadata:
            changes.append(OldMetadataRemoved())
        return epoch

    def target(
        self,
        group: ConsumerGroup,
        epoch: int,
        members: Mapping[str, Member],
        member: Member,
        changes: list[Change],
    ) -> tuple[int, Partitions]:
        """Return what a member is to have, and for which epoch; assigns anew where that is due."""
        interval = self._cluster.group_config(group.group_id, "consumer.assignment.interval.ms")
        last, now_ms = group.assignment_timestamp, self._clock.wall_ms()
        if epoch <= group.assignment_epoch or (last and interval and now_ms < last + interval):
            return group.assignment_epoch, group.target(member)
        specs = {
            one: MemberSpec(each.instance_id, topic_ids(group.topics_of(each), self._cluster), group.target(each))
            for one, each in members.items()
        }
        name = group.assignor(members.values()) or self._settings.assignors[0]
        given = ASSIGNORS[name](specs, self._count)
        for one in members:
            if group.targets.get(one) != given[one]:
                changes.append(TargetChanged(one, given[one]))
        changes.append(TargetEpochChanged(epoch, now_ms))
        return epoch, given[member.member_id]

    def reconciled(
        self,
        group: ConsumerGroup,
        member: Member,
        target: tuple[int, Partitions],
        owned: Owned,
        changes: list[Change],
        *,
        subscription_changed: bool,
    ) -> Member:
        """Return a member as far on the way to its target as it can be now."""
        epoch, partitions = target
        if not subscription_changed and member.is_reconciled_to(epoch):
            return member
        topics = topic_ids(group.topics_of(member), self._cluster)
        updated = reconcile(
            member, Target(epoch, partitions, topics), owned, group.owner, subscription_changed=subscription_changed
        )
        if updated != member:
            changes.append(CurrentChanged(updated))
        return updated

    def _count(self, topic: UUID) -> int:
        name = self._cluster.topic_name(topic)
        return 0 if name is None else self._cluster.partition_count(name)
