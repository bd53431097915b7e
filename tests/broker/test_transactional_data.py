"""Transactions on the data path: readers that wait, the order of a connection, what a producer is told of a refusal."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from kio.schema.add_partitions_to_txn.v3.request import AddPartitionsToTxnTopic
from kio.schema.errors import ErrorCode
from kio.schema.produce.v11.request import PartitionProduceData as OlderPartitionProduceData
from kio.schema.produce.v11.request import TopicProduceData as OlderTopicProduceData
from kio.schema.produce.v12.request import PartitionProduceData, TopicProduceData

from broker.live import batch
from kopfka_broker.apis.verification import refusal
from kopfka_broker.storage import syncs
from kopfka_wire.apis import ApiKey
from kopfka_wire.batches import split_batches
from support.storage import NOW, append_in_transaction, replace_sync
from support.waiting import eventually_async


async def test_a_reader_of_committed_records_waits_for_the_marker(live):
    client, other = await live.client(), await live.client()
    await client.create("t")
    log = live.broker.cluster.partition("t", 0)
    append_in_transaction(log, b"open", producer=5, sequence=0)
    wanted = client.fetch_fields(("t", 0, 0), wait=60, isolation_level=1)
    client.send(ApiKey.FETCH, 11, **wanted)
    uncommitted = await other.fetch(("t", 0, 0), wait=60)
    assert uncommitted.responses[0].partitions[0].last_stable_offset == 0
    assert (await other.produce("t", batch(b"behind"))).error_code == 0  # wakes the reader, who sees nothing new
    log.append_marker(5, 0, commit=True, coordinator_epoch=0, now_ms=NOW)
    _, answer = await client.receive(ApiKey.FETCH, 11)
    [found] = answer.responses[0].partitions
    assert (found.last_stable_offset, found.high_watermark, found.aborted_transactions) == (3, 3, ())
    assert [header.base_offset for _, header in split_batches(found.records)] == [0, 1, 2]


async def test_an_answer_stops_before_what_is_open_and_names_what_was_aborted(live):
    client = await live.client()
    await client.create("t")
    log = live.broker.cluster.partition("t", 0)
    append_in_transaction(log, b"aborted", producer=5, sequence=0)
    log.append_marker(5, 0, commit=False, coordinator_epoch=0, now_ms=NOW)
    append_in_transaction(log, b"open", producer=6, sequence=0)
    answer = await client.fetch(("t", 0, 0), isolation_level=1)
    [found] = answer.responses[0].partitions
    assert [(each.producer_id, each.first_offset) for each in found.aborted_transactions] == [(5, 0)]
    assert [header.base_offset for _, header in split_batches(found.records)] == [0, 1]
    everything = (await client.fetch(("t", 0, 0))).responses[0].partitions[0]
    assert everything.aborted_transactions is None
    assert [header.base_offset for _, header in split_batches(everything.records)] == [0, 1, 2]


async def test_requests_behind_the_first_of_a_transaction_keep_their_order(live):
    """The coordinator is asked about the first one only; the others were sent before its answer."""
    client = await live.client()
    await client.create("t")
    fields = {"transactional_id": "mine", "transaction_timeout": timedelta(seconds=60)}
    while (begun := await client.call(ApiKey.INIT_PRODUCER_ID, 2, **fields)).error_code:
        assert begun.error_code is ErrorCode.coordinator_load_in_progress
    for sequence in range(5):
        records = batch(
            b"%d" % sequence,
            producer_id=begun.producer_id,
            producer_epoch=begun.producer_epoch,
            base_sequence=sequence,
            transactional=True,
        )
        data = TopicProduceData(name="t", partition_data=(PartitionProduceData(index=0, records=records),))
        client.send(
            ApiKey.PRODUCE, 12, transactional_id="mine", acks=-1, timeout=timedelta(seconds=5), topic_data=(data,)
        )
    answers = [await client.receive(ApiKey.PRODUCE, 12) for _ in range(5)]
    results = [answer.responses[0].partition_responses[0] for _, answer in answers]
    assert [(each.error_code, each.base_offset) for each in results] == [(0, offset) for offset in range(5)]
    log = live.broker.cluster.partition("t", 0)
    assert (log.last_stable_offset, log.log_end_offset) == (0, 5)


async def test_first_batches_of_several_partitions_share_one_wait_for_the_disk(live, monkeypatch):
    """Sent in requests of their own, as librdkafka does: the one behind is appended before the first is durable."""
    client = await live.client()
    await client.create("t", partitions=2)
    fields = {"transactional_id": "mine", "transaction_timeout": timedelta(seconds=60)}
    while (begun := await client.call(ApiKey.INIT_PRODUCER_ID, 2, **fields)).error_code:
        assert begun.error_code is ErrorCode.coordinator_load_in_progress
    added = await client.call(
        ApiKey.ADD_PARTITIONS_TO_TXN,
        3,
        v3_and_below_transactional_id="mine",
        v3_and_below_producer_id=begun.producer_id,
        v3_and_below_producer_epoch=begun.producer_epoch,
        v3_and_below_topics=(AddPartitionsToTxnTopic(name="t", partitions=(0, 1)),),
    )
    results = added.results_by_topic_v3_and_below[0].results_by_partition
    assert [each.partition_error_code for each in results] == [0, 0]
    gate, real = threading.Event(), syncs.sync_data
    replace_sync(monkeypatch, lambda descriptor: (gate.wait(30), real(descriptor)))
    for partition in range(2):
        records = batch(
            b"x",
            producer_id=begun.producer_id,
            producer_epoch=begun.producer_epoch,
            base_sequence=0,
            transactional=True,
        )
        data = OlderTopicProduceData(
            name="t", partition_data=(OlderPartitionProduceData(index=partition, records=records),)
        )
        client.send(
            ApiKey.PRODUCE, 11, transactional_id="mine", acks=-1, timeout=timedelta(seconds=5), topic_data=(data,)
        )
    behind = live.broker.cluster.partition("t", 1)
    await eventually_async(lambda: behind.log_end_offset == 1, what="the second batch to be appended")
    assert live.broker.cluster.partition("t", 0).recovery_point == 0
    gate.set()
    answers = [await client.receive(ApiKey.PRODUCE, 11) for _ in range(2)]
    results = [answer.responses[0].partition_responses[0] for _, answer in answers]
    assert [(each.index, each.error_code) for each in results] == [(0, 0), (1, 0)]
    assert behind.recovery_point == 1


@pytest.mark.parametrize(
    ("code", "version", "told", "message"),
    [
        (48, 12, 48, "Partition was not added to the transaction"),
        (120, 10, 48, "Partition was not added to the transaction"),
        (120, 11, 120, None),
        (51, 12, 51, None),
        (51, 11, 19, "CONCURRENT_TRANSACTIONS"),
        (14, 12, 19, "COORDINATOR_LOAD_IN_PROGRESS"),
        (15, 9, 19, "COORDINATOR_NOT_AVAILABLE"),
        (16, 13, 19, "NOT_COORDINATOR"),
        (47, 12, 47, None),
        (49, 9, 49, None),
    ],
)
def test_what_a_producer_is_told_of_a_refusal(code, version, told, message):
    result = refusal(3, code, version)
    assert (result.partition, result.code, result.base_offset) == (3, told, -1)
    assert (result.error_message or "").endswith(message or "")
    assert (result.error_message is None) == (message is None)
