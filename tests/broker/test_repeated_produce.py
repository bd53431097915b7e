"""Produce requests that are known by their bytes are answered, and written, as those that are read.

Each story is told twice: over one connection, which knows its requests after the first, and over a new connection for
each request, which knows none. Answers and log files must be the same.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.live import batch, live_broker
from kopfka_broker.apis.repeated_produce import RepeatedProduce
from kopfka_wire.apis import ApiKey
from kopfka_wire.batches import CRC_OFFSET
from support.storage import replace_sync


def batch_at(timestamp: int) -> bytes:
    from kopfka_wire.records import Record, encode_batch

    return encode_batch([Record(0, timestamp, None, b"v")])


def corrupt(records: bytes) -> bytes:
    return records[:CRC_OFFSET] + bytes([records[CRC_OFFSET] ^ 1]) + records[CRC_OFFSET + 1 :]


def sequenced(sequence: int, epoch: int = 0) -> bytes:
    return batch(b"v", producer_id=7, producer_epoch=epoch, base_sequence=sequence)


CASES = {
    "plain": lambda _: batch(b"v"),
    "of several records": lambda _: batch(*[b"v"] * 20),
    "lz4": lambda _: batch(b"v" * 100, compression=3),
    "in sequence": sequenced,
    "the same again": lambda _: sequenced(0),
    "out of sequence": lambda number: sequenced(number + 5),
    "of an old epoch": lambda number: sequenced(number, epoch=-1),
    "with a wrong checksum": lambda _: corrupt(batch(b"v")),
    "too large": lambda _: batch(b"v" * 3000),
    "with bytes behind it": lambda _: batch(b"v") + b"more",
    "cut short": lambda _: batch(b"v")[:-1],
    "two": lambda _: batch(b"v") + batch(b"w"),
    "of the future": lambda _: batch_at(2**60),
    "control": lambda _: batch(b"v", control=True, producer_id=9, producer_epoch=0),
    "empty": lambda _: b"",
    "rubbish": lambda _: b"\xff" * 80,
}


@pytest.fixture
def known(monkeypatch):
    """How many requests were known by their bytes."""
    counted = [0]
    ordinary = RepeatedProduce.start

    def counting(self, frame):
        started = ordinary(self, frame)
        counted[0] += started is not None
        return started

    monkeypatch.setattr(RepeatedProduce, "start", counting)
    return counted


async def told(live, topic, story, *, over_one, acks=1):
    answers = []
    client = await live.client()
    for records in story:
        if not over_one:
            client = await live.client()
        answer = await client.produce(topic, records, acks=acks)
        answers.append((answer.error_code, answer.base_offset, answer.log_append_time, answer.log_start_offset))
    return answers


def files_of(live, topic):
    (log,) = live.broker.cluster.logs.topics[topic].partitions
    return [segment.file.path.read_bytes() for segment in log.segments if segment.size]


async def both(live, story, number, acks=1, **config):
    client = await live.client()
    names = f"known-{number}", f"read-{number}"
    for name in names:
        await client.create(name, **config)
    one, each = [await told(live, name, story, over_one=not at, acks=acks) for at, name in enumerate(names)]
    assert one == each
    assert files_of(live, names[0]) == files_of(live, names[1])
    first, second = (live.broker.cluster.metrics.topic(name) for name in names)
    assert first == second
    logs = [live.broker.cluster.logs.topics[name].partitions[0] for name in names]
    assert logs[0].producers.encode() == logs[1].producers.encode()
    return one


@pytest.mark.parametrize("acks", [1, -1])
async def test_all_but_the_first_are_known(live, known, acks):
    answers = await both(live, [CASES["plain"](0)] * 6 + [sequenced(number) for number in range(4)], acks, acks=acks)
    assert [offset for _, offset, _, _ in answers] == list(range(10))
    # neither the first of all nor the first of a producer
    assert known[0] == 8


async def test_any_story_is_the_same_told_either_way(tmp_path):
    numbers = iter(range(10**6))
    async with live_broker(tmp_path / "data", message_max_bytes="2000", log_segment_bytes="1048576") as live:
        import asyncio

        loop = asyncio.get_running_loop()

        @given(st.lists(st.sampled_from(sorted(CASES)), min_size=2, max_size=8), st.sampled_from([1, -1]))
        @settings(max_examples=60, deadline=None)
        def holds(names, acks):
            sequences = 0
            story = []
            for name in names:
                story.append(CASES[name](sequences))
                sequences += name == "in sequence"
            done = asyncio.run_coroutine_threadsafe(both(live, story, next(numbers), acks=acks), loop)
            done.result(60)

        await asyncio.to_thread(holds)


@pytest.mark.parametrize(
    "config",
    [
        {"segment_bytes": "1048576", "index_interval_bytes": "0"},
        {"compression_type": "zstd"},
        {"message_timestamp_before_max_ms": "1000"},
        {"flush_messages": "1"},
    ],
    ids=lambda config: next(iter(config)),
)
async def test_so_it_is_with_other_configs(live, config):
    await both(live, [batch(b"v" * 200, b"w" * 300)] * 5, "config-" + next(iter(config)), **config)


async def test_segments_roll_where_they_would(live, known):
    story = [batch(b"v" * 100_000)] * 40
    await both(live, story, "roll", segment_bytes="1048576")
    log = live.broker.cluster.logs.topics["known-roll"].partitions[0]
    assert len(log.segments) == 4
    assert known[0] == 36


async def test_several_in_flight_are_answered_in_order(live):
    client = await live.client()
    await client.create("many")
    await client.produce("many", batch(b"v"), acks=1)
    sent = [client.send(ApiKey.PRODUCE, 8, **client.produce_fields("many", batch(b"v"), acks=1)) for _ in range(50)]
    for number, correlation_id in enumerate(sent):
        found, answer = await client.receive(ApiKey.PRODUCE, 8)
        assert (found, answer.responses[0].partition_responses[0].base_offset) == (correlation_id, number + 1)


async def test_a_topic_that_is_deleted_and_made_again_is_another_one(live):
    client = await live.client()
    for values in (3, 2):
        await client.create("again")
        for number in range(values):
            assert (await client.produce("again", batch(b"v"), acks=1)).base_offset == number
        await live.broker.cluster.delete_topic("again")
        assert (await client.produce("again", batch(b"v"), acks=1)).error_code.name == "unknown_topic_or_partition"


async def test_quotas_that_are_asked_for_later_count_at_once(live, known):
    client = await live.client()
    await client.create("later")
    for _ in range(3):
        await client.produce("later", batch(b"v"))
    assert known[0] == 2
    live.broker.cluster.throttling.active = True
    await client.produce("later", batch(b"v"))
    live.broker.cluster.throttling.active = False
    assert known[0] == 2


@pytest.mark.parametrize(("setting", "waits"), [("true", True), ("false", False)])
async def test_acks_all_waits_for_the_disk_where_it_is_to(tmp_path, monkeypatch, setting, waits):
    synced = []
    replace_sync(monkeypatch, synced.append)
    async with live_broker(tmp_path / "data", kopfka_acks_all_fsync=setting) as live:
        client = await live.client()
        await client.create("t")
        answers = [await client.produce("t", batch(b"x")) for _ in range(3)]  # read, remembered, known by its bytes
        assert [(one.error_code, one.base_offset) for one in answers] == [(0, 0), (0, 1), (0, 2)]
        assert len(synced) == (3 if waits else 0)
