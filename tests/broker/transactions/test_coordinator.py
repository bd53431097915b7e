"""The coordinator around the rules: what is durable when, timeouts, expiry, restarts, deleted topics, full disks."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from kio.schema.errors import ErrorCode

from broker.groups.harness import OK, storage_error
from broker.transactions.harness import TOPIC, World
from kopfka_broker.coordinators.ports import StateRecord
from kopfka_broker.transactions.metrics import transaction_metrics
from kopfka_broker.transactions.records import encode_key, encode_value
from kopfka_broker.transactions.state import LAST_EPOCH, State, Transaction
from kopfka_wire.apis import ApiKey

DAY_MS = 86_400_000


@pytest.fixture
async def world() -> World:
    return await World.started()


async def opened(world: World, name: str = "t", **fields):
    """Return a producer with a value in each of two partitions."""
    who = await world.producer(name, **fields)
    for partition in (0, 1):
        assert await world.write(who, partition, f"{name}-{partition}", add=True) is OK
    return who


def committed(world: World) -> list[str]:
    return [value for users in world.cluster.users for value in users.decided()[True]]


async def test_end_is_answered_when_it_is_sure_and_markers_follow(world):
    who = await opened(world)
    world.users.held = True
    answer = await world.end(who, True)
    assert (answer.error_code, answer.producer_id, answer.producer_epoch) == (OK, who[1], who[2] + 1)
    assert world.described("t").state is State.PREPARE_COMMIT
    for epoch in (who[2], answer.producer_epoch):  # as a client asks that did not hear, or goes on at once (franz-go)
        for commit in (True, False):
            again = await world.end(("t", who[1], epoch), commit)
            assert again.error_code is ErrorCode.concurrent_transactions
    world.users.sync()
    await world.settle()
    assert world.described("t").state is State.COMPLETE_COMMIT
    assert committed(world) == ["t-0", "t-1"]


async def test_nothing_is_said_of_an_end_that_may_be_lost(world):
    who = await opened(world)
    world.state.held = True
    ending = asyncio.ensure_future(world.end(who, True))
    await world.settle()
    assert not ending.done()
    assert not [each for users in world.cluster.users for each in users.entries if each.commit is not None]
    again = await world.end(who, True)
    assert again.error_code is ErrorCode.concurrent_transactions
    world.state.held = False
    world.state.sync()
    assert (await ending).error_code is OK


async def test_an_end_goes_on_though_its_client_is_gone(world):
    who = await opened(world)
    world.state.held = True
    ending = asyncio.ensure_future(world.end(who, True))
    await world.settle()
    ending.cancel()
    await world.settle()
    world.state.held = False
    world.state.sync()
    await world.settle()
    assert world.described("t").state is State.COMPLETE_COMMIT
    assert (await world.end(who, True)).producer_epoch == who[2] + 1


async def test_what_was_decided_is_done_after_a_crash_before_the_markers(world):
    who = await opened(world)
    world.users.held = True
    await world.end(who, True)
    await world.crashed()
    assert (await world.end(who, True)).error_code in {ErrorCode.concurrent_transactions, OK}
    await world.settle()
    assert committed(world) == ["t-0", "t-1"]
    answer = await world.end(who, True)
    assert (answer.error_code, answer.producer_epoch) == (OK, who[2] + 1)
    assert (await world.end(who, False)).error_code is ErrorCode.invalid_txn_state


async def test_nothing_is_known_before_it_is_loaded(world):
    world._start()
    assert (await world.init("t")).error_code is ErrorCode.coordinator_load_in_progress
    assert (await world.init(None)).error_code is OK
    codes = await world.transactions.verify("t", 1, 0, [(TOPIC, 0)], add=True)
    assert codes == {(TOPIC, 0): ErrorCode.coordinator_load_in_progress}
    listed = await world.call(ApiKey.LIST_TRANSACTIONS, state_filters=(), producer_id_filters=())
    assert listed.error_code is ErrorCode.coordinator_load_in_progress


async def test_a_transaction_whose_time_is_over_is_aborted(world):
    who = await opened(world, timeout=5_000)
    world.clock.now += 5_000
    world.transactions.abort_timed_out()
    await world.settle()
    assert world.described("t").state is State.ONGOING
    world.clock.now += 1
    world.transactions.abort_timed_out()
    await world.settle()
    assert (world.described("t").state, world.transactions.aborted_by_timeout) == (State.COMPLETE_ABORT, 1)
    assert await world.write(who, 0, "late", add=True) is ErrorCode.invalid_producer_epoch
    assert (await world.end(who, True)).error_code is ErrorCode.invalid_txn_state
    assert committed(world) == []


async def test_ids_nobody_uses_are_forgotten_for_good(world):
    await world.producer("old")
    who = await opened(world, "busy")
    world.clock.now += 7 * DAY_MS
    await world.producer("new")
    world.transactions.expire()
    await world.settle()
    assert sorted(world.transactions._core.ids) == ["busy", "new"]
    await world.crashed()
    assert sorted(world.transactions._core.ids) == ["busy", "new"]
    assert (await world.end(who, True)).error_code is OK


async def test_a_deleted_topic_keeps_no_transaction_from_its_end(world):
    who = await opened(world)
    await world.commit_offset(who, 5)
    del world.cluster.topics[TOPIC]
    assert (await world.end(who, True)).error_code is OK
    await world.settle()
    assert world.described("t").state is State.COMPLETE_COMMIT


async def test_a_topic_deleted_while_its_disk_is_full_is_not_waited_for(world):
    who = await opened(world)
    world.users.broken = storage_error()
    await world.end(who, True)
    await asyncio.sleep(1)
    assert world.described("t").state is State.PREPARE_COMMIT
    del world.cluster.topics[TOPIC]
    await asyncio.sleep(10)
    assert world.described("t").state is State.COMPLETE_COMMIT


async def test_a_full_disk_is_waited_for_and_nothing_is_torn(world):
    who = await opened(world)
    await world.commit_offset(who, 5)
    world.users.broken = world.offsets.broken = storage_error()
    assert (await world.end(who, True)).error_code is OK
    await asyncio.sleep(60)
    assert world.described("t").state is State.PREPARE_COMMIT
    assert world.transactions.waiting_for_the_disk == 1
    assert (await world.init("t")).error_code is ErrorCode.concurrent_transactions
    world.users.broken = world.offsets.broken = None
    await asyncio.sleep(10)
    assert world.described("t").state is State.COMPLETE_COMMIT
    assert committed(world) == ["t-0", "t-1"]
    assert world.transactions.waiting_for_the_disk == 0
    assert await world.committed(stable=True) == (5, OK)


async def test_a_full_disk_of_the_coordinator_changes_nothing(world):
    who = await opened(world)
    world.state.broken = storage_error()
    assert (await world.end(who, True)).error_code is ErrorCode.not_coordinator
    assert (await world.init("other")).error_code is ErrorCode.not_coordinator
    assert await world.write(who, 2, "more", add=True) is ErrorCode.not_coordinator
    world.state.broken = None
    assert (await world.end(who, True)).error_code is OK
    assert (await world.init("other")).error_code is OK


async def test_a_flush_that_failed_changes_nothing(world):
    who = await opened(world)
    world.state.held = True
    ending = asyncio.ensure_future(world.end(who, True))
    await world.settle()
    world.state.held = False
    world.state.sync(storage_error())
    assert (await ending).error_code is ErrorCode.not_coordinator
    assert world.described("t").state is State.ONGOING
    assert (await world.end(who, False)).error_code is OK
    await world.settle()
    assert committed(world) == []


async def test_the_next_transaction_waits_a_moment_for_the_end_of_the_last(world):
    who = await opened(world)
    world.users.held = True
    answer = await world.end(who, True)
    after = ("t", answer.producer_id, answer.producer_epoch)
    writing = asyncio.ensure_future(world.write(after, 2, "next", add=True))
    await world.settle()
    assert not writing.done()
    world.users.held = False
    world.users.sync()
    assert await writing is OK
    assert (await world.end(after, False)).error_code is OK
    await world.settle()
    assert committed(world) == ["t-0", "t-1"]


async def test_the_next_transaction_does_not_wait_for_ever(world):
    who = await opened(world)
    world.users.held = True
    answer = await world.end(who, True)
    after = ("t", answer.producer_id, answer.producer_epoch)
    writing = asyncio.ensure_future(world.write(after, 2, "next", add=True))
    await asyncio.sleep(0.05)
    assert not writing.done()
    await asyncio.sleep(0.1)
    assert await writing is ErrorCode.concurrent_transactions


async def test_used_up_epochs_are_followed_by_a_new_producer_id_across_a_restart():
    world = World()
    partition = world.transactions._core.partition("t")
    stored = Transaction(77, LAST_EPOCH, 60_000, State.ONGOING, frozenset({(TOPIC, 0)}), 1, 1, client_version=2)
    world.state.append(partition, [StateRecord(encode_key("t"), encode_value(stored))], 0)
    await world.load()
    answer = await world.end(("t", 77, LAST_EPOCH), True)
    assert (answer.error_code, answer.producer_epoch) == (OK, 0)
    assert answer.producer_id != 77
    await world.settle()
    await world.crashed()
    assert world.described("t").state is State.PREPARE_COMMIT  # that all partitions know is not synced by itself
    await world.settle()
    again = await world.end(("t", 77, LAST_EPOCH), True)  # by who did not hear the answer
    assert (again.error_code, again.producer_id, again.producer_epoch) == (OK, answer.producer_id, 0)
    assert await world.write(("t", answer.producer_id, 0), 0, "goes on", add=True) is OK


async def test_a_record_nobody_understands_is_left_out(world, caplog):
    await world.producer("t")
    partition = world.transactions._core.partition("t")
    world.state.append(partition, [StateRecord(encode_key("bad"), b"\0\1garbage"), StateRecord(b"\0\7", b"")], 0)
    world.state.durable[partition] = len(world.state.partitions[partition])
    await world.crashed()
    assert list(world.transactions._core.ids) == ["t"]
    assert "a record was left out" in caplog.text


async def test_rights_are_asked_as_kafka_does(world):
    from kopfka_broker.security.authorizer import Operation, ResourceType

    who = await opened(world)
    denied = world.cluster.denied
    denied.add((Operation.WRITE, ResourceType.TRANSACTIONAL_ID, "t"))
    code = ErrorCode.transactional_id_authorization_failed
    assert (await world.init("t")).error_code is code
    assert await world.add(who, 0) is code
    assert await world.add_offsets(who) is code
    assert await world.commit_offset(who, 5) is code
    assert (await world.end(who, True)).error_code is code
    denied.clear()
    denied.add((Operation.READ, ResourceType.GROUP, "g"))
    assert await world.add_offsets(who) is ErrorCode.group_authorization_failed
    assert await world.commit_offset(who, 5) is ErrorCode.group_authorization_failed
    denied.clear()
    denied.update({(Operation.READ, ResourceType.TOPIC, TOPIC), (Operation.WRITE, ResourceType.TOPIC, TOPIC)})
    assert await world.add(who, 0) is ErrorCode.topic_authorization_failed
    assert await world.commit_offset(who, 5) is ErrorCode.topic_authorization_failed
    denied.clear()
    denied.add((Operation.DESCRIBE, ResourceType.TRANSACTIONAL_ID, "t"))
    described = await world.call(ApiKey.DESCRIBE_TRANSACTIONS, transactional_ids=("t",))
    assert described.transaction_states[0].error_code is code
    listed = await world.call(ApiKey.LIST_TRANSACTIONS, state_filters=(), producer_id_filters=())
    assert listed.transaction_states == ()


async def test_counts_for_metrics(world):
    await opened(world)
    await world.producer("idle")
    counts = world.transactions.ids_by_state()
    assert (counts["Ongoing"], counts["Empty"], counts["CompleteCommit"]) == (1, 1, 0)
    shown = {metric.name: metric for metric in transaction_metrics(world.transactions)}
    states = {sample.labels["state"]: sample.value for sample in shown["kopfka_transactions"].samples}
    assert states == counts
    assert shown["kopfka_transactions_timed_out"].samples[0].value == 0


def test_a_value_knows_when_its_epochs_are_used_up():
    value = Transaction(1, LAST_EPOCH - 1)
    assert not value.epoch_exhausted
    assert replace(value, producer_epoch=LAST_EPOCH).epoch_exhausted


async def test_a_log_full_of_old_transactions_is_written_anew(world):
    world.transactions._core.compaction.least = 20
    who = await world.producer("t")
    for _ in range(10):
        await world.write(who, 0, "again", add=True)
        answer = await world.end(who, True)
        who = ("t", answer.producer_id, answer.producer_epoch)
        await world.settle()
    partition = world.transactions._core.partition("t")
    assert world.state.starts[partition] > 0
    before = world.described("t")
    await world.crashed()
    await world.settle()
    assert replace(before, last_epoch=-1) == world.described("t")
    assert await world.write(who, 0, "goes on", add=True) is OK
