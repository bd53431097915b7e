"""The coordinator's own life: loading, stopping, its alarm; and what it cannot keep."""

from __future__ import annotations

from kio.schema.errors import ErrorCode

from broker.groups.harness import OK, Coordination, Log
from kopfka_broker.groups.group import State
from kopfka_wire.apis import ApiKey


def state(it: Coordination) -> State:
    return it.core.membership.groups["g"].state


# ---- what no record can hold


async def test_a_group_with_a_name_too_long_for_a_record_is_refused() -> None:
    it = await Coordination.started()
    for group in ("g" * 32_768, "ü" * 16_384):
        assert (await it.join(group=group)).error_code is ErrorCode.invalid_group_id
        commit = await it.commit({("orders", 0): 1}, group=group)
        assert commit.topics[0].partitions[0].error_code is ErrorCode.invalid_group_id
    assert it.core.membership.groups == {}
    assert (await it.commit({("orders", 0): 1}, group="g" * 32_767)).topics[0].partitions[0].error_code is OK


async def test_a_member_with_a_name_too_long_for_a_record_gets_no_assignment() -> None:
    it = await Coordination.started()
    join = it.join(group_instance_id="i" * 32_768)
    await it.pass_time(0)
    joined = await join
    synced = await it.sync(joined, {}, group_instance_id="i" * 32_768)
    assert synced.error_code is ErrorCode.unknown_server_error
    assert state(it) is State.PREPARING_REBALANCE


# ---- the coordinator's own life


async def test_while_it_loads() -> None:
    it = Coordination(Log())
    loading = ErrorCode.coordinator_load_in_progress
    assert (await it.join()).error_code is loading
    assert (await it.leave("who")).error_code is loading
    assert (await it.call(ApiKey.HEARTBEAT, group_id="g", generation_id=1, member_id="who")).error_code is OK
    assert (await it.call(ApiKey.LIST_GROUPS)).error_code is loading
    assert (await it.commit({("orders", 0): 1})).topics[0].partitions[0].error_code is loading
    described = await it.call(ApiKey.DESCRIBE_GROUPS, groups=("g",), include_authorized_operations=False)
    assert described.groups[0].error_code is loading


async def test_a_stop_answers_who_waits() -> None:
    it = await Coordination.started()
    leader, _ = await it.stable(2)
    waiting = it.join(leader.member_id)
    await it.settle()
    assert not waiting.done()
    it.coordinator.close()
    assert (await waiting).error_code is ErrorCode.not_coordinator


async def test_its_own_alarm_drives_timeouts() -> None:
    it = Coordination(initial_rebalance_delay_ms=0)
    it.core.timers.on_earlier = it.coordinator._set_alarm
    await it.coordinator.load()
    assert (await it.join(version=3)).error_code is OK
    it.coordinator.close()
