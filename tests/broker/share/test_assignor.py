"""The `simple` assignor: every partition that is read has a reader, and nobody has more than its part."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kopfka_broker.groups.share.assignor import Wanted, simple

TOPICS = [UUID(int=number) for number in (1, 2, 3)]
COUNTS = st.fixed_dictionaries({topic: st.integers(0, 6) for topic in TOPICS})
SUBSCRIPTIONS = st.lists(st.sets(st.sampled_from(TOPICS), min_size=1).map(frozenset), min_size=1, max_size=8)


def assign(subscriptions, counts, owned=None):
    members = {
        f"m{number}": Wanted(topics, (owned or {}).get(f"m{number}", {})) for number, topics in enumerate(subscriptions)
    }
    return simple(members, {topic: range(count) for topic, count in counts.items()})


def places(given_to):
    return {(topic, number) for topic, numbers in given_to.items() for number in numbers}


@given(SUBSCRIPTIONS, COUNTS)
def test_every_partition_that_is_read_has_a_reader_who_subscribes_to_it(subscriptions, counts):
    given_to = assign(subscriptions, counts)
    for (member_id, partitions), topics in zip(given_to.items(), subscriptions, strict=True):
        assert partitions.keys() <= topics, member_id
    read = frozenset().union(*subscriptions)
    wanted = {(topic, number) for topic in read for number in range(counts[topic])}
    assert set().union(*map(places, given_to.values())) == wanted


@given(st.integers(1, 9), COUNTS)
def test_members_alike_get_alike_and_keep_it(members, counts):
    subscriptions = [frozenset(TOPICS)] * members
    given_to = assign(subscriptions, counts)
    sizes = [len(places(each)) for each in given_to.values()]
    total = sum(counts.values())
    if total:
        assert max(sizes) - min(sizes) <= 1
        assert min(sizes) >= (1 if members >= total else total // members)
    assert assign(subscriptions, counts, owned=given_to) == given_to


@given(st.integers(2, 6), COUNTS)
def test_nobody_loses_more_than_it_must_when_one_more_joins(members, counts):
    before = assign([frozenset(TOPICS)] * members, counts)
    after = assign([frozenset(TOPICS)] * (members + 1), counts, owned=before)
    for member_id, had in before.items():
        now = places(after[member_id])
        assert len(places(had) - now) <= max(0, len(places(had)) - len(now)) + 1
