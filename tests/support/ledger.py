"""Producing a corpus and reading it back by a group, with a ledger of what was acknowledged and what was committed.

The clients are confluent-kafka's (librdkafka). The rule checked: every acknowledged record is read byte for byte, and
each offset belongs to exactly one successful commit.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from confluent_kafka import Message

Line = tuple[bytes | None, bytes | None]
Place = tuple[int, int]


@dataclass(slots=True)
class Ledger:
    """What happened to one topic, by (partition, offset)."""

    acknowledged: dict[Place, Line] = field(default_factory=dict)
    committed: dict[Place, Line] = field(default_factory=dict)
    twice: list[Place] = field(default_factory=list)
    """Places that two commits covered: must stay empty."""

    def check(self) -> None:
        """Assert that what was acknowledged is what was committed, each once, in the bytes that were sent."""
        assert not self.twice, f"{len(self.twice)} offsets were committed twice, the first {self.twice[0]}"
        missing = self.acknowledged.keys() - self.committed.keys()
        assert not missing, f"{len(missing)} acknowledged records were not read, the first {min(missing)}"
        wrong = [place for place, line in self.acknowledged.items() if self.committed[place] != line]
        assert not wrong, f"{len(wrong)} records came back with other bytes, the first {wrong[0]}"


def produce(
    bootstrap: str,
    topic: str,
    lines: Iterable[Line],
    ledger: Ledger,
    *,
    at_half: Callable[[], None] | None = None,
    half: int = 0,
) -> None:
    """Send every line with idempotence and `acks=all`, note acknowledgements, call `at_half` after `half` of them."""
    failed: list[str] = []
    killers: list[threading.Thread] = []
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 20,
            "batch.size": 131072,
            "delivery.timeout.ms": 120_000,
            "reconnect.backoff.max.ms": 500,
            "queue.buffering.max.messages": 20_000,
        }
    )

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failed.append(str(error))
            return
        place = (message.partition(), message.offset())
        assert place not in ledger.acknowledged, f"{place} was acknowledged twice"
        ledger.acknowledged[place] = (message.key(), message.value())
        if at_half is not None and not killers and len(ledger.acknowledged) >= half:
            killers.append(threading.Thread(target=at_half))
            killers[0].start()

    for number, (key, value) in enumerate(lines, 1):
        while True:
            try:
                producer.produce(topic, key=key, value=value, on_delivery=on_delivery)
                break
            except BufferError:
                producer.poll(0.5)
        if number % 100 == 0:
            dying = any(killer.is_alive() for killer in killers)
            producer.poll(0.01 if dying else 0)  # not too fast, so that there is something to lose when the kill comes
    left = producer.flush(150)
    for killer in killers:
        killer.join()
    assert len(killers) == (at_half is not None), "half of the records were never acknowledged"
    assert not failed, f"{len(failed)} records were not delivered: {failed[0]}"
    assert left == 0, f"{left} records were never acknowledged"


def read_by_group(
    bootstrap: str,
    topic: str,
    group: str,
    ledger: Ledger,
    *,
    members: int = 2,
    at_half: Callable[[], None] | None = None,
) -> list[int]:
    """Read by a group until all that was acknowledged is committed; return how many records each member committed."""
    lock = threading.Lock()
    done = threading.Event()
    half_called = threading.Event()
    failures: list[BaseException] = []
    counts = [0] * members
    wanted = len(ledger.acknowledged)

    def note(index: int, batch: dict[Place, Line]) -> None:
        with lock:
            ledger.twice.extend(batch.keys() & ledger.committed.keys())
            ledger.committed.update(batch)
            counts[index] += len(batch)
            if len(ledger.committed) >= wanted:
                done.set()
            if at_half is not None and len(ledger.committed) >= wanted // 2 and not half_called.is_set():
                half_called.set()
                at_half()  # the other members wait too: the second half is read after it

    def run(index: int) -> None:
        try:
            _Member(bootstrap, topic, group, lambda batch: note(index, batch)).run(done)
        except BaseException as error:
            failures.append(error)
            done.set()

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(members)]
    for thread in threads:
        thread.start()
    finished = done.wait(240)
    done.set()
    for thread in threads:
        thread.join(60)
    if failures:
        raise failures[0]
    assert finished, f"the group committed {len(ledger.committed)} of {wanted} records in 240 s"
    return counts


class _Member:
    """One consumer: what it polled counts once its commit succeeded, and is forgotten when the partition is lost."""

    def __init__(self, bootstrap: str, topic: str, group: str, note: Callable[[dict[Place, Line]], None]) -> None:
        self._topic = topic
        self._note = note
        self._pending: dict[Place, Line] = {}
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 1_000,
                "reconnect.backoff.max.ms": 500,
            }
        )

    def run(self, done: threading.Event) -> None:
        """Poll and commit until `done`."""
        self._consumer.subscribe([self._topic], on_revoke=self._on_revoke, on_lost=self._on_lost)
        try:
            while not done.is_set():
                for message in self._consumer.consume(2000, timeout=0.5):
                    error = message.error()
                    if error is None:
                        self._pending[message.partition(), message.offset()] = (message.key(), message.value())
                    elif error.fatal():
                        raise KafkaException(error)
                self._commit()
        finally:
            self._consumer.close()

    def _commit(self) -> bool:
        if not self._pending:
            return True
        try:
            self._consumer.commit(offsets=self._offsets(), asynchronous=False)
        except KafkaException:
            return False  # tried again after the next poll, or settled when the partitions are revoked
        self._count()
        return True

    def _offsets(self) -> list[TopicPartition]:
        ends: dict[int, int] = {}
        for partition, offset in self._pending:
            ends[partition] = max(ends.get(partition, 0), offset + 1)
        return [TopicPartition(self._topic, partition, end) for partition, end in sorted(ends.items())]

    def _count(self) -> None:
        batch, self._pending = self._pending, {}
        self._note(batch)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if not self._commit():
            self._settle(consumer)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._settle(consumer)

    def _settle(self, consumer: Consumer) -> None:
        """Learn which of the pending records a commit with an unknown outcome did cover, and forget the others."""
        if not self._pending:
            return
        for attempt in range(6):
            try:
                committed = {p.partition: p.offset for p in consumer.committed(self._offsets(), timeout=10)}
                break
            except KafkaException:
                if attempt == 5:
                    raise
        self._pending = {place: line for place, line in self._pending.items() if place[1] < committed[place[0]]}
        self._count()
