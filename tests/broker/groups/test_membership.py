"""Joining, syncing, heartbeats and leaving of dynamic members, and what time does to them."""

from __future__ import annotations

from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from broker.groups.harness import OK, Coordination, storage_error
from kopfka_broker.groups.group import State
from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey


def state(it: Coordination, group: str = "g") -> State:
    return it.core.membership.groups[group].state


def generation(it: Coordination, group: str = "g") -> int:
    return it.core.membership.groups[group].generation


# ---- joining


async def test_a_first_member_becomes_leader_and_gets_its_own_assignment() -> None:
    it = await Coordination.started()
    (joined,) = await it.stable()
    assert joined.leader == joined.member_id
    assert joined.generation_id == 1
    assert [member.member_id for member in joined.members] == [joined.member_id]
    assert joined.member_id.startswith("c-")
    assert await it.heartbeat(joined) is OK


async def test_two_members_share_a_generation_and_only_the_leader_learns_of_both() -> None:
    it = await Coordination.started()
    leader, follower = await it.stable(2)
    assert leader.generation_id == follower.generation_id
    assert {member.member_id for member in leader.members} == {leader.member_id, follower.member_id}
    assert follower.members == ()
    assert follower.leader == leader.member_id


@pytest.mark.parametrize("version", range(KAFKA_VERSIONS[ApiKey.JOIN_GROUP].high + 1))
async def test_every_version_joins(version: int) -> None:
    it = await Coordination.started()
    member_id = await it.member_id(version=version) if version >= 4 else ""
    join = it.join(member_id, version=version)
    await it.pass_time(0)
    joined = await join
    assert (joined.error_code, joined.generation_id, joined.protocol_name) == (OK, 1, "range")
    synced = await it.sync(joined, {joined.member_id: b"mine"}, version=min(version, 5))
    assert synced.assignment == b"mine"


async def test_the_first_join_phase_goes_on_as_long_as_members_come() -> None:
    it = await Coordination.started(initial_rebalance_delay_ms=3_000)
    first = it.join(version=3)
    await it.pass_time(2_000)
    second = it.join(version=3)
    await it.pass_time(2_000)
    assert not first.done()  # the second one came in time, so there may be more
    await it.pass_time(2_000)
    assert (await first).generation_id == (await second).generation_id == 1


async def test_the_first_join_phase_ends_at_the_rebalance_timeout() -> None:
    it = await Coordination.started(initial_rebalance_delay_ms=3_000)
    joins = [it.join(version=3, rebalance_timeout=7_000)]
    for _ in range(6):
        await it.pass_time(1_000)
        joins.append(it.join(version=3, rebalance_timeout=7_000))
    await it.pass_time(1_000)
    assert [(await join).generation_id for join in joins] == [1] * 7


async def test_a_new_member_makes_the_others_join_again() -> None:
    it = await Coordination.started()
    (old,) = await it.stable()
    newcomer = it.join(await it.member_id())
    await it.settle()
    assert state(it) is State.PREPARING_REBALANCE
    assert await it.heartbeat(old) is ErrorCode.rebalance_in_progress
    assert (await it.sync(old)).error_code is ErrorCode.rebalance_in_progress
    assert (await it.commit({("orders", 0): 1}, joined=old)).topics[0].partitions[0].error_code is OK
    again = await it.join(old.member_id)
    assert again.generation_id == (await newcomer).generation_id == 2
    assert again.leader == old.member_id
    assert await it.heartbeat(old) is ErrorCode.illegal_generation


async def test_only_the_leader_can_ask_for_a_rebalance_without_a_change() -> None:
    it = await Coordination.started()
    leader, follower = await it.stable(2)
    answer = await it.join(follower.member_id)
    assert (answer.error_code, answer.generation_id) == (OK, 1)
    assert state(it) is State.STABLE
    join = it.join(leader.member_id)
    await it.settle()
    assert state(it) is State.PREPARING_REBALANCE
    assert not join.done()


async def test_changed_metadata_makes_a_rebalance() -> None:
    it = await Coordination.started()
    _, follower = await it.stable(2)
    it.join(follower.member_id, protocols=[("range", b"other topics")])
    await it.settle()
    assert state(it) is State.PREPARING_REBALANCE


async def test_a_member_that_missed_its_answer_gets_it_again() -> None:
    it = await Coordination.started()
    member_id = await it.member_id()
    join = it.join(member_id)
    await it.pass_time(0)
    assert await join == await it.join(member_id)
    assert state(it) is State.COMPLETING_REBALANCE


async def test_a_request_given_up_is_answered_when_it_is_repeated() -> None:
    it = await Coordination.started(initial_rebalance_delay_ms=3_000)
    member_id = await it.member_id()
    first = it.join(member_id)
    await it.settle()
    second = it.join(member_id)
    await it.settle()
    assert (await first).error_code is ErrorCode.rebalance_in_progress
    await it.pass_time(3_000)
    assert (await second).error_code is OK


async def test_the_protocol_most_members_like_best_of_those_all_support() -> None:
    it = await Coordination.started(initial_rebalance_delay_ms=1_000)
    likes = (["x", "a", "b"], ["a", "b"], ["b", "a", "x"], ["b", "a"])
    joins = [it.join(version=3, protocols=[(name, b"") for name in names]) for names in likes]
    await it.pass_time(5_000)
    assert {(await join).protocol_name for join in joins} == {"a"}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"member_id": "who"}, ErrorCode.unknown_member_id),
        ({"group": ""}, ErrorCode.invalid_group_id),
        ({"session_timeout": 5_999}, ErrorCode.invalid_session_timeout),
        ({"session_timeout": 1_800_001}, ErrorCode.invalid_session_timeout),
        ({"protocol_type": ""}, ErrorCode.inconsistent_group_protocol),
        ({"protocols": []}, ErrorCode.inconsistent_group_protocol),
    ],
)
async def test_who_may_not_join(fields: dict[str, Any], error: ErrorCode) -> None:
    it = await Coordination.started()
    assert (await it.join(**fields)).error_code is error


async def test_other_protocols_do_not_mix() -> None:
    it = await Coordination.started()
    await it.stable()
    for fields in ({"protocol_type": "connect"}, {"protocols": [("other", b"")]}):
        assert (await it.join(**fields)).error_code is ErrorCode.inconsistent_group_protocol


async def test_the_group_is_full() -> None:
    it = await Coordination.started(max_size=2)
    await it.stable(2)
    assert (await it.join()).error_code is ErrorCode.group_max_size_reached


async def test_ids_given_out_do_not_fill_a_group_for_ever() -> None:
    it = await Coordination.started(initial_rebalance_delay_ms=3_000)
    joined = it.join(version=3)
    await it.member_id()  # this one never comes back
    await it.pass_time(3_000)
    assert (await joined).error_code is OK
    again = it.join((await joined).member_id)
    await it.settle()
    assert again.done()  # while an id is out the first phase does not end by everyone having come, the delay ends it
    await it.pass_time(10_000)
    assert it.core.membership.groups["g"].pending_members == set()


# ---- syncing


async def test_followers_wait_for_the_leaders_assignment() -> None:
    it = await Coordination.started(initial_rebalance_delay_ms=1_000)
    joins = [it.join(version=3) for _ in range(2)]
    await it.pass_time(2_000)
    leader, follower = sorted([await join for join in joins], key=lambda joined: joined.member_id != joined.leader)
    waiting = it.sync(follower, version=3)
    await it.settle()
    assert not waiting.done()
    assert (await it.sync(leader, {follower.member_id: b"yours"}, version=3)).assignment == b""
    assert (await waiting).assignment == b"yours"
    assert (await it.sync(follower, version=3)).assignment == b"yours"
    assert state(it) is State.STABLE


async def test_an_assignment_is_handed_out_once_it_is_durable() -> None:
    it = await Coordination.started()
    join = it.join(await it.member_id())
    await it.pass_time(0)
    it.log.held = True
    sync = it.sync(await join, {(await join).member_id: b"mine"})
    await it.settle()
    assert not sync.done()
    assert state(it) is State.COMPLETING_REBALANCE
    it.log.sync()
    assert (await sync).assignment == b"mine"


@pytest.mark.parametrize("joins_again", [False, True])
async def test_an_assignment_that_was_overtaken_is_not_handed_out(joins_again: bool) -> None:
    it = await Coordination.started()
    join = it.join(await it.member_id())
    await it.pass_time(0)
    old = await join
    it.log.held = True
    sync = it.sync(old, {old.member_id: b"overtaken"})
    newcomer = it.join(await it.member_id())
    await it.settle()
    assert (await sync).error_code is ErrorCode.rebalance_in_progress
    new = await it.join(old.member_id) if joins_again else old
    waiting = it.sync(new) if joins_again and new.leader != old.member_id else None
    it.log.sync()
    await it.settle()
    assert state(it) is (State.COMPLETING_REBALANCE if joins_again else State.PREPARING_REBALANCE)
    assert waiting is None or not waiting.done()
    assert newcomer.done() is joins_again


@pytest.mark.parametrize("at_once", [True, False])
async def test_an_assignment_that_cannot_be_stored_is_none(at_once: bool) -> None:
    it = await Coordination.started()
    join = it.join(await it.member_id())
    await it.pass_time(0)
    if at_once:
        it.log.broken = storage_error()
    else:
        it.log.held = True
    sync = it.sync(await join, {(await join).member_id: b"mine"})
    await it.settle()
    it.log.sync(storage_error())
    assert (await sync).error_code is ErrorCode.not_coordinator
    assert state(it) is State.PREPARING_REBALANCE


async def test_who_does_not_sync_is_removed() -> None:
    it = await Coordination.started(initial_rebalance_delay_ms=1_000)
    joins = [it.join(version=3, session_timeout=60_000) for _ in range(2)]
    await it.pass_time(2_000)
    leader, follower = sorted([await join for join in joins], key=lambda joined: joined.member_id != joined.leader)
    assert (await it.sync(leader, {leader.member_id: b"all"}, version=3)).assignment == b"all"
    await it.pass_time(30_000)
    assert await it.heartbeat(leader) is ErrorCode.rebalance_in_progress
    assert await it.heartbeat(follower) is ErrorCode.unknown_member_id


async def test_syncs_that_are_refused() -> None:
    it = await Coordination.started()
    (joined,) = await it.stable()
    assert (await it.sync(joined, group="absent")).error_code is ErrorCode.unknown_member_id
    assert (await it.sync(joined, group="")).error_code is ErrorCode.invalid_group_id
    assert (await it.sync(joined, generation_id=9)).error_code is ErrorCode.illegal_generation
    assert (await it.sync(joined, member_id="who")).error_code is ErrorCode.unknown_member_id
    assert (await it.sync(joined, protocol_name="other")).error_code is ErrorCode.inconsistent_group_protocol
    assert (await it.sync(joined, protocol_type=None)).error_code is ErrorCode.inconsistent_group_protocol


# ---- sessions


async def test_heartbeats_keep_a_member_and_silence_removes_it() -> None:
    it = await Coordination.started()
    (joined,) = await it.stable()
    for _ in range(5):
        await it.pass_time(9_000)
        assert await it.heartbeat(joined) is OK
    await it.pass_time(10_000)
    assert await it.heartbeat(joined) is ErrorCode.unknown_member_id
    assert (state(it), generation(it)) == (State.EMPTY, 2)


async def test_a_commit_keeps_a_member_too() -> None:
    it = await Coordination.started()
    (joined,) = await it.stable()
    for number in range(5):
        await it.pass_time(9_000)
        await it.commit({("orders", 0): number}, joined=joined)
    assert await it.heartbeat(joined) is OK


async def test_who_does_not_join_again_in_time_is_out() -> None:
    it = await Coordination.started()
    leader, follower = await it.stable(2, session_timeout=60_000)
    again = it.join(leader.member_id, session_timeout=60_000)
    await it.pass_time(29_000)
    assert not again.done()
    await it.pass_time(1_000)
    assert [member.member_id for member in (await again).members] == [leader.member_id]
    assert await it.heartbeat(follower) is ErrorCode.unknown_member_id


async def test_another_leads_where_the_leader_does_not_come_back() -> None:
    it = await Coordination.started()
    leader, follower = await it.stable(2, session_timeout=60_000)
    again = it.join(follower.member_id, protocols=[("range", b"changed")], session_timeout=60_000)
    await it.pass_time(30_000)
    assert (await again).leader == follower.member_id
    assert await it.heartbeat(leader) is ErrorCode.unknown_member_id


async def test_a_member_waiting_for_others_needs_no_heartbeat() -> None:
    it = await Coordination.started()
    leader, follower = await it.stable(2, session_timeout=10_000)
    again = it.join(leader.member_id)
    for _ in range(2):
        await it.pass_time(9_000)
        assert await it.heartbeat(follower) is ErrorCode.rebalance_in_progress
    assert not again.done()  # its session timeout is long over
    await it.join(follower.member_id)
    assert (await again).error_code is OK


async def test_a_session_begins_anew_when_the_assignment_came() -> None:
    it = await Coordination.started(initial_rebalance_delay_ms=1_000)
    joins = [it.join(version=3, rebalance_timeout=60_000) for _ in range(2)]
    await it.pass_time(2_000)
    leader, follower = sorted([await join for join in joins], key=lambda joined: joined.member_id != joined.leader)
    waiting = it.sync(follower, version=3)
    for _ in range(3):  # longer than the follower's session, which waits and so cannot send heartbeats
        await it.pass_time(9_000)
        assert await it.heartbeat(leader) is OK
    await it.sync(leader, {}, version=3)
    assert (await waiting).error_code is OK
    await it.pass_time(9_000)
    assert await it.heartbeat(leader) is OK
    await it.pass_time(1_000)
    assert await it.heartbeat(leader) is ErrorCode.rebalance_in_progress


# ---- leaving


async def test_leaving_makes_a_rebalance_and_the_last_one_leaves_an_empty_group() -> None:
    it = await Coordination.started()
    leader, follower = await it.stable(2)
    answer = await it.leave(leader.member_id, "who")
    assert [member.error_code for member in answer.members] == [OK, ErrorCode.unknown_member_id]
    assert await it.heartbeat(follower) is ErrorCode.rebalance_in_progress
    again = await it.join(follower.member_id)
    assert (again.generation_id, again.leader) == (2, follower.member_id)
    await it.leave(follower.member_id)
    assert (state(it), generation(it)) == (State.EMPTY, 3)
    assert it.core.membership.groups["g"].leader is None


@pytest.mark.parametrize("version", range(KAFKA_VERSIONS[ApiKey.LEAVE_GROUP].high + 1))
async def test_every_version_leaves(version: int) -> None:
    it = await Coordination.started()
    (joined,) = await it.stable()
    assert (await it.leave(joined.member_id, version=version)).error_code is OK
    assert state(it) is State.EMPTY
    answer = await it.leave(joined.member_id, version=version)
    errors = [member.error_code for member in answer.members] if version >= 3 else [answer.error_code]
    assert errors == [ErrorCode.unknown_member_id]


async def test_an_id_given_out_can_be_given_back() -> None:
    it = await Coordination.started()
    member_id = await it.member_id()
    assert (await it.leave(member_id)).members[0].error_code is OK
    assert (await it.join(member_id)).error_code is ErrorCode.unknown_member_id
