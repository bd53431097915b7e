"""One data folder, taken in turns by Apache Kafka and by the storage engine: each reads what the other wrote.

Apache Kafka decides here what is right: it checks indexes and snapshots at its start, and a client reads all back.
"""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from kopfka_broker.storage import LogConfig
from kopfka_wire.batches import split_batches
from support.kafka import ApacheKafka
from support.prerequisites import need_java
from support.storage import batch, crash, log_files, open_manager
from support.waiting import eventually

pytestmark = pytest.mark.java

TOPIC = "shared"
CONFIG = {"segment.bytes": "1048576", "index.interval.bytes": "1024", "retention.ms": "-1"}
LOG_CONFIG = LogConfig(segment_bytes=1_048_576, index_interval_bytes=1024, retention_ms=-1)
EACH = 1500
START = 1_700_000_000_000
"""Time of the first record; others follow by the millisecond."""


def produce(bootstrap, first, codec):
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "compression.type": codec,
            "linger.ms": 1,
            "log_level": 0,
        }
    )
    failed = []

    def delivered(error, message):
        if error:
            failed.append(error)

    for number in range(first, first + EACH):
        producer.produce(
            TOPIC, b"%d " % number + b"v" * 700, b"k%d" % number, timestamp=START + number, on_delivery=delivered
        )
        if number % 25 == 0:
            producer.flush(30)
    assert producer.flush(60) == 0
    assert not failed


def consume(bootstrap, count):
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "all", "enable.auto.commit": False, "check.crcs": True}
    )
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    found = []

    def more():
        for message in consumer.consume(500, timeout=0.5):
            assert not message.error(), message.error()
            found.append((message.offset(), int(message.value().split()[0]), message.timestamp()[1]))
        return len(found) >= count

    eventually(more, seconds=60)
    consumer.close()
    return found


def numbers(count):
    return [(number, number, START + number) for number in range(count)]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_written_in_turns(tmp_path, end):
    need_java()
    kafka = ApacheKafka(tmp_path / "data", "node.id=1\n")
    try:
        kafka.start()
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        admin.create_topics([NewTopic(TOPIC, 1, 1, config=CONFIG)])[TOPIC].result(timeout=30)
        produce(kafka.bootstrap, 0, "none")
        getattr(kafka, end)()

        manager = open_manager(tmp_path / "data", LOG_CONFIG)
        log = manager.topics[TOPIC].partitions[0]
        assert log.topic_id == manager.topics[TOPIC].topic_id
        assert (log.log_start_offset, log.log_end_offset) == (0, EACH)
        assert len(log.segments) > 1
        for number in range(0, EACH, 97):
            assert log.offset_for_time(START + number) == (START + number, number, 0)
        assert log.max_timestamp() == (START + EACH - 1, EACH - 1, 0)
        [producer_id] = log.producers._producers
        last = log.producers._producers[producer_id].batches[-1]
        assert last.last_offset == EACH - 1

        for number in range(EACH, 2 * EACH, 3):
            values = [b"%d " % (number + index) + b"w" * 700 for index in range(3)]
            sequence = (last.last_sequence + 1 + number - EACH) % 2**31
            log.append(batch(*values, timestamp=START + number, producer=producer_id, sequence=sequence), START)
        assert log.end_offset_for_epoch(log.leader_epoch) == (log.leader_epoch, 2 * EACH)
        if end == "stop":
            asyncio.run(manager.close())
        else:
            crash(manager)

        kafka.start()
        assert consume(kafka.bootstrap, 2 * EACH) == numbers(2 * EACH)
        produce(kafka.bootstrap, 2 * EACH, "zstd")
        kafka.stop()
        said = kafka.log.read_text()
        assert "corrupt" not in said.lower(), said[-3000:]
    finally:
        if kafka.process is not None and kafka.process.poll() is None:
            kafka.kill()

    manager = open_manager(tmp_path / "data", LOG_CONFIG)
    log = manager.topics[TOPIC].partitions[0]
    assert log.log_end_offset == 3 * EACH
    position = 0
    while data := log.read(position, 300_000):
        for _, header in split_batches(data):
            assert header.base_offset == position
            position = header.next_offset
    assert position == 3 * EACH
    assert len(log_files(log)) > 3
    crash(manager)
