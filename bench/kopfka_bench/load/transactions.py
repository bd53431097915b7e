"""Transactions by confluent-kafka: how many commits a second, and records read, processed and written exactly once."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, Producer, TopicPartition

from kopfka_bench.errors import LostRecordsError

if TYPE_CHECKING:
    from kopfka_bench.load.workers import Go

EACH = 500
"""Records of a transaction of `copy`."""
_SECONDS = 60.0
_VALUE = bytes(100)


def commits(go: Go, bootstrap: str, topic: str, producers: int, seconds: float) -> list[float]:
    """Commit transactions of one record with so many producers at once; return how long each took, in order of size."""
    ready = [_transactional(bootstrap) for _ in range(producers)]
    times: list[float] = []
    failures: list[Exception] = []
    go()
    ends = time.monotonic() + seconds

    def work(producer: Producer) -> None:
        try:
            while (begun := time.monotonic()) < ends:
                producer.begin_transaction()
                producer.produce(topic, _VALUE)
                producer.commit_transaction(_SECONDS)
                times.append(time.monotonic() - begun)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(producer,)) for producer in ready]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sorted(times)


def copy(go: Go, bootstrap: str, source: str, target: str, count: int) -> float:
    """Copy so many records to another topic, in transactions of 500 with the offsets; return the seconds it took.

    Raises:
        LostRecordsError: less than that can be read.
    """
    producer = _transactional(bootstrap)
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": f"bench-{uuid.uuid4()}",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "log_level": 0,
    })  # fmt: skip
    consumer.list_topics(source, timeout=30)
    go()
    begun = time.monotonic()
    consumer.assign([TopicPartition(source, 0, 0)])
    done = 0
    while done < count:
        messages = consumer.consume(min(EACH, count - done), timeout=20)
        if not messages:
            raise LostRecordsError(f"{done} of {count} records could be read")
        producer.begin_transaction()
        for message in messages:
            producer.produce(target, message.value())
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), _SECONDS
        )
        producer.commit_transaction(_SECONDS)
        done += len(messages)
    seconds = time.monotonic() - begun
    consumer.close()
    return seconds


def _transactional(bootstrap: str) -> Producer:
    producer = Producer({
        "bootstrap.servers": bootstrap,
        "transactional.id": f"bench-{uuid.uuid4()}",
        "linger.ms": 0,
        "log_level": 0,
    })  # fmt: skip
    producer.init_transactions(_SECONDS)
    return producer
