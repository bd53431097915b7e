"""What is measured of a running broker: throughput and round trips, through confluent-kafka."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Message

RECORD_BYTES = 1000
BATCHES_KB = (16, 64, 128, 256)
_SECONDS = 120.0


class LostRecordsError(Exception):
    """A broker did not acknowledge, or did not give back, what was produced."""


def create_topic(bootstrap: str, name: str, partitions: int = 1) -> None:
    """Create a topic and wait until it is there."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
        future.result(timeout=30)


def produce_rate(bootstrap: str, topic: str, *, megabytes: int, batch_kb: int, acks: str) -> float:
    """Return MB/s of records of 1 KB, from the first produce to the last acknowledgement.

    Raises:
        LostRecordsError: not everything was acknowledged.
    """
    count = megabytes * 1_000_000 // RECORD_BYTES
    failed = 0

    def on_delivery(error: object, _: Message) -> None:
        nonlocal failed
        failed += error is not None

    producer = Producer({
        "bootstrap.servers": bootstrap,
        "acks": acks,
        "linger.ms": 20,
        "batch.size": batch_kb * 1024,
        "batch.num.messages": 1_000_000,
        "queue.buffering.max.messages": 10_000_000,
        "queue.buffering.max.kbytes": 2_000_000,
        "on_delivery": on_delivery,
        "delivery.report.only.error": True,
        "log_level": 0,
    })  # fmt: skip
    producer.list_topics(topic, timeout=30)
    value = os.urandom(RECORD_BYTES)
    begun = time.perf_counter()
    for _ in range(count):
        producer.produce(topic, value)
    left = producer.flush(_SECONDS)
    seconds = time.perf_counter() - begun
    if left or failed:
        raise LostRecordsError(f"{left} records were not acknowledged, {failed} refused")
    return count * RECORD_BYTES / 1e6 / seconds


def consume_rate(bootstrap: str, topic: str, *, megabytes: int) -> float:
    """Return MB/s of reading the first records of partition 0, from the first record that arrives to the last.

    Raises:
        LostRecordsError: less than that can be read.
    """
    count = megabytes * 1_000_000 // RECORD_BYTES
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": f"bench-{uuid.uuid4()}",
        "enable.auto.commit": False,
        "fetch.min.bytes": 100_000,
        "queued.max.messages.kbytes": 1_000_000,
        "log_level": 0,
    })  # fmt: skip
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        first = consumer.poll(30)
        begun = time.perf_counter()
        read = 0 if first is None else 1
        while read < count:
            messages = consumer.consume(min(10_000, count - read), timeout=10)
            if not messages:
                raise LostRecordsError(f"{read} of {count} records could be read")
            read += len(messages)
            if messages[-1].error():
                raise KafkaException(messages[-1].error())
        return count * RECORD_BYTES / 1e6 / (time.perf_counter() - begun)
    finally:
        consumer.close()


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """How long acknowledgements took, in milliseconds."""

    p50: float
    p99: float
    p999: float
    highest: float


def round_trips(bootstrap: str, topic: str, *, seconds: float, rate: int = 1000, acks: str = "all") -> RoundTrips:
    """Produce `rate` records of 1 KB a second with linger 0, each on its own, and time each one's acknowledgement.

    The pace is kept whatever the broker does: a slow answer delays no later record, and none is left out.
    """
    times: list[float] = []
    producer = Producer({"bootstrap.servers": bootstrap, "acks": acks, "linger.ms": 0, "log_level": 0})
    producer.list_topics(topic, timeout=30)
    value = os.urandom(RECORD_BYTES)
    for _ in range(50):  # connection, metadata and code paths are warm before the first record that counts
        producer.produce(topic, value)
        producer.flush(10)
    total = int(seconds * rate)
    start = time.perf_counter()

    def timed(at: float) -> Callable[[object, Message], None]:
        def done(error: object, _: Message) -> None:
            if error is None:
                times.append(time.perf_counter() - at)

        return done

    for number in range(total):
        due = start + number / rate
        while (now := time.perf_counter()) < due:
            producer.poll(due - now)
        producer.produce(topic, value, on_delivery=timed(time.perf_counter()))
    producer.flush(30)
    if len(times) != total:
        raise LostRecordsError(f"{total - len(times)} of {total} records were not acknowledged")
    times.sort()

    def at(part: float) -> float:
        return round(1000 * times[min(total - 1, int(total * part))], 2)

    return RoundTrips(p50=at(0.5), p99=at(0.99), p999=at(0.999), highest=at(1.0))
