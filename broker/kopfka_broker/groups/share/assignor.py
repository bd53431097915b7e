"""The `simple` assignor of share groups: every partition has members, as evenly as their number allows, and keeps them.

Other than in a consumer group, several members may have one partition: they share its records. A pure function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from kopfka_broker.groups.modern.topics import Partitions

    _Place = tuple[UUID, int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the assignor knows of a member."""

    topics: frozenset[UUID]
    """What it subscribes to, as far as that has a state."""
    owned: Partitions
    """What it was to have so far."""


def simple(members: Mapping[str, Wanted], partitions: Mapping[UUID, Iterable[int]]) -> dict[str, Partitions]:
    """Assign partitions to members; topics that members do not all read are shared among their readers, one by one."""
    topics = {member.topics for member in members.values()}
    given: dict[str, set[_Place]] = {member_id: set() for member_id in members}
    if len(topics) == 1:
        (everything,) = topics
        _share(members, [(topic, number) for topic in _ordered(everything) for number in _numbers(partitions, topic)],
               given)  # fmt: skip
    else:
        for topic in _ordered(frozenset().union(*topics) if topics else ()):
            readers = {one: member for one, member in members.items() if topic in member.topics}
            _share(readers, [(topic, number) for number in _numbers(partitions, topic)], given)
    return {member_id: _by_topic(places) for member_id, places in given.items()}


def _share(members: Mapping[str, Wanted], places: Sequence[_Place], given: Mapping[str, set[_Place]]) -> None:
    if not places or not members:
        return
    sharing = -(-len(members) // len(places))
    total = sharing * len(places)
    count = len(members)
    room = {one: -(-total * (at + 1) // count) + (-total * at // count) for at, one in enumerate(members)}
    assignees: dict[_Place, set[str]] = {place: set() for place in places}
    for one, member in members.items():
        for topic, numbers in member.owned.items():
            for number in sorted(numbers):
                having = assignees.get((topic, number))
                if having is not None and room[one] and len(having) < sharing:
                    having.add(one)
                    room[one] -= 1
    for place in places:
        having = assignees[place]
        for one in sorted((one for one in members if room[one] and one not in having), key=lambda one: -room[one]):
            if len(having) == sharing:
                break
            having.add(one)
            room[one] -= 1
        if not having:  # those with room have it already, and others more than their part
            having.add(min(members, key=lambda one: len(given[one])))
        for one in having:
            given[one].add(place)


def _ordered(topics: Iterable[UUID]) -> list[UUID]:
    return sorted(topics, key=lambda topic: topic.int)


def _numbers(partitions: Mapping[UUID, Iterable[int]], topic: UUID) -> list[int]:
    return sorted(partitions.get(topic, ()))


def _by_topic(places: Iterable[_Place]) -> Partitions:
    found: dict[UUID, set[int]] = {}
    for topic, number in places:
        found.setdefault(topic, set()).add(number)
    return {topic: frozenset(numbers) for topic, numbers in found.items()}
