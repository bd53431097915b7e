"""Members with a group.instance.id: they come back without a rebalance, and there is one of each name."""

from __future__ import annotations

from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from broker.groups.harness import OK, Coordination, errors, storage_error
from kopfka_broker.groups.group import State

NAMED = {"group_instance_id": "i"}


async def named(it: Coordination, **fields: Any) -> Any:
    """Bring up a stable group with a static member, and return its answer to JoinGroup."""
    join = it.join(**NAMED, **fields)
    await it.pass_time(0)
    joined = await join
    assert (await it.sync(joined, {joined.member_id: b"mine"}, **NAMED)).assignment == b"mine"
    return joined


async def test_it_needs_no_id_given_out() -> None:
    it = await Coordination.started()
    joined = await named(it)
    assert joined.member_id.startswith("i-")
    assert [member.group_instance_id for member in joined.members] == ["i"]


@pytest.mark.parametrize("version", range(5, 10))
async def test_it_comes_back_without_a_rebalance(version: int) -> None:
    it = await Coordination.started()
    before = await named(it)
    back = await it.join(version=version, **NAMED)
    assert (back.error_code, back.generation_id) == (OK, before.generation_id)
    assert back.member_id != before.member_id
    if version >= 9:
        assert back.skip_assignment  # it leads, and is not to assign
        assert back.leader == back.member_id
        assert [member.member_id for member in back.members] == [back.member_id]
    else:
        assert back.leader == before.member_id  # who believes to lead would assign
        assert back.members == ()
    assert (await it.sync(back, **NAMED)).assignment == b"mine"


async def test_the_session_of_the_process_before_ends_without_a_trace() -> None:
    it = await Coordination.started()
    await named(it)
    back = await it.join(**NAMED)
    for _ in range(4):
        await it.pass_time(6_000)
        assert await it.heartbeat(back, **NAMED) is OK


async def test_the_process_before_is_fenced() -> None:
    it = await Coordination.started()
    before = await named(it)
    back = await it.join(**NAMED)
    fenced = ErrorCode.fenced_instance_id
    assert await it.heartbeat(before, **NAMED) is fenced
    assert (await it.join(before.member_id, **NAMED)).error_code is fenced
    assert (await it.sync(before, **NAMED)).error_code is fenced
    assert errors(await it.commit({("orders", 0): 1}, joined=before, **NAMED)) == [fenced]
    assert (await it.leave((before.member_id, "i"))).members[0].error_code is fenced
    assert await it.heartbeat(before) is ErrorCode.unknown_member_id
    assert await it.heartbeat(back, group_instance_id="j") is ErrorCode.unknown_member_id
    assert await it.heartbeat(back, **NAMED) is OK


async def test_a_request_of_the_process_before_is_fenced_while_it_waits() -> None:
    it = await Coordination.started(initial_rebalance_delay_ms=3_000)
    waiting = it.join(**NAMED)
    await it.settle()
    back = it.join(**NAMED)
    assert (await waiting).error_code is ErrorCode.fenced_instance_id
    await it.pass_time(6_000)
    joined = await back
    syncing = it.sync(joined, **NAMED)  # it leads, but the log is slow
    it.log.held = True
    await it.settle()
    again = it.join(**NAMED)
    assert (await syncing).error_code in (ErrorCode.fenced_instance_id, OK)
    it.log.sync()
    await it.pass_time(0)
    assert (await again).error_code is OK


async def test_another_protocol_makes_a_rebalance() -> None:
    it = await Coordination.started()
    await named(it, protocols=[("a", b""), ("b", b"")])
    back = it.join(protocols=[("b", b""), ("a", b"")], **NAMED)
    await it.pass_time(0)
    assert ((await back).generation_id, (await back).protocol_name) == (2, "b")


async def test_coming_back_while_the_leader_assigns_makes_a_rebalance() -> None:
    it = await Coordination.started()
    join = it.join(**NAMED)
    await it.pass_time(0)
    assert (await join).error_code is OK
    assert (await it.join(**NAMED)).generation_id == 2


async def test_a_new_id_that_cannot_be_stored_is_taken_back() -> None:
    it = await Coordination.started()
    before = await named(it)
    it.log.broken = storage_error()
    assert (await it.join(**NAMED)).error_code is ErrorCode.not_coordinator
    it.log.broken = None
    assert await it.heartbeat(before, **NAMED) is OK
    it.log.held = True
    back = it.join(**NAMED)
    await it.settle()
    it.log.sync(storage_error())
    assert (await back).error_code is ErrorCode.not_coordinator
    assert await it.heartbeat(before, **NAMED) is OK


async def test_it_stays_when_it_misses_a_rebalance_but_not_its_session() -> None:
    it = await Coordination.started()
    await named(it, session_timeout=60_000)
    newcomer = it.join(await it.member_id(session_timeout=60_000), session_timeout=60_000)
    await it.pass_time(30_000)
    joined = await newcomer
    assert {member.group_instance_id for member in joined.members} == {"i", None}
    assert joined.leader == joined.member_id


async def test_where_nobody_comes_back_sessions_decide() -> None:
    it = await Coordination.started()
    joined = await named(it, session_timeout=100_000)
    newcomer = await it.member_id()
    join = it.join(newcomer)
    await it.settle()
    await it.leave(newcomer)
    assert (await join).error_code is ErrorCode.unknown_member_id
    await it.pass_time(90_000)
    assert it.core.membership.groups["g"].state is State.PREPARING_REBALANCE
    assert await it.heartbeat(joined, **NAMED) is ErrorCode.rebalance_in_progress
    await it.pass_time(130_000)
    assert it.core.membership.groups["g"].state is State.EMPTY


async def test_members_that_stay_away_are_not_looked_for_all_the_time() -> None:
    it = await Coordination.started()
    joined = await named(it, session_timeout=100_000)
    group = it.core.membership.groups["g"]
    group.members[joined.member_id].rebalance_timeout_ms = 0
    newcomer = it.join(await it.member_id(), rebalance_timeout=0)
    await it.settle()
    for member_id in list(group.awaiting_join):
        await it.leave(member_id)
    assert (await newcomer).error_code is ErrorCode.unknown_member_id
    await it.pass_time(5_000)
    assert group.state is State.PREPARING_REBALANCE
    assert it.core.timers._timers["join", "g"].due > it.clock.now


async def test_who_came_back_but_never_synced_is_removed_in_time() -> None:
    it = await Coordination.started(initial_rebalance_delay_ms=1_000)
    joins = [it.join(version=9, group_instance_id=name, session_timeout=100_000) for name in ("i", "j")]
    await it.pass_time(3_000)
    leader, other = sorted([await join for join in joins], key=lambda joined: joined.leader != joined.member_id)
    name = {member.member_id: member.group_instance_id for member in leader.members}
    fields = {"group_instance_id": name[leader.member_id]}
    assert (await it.sync(leader, {}, **fields)).error_code is OK
    back = await it.join(group_instance_id=name[other.member_id], session_timeout=100_000)
    assert back.generation_id == leader.generation_id
    await it.pass_time(30_000)
    assert await it.heartbeat(back, group_instance_id=name[other.member_id]) is ErrorCode.unknown_member_id
    assert await it.heartbeat(leader, **fields) is ErrorCode.rebalance_in_progress


async def test_an_administrator_removes_it_by_name() -> None:
    it = await Coordination.started()
    await named(it)
    answer = await it.leave(("", "nobody"), ("", "i"))
    assert [member.error_code for member in answer.members] == [ErrorCode.unknown_member_id, OK]
    assert it.core.membership.groups["g"].state is State.EMPTY
