"""Joining, syncing, heartbeats and leaving of dynamic members."""

from __future__ import annotations

from kio.schema.errors import ErrorCode

from broker.groups.harness import OK, Coordination


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


async def test_commit_and_fetch() -> None:
    it = await Coordination.started()
    (joined,) = await it.stable()
    answer = await it.commit({("orders", 0): 7, ("bills", 1): 8, ("nowhere", 0): 1}, joined=joined)
    assert {t.name: [p.error_code for p in t.partitions] for t in answer.topics} == {
        "nowhere": [ErrorCode.unknown_topic_or_partition],
        "orders": [OK],
        "bills": [OK],
    }
    assert await it.committed() == {("orders", 0): 7, ("bills", 1): 8}
    assert it.log.batches[-1] == 2
