"""Members of a group against the bundled broker: who has what, who is told, and until when it is sure."""

from __future__ import annotations

import asyncio
import time

import pytest

from kopfka_wire.apis import ApiKey
from kopfka_wire.client.cluster import Coordinator
from kopfka_wire.client.errors import ClosedError
from kopfka_wire.client.member import Loss, Member
from kopfka_wire.error_codes import BrokerError, GroupRefusedError, MembershipError
from support.waiting import eventually_async
from support.wire_clients import connected


class Instance:
    """A listener that gives each member its share of the letters, and keeps what it is told."""

    def __init__(self, name="", **options):
        self.name = name
        self.told = []
        self.elections = []
        self.before_lost = options.get("before_lost")
        self.during_assign = options.get("during_assign")
        self.during_assigned = options.get("during_assigned")

    def protocols(self):
        return [("letters", self.name.encode()), ("others", b"")]

    async def assign(self, election):
        self.elections.append(election)
        if self.during_assign is not None:
            await self.during_assign()
        names = sorted((member.metadata, member.member_id) for member in election.members)
        return {member_id: b"abcdef"[index :: len(names)] for index, (_, member_id) in enumerate(names)}

    async def assigned(self, assignment):
        self.told.append(assignment)
        if self.during_assigned is not None:
            await self.during_assigned()

    async def lost(self, loss):
        self.told.append(loss)
        if self.before_lost is not None:
            await self.before_lost()

    @property
    def losses(self):
        return [each for each in self.told if isinstance(each, Loss)]

    @property
    def has(self):
        return self.told[-1].data if self.told and not isinstance(self.told[-1], Loss) else None


def member_of(cluster, group, listener, **options):
    options = {"session_timeout": 10, "rebalance_timeout": 20, "heartbeat_interval": 0.05} | options
    return Member(cluster, group, options.pop("protocol_type", "sr"), listener, **options)


async def test_one_member_alone(cluster, name):
    one = Instance("one")
    member = member_of(cluster, name, one)
    assert (member.assignment, member.valid_until, member.is_valid()) == (None, float("-inf"), False)
    async with member:
        await eventually_async(lambda: one.has)
        assignment = member.assignment
        assert (assignment.data, assignment.protocol, assignment.leads) == (b"abcdef", "letters", True)
        assert assignment.member_id == assignment.leader_id == member.member_id
        assert [each.metadata for each in assignment.members] == [b"one"]
        assert member.is_valid()
        assert time.monotonic() < member.valid_until <= time.monotonic() + 10
    assert one.told == [assignment, Loss.CLOSED]
    assert not member.is_valid()
    await member.wait()


async def test_heartbeats_move_the_end_on(cluster, name):
    one = Instance("one")
    async with member_of(cluster, name, one) as member:
        await eventually_async(lambda: one.has)
        for _ in range(3):
            until = member.valid_until
            await eventually_async(lambda until=until: member.valid_until > until)
    assert one.losses == [Loss.CLOSED]


async def test_members_come_and_go(cluster, name):
    one, two, three = Instance("one"), Instance("two"), Instance("three")
    async with member_of(cluster, name, one) as first:
        await eventually_async(lambda: one.has == b"abcdef")
        async with member_of(cluster, name, two) as second:
            await eventually_async(lambda: (one.has, two.has) == (b"ace", b"bdf"))
            assert first.assignment.generation == second.assignment.generation == 2
            assert first.assignment.leader_id == second.assignment.leader_id == first.member_id
            assert second.assignment.members == ()
            assert [each.metadata for each in sorted(one.elections[-1].members, key=lambda m: m.metadata)] == [
                b"one", b"two",
            ]  # fmt: skip
            async with member_of(cluster, name, three):
                await eventually_async(lambda: (one.has, two.has, three.has) == (b"ad", b"cf", b"be"))
            await eventually_async(lambda: (one.has, two.has) == (b"ace", b"bdf"))
        await eventually_async(lambda: one.has == b"abcdef")
    assert set(one.losses[:-1]) == {Loss.REBALANCE}
    # every assignment is told of its loss before the next one comes
    for told in (one.told, two.told, three.told):
        assert [isinstance(each, Loss) for each in told] == [False, True] * (len(told) // 2)


async def test_the_leader_goes_and_another_takes_over(cluster, name):
    one, two = Instance("one"), Instance("two")
    first, second = member_of(cluster, name, one), member_of(cluster, name, two)
    first.start()
    await eventually_async(lambda: one.has)
    async with second:
        await eventually_async(lambda: (one.has, two.has) == (b"ace", b"bdf"))
        assert not second.assignment.leads
        await first.close()
        await eventually_async(lambda: two.has == b"abcdef")
        assert second.assignment.leads


async def test_new_metadata(cluster, name):
    one, two = Instance("b"), Instance("c")
    async with member_of(cluster, name, one) as first, member_of(cluster, name, two) as second:
        await eventually_async(lambda: (one.has, two.has) == (b"ace", b"bdf"))
        two.name = "a"
        second.rejoin("another name")
        await eventually_async(lambda: (one.has, two.has) == (b"bdf", b"ace"))
        generation = first.assignment.generation
        leader = first if first.assignment.leads else second
        leader.rejoin()
        await eventually_async(lambda: first.assignment and first.assignment.generation > generation)


async def test_heartbeats_go_on_while_the_listener_takes_its_time(cluster, name):
    """Letting go takes longer than the session; the group waits for it, and takes nobody for dead."""
    go_on = asyncio.Event()
    slow, other = Instance("a", before_lost=go_on.wait), Instance("b")
    async with member_of(cluster, name, slow, session_timeout=0.6) as first:
        await eventually_async(lambda: slow.has)
        async with member_of(cluster, name, other, session_timeout=0.6):
            await eventually_async(lambda: slow.losses)
            assert not first.is_valid()
            kept = first.member_id
            began = time.monotonic()
            await eventually_async(lambda: time.monotonic() > began + 1.2)
            assert other.has is None
            go_on.set()
            await eventually_async(lambda: (slow.has, other.has) == (b"ace", b"bdf"))
            assert first.member_id == kept
    assert slow.losses == [Loss.REBALANCE, Loss.CLOSED]


@pytest.mark.parametrize(
    "options",
    [{"session_timeout": 0.6}, {"session_timeout": 20, "rebalance_timeout": 0.5, "heartbeat_interval": 5}],
    ids=["heartbeats meanwhile", "none in time"],
)
async def test_who_waits_long_for_the_leaders_assignment_has_it_for_a_whole_session(cluster, name, options):
    """The leader thinks for longer than a session; the other one's request for its share waits all that time."""
    go_on = asyncio.Event()
    one = Instance("a")
    async with member_of(cluster, name, one, session_timeout=20):
        await eventually_async(lambda: one.has)
        one.during_assign = go_on.wait
        two = Instance("b")
        async with member_of(cluster, name, two, **options) as second:
            await eventually_async(lambda: second._heart is not None)
            began = time.monotonic()
            await eventually_async(lambda: time.monotonic() > began + 0.7)
            go_on.set()
            await eventually_async(lambda: two.has == b"bdf")
            assert second.is_valid()
            assert second.assignment.generation == 2


async def test_a_broker_that_answers_nothing_for_the_length_of_a_session(through, proxy, name):
    one = Instance("one")
    async with member_of(through, name, one, session_timeout=0.8) as member:
        await eventually_async(lambda: one.has)
        with proxy.stalled():
            await eventually_async(lambda: one.losses == [Loss.EXPIRED])
            assert not member.is_valid()
            assert member.assignment is None
        await eventually_async(lambda: one.has)
        assert member.is_valid()


async def test_who_is_sure_was_not_replaced(through, proxy, shared, name):
    """While one is cut off, another takes its place: never are both sure to lead."""
    one, two = Instance("a"), Instance("b")
    async with (
        connected(proxy.bootstrap) as elsewhere,
        member_of(through, name, one, session_timeout=0.8) as first,
    ):
        await eventually_async(lambda: one.has)
        first._calls.heartbeat = _never
        second = member_of(elsewhere, name, two, session_timeout=0.8)
        second.start()
        both = []

        def leads(member):
            return member.is_valid() and member.assignment.leads

        def second_leads():
            both.append(leads(first) and leads(second))
            return leads(second)

        await eventually_async(second_leads)
        assert not any(both)
        assert one.losses
        await second.close()


async def _never(generation):
    await asyncio.Event().wait()


async def test_connections_that_are_cut_cost_no_assignment(through, proxy, name):
    one = Instance("one")
    async with member_of(through, name, one) as member:
        await eventually_async(lambda: one.has)
        for _ in range(5):
            proxy.cut()
            until = member.valid_until
            await eventually_async(lambda until=until: member.valid_until > until)
    assert one.losses == [Loss.CLOSED]


async def test_a_broker_that_is_killed_and_comes_back(own, name):
    async with connected(own.bootstrap) as cluster:
        one, two = Instance("one"), Instance("two")
        async with (
            member_of(cluster, name, one, session_timeout=20) as first,
            member_of(cluster, name, two, session_timeout=20),
        ):
            await eventually_async(lambda: (one.has, two.has) == (b"ace", b"bdf"))
            before, generation = list(one.losses), first.assignment.generation
            own.kill()
            await asyncio.to_thread(own.start)
            until = first.valid_until
            await eventually_async(lambda: first.valid_until > until)
            assert one.losses == before  # the group was on disk
            assert first.assignment.generation == generation
            async with member_of(cluster, name, Instance("three"), session_timeout=20):
                await eventually_async(lambda: (one.has, two.has) == (b"ad", b"cf"))


async def test_who_is_removed_joins_as_another(cluster, name):
    one = Instance("one")
    async with member_of(cluster, name, one) as member:
        await eventually_async(lambda: one.has)
        removed = member.member_id
        await remove(cluster, name, removed)
        await eventually_async(lambda: one.losses == [Loss.EVICTED] and one.has)
        assert member.member_id not in ("", removed)


async def remove(cluster, group, member_id):
    connection = await cluster.connection(await cluster.coordinator(Coordinator.GROUP, group))
    form = connection.form(ApiKey.LEAVE_GROUP)
    members = (form.make_part("MemberIdentity", member_id=member_id, group_instance_id=None, reason=None),)
    assert not (await connection.call(form, form.make_request(group_id=group, members=members))).error_code


async def test_leaving_or_not(cluster, name):
    """Who leaves is missed at once, who does not when its session is over."""
    one, two = Instance("one"), Instance("two")
    first = member_of(cluster, name, one, session_timeout=1.5)
    first.start()
    await eventually_async(lambda: one.has)
    await first.close(leave=False)
    assert one.losses == [Loss.CLOSED]
    async with member_of(cluster, name, two, session_timeout=1.5):
        await eventually_async(lambda: two.has == b"abcdef")


async def test_a_static_member_keeps_its_place_and_has_one_process(cluster, name):
    one, two = Instance("one"), Instance("two")
    first = member_of(cluster, name, one, static_id="s")
    first.start()
    await eventually_async(lambda: one.has)
    await first.close()
    again = member_of(cluster, name, one, static_id="s")
    again.start()
    await eventually_async(lambda: again.assignment)
    assert again.assignment.data == b"abcdef"
    async with member_of(cluster, name, two, static_id="s"):
        with pytest.raises(MembershipError, match="FENCED_INSTANCE_ID"):
            await again.wait()
        assert one.losses[-1] is Loss.FENCED
        await eventually_async(lambda: two.has == b"abcdef")
    await again.close()


@pytest.mark.parametrize("options", [{"protocol_type": "other"}, {"session_timeout": 0.1}])
async def test_a_group_that_does_not_take_it(cluster, name, options):
    async with member_of(cluster, name, Instance("one")) as member:
        await eventually_async(lambda: member.assignment)
        refused = member_of(cluster, name, Instance("two"), **options)
        refused.start()
        with pytest.raises(GroupRefusedError) as caught:
            await refused.wait()
        assert isinstance(caught.value, BrokerError)
        await refused.close()


@pytest.mark.parametrize("where", ["during_assign", "during_assigned", "before_lost"])
async def test_a_mistake_of_the_listener_ends_it(cluster, name, where):
    async def mistake():
        raise ZeroDivisionError(where)

    one, two = Instance("one", **{where: mistake}), Instance("two")
    member = member_of(cluster, name, one)
    member.start()
    if where == "before_lost":
        await eventually_async(lambda: one.has)
        member.rejoin()
    with pytest.raises(ZeroDivisionError, match=where):
        await member.wait()
    assert one.losses == {"during_assign": [], "during_assigned": [Loss.CLOSED]}.get(where, [Loss.REBALANCE])
    async with member_of(cluster, name, two):
        await eventually_async(lambda: two.has == b"abcdef")  # it has left


async def test_closing_waits_for_the_listener_and_a_listener_may_close(cluster, name):
    go_on, entered = asyncio.Event(), asyncio.Event()

    async def slowly():
        entered.set()
        await go_on.wait()

    one = Instance("one", during_assigned=slowly)
    member = member_of(cluster, name, one)
    member.start()
    await entered.wait()
    closing = asyncio.ensure_future(member.close())
    await asyncio.sleep(0)
    assert not closing.done()
    go_on.set()
    await closing
    assert one.losses == [Loss.CLOSED]

    async def closes():
        await other.close()

    two = Instance("two", during_assigned=closes)
    other = member_of(cluster, name, two)
    other.start()
    await other.wait()
    assert two.losses == [Loss.CLOSED]


async def test_closing_while_joining(cluster, name):
    """The first member holds the group up, so the second one's join waits."""
    go_on = asyncio.Event()
    one, two = Instance("one", before_lost=go_on.wait), Instance("two")
    async with member_of(cluster, name, one):
        await eventually_async(lambda: one.has)
        waiting = member_of(cluster, name, two)
        waiting.start()
        await eventually_async(lambda: one.losses)
        await waiting.close()
        assert two.told == []
        go_on.set()
        await eventually_async(lambda: one.has == b"abcdef")


async def test_a_member_that_was_never_started(cluster, name):
    member = member_of(cluster, name, Instance())
    await member.close()
    with pytest.raises(ClosedError):
        await member.wait()
