"""Records at a steady rate, and how long each takes to be acknowledged and to reach a consumer.

The pace is kept whatever the broker does: a slow answer delays no later record, and none is left out.
"""

from __future__ import annotations

import struct
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, Producer, TopicPartition

from kopfka_bench.errors import LostRecordsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Message

    from kopfka_bench.load.workers import Go

_SIZE = 1000
_WARM_RECORDS = 50
_STOP = b"stop"


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast, for how long, and the settings of producer and consumer."""

    topic: str
    rate: float
    seconds: float
    producer: dict[str, Any] = field(default_factory=dict)
    consumer: dict[str, Any] = field(default_factory=dict)


def send(go: Go, bootstrap: str, pace: Pace) -> list[float]:
    """Produce at a rate; return each record's seconds from `produce` to its acknowledgement.

    Raises:
        LostRecordsError: one was not acknowledged.
    """
    times: list[float] = []
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0, **pace.producer})
    producer.list_topics(pace.topic, timeout=30)
    padding = bytes(_SIZE - 8)
    for _ in range(_WARM_RECORDS):  # connection, metadata and code paths are warm before the first that counts
        producer.produce(pace.topic, bytes(8) + padding)
        producer.flush(10)

    def timed(at: float) -> Callable[[object, Message], None]:
        def done(error: object, _: Message) -> None:
            if error is None:
                times.append(time.monotonic() - at)

        return done

    total = int(pace.seconds * pace.rate)
    go()
    start = time.monotonic()
    for number in range(total):
        due = start + number / pace.rate
        while (now := time.monotonic()) < due:
            producer.poll(due - now)
        producer.produce(pace.topic, struct.pack(">d", now) + padding, on_delivery=timed(now))
    producer.flush(30)
    producer.produce(pace.topic, _STOP)
    producer.flush(30)
    if len(times) != total:
        raise LostRecordsError(f"{total - len(times)} of {total} records were not acknowledged")
    return sorted(times)


def receive(go: Go, bootstrap: str, pace: Pace) -> list[float]:
    """Read what `send` sends until it is over; return each record's seconds from `produce` to its arrival here.

    Raises:
        LostRecordsError: nothing came for half a minute.
    """
    times: list[float] = []
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": f"bench-{uuid.uuid4()}",
        "enable.auto.commit": False,
        "log_level": 0,
        **pace.consumer,
    })  # fmt: skip
    consumer.assign(
        [TopicPartition(pace.topic, 0, consumer.get_watermark_offsets(TopicPartition(pace.topic, 0), timeout=30)[1])]
    )
    go()
    try:
        while True:
            message = consumer.poll(30)
            if message is None or message.error():
                raise LostRecordsError("records stopped coming")
            value = message.value() or b""
            if value == _STOP:
                return sorted(times)
            (sent,) = struct.unpack_from(">d", value)
            if sent:
                times.append(time.monotonic() - sent)
    finally:
        consumer.close()
