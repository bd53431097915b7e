"""Committing, fetching, expiring and deleting offsets."""

from __future__ import annotations

from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from broker.groups.harness import OK, Coordination, errors, storage_error
from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from kopfka_wire.codec import codec

DAY_MS = 86_400_000
SUBSCRIPTION = b"\0\0\0\0\0\1\0\6orders\xff\xff\xff\xff"  # ConsumerProtocolSubscription of orders


async def delete(it: Coordination, *groups: str) -> list[ErrorCode]:
    answer = await it.call(ApiKey.DELETE_GROUPS, groups_names=groups)
    return [result.error_code for result in answer.results]


# ---- committing


@pytest.mark.parametrize("version", range(KAFKA_VERSIONS[ApiKey.OFFSET_COMMIT].low, 11))
async def test_every_version_commits(version: int) -> None:
    it = await Coordination.started()
    (joined,) = await it.stable()
    answer = await it.commit({("orders", 0): (7, "why"), ("bills", 1): 8}, joined=joined, version=version)
    assert errors(answer) == [OK, OK]
    assert await it.committed() == {("orders", 0): 7, ("bills", 1): 8}
    stored = it.core.offsets.get("g", "orders", 0)
    assert stored is not None
    assert (stored.metadata, stored.topic_id) == ("why", it.cluster.id_of("orders"))
    assert stored.leader_epoch == (5 if version >= 6 else -1)


async def test_one_request_is_one_batch() -> None:
    it = await Coordination.started()
    await it.commit({("orders", 0): 1, ("orders", 1): 2, ("bills", 0): 3})
    assert it.log.batches == [3]


async def test_a_commit_is_answered_and_read_once_it_is_durable() -> None:
    it = await Coordination.started()
    await it.commit({("orders", 0): 1})
    it.log.held = True
    commit = it.commit({("orders", 0): 2})
    await it.settle()
    assert not commit.done()
    assert await it.committed() == {("orders", 0): 1}
    it.log.sync()
    assert errors(await commit) == [OK]
    assert await it.committed() == {("orders", 0): 2}


async def test_the_disk_may_answer_in_any_order() -> None:
    it = await Coordination.started()
    it.log.held = True
    commits = [it.commit({("orders", 0): number}) for number in range(5)]
    await it.settle()
    it.log._waiting.reverse()
    it.log.sync()
    await it.settle()
    assert [errors(await commit) for commit in commits] == [[OK]] * 5
    assert await it.committed() == {("orders", 0): 4}


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_commit_that_is_not_durable_is_refused(at_once: bool) -> None:
    it = await Coordination.started()
    await it.commit({("orders", 0): 1})
    it.log.broken, it.log.held = storage_error() if at_once else None, True
    commit = it.commit({("orders", 0): 2})
    await it.settle()
    it.log.sync(storage_error())
    assert errors(await commit) == [ErrorCode.not_coordinator]
    assert await it.committed() == {("orders", 0): 1}
    it.log.broken, it.log.held = None, False
    assert errors(await it.commit({("orders", 0): 3})) == [OK]
    assert await it.committed() == {("orders", 0): 3}


async def test_a_full_disk_reads_as_a_coordinator_to_come_back_to() -> None:
    it = await Coordination.started()
    it.log.broken = OSError(28, "No space left on device")
    assert errors(await it.commit({("orders", 0): 2})) == [ErrorCode.not_coordinator]


async def test_partitions_and_topics_that_are_not_there() -> None:
    it = await Coordination.started()
    offsets = {("orders", 3): 1, ("orders", 4): 1, ("orders", -1): 1, ("nowhere", 0): 1}
    unknown = ErrorCode.unknown_topic_or_partition
    answer = await it.commit(offsets)
    assert {t.name: {p.partition_index: p.error_code for p in t.partitions} for t in answer.topics} == {
        "orders": {3: OK, 4: unknown, -1: unknown},
        "nowhere": {0: unknown},
    }
    assert set(errors(await it.commit({("nowhere", 0): 1}, version=10))) == {ErrorCode.unknown_topic_id}


async def test_metadata_is_limited_in_utf_16_code_units() -> None:
    it = await Coordination.started(offset_metadata_max_bytes=4)
    texts = ["1234", "12345", "ümlä", "🙂🙂", "🙂🙂🙂"]
    found = [errors(await it.commit({("orders", 0): (1, text)}))[0] for text in texts]
    large = ErrorCode.offset_metadata_too_large
    assert found == [OK, large, OK, OK, large]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"member_id": "who"}, ErrorCode.unknown_member_id),
        ({"generation_id_or_member_epoch": 7}, ErrorCode.illegal_generation),
        ({"generation_id_or_member_epoch": -1}, ErrorCode.illegal_generation),
        ({"generation_id_or_member_epoch": -1, "member_id": ""}, ErrorCode.unknown_member_id),
        ({"group_instance_id": "i"}, ErrorCode.unknown_member_id),
    ],
)
async def test_who_may_not_commit(fields: dict[str, Any], error: ErrorCode) -> None:
    it = await Coordination.started()
    (joined,) = await it.stable()
    assert errors(await it.commit({("orders", 0): 1}, joined=joined, **fields)) == [error]
    assert await it.committed() == {}


async def test_nobody_commits_while_the_leader_assigns() -> None:
    it = await Coordination.started()
    join = it.join(await it.member_id())
    await it.pass_time(0)
    commit = it.commit({("orders", 0): 1}, joined=await join)
    assert errors(await commit) == [ErrorCode.rebalance_in_progress]


@pytest.mark.parametrize(("version", "error"), [(8, ErrorCode.illegal_generation), (9, ErrorCode.group_id_not_found)])
async def test_a_member_of_a_group_that_is_gone(version: int, error: ErrorCode) -> None:
    it = await Coordination.started()
    answer = await it.commit({("orders", 0): 1}, version=version, generation_id_or_member_epoch=3, member_id="who")
    assert errors(answer) == [error]
    assert "g" not in it.core.membership.groups


async def test_a_request_larger_than_a_batch_is_split() -> None:
    it = await Coordination.started(offset_metadata_max_bytes=40_000)
    it.cluster.topics["wide"] = 100
    offsets = {("wide", index): (index, "x" * 30_000) for index in range(100)}
    assert errors(await it.commit(offsets, version=9)) == [OK] * 100
    assert len(it.log.batches) == 4
    assert len(await it.committed()) == 100
    assert await (await it.restarted()).committed() == await it.committed()


# ---- fetching


async def test_an_offset_of_a_topic_deleted_since_is_none() -> None:
    it = await Coordination.started()
    await it.commit({("orders", 0): 7})
    form = codec(ApiKey.OFFSET_FETCH, 10)
    it.cluster.versions["orders"] = 1
    topic = form.make("OffsetFetchRequestTopics", topic_id=it.cluster.id_of("orders"), partition_indexes=(0,))
    group = form.make("OffsetFetchRequestGroup", group_id="g", topics=(topic,))
    answer = await it.call(ApiKey.OFFSET_FETCH, 10, groups=(group,), require_stable=False)
    assert answer.groups[0].topics[0].partitions[0].committed_offset == -1


# ---- deleting


async def test_deleting_a_group_deletes_its_offsets_for_good() -> None:
    it = await Coordination.started()
    await it.commit({("orders", 0): 7})
    assert await delete(it, "g", "absent", "g") == [OK, ErrorCode.group_id_not_found]
    assert await it.committed() == {}
    after = await it.restarted()
    assert await after.committed() == {}
    assert "g" not in after.core.membership.groups


async def test_a_group_with_members_is_not_deleted() -> None:
    it = await Coordination.started()
    await it.stable()
    assert await delete(it, "g") == [ErrorCode.non_empty_group]


async def test_a_commit_in_flight_goes_with_its_group() -> None:
    it = await Coordination.started()
    it.log.held = True
    commit = it.commit({("orders", 0): 7})
    await it.settle()
    deletion = it.begin(ApiKey.DELETE_GROUPS, groups_names=("g",))
    await it.settle()
    it.log.sync()
    assert errors(await commit) == [OK]
    assert (await deletion).results[0].error_code is OK
    assert await it.committed() == {}
    assert await (await it.restarted()).committed() == {}


async def test_a_deletion_that_is_not_durable_is_refused_and_can_be_repeated() -> None:
    it = await Coordination.started()
    await it.commit({("orders", 0): 7})
    it.log.broken = storage_error()
    assert await delete(it, "g") == [ErrorCode.not_coordinator]
    it.log.broken, it.log.held = None, True
    deletion = it.begin(ApiKey.DELETE_GROUPS, groups_names=("g",))
    await it.settle()
    it.log.sync(storage_error())
    assert (await deletion).results[0].error_code is ErrorCode.not_coordinator
    it.log.held = False
    assert await it.committed() == {("orders", 0): 7}
    assert await delete(it, "g") == [OK]


async def test_a_deleted_topic_takes_its_offsets_along() -> None:
    it = await Coordination.started()
    await it.commit({("orders", 0): 7, ("bills", 0): 8})
    await it.commit({("orders", 1): 9}, group="h")
    del it.cluster.topics["orders"]
    await it.coordinator.topics_deleted(["orders", "nowhere"])
    assert await it.committed() == {("bills", 0): 8}
    assert await it.committed("h") == {}
    assert await (await it.restarted()).committed() == {("bills", 0): 8}


async def test_offsets_of_topics_that_members_read_are_kept() -> None:
    it = await Coordination.started()
    await it.commit({("orders", 0): 7, ("bills", 0): 8})
    await it.stable(protocols=[("range", SUBSCRIPTION)])
    form = codec(ApiKey.OFFSET_DELETE, 0)
    topics = tuple(
        form.make(
            "OffsetDeleteRequestTopic",
            name=name,
            partitions=(form.make("OffsetDeleteRequestPartition", partition_index=0),),
        )
        for name in ("orders", "bills")
    )
    answer = await it.call(ApiKey.OFFSET_DELETE, group_id="g", topics=topics)
    assert errors(answer) == [ErrorCode.group_subscribed_to_topic, OK]
    assert await it.committed() == {("orders", 0): 7}


# ---- expiring


async def test_offsets_expire_when_their_group_has_been_empty_long_enough() -> None:
    it = await Coordination.started()
    (joined,) = await it.stable(protocols=[("range", SUBSCRIPTION)])
    await it.commit({("orders", 0): 7, ("bills", 0): 8}, joined=joined)
    for _ in range(8 * DAY_MS // 1_000_000):
        it.clock.now += 1_000_000
        it.core.membership.touch(it.core.membership.groups["g"], joined.member_id)
    await it.coordinator.expire()
    assert await it.committed() == {("orders", 0): 7}  # nobody reads bills
    await it.leave(joined.member_id)
    it.clock.now += 7 * DAY_MS - 1
    await it.coordinator.expire()
    assert await it.committed() == {("orders", 0): 7}
    it.clock.now += 1
    await it.coordinator.expire()
    assert await it.committed() == {}
    assert "g" not in it.core.membership.groups
    assert "g" not in (await it.restarted()).core.membership.groups


async def test_offsets_of_a_group_without_members_ever_expire_one_by_one() -> None:
    it = await Coordination.started()
    await it.commit({("orders", 0): 7})
    it.clock.now += 4 * DAY_MS
    await it.commit({("orders", 1): 8})
    it.clock.now += 4 * DAY_MS
    await it.coordinator.expire()
    assert await it.committed() == {("orders", 1): 8}
    it.clock.now += 4 * DAY_MS
    await it.coordinator.expire()
    assert "g" not in it.core.membership.groups


async def test_a_retention_time_of_the_client_counts_for_its_commit() -> None:
    it = await Coordination.started()
    await it.commit({("orders", 0): 7}, version=4, retention_time=60_000)
    it.clock.now += 59_999
    await it.coordinator.expire()
    assert await it.committed() == {("orders", 0): 7}
    after = await it.restarted()
    it.clock.now += 1
    await after.coordinator.expire()
    assert await after.committed() == {}


async def test_nothing_expires_in_a_group_of_workers_that_is_alive() -> None:
    it = await Coordination.started()
    await it.commit({("orders", 0): 7})
    await it.stable(protocol_type="connect", protocols=[("range", b"opaque")])
    it.clock.now += 30 * DAY_MS
    await it.coordinator.expire()
    assert await it.committed() == {("orders", 0): 7}


async def test_a_commit_in_flight_does_not_expire() -> None:
    it = await Coordination.started()
    await it.commit({("orders", 0): 7})
    it.clock.now += 8 * DAY_MS
    it.log.held = True
    commit = it.commit({("orders", 0): 8})
    await it.settle()
    await it.coordinator.expire()
    it.log.sync()
    assert errors(await commit) == [OK]
    assert await it.committed() == {("orders", 0): 8}


async def test_facts_for_metrics() -> None:
    it = await Coordination.started()
    await it.commit({("orders", 0): 7}, group="h")
    await it.stable()
    assert list(it.coordinator.committed_offsets()) == [("h", "orders", 0, 7)]
    counts = it.coordinator.groups_by_state()
    assert (counts["Stable"], counts["Empty"], counts["PreparingRebalance"]) == (1, 1, 0)
