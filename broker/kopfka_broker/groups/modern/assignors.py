"""The server-side assignors of KIP-848: pure functions from members, subscriptions and what they had to what they get.

`uniform` gives every member as nearly the same number of partitions as subscriptions allow, and leaves with it what it
had as far as that goes. `range` splits each topic into ranges in the order of the members, whatever they had, so that
topics of equally many partitions and the same readers are split alike.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from kopfka_broker.groups.modern.topics import Partitions

    Assignor = Callable[[Mapping[str, "MemberSpec"], Callable[[UUID], int]], "dict[str, dict[UUID, frozenset[int]]]"]
    """From members and the partition count of each topic to the partitions of each member."""


@dataclass(frozen=True, slots=True)
class MemberSpec:
    """What an assignor knows of a member."""

    instance_id: str | None
    topics: frozenset[UUID]
    """What it subscribes to, as far as it exists."""
    owned: Partitions
    """What it was to have so far."""


_Key = tuple["UUID", int]


def uniform(members: Mapping[str, MemberSpec], count: Callable[[UUID], int]) -> dict[str, dict[UUID, frozenset[int]]]:
    """Spread all partitions as evenly as subscriptions allow, and move as few as that takes."""
    topics = frozenset().union(*(member.topics for member in members.values())) if members else frozenset()
    if not topics:
        return {member_id: {} for member_id in members}
    counts = {topic: count(topic) for topic in topics}
    if all(member.topics == topics for member in members.values()):
        given = _uniform_alike(members, counts)
    else:
        given = _uniform_unlike(members, counts)
    return {member_id: _by_topic(keys) for member_id, keys in given.items()}


def _kept(members: Mapping[str, MemberSpec], counts: Mapping[UUID, int]) -> dict[str, list[_Key]]:
    """Return what each member had that still exists and that it still reads."""
    return {
        member_id: [
            (topic, number)
            for topic in sorted(member.owned, key=lambda each: each.int)
            if topic in member.topics
            for number in sorted(member.owned[topic])
            if number < counts[topic]
        ]
        for member_id, member in members.items()
    }


def _unassigned(counts: Mapping[UUID, int], given: Mapping[str, list[_Key]]) -> list[_Key]:
    taken = {key for keys in given.values() for key in keys}
    everything = (
        (topic, number) for topic in sorted(counts, key=lambda each: each.int) for number in range(counts[topic])
    )
    return [key for key in everything if key not in taken]


def _uniform_alike(members: Mapping[str, MemberSpec], counts: Mapping[UUID, int]) -> dict[str, list[_Key]]:
    least, more = divmod(sum(counts.values()), len(members))
    given = _kept(members, counts)
    # those who have most already are the ones to have one more: so nothing moves that need not
    order = sorted(given, key=lambda member_id: -len(given[member_id]))
    quota = {member_id: least + (index < more) for index, member_id in enumerate(order)}
    for member_id, keys in given.items():
        del keys[quota[member_id] :]
    rest = iter(_unassigned(counts, given))
    for member_id in members:
        keys = given[member_id]
        keys.extend(key for _, key in zip(range(quota[member_id] - len(keys)), rest, strict=False))
    return given


def _uniform_unlike(members: Mapping[str, MemberSpec], counts: Mapping[UUID, int]) -> dict[str, list[_Key]]:
    """Give each free partition to the least loaded who may have it, then move from the most to the least loaded."""
    given = _kept(members, counts)
    readers = {topic: [one for one, member in members.items() if topic in member.topics] for topic in counts}
    # topics of few readers first: there is least choice about them
    free = sorted(_unassigned(counts, given), key=lambda key: len(readers[key[0]]))
    heaps = {
        topic: [(len(given[member_id]), index, member_id) for index, member_id in enumerate(readers[topic])]
        for topic in counts
    }
    for heap in heaps.values():
        heapq.heapify(heap)
    for key in free:
        heap = heaps[key[0]]
        while heap[0][0] != len(given[heap[0][2]]):
            _, index, member_id = heap[0]
            heapq.heapreplace(heap, (len(given[member_id]), index, member_id))
        given[heap[0][2]].append(key)
    _balance(members, given, readers)
    return given


def _balance(
    members: Mapping[str, MemberSpec], given: dict[str, list[_Key]], readers: Mapping[UUID, list[str]]
) -> None:
    moved = True
    while moved:
        moved = False
        for member_id in sorted(members, key=lambda each: -len(given[each])):
            for key in list(given[member_id]):
                other = min(readers[key[0]], key=lambda each: len(given[each]))
                if len(given[member_id]) - len(given[other]) > 1:
                    given[member_id].remove(key)
                    given[other].append(key)
                    moved = True


def range_(members: Mapping[str, MemberSpec], count: Callable[[UUID], int]) -> dict[str, dict[UUID, frozenset[int]]]:
    """Split each topic into ranges over its readers, in the order of instance ids, then member ids."""
    order = sorted(members, key=lambda one: (members[one].instance_id is None, members[one].instance_id or one))
    given: dict[str, dict[UUID, frozenset[int]]] = {member_id: {} for member_id in members}
    topics = frozenset().union(*(member.topics for member in members.values())) if members else frozenset()
    for topic in topics:
        readers = [member_id for member_id in order if topic in members[member_id].topics]
        least, more = divmod(count(topic), len(readers))
        begin = 0
        for index, member_id in enumerate(readers):
            end = begin + least + (index < more)
            if end > begin:
                given[member_id][topic] = frozenset(range(begin, end))
            begin = end
    return given


def _by_topic(keys: list[_Key]) -> dict[UUID, frozenset[int]]:
    found: dict[UUID, set[int]] = {}
    for topic, number in keys:
        found.setdefault(topic, set()).add(number)
    return {topic: frozenset(numbers) for topic, numbers in found.items()}


ASSIGNORS: Mapping[str, Assignor] = {"uniform": uniform, "range": range_}
"""By the names that members and `group.consumer.assignors` use."""
