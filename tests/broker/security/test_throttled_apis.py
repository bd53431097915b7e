"""Quotas over the wire: who is over one is told so in the answer, gets no records, and nobody else notices."""

from __future__ import annotations

from datetime import timedelta

import pytest

from broker.live import batch
from kopfka_broker.security.quotas import entity
from kopfka_wire.apis import ApiKey
from kopfka_wire.fetch import write_fetch_response
from kopfka_wire.produce import PartitionResult, with_throttle_time, write_produce_response

LONG = 3_600_000
"""Milliseconds: more than a test waits."""


def set_quota(live, **limits):
    live.broker.cluster.quotas.change({entity(client_id="test"): limits} if limits else {})


async def test_a_throttled_producer_is_told_and_its_records_are_there(live):
    client = await live.client()
    await client.create("t")
    set_quota(live, producer_byte_rate=0.001)
    answer = await client.call(ApiKey.PRODUCE, 8, **client.produce_fields("t", batch(b"one")))
    assert answer.responses[0].partition_responses[0].error_code == 0
    assert answer.throttle_time.total_seconds() * 1000 > LONG
    set_quota(live)
    other = await live.client()
    fetched = await other.fetch(("t", 0, 0))
    assert fetched.throttle_time.total_seconds() == 0
    assert fetched.responses[0].partitions[0].high_watermark == 1


async def test_the_next_request_of_a_throttled_producer_waits(live):
    client = await live.client()
    await client.create("t")
    set_quota(live, producer_byte_rate=0.001)
    await client.call(ApiKey.PRODUCE, 8, **client.produce_fields("t", batch(b"one")))
    client.send(ApiKey.PRODUCE, 8, **client.produce_fields("t", batch(b"two")))
    other = await live.client()
    for _ in range(20):  # the broker serves others, over and over, and not this one
        fetched = await other.call(ApiKey.METADATA, 5, topics=None, allow_auto_topic_creation=False)
    assert fetched.brokers
    assert live.broker.cluster.partition("t", 0).log_end_offset == 1


async def test_acks_0_is_throttled_without_an_answer(live):
    client = await live.client()
    await client.create("t")
    set_quota(live, producer_byte_rate=0.001)
    client.send(ApiKey.PRODUCE, 8, **client.produce_fields("t", batch(b"one"), acks=0))
    client.send(ApiKey.PRODUCE, 8, **client.produce_fields("t", batch(b"two"), acks=0))
    other = await live.client()
    while not live.broker.cluster.partition("t", 0).log_end_offset:
        await other.fetch(("t", 0, 0))
    await other.fetch(("t", 0, 0))
    assert live.broker.cluster.partition("t", 0).log_end_offset == 1


async def test_a_throttled_fetch_is_empty_and_its_session_unharmed(live):
    client = await live.client()
    await client.create("t")
    await client.produce("t", batch(b"one"))
    fields = client.fetch_fields(("t", 0, 0), session_id=0, session_epoch=0)
    first = await client.call(ApiKey.FETCH, 11, **fields)
    assert first.session_id > 0
    await client.produce("t", batch(b"two"))
    set_quota(live, consumer_byte_rate=0.001)
    fields = client.fetch_fields(("t", 0, 1), session_id=first.session_id, session_epoch=1)
    throttled = await client.call(ApiKey.FETCH, 11, **fields)
    assert (throttled.session_id, throttled.responses) == (first.session_id, ())
    assert throttled.throttle_time.total_seconds() * 1000 > LONG
    set_quota(live)
    other = await live.client()
    fields = other.fetch_fields(session_id=first.session_id, session_epoch=2)
    again = await other.call(ApiKey.FETCH, 11, **fields)
    assert again.responses[0].partitions[0].records  # nothing was taken for sent


async def test_a_throttled_full_fetch_begins_no_session(live):
    client = await live.client()
    await client.create("t")
    await client.produce("t", batch(b"one"))
    set_quota(live, consumer_byte_rate=0.001)
    answer = await client.call(ApiKey.FETCH, 11, **client.fetch_fields(("t", 0, 0), session_id=0, session_epoch=0))
    assert (answer.session_id, answer.responses) == (0, ())
    assert live.broker.cluster.metrics.topic("t").bytes_out == 0


async def test_the_time_of_any_request_counts(live):
    client = await live.client()
    set_quota(live, request_percentage=0.000001)
    answer = await client.call(ApiKey.METADATA, 5, topics=None, allow_auto_topic_creation=False)
    assert answer.throttle_time.total_seconds() == 1  # a window, and no longer


async def test_partitions_count_against_the_mutation_quota(live):
    client = await live.client()
    set_quota(live, controller_mutation_rate=0.001)
    await client.create("t", partitions=5)
    other = await live.client()
    answer = await other.call(ApiKey.DELETE_TOPICS, 5, topic_names=("t",), timeout=timedelta(seconds=5))
    assert answer.responses[0].error_code.name == "throttling_quota_exceeded"
    assert answer.throttle_time.total_seconds() > 5
    assert "t" in live.broker.cluster.logs.topics


@pytest.mark.parametrize("version", range(1, 14))
def test_the_throttle_time_is_where_kafka_reads_it(version):
    topics = [("t", [PartitionResult(0, 0, 5)])] if version < 13 else []
    body = write_produce_response(version, topics)
    changed = with_throttle_time(body, version, 0x01020304)
    at = len(body) - (5 if version >= 9 else 4)
    assert changed == body[:at] + b"\1\2\3\4" + body[at + 4 :]


@pytest.mark.parametrize("version", range(4, 19))
def test_a_fetch_says_how_long_to_wait(version):
    (body,) = write_fetch_response(version, [], throttle_ms=0x01020304)
    assert bytes(body[:4]) == b"\1\2\3\4"
