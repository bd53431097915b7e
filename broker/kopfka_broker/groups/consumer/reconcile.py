"""Brings one member from what it has to what it is to have: it gives up first, and gets only what others gave up.

A pure step. It is taken at each heartbeat, with what the member says it owns, until the member is where its target is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.consumer.members import Member, MemberState
from kopfka_broker.groups.errors import GroupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from kopfka_broker.groups.consumer.members import Assigned
    from kopfka_broker.groups.modern.topics import Partitions

    Owned = Mapping[UUID, frozenset[int]] | None
    """What a member says it owns; None where it says nothing, as nothing has changed."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a member is to have."""

    epoch: int
    partitions: Partitions
    topics: frozenset[UUID]
    """What it subscribes to: it gets nothing else, whatever the partitions say."""


def reconcile(
    member: Member,
    target: Target,
    owned: Owned,
    owner: Callable[[UUID, int], str | None],
    *,
    subscription_changed: bool = False,
) -> Member:
    """Return the member as far on the way as it can be now; `owner` knows who has a partition.

    Raises:
        GroupError: FENCED_MEMBER_EPOCH, where a later version of Kafka left a member in a state not known here.
    """
    if member.state is MemberState.STABLE:
        if member.epoch != target.epoch:
            return _next(member, target, owned, owner)
        return _without_unsubscribed(member, target, owned) if subscription_changed else member
    if member.state is MemberState.UNREVOKED_PARTITIONS:
        if _owns_any(owned, member.revoking):
            return _without_unsubscribed(member, target, owned) if subscription_changed else member
        return _next(member, target, owned, owner)
    if member.state is MemberState.UNKNOWN and (owned is None or owned):
        message = (
            "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin."
        )
        raise GroupError(ErrorCode.fenced_member_epoch, message)
    return _next(member, target, owned, owner)


def _next(member: Member, target: Target, owned: Owned, owner: Callable[[UUID, int], str | None]) -> Member:
    assigned: dict[UUID, dict[int, int]] = {}
    revoking: dict[UUID, dict[int, int]] = {}
    coming: dict[UUID, list[int]] = {}
    waiting = False
    for topic in target.partitions.keys() | member.assigned.keys():
        wanted = target.partitions.get(topic, frozenset()) if topic in target.topics else frozenset()
        has = member.assigned.get(topic, {})
        leaving = member.revoking.get(topic, {})
        for number, epoch in has.items():
            (assigned if number in wanted else revoking).setdefault(topic, {})[number] = epoch
        for number in sorted(wanted - has.keys()):
            # what the member itself has just given up can come back to it
            if owner(topic, number) is None or number in leaving:
                coming.setdefault(topic, []).append(number)
            else:
                waiting = True
    if revoking and _owns_any(owned, revoking):
        # it stays in its epoch until it was seen without them
        return replace(
            member.at_epoch(member.epoch), state=MemberState.UNREVOKED_PARTITIONS, assigned=assigned, revoking=revoking
        )
    for topic, numbers in coming.items():
        assigned.setdefault(topic, {}).update(dict.fromkeys(numbers, target.epoch))
    state = MemberState.UNRELEASED_PARTITIONS if waiting else MemberState.STABLE
    return replace(member.at_epoch(target.epoch), state=state, assigned=assigned, revoking={})


def _without_unsubscribed(member: Member, target: Target, owned: Owned) -> Member:
    """Take back at once what the member does not subscribe to any more, before there is a new target."""
    gone = member.assigned.keys() - target.topics
    if not gone:
        return member
    assigned = {topic: numbers for topic, numbers in member.assigned.items() if topic not in gone}
    revoking = {topic: dict(numbers) for topic, numbers in member.revoking.items()}
    for topic in gone:
        revoking.setdefault(topic, {}).update(member.assigned[topic])
    if _owns_any(owned, revoking):
        return replace(
            member.at_epoch(member.epoch), state=MemberState.UNREVOKED_PARTITIONS, assigned=assigned, revoking=revoking
        )
    return replace(member.at_epoch(member.epoch), assigned=assigned)


def _owns_any(owned: Owned, partitions: Assigned) -> bool:
    """Tell whether the member still owns any of these, for all we know."""
    if owned is None:
        return True
    return any(not owned[topic].isdisjoint(numbers) for topic, numbers in partitions.items() if topic in owned)
