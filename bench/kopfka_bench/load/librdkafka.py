"""Loads by confluent-kafka, the client that most programs in Python use; librdkafka does its work in C."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from kopfka_bench.errors import LostRecordsError
from kopfka_bench.load.payloads import values

if TYPE_CHECKING:
    from confluent_kafka import Message

    from kopfka_bench.load.workers import Go

Settings = dict[str, Any]
_FLUSH_SECONDS = 120.0
_QUIET = {"log_level": 0}


@dataclass(frozen=True, slots=True)
class Job:
    """What is sent to a topic, or read from it, and with which settings of the client."""

    topic: str
    count: int
    size: int = 1000
    settings: Settings = field(default_factory=dict)
    text: bool = False
    partitions: tuple[int, ...] = (0,)
    """To read; a producer uses all there are."""
    first: int = 0
    """The offset to read from."""


def produce(go: Go, bootstrap: str, job: Job) -> None:
    """Send so many records of one size as fast as it goes, until the last is acknowledged.

    Raises:
        LostRecordsError: not everything was acknowledged.
    """
    failed = 0

    def on_delivery(error: object, _: Message) -> None:
        nonlocal failed
        failed += error is not None

    producer = Producer({
        "bootstrap.servers": bootstrap,
        "batch.num.messages": 1_000_000,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 512_000,
        "on_delivery": on_delivery,
        "delivery.report.only.error": True,
        **_QUIET,
        **job.settings,
    })  # fmt: skip
    producer.list_topics(job.topic, timeout=30)
    different = values(job.size, text=job.text)
    topic, send, distinct = job.topic, producer.produce, len(different)
    go()
    for number in range(job.count):
        value = different[number % distinct]
        while True:
            try:
                send(topic, value)
                break
            except BufferError:  # the client's own buffer is full: the broker is behind
                producer.poll(0.01)
    left = producer.flush(_FLUSH_SECONDS)
    if left or failed:
        raise LostRecordsError(f"{left} records were not acknowledged, {failed} refused")


def consume(go: Go, bootstrap: str, job: Job) -> float:
    """Read so many records of these partitions from an offset on; return the seconds from the first that came.

    What it takes to connect is not in it, nor what it takes to close.

    Raises:
        LostRecordsError: less than that can be read.
    """
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": f"bench-{uuid.uuid4()}",
        "enable.auto.commit": False,
        **_QUIET,
        **job.settings,
    })  # fmt: skip
    consumer.list_topics(job.topic, timeout=30)
    go()
    consumer.assign([TopicPartition(job.topic, number, job.first) for number in job.partitions])
    try:
        first = consumer.poll(20)
        begun = time.monotonic()
        read = 0 if first is None else 1
        while read < job.count:
            messages = consumer.consume(min(10_000, job.count - read), timeout=20)
            if not messages:
                raise LostRecordsError(f"{read} of {job.count} records could be read")
            if error := messages[-1].error():
                raise KafkaException(error)
            read += len(messages)
        return time.monotonic() - begun
    finally:
        consumer.close()
