"""Share groups on a running broker, over its sockets and its files."""

from __future__ import annotations

from datetime import timedelta

import pytest
from kio.schema.errors import ErrorCode
from kio.schema.share_acknowledge.v2 import request as acknowledging
from kio.schema.share_fetch.v2 import request as fetching

from broker.live import batch, live_broker
from kopfka_broker.share.states import SharePartitionKey
from kopfka_wire.apis import ApiKey
from support.waiting import eventually_async

ACCEPT, RELEASE = 1, 2
NOW = 1_700_000_000_000


class Queue:
    """A share group of one topic with one partition, whose state begins at its first record."""

    def __init__(self, live, client):
        self.live = live
        self.client = client
        self.cluster = live.broker.cluster

    @classmethod
    async def begin(cls, live, *values, **configs):
        queue = cls(live, await live.client())
        await queue.client.create("queue")
        if values:
            await queue.client.produce("queue", batch(*values))
        if configs:
            queue.cluster.group_configs.alter("group", configs)
        await eventually_async(lambda: queue.cluster.share.coordinator.loaded)
        await queue.cluster.share.coordinator.initialize(queue.key, 1, 0)
        return queue

    @property
    def topic_id(self):
        return self.cluster.topic("queue").topic_id

    @property
    def key(self):
        return SharePartitionKey("group", self.topic_id, 0)

    async def fetch(self, epoch, member="one", client=None, wait=0.0, **fields):
        part = fetching.FetchPartition(partition_index=0, acknowledgement_batches=())
        defaults = {"min_bytes": 1, "max_bytes": 1 << 20, "max_records": 100, "batch_size": 100}
        return await (client or self.client).call(
            ApiKey.SHARE_FETCH,
            2,
            group_id="group",
            member_id=member,
            share_session_epoch=epoch,
            max_wait=timedelta(seconds=wait),
            topics=(fetching.FetchTopic(topic_id=self.topic_id, partitions=(part,)),),
            forgotten_topics_data=(),
            **(defaults | {"share_acquire_mode": 0, "is_renew_ack": False} | fields),
        )

    async def acknowledge(self, epoch, first, last, kind, member="one"):
        said = acknowledging.AcknowledgementBatch(first_offset=first, last_offset=last, acknowledge_types=(kind,))
        part = acknowledging.AcknowledgePartition(partition_index=0, acknowledgement_batches=(said,))
        answer = await self.client.call(
            ApiKey.SHARE_ACKNOWLEDGE,
            2,
            group_id="group",
            member_id=member,
            share_session_epoch=epoch,
            is_renew_ack=False,
            topics=(acknowledging.AcknowledgeTopic(topic_id=self.topic_id, partitions=(part,)),),
        )
        assert answer.error_code == 0, answer
        return answer.responses[0].partitions[0].error_code


def acquired(answer):
    return [
        (each.first_offset, each.last_offset, each.delivery_count)
        for topic in answer.responses
        for part in topic.partitions
        for each in part.acquired_records
    ]


async def test_a_restart_delivers_what_was_not_acknowledged_and_nothing_else(tmp_path):
    async with live_broker(tmp_path / "data") as live:
        queue = await Queue.begin(live, b"a", b"b", b"c", b"d")
        assert acquired(await queue.fetch(0)) == [(0, 3, 1)]
        assert await queue.acknowledge(1, 1, 2, ACCEPT) == 0
    async with live_broker(tmp_path / "data") as live:
        queue = Queue(live, await live.client())
        await eventually_async(lambda: queue.cluster.share.coordinator.loaded)
        # 0 was held by a consumer at the end: nothing is stored of that, so its delivery is the first again
        assert [(first, last) for first, last, _ in acquired(await queue.fetch(0))] == [(0, 0), (3, 3)]


async def test_what_a_lost_connection_held_comes_back_at_once(live):
    queue = await Queue.begin(live, b"a", b"b")
    other = await live.client()
    assert acquired(await queue.fetch(0, "lost", other)) == [(0, 1, 1)]
    assert acquired(await queue.fetch(0)) == []
    waiting = queue.fetch(1, wait=20.0)
    other.writer.close()
    assert acquired(await waiting) == [(0, 1, 2)]


async def test_a_waiting_fetch_gets_records_when_they_come(live):
    queue = await Queue.begin(live)
    producing = await live.client()
    queue.client.send(
        ApiKey.SHARE_FETCH,
        2,
        group_id="group",
        member_id="one",
        share_session_epoch=0,
        max_wait=timedelta(seconds=20),
        min_bytes=1,
        max_bytes=1 << 20,
        max_records=10,
        batch_size=10,
        share_acquire_mode=0,
        is_renew_ack=False,
        topics=(
            fetching.FetchTopic(
                topic_id=queue.topic_id,
                partitions=(fetching.FetchPartition(partition_index=0, acknowledgement_batches=()),),
            ),
        ),
        forgotten_topics_data=(),
    )
    await eventually_async(lambda: queue.cluster.share.partitions.get(queue.key) is not None)
    await producing.produce("queue", batch(b"late"))
    _, answer = await queue.client.receive(ApiKey.SHARE_FETCH, 2)
    assert acquired(answer) == [(0, 0, 1)]


@pytest.mark.parametrize("committed", [True, False])
async def test_records_of_aborted_transactions_are_for_those_who_want_them(live, committed):
    level = "read_committed" if committed else "read_uncommitted"
    queue = await Queue.begin(live, b"before", **{"share.isolation.level": level})
    log = queue.cluster.partition("queue", 0)
    for first, commit in ((1, False), (4, True)):
        log.append(
            batch(b"x", b"y", producer_id=9, producer_epoch=0, transactional=True, base_sequence=-1),
            NOW,
            coordinator=True,
        )
        assert log.log_end_offset == first + 2
        if committed and not commit:
            assert acquired(await queue.fetch(0, "early")) == [(0, 0, 1)]
        log.append_marker(9, 0, commit=commit, coordinator_epoch=0, now_ms=NOW)
    await queue.client.produce("queue", batch(b"after"))
    expected = [(3, 7, 1)] if committed else [(0, 7, 1)]
    assert acquired(await queue.fetch(0)) == expected
    if committed:
        assert await queue.acknowledge(1, 3, 7, ACCEPT) == 0
        assert queue.cluster.share.partitions.get(queue.key).partition.start_offset == 0, "the first one is held yet"


async def test_records_the_log_has_lost_are_not_waited_for(live):
    queue = await Queue.begin(live, b"a", b"b", b"c", b"d")
    assert acquired(await queue.fetch(0)) == [(0, 3, 1)]
    assert await queue.acknowledge(1, 0, 1, RELEASE) == 0
    queue.cluster.partition("queue", 0).delete_records(1)
    assert acquired(await queue.fetch(2)) == []
    assert acquired(await queue.fetch(3)) == [(1, 1, 2)]
    assert await queue.acknowledge(4, 1, 3, ACCEPT) == 0
    assert queue.cluster.share.partitions.get(queue.key).partition.start_offset == 4


async def test_a_deleted_topic_is_gone_for_its_consumers_too(live):
    queue = await Queue.begin(live, b"a")
    topic_id = queue.topic_id
    assert acquired(await queue.fetch(0)) == [(0, 0, 1)]
    await queue.cluster.delete_topic("queue")
    answer = await queue.client.call(
        ApiKey.SHARE_FETCH,
        2,
        group_id="group",
        member_id="one",
        share_session_epoch=1,
        max_wait=timedelta(0),
        min_bytes=1,
        max_bytes=100,
        max_records=1,
        batch_size=1,
        share_acquire_mode=0,
        is_renew_ack=False,
        topics=(),
        forgotten_topics_data=(),
    )
    (part,) = answer.responses[0].partitions
    assert part.error_code is ErrorCode.unknown_topic_or_partition
    assert queue.cluster.share.partitions.get(SharePartitionKey("group", topic_id, 0)) is None
    assert len(queue.cluster.share.partitions) == 0


async def test_there_are_no_more_sessions_than_allowed(tmp_path):
    async with live_broker(tmp_path / "data", group_share_max_share_sessions="1") as live:
        queue = await Queue.begin(live, b"a")
        assert (await queue.fetch(0)).error_code == 0
        assert (await queue.fetch(0, "two")).error_code is ErrorCode.share_session_limit_reached
        assert (await queue.fetch(-1)).error_code == 0
        assert (await queue.fetch(0, "two")).error_code == 0


async def test_a_cluster_without_the_feature_has_no_share_groups(live):
    queue = await Queue.begin(live, b"a")
    queue.cluster.features.finalize({"share.version": 0})
    assert (await queue.fetch(0)).error_code is ErrorCode.unsupported_version
    beat = {"group_id": "group", "member_id": "m", "member_epoch": 0, "rack_id": None}
    answer = await queue.client.call(ApiKey.SHARE_GROUP_HEARTBEAT, 1, **beat, subscribed_topic_names=("queue",))
    assert answer.error_code is ErrorCode.unsupported_version


async def test_the_last_session_of_a_group_takes_its_partitions_out_of_memory(live):
    queue = await Queue.begin(live, b"a", b"b")
    assert acquired(await queue.fetch(0)) == [(0, 1, 1)]
    assert (await queue.fetch(-1)).error_code == 0
    await eventually_async(lambda: len(queue.cluster.share.partitions) == 0)
    assert acquired(await queue.fetch(0)) == [(0, 1, 2)]


async def test_a_group_reads_a_topic_that_was_deleted_and_made_anew(live):
    client = await live.client()
    cluster = live.broker.cluster
    await eventually_async(lambda: live.broker.groups_loaded and cluster.share.coordinator.loaded)
    cluster.group_configs.alter("group", {"share.assignment.interval.ms": "0"})
    await client.create("queue")
    epoch = 0

    async def assigned(topic_id):
        nonlocal epoch
        answer = await client.call(
            ApiKey.SHARE_GROUP_HEARTBEAT,
            1,
            group_id="group",
            member_id="m",
            member_epoch=epoch,
            rack_id=None,
            subscribed_topic_names=("queue",),
        )
        assert answer.error_code == 0, answer
        epoch = answer.member_epoch
        return [part.topic_id for part in answer.assignment.topic_partitions] == [topic_id]

    first = cluster.topic_id("queue")
    await eventually_async(lambda: assigned(first))
    await cluster.delete_topic("queue")
    await client.create("queue")
    second = cluster.topic_id("queue")
    await eventually_async(lambda: assigned(second))
    assert cluster.share.coordinator.summary(SharePartitionKey("group", second, 0)) is not None
    described = await client.call(
        ApiKey.SHARE_GROUP_DESCRIBE, 1, group_ids=("group",), include_authorized_operations=False
    )
    assert described.groups[0].group_state == "Stable"
