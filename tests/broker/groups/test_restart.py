"""What a `kill -9` leaves: groups and offsets go on where they were durable."""

from __future__ import annotations

import logging

import pytest  # noqa: TC002 - hypothesis reads the annotations of tests
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from broker.groups.harness import OK, Coordination, Log, errors
from kopfka_broker.groups import OffsetsRecord
from kopfka_broker.groups.group import State
from kopfka_broker.groups.records import encode_group_key, encode_offset_key
from kopfka_wire.apis import ApiKey


async def test_members_go_on_in_their_generation() -> None:
    it = await Coordination.started()
    leader, follower = await it.stable(2)
    await it.commit({("orders", 0): 7}, joined=follower)
    after = await it.restarted()
    assert after.core.membership.groups["g"].state is State.STABLE
    assert await after.heartbeat(leader) is OK
    assert await after.heartbeat(follower) is OK
    assert errors(await after.commit({("orders", 0): 8}, joined=follower)) == [OK]
    assert (await after.sync(follower)).assignment == (await after.sync(follower)).assignment != b""
    assert await after.committed() == {("orders", 0): 8}


async def test_each_member_has_a_full_session_to_come_back() -> None:
    it = await Coordination.started()
    leader, follower = await it.stable(2)
    await it.pass_time(9_000)
    after = await it.restarted()
    await after.pass_time(9_000)
    assert await after.heartbeat(leader) is OK
    await after.pass_time(1_000)
    assert await after.heartbeat(leader) is ErrorCode.rebalance_in_progress
    assert await after.heartbeat(follower) is ErrorCode.unknown_member_id


async def test_static_members_and_protocol_types_are_remembered() -> None:
    it = await Coordination.started()
    join = it.join(group_instance_id="i", protocol_type="connect")
    await it.pass_time(0)
    joined = await join
    assert (
        await it.sync(joined, {joined.member_id: b"x"}, group_instance_id="i", protocol_type="connect")
    ).error_code is OK
    after = await it.restarted()
    group = after.core.membership.groups["g"]
    assert (group.protocol_type, group.static_members) == ("connect", {"i": joined.member_id})
    assert await after.heartbeat(joined, group_instance_id="i") is OK


async def test_what_was_not_durable_is_as_if_it_never_was() -> None:
    it = await Coordination.started()
    (joined,) = await it.stable()
    await it.commit({("orders", 0): 7}, joined=joined)
    it.log.held = True
    it.commit({("orders", 0): 8}, joined=joined)
    newcomer = it.join(await it.member_id())
    again = it.join(joined.member_id)
    await it.settle()
    assert ((await again).generation_id, (await newcomer).generation_id) == (2, 2)
    it.sync(await again, {})
    await it.settle()
    after = await it.restarted()
    assert await after.committed() == {("orders", 0): 7}
    assert await after.heartbeat(joined) is OK
    assert await after.heartbeat(await newcomer) is ErrorCode.unknown_member_id


async def test_a_group_above_its_limit_rebalances() -> None:
    it = await Coordination.started()
    await it.stable(3)
    it.settings["max_size"] = 2
    after = await it.restarted()
    assert after.core.membership.groups["g"].state is State.PREPARING_REBALANCE


async def test_a_group_that_never_got_a_member_is_remembered() -> None:
    it = await Coordination.started()
    await it.member_id()
    partition = it.core.partition("g")
    it.log.durable[partition] = len(it.log.partitions[partition])
    after = await it.restarted()
    assert after.core.membership.groups["g"].state is State.EMPTY
    listed = await after.call(ApiKey.LIST_GROUPS)
    assert [(group.group_id, group.group_state) for group in listed.groups] == [("g", "Empty")]


async def test_records_of_other_kinds_and_broken_ones_stop_nobody(caplog: pytest.LogCaptureFixture) -> None:
    it = await Coordination.started()
    await it.commit({("orders", 0): 7})
    log = it.log.crash()
    broken = [
        OffsetsRecord(b"\0\3\0\1x", b"whatever"),
        OffsetsRecord(b"", b""),
        OffsetsRecord(b"\0\1\0\5x", b""),
        OffsetsRecord(encode_offset_key("g", "orders", 1), b"\0\4\0"),
        OffsetsRecord(encode_group_key("h"), b"\0\x09"),
    ]
    log.partitions.setdefault(0, []).extend(broken)
    with caplog.at_level(logging.WARNING):
        after = await Coordination.started(log)
    assert await after.committed() == {("orders", 0): 7}
    assert "h" not in after.core.membership.groups
    assert len([record for record in caplog.records if "was left out" in record.getMessage()]) == 5
    assert "1 records of __consumer_offsets are of kinds of groups not served here" in caplog.text


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=40), st.none() | st.binary(max_size=60)), max_size=8))
async def test_no_bytes_stop_a_start(records: list[tuple[bytes, bytes | None]]) -> None:
    log = Log(1)
    log.partitions[0] = [OffsetsRecord(key, value) for key, value in records]
    it = await Coordination.started(log)
    assert it.core.loaded
