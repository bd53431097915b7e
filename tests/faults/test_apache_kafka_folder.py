"""One data folder, taken in turns by Apache Kafka and by the storage engine: each reads what the other wrote.

Apache Kafka decides here what is right: it checks indexes and snapshots at its start, and a client reads all back.
"""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from kopfka_broker.storage import LogConfig
from kopfka_wire.batches import split_batches
from kopfka_wire.records import Record, encode_batch
from support.kafka import ApacheKafka
from support.prerequisites import need_java
from support.processes import killed_at_the_end
from support.storage import batch, crash, log_files, open_manager, records_of
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
    with killed_at_the_end(kafka):
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


def test_a_cleaned_log_is_taken_over(tmp_path):
    """Compacted by the storage engine, then read and compacted further by Apache Kafka, then read again here."""
    need_java()
    settings = {"cleanup.policy": "compact", "segment.bytes": "1048576", "min.cleanable.dirty.ratio": "0.01"}
    kafka = ApacheKafka(tmp_path / "data", "node.id=1\nlog.cleaner.backoff.ms=100\n")
    with killed_at_the_end(kafka):
        kafka.start()
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        admin.create_topics([NewTopic(TOPIC, 1, 1, config=settings)])[TOPIC].result(timeout=30)
        kafka.stop()
        expected, left, cleaned_to = written_and_cleaned(tmp_path / "data", settings)
        kafka.start()
        found = keyed(kafka.bootstrap)
        assert [each for each in found if each[0] >= cleaned_to] == [each for each in left if each[0] >= cleaned_to]
        assert {key: value for _, key, value in found} == expected
        assert f"{TOPIC} 0 " in (tmp_path / "data" / "cleaner-offset-checkpoint").read_text()
        kafka.stop()
        said = kafka.log.read_text()
        assert "corrupt" not in said.lower(), said[-3000:]
    manager = open_manager(tmp_path / "data", clock=lambda: START)
    log = manager.topics[TOPIC].partitions[0]
    assert {record.key: record.value for record in records_of(log)} == expected
    crash(manager)


def written_and_cleaned(directory, settings):
    """Write and clean with the storage engine; returns the newest values, all records, and how far it was cleaned."""
    manager = open_manager(directory, clock=lambda: START)
    log = manager.topics[TOPIC].partitions[0]
    log.config = log.config.overridden(settings)
    expected = {}

    def write(first, last):
        for number in range(first, last):
            key, value = b"key %d" % (number % 50), None if number % 49 == 0 else b"%d " % number + b"v" * 900
            fields = {"producer_id": 5, "producer_epoch": 0, "base_sequence": number} if number < 10 else {}
            log.append(encode_batch([Record(0, START, key, value)], compression=number % 5, **fields), START)
            expected[key] = value

    write(0, 6000)
    assert manager.cleaner.clean_now() == 1
    cleaned_to = manager.cleaner.cleaned_to(log)
    assert 0 < cleaned_to == log.active.base_offset
    write(6000, 6100)
    left = [(record.offset, record.key, record.value) for record in records_of(log)]
    assert len(left) < 4000
    asyncio.run(manager.close())
    return expected, left, cleaned_to


def keyed(bootstrap):
    """Read the topic to its end: offset, key and value of each record."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "all", "enable.auto.commit": False, "check.crcs": True,
         "enable.partition.eof": True}
    )  # fmt: skip
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    found, ended = [], False
    while not ended:
        for message in consumer.consume(500, timeout=10):
            if message.error():
                assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                ended = True
            else:
                found.append((message.offset(), message.key(), message.value()))
    consumer.close()
    return found
