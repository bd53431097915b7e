"""Whatever the members and topics: every partition and task has one owner who may have it, evenly, and stays put."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_broker.groups.modern.assignors import ASSIGNORS, MemberSpec
from kopfka_broker.groups.streams import assignor as streams
from kopfka_broker.groups.streams.tasks import Tasks

TOPICS = {UUID(int=number): number for number in range(1, 5)}
"""Topics by id, with as many partitions as their number says."""
subscriptions = st.lists(st.sets(st.sampled_from(list(TOPICS)), min_size=0), min_size=1, max_size=6)


def specs(wanted, given=None):
    return {
        f"m{number}": MemberSpec(None, frozenset(topics), (given or {}).get(f"m{number}", {}))
        for number, topics in enumerate(wanted)
    }


def keys(assignment):
    return [(topic, number) for topic, numbers in assignment.items() for number in numbers]


@pytest.mark.parametrize("name", ASSIGNORS)
@given(wanted=subscriptions, later=subscriptions)
def test_each_partition_goes_to_one_reader(name, wanted, later):
    first = ASSIGNORS[name](specs(wanted), TOPICS.__getitem__)
    for subscribed, given_ in ((wanted, first), (later, ASSIGNORS[name](specs(later, first), TOPICS.__getitem__))):
        assert given_.keys() == specs(subscribed).keys()
        everything = [key for assignment in given_.values() for key in keys(assignment)]
        read = set().union(*subscribed)
        assert sorted(everything) == sorted((topic, number) for topic in read for number in range(TOPICS[topic]))
        for number, topics in enumerate(subscribed):
            assert given_[f"m{number}"].keys() <= topics


@pytest.mark.parametrize("name", ASSIGNORS)
@given(number=st.integers(1, 7), later=st.integers(1, 7))
def test_alike_members_get_alike_and_keep_what_they_can(name, number, later):
    topic = UUID(int=4)
    wanted = [{topic}] * number
    first = ASSIGNORS[name](specs(wanted), TOPICS.__getitem__)
    again = ASSIGNORS[name](specs(wanted, first), TOPICS.__getitem__)
    assert again == first
    then = ASSIGNORS[name](specs([{topic}] * later, first), TOPICS.__getitem__)
    sizes = [len(keys(assignment)) for assignment in then.values()]
    assert max(sizes) - min(sizes) <= 1
    for member, assignment in then.items() if name == "uniform" else ():
        had = first.get(member, {}).get(topic, frozenset())
        if len(had) <= len(assignment.get(topic, ())):
            assert had <= assignment.get(topic, frozenset())


@given(wanted=subscriptions)
def test_uniform_leaves_no_better_move(wanted):
    members = specs(wanted)
    found = ASSIGNORS["uniform"](members, TOPICS.__getitem__)
    sizes = {member: len(keys(assignment)) for member, assignment in found.items()}
    for member, assignment in found.items():
        for topic, _ in keys(assignment):
            least = min(sizes[other] for other, spec in members.items() if topic in spec.topics)
            assert sizes[member] - least <= 1


def test_range_gives_ranges_alike_of_topics_alike():
    topics = {UUID(int=8): 5, UUID(int=9): 5}
    wanted = {f"m{number}": MemberSpec(None, frozenset(topics), {}) for number in range(2)}
    found = ASSIGNORS["range"](wanted, topics.__getitem__)
    for topic in topics:
        assert [found[member][topic] for member in wanted] == [{0, 1, 2}, {3, 4}]


tasks = st.dictionaries(st.sampled_from(["0", "1", "2"]), st.integers(1, 5), min_size=1)
processes = st.lists(st.sampled_from(["p", "q", "r"]), min_size=1, max_size=6)


@given(tasks=tasks, before=processes, after=processes, replicas=st.integers(0, 2))
def test_tasks_are_spread_and_stay(tasks, before, after, replicas):
    def members(of, given_):
        return {
            f"m{number}": streams.MemberSpec(process, given_.get(f"m{number}", Tasks()))
            for number, process in enumerate(of)
        }

    stateful = frozenset({"0"})
    first = streams.assign(members(before, {}), tasks, stateful, replicas)
    assert streams.assign(members(before, first), tasks, stateful, 0).items() >= {
        (member, Tasks(given_.active)) for member, given_ in first.items()
    }
    for of, given_ in ((before, first), (after, streams.assign(members(after, first), tasks, stateful, replicas))):
        active = [task for each in given_.values() for task in each.active]
        assert sorted(active) == sorted((name, number) for name in tasks for number in range(tasks[name]))
        sizes = [len(each.active) for each in given_.values()]
        assert max(sizes) - min(sizes) <= 1
        holders = {}
        for member, each in given_.items():
            for task in each.active | each.standby:
                holders.setdefault(task, []).append(members(of, {})[member].process_id)
        for task, where in holders.items():
            assert len(where) == len(set(where)), "a process has a task twice"
            copies = min(replicas, len(set(of)) - 1) if task[0] in stateful else 0
            assert len(where) == 1 + copies
