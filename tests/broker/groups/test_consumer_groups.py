"""Consumer groups of KIP-848: sessions, revocations, expiry, rights, failing disks, and a restart."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from kio.schema.errors import ErrorCode

from broker.groups.consumers import Consumer
from broker.groups.harness import OK, Coordination, storage_error
from kopfka_broker.groups.group import State
from kopfka_broker.security.authorizer import Operation, ResourceType
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from kopfka_broker.groups.consumer.group import ConsumerGroup

ORDERS = struct.pack(">hih6sii", 1, 1, 6, b"orders", -1, 0)
"""ConsumerProtocolSubscription v1 of `orders`, owning nothing."""
EVERYTHING = struct.pack(">hih6siiiiii", 1, 1, 6, b"orders", 4, 0, 1, 2, 3, -1)
"""ConsumerProtocolAssignment v1 of all of `orders`."""


@pytest.fixture
async def it() -> Coordination:
    return await Coordination.started()


def group(it: Coordination) -> ConsumerGroup:
    return it.core.modern.groups["g"]


async def settled(it: Coordination, *consumers: Consumer) -> None:
    for _ in range(5):
        for consumer in consumers:
            await consumer.beat(it)
            consumer.obey()
    assert group(it).state == "Stable"


async def test_a_silent_member_is_removed_and_its_partitions_go_to_others(it: Coordination) -> None:
    one, two = Consumer("one"), Consumer("two")
    await settled(it, one, two)
    assert len(one.owned) == len(two.owned) == 2
    for _ in range(5):
        await it.pass_time(10_000)
        await two.beat(it)
    assert set(group(it).members) == {"two"}
    two.obey()
    assert len(two.owned) == 4
    assert (await one.beat(it)).error_code is ErrorCode.unknown_member_id


async def test_who_does_not_give_up_in_time_is_fenced(it: Coordination) -> None:
    one, two = Consumer("one"), Consumer("two")
    await settled(it, one)
    await two.beat(it)
    await one.beat(it)
    for _ in range(4):
        await it.pass_time(10_000)
        await two.beat(it)
        if "one" in group(it).members:
            await one.beat(it)  # it lives, but goes on owning everything
    assert set(group(it).members) == {"two"}
    two.obey()
    assert len(two.owned) == 4


async def test_a_groups_own_session_timeout_counts(it: Coordination) -> None:
    it.cluster.group_configs["g", "consumer.session.timeout.ms"] = 50_000
    it.cluster.group_configs["g", "consumer.heartbeat.interval.ms"] = 7_000
    answer = await Consumer("one").beat(it)
    assert answer.heartbeat_interval.total_seconds() == 7
    await it.pass_time(49_999)
    assert group(it).members
    await it.pass_time(1)
    assert not group(it).members


async def test_an_assignment_waits_for_its_interval(it: Coordination) -> None:
    it.cluster.group_configs["g", "consumer.assignment.interval.ms"] = 1_000
    one, two = Consumer("one"), Consumer("two")
    await one.beat(it)
    await two.beat(it)
    assert (group(it).state, two.epoch, two.told) == ("Assigning", 2, set())
    await it.pass_time(1_000)
    await settled(it, one, two)
    assert len(two.owned) == 2


async def test_nothing_changes_where_the_log_refuses(it: Coordination) -> None:
    one, two = Consumer("one"), Consumer("two")
    await one.beat(it)
    it.log.broken = storage_error()
    assert (await two.beat(it)).error_code is ErrorCode.not_coordinator
    assert (await one.beat(it)).error_code is OK, "what changes nothing needs no log"
    it.log.broken = None
    assert set(group(it).members) == {"one"}
    await settled(it, one, two)


async def test_nobody_is_told_before_the_disk_has_it(it: Coordination) -> None:
    it.log.held = True
    first = it.begin(ApiKey.CONSUMER_GROUP_HEARTBEAT, 1, **Consumer("one")._fields())
    await it.settle()
    second = it.begin(ApiKey.CONSUMER_GROUP_DESCRIBE, 1, group_ids=("g",), include_authorized_operations=False)
    await it.settle()
    assert not first.done()
    assert not second.done()
    it.log.sync()
    assert (await first).member_epoch == 2
    assert len((await second).groups[0].members) == 1


async def test_a_regex_matches_what_its_member_may_see(it: Coordination) -> None:
    it.cluster.denied.add((Operation.DESCRIBE, ResourceType.TOPIC, "bills"))
    one = Consumer("one", subscription="regex")
    await settled(it, one)
    await it.settle()
    assert one.told == set()
    it.cluster.denied.clear()
    it.cluster.topics["bells"] = 3
    it.coordinator.topics_changed(["bells"], created=True)
    await it.pass_time(10_001)
    await settled(it, one)
    await it.settle()
    await settled(it, one)
    assert len(one.owned) == 5


async def test_rights_are_asked_for(it: Coordination) -> None:
    one = Consumer("one")
    it.cluster.denied.add((Operation.DESCRIBE, ResourceType.TOPIC, "orders"))
    assert (await one.beat(it)).error_code is ErrorCode.topic_authorization_failed
    it.cluster.denied.clear()
    await one.beat(it)
    asked: dict[str, Any] = {"group_ids": ("g",), "include_authorized_operations": True}
    it.cluster.denied.add((Operation.DELETE, ResourceType.GROUP, "g"))
    described = (await it.call(ApiKey.CONSUMER_GROUP_DESCRIBE, 1, **asked)).groups[0]
    assert described.authorized_operations == 1 << 3 | 1 << 8 | 1 << 10 | 1 << 11
    it.cluster.denied.add((Operation.DESCRIBE, ResourceType.TOPIC, "orders"))
    described = (await it.call(ApiKey.CONSUMER_GROUP_DESCRIBE, 1, **asked)).groups[0]
    assert (described.error_code, described.members) == (ErrorCode.topic_authorization_failed, ())
    it.cluster.denied.add((Operation.READ, ResourceType.GROUP, "g"))
    assert (await one.beat(it)).error_code is ErrorCode.group_authorization_failed
    deleted = await it.call(ApiKey.DELETE_GROUPS, groups_names=("g",))
    assert deleted.results[0].error_code is ErrorCode.group_authorization_failed


async def test_offsets_of_unread_topics_expire_and_then_the_empty_group(it: Coordination) -> None:
    one = Consumer("one")
    await settled(it, one)
    member = {"generation_id_or_member_epoch": one.epoch, "member_id": "one"}
    await it.commit({("orders", 0): 1, ("bills", 0): 2}, **member)
    week = it.core.settings.offsets_retention_minutes * 60_000
    it.clock.now += week  # no timeout ends meanwhile
    await it.coordinator.expire()
    assert await it.committed() == {("orders", 0): 1}
    await one.leave(it)
    it.clock.now += week
    await it.coordinator.expire()
    assert "g" not in it.core.modern.groups
    assert not (await it.restarted()).core.modern.groups


async def test_a_deleted_group_leaves_nothing_behind(it: Coordination) -> None:
    one = Consumer("one", subscription="regex")
    await one.beat(it)
    await it.settle()
    assert (await it.call(ApiKey.DELETE_GROUPS, groups_names=("g",))).results[0].error_code is ErrorCode.non_empty_group
    await one.leave(it)
    assert (await it.call(ApiKey.DELETE_GROUPS, groups_names=("g",))).results[0].error_code is OK
    last = {record.key: record.value for log in it.log.partitions.values() for record in log}
    assert set(last.values()) == {None}


async def classic_member(it: Coordination, **fields: Any) -> Any:
    """Bring up a classic group of one consumer that has all of `orders`."""
    member_id = await it.member_id(protocols=[("range", ORDERS)], **fields)
    join = it.join(member_id, protocols=[("range", ORDERS)], **fields)
    await it.pass_time(0)
    joined = await join
    await it.sync(joined, {member_id: EVERYTHING})
    return joined


async def test_an_upgraded_group_shares_with_its_classic_members(it: Coordination) -> None:
    joined = await classic_member(it)
    member_id = joined.member_id
    new = Consumer("new")
    await new.beat(it)
    assert "g" not in it.core.membership.groups
    assert new.told == set(), "the classic member has everything still"
    assert await it.heartbeat(joined) is ErrorCode.rebalance_in_progress
    owning = struct.pack(">hih6si", 1, 1, 6, b"orders", -1) + struct.pack(">ih6siiiii", 1, 6, b"orders", 4, 0, 1, 2, 3)
    again = await it.join(member_id, protocols=[("range", owning)])
    part = (await it.sync(again)).assignment
    assert struct.unpack_from(">hih6si", part)[-1] == 2, "it is to give up half of them"
    assert await it.heartbeat(again) is ErrorCode.rebalance_in_progress
    again = await it.join(member_id, protocols=[("range", ORDERS)])
    assert await it.heartbeat(again) is OK
    await new.beat(it)
    assert len(new.told) == 2
    restarted = await it.restarted()
    assert restarted.core.modern.groups["g"].members == group(it).members
    await new.leave(it)
    classic = it.core.membership.groups["g"]
    assert classic.state is State.PREPARING_REBALANCE
    assert list(classic.members) == [member_id]
    assert (await it.restarted()).core.membership.groups["g"].generation == classic.generation


async def test_who_waits_for_a_classic_rebalance_is_sent_to_join_the_new_group(it: Coordination) -> None:
    joined = await classic_member(it)
    other = it.begin(
        ApiKey.JOIN_GROUP, 3, group_id="g", member_id="", protocol_type="consumer", session_timeout=10_000,
        rebalance_timeout=30_000,
        protocols=(codec(11, 3).make("JoinGroupRequestProtocol", name="range", metadata=ORDERS),),
    )  # fmt: skip
    await it.settle()
    assert not other.done()
    await Consumer("new").beat(it)
    assert (await other).error_code is ErrorCode.rebalance_in_progress
    assert await it.heartbeat(joined) is ErrorCode.rebalance_in_progress


async def test_a_silent_classic_member_of_a_consumer_group_is_removed(it: Coordination) -> None:
    await classic_member(it, session_timeout=6_000)
    new = Consumer("new")
    await new.beat(it)
    await it.pass_time(6_000)
    assert set(group(it).members) == {"new"}
