"""What applications do with transactions: a queue, consume-transform-produce, lists appended to across partitions.

Each workload is a set of threads that go on until they are told to stop, and then finish what they have begun.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from confluent_kafka import KafkaException, TopicPartition

from faults.checker.anomalies import FinalLog, exactly_once, find_anomalies
from faults.checker.clients import PlainProducer, ProducerLostError, Reader, TransactionalProducer, positions
from faults.checker.history import History, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from faults.checker.anomalies import Anomaly

PARTITIONS = 4
_DRAIN_SECONDS = 180.0
_BACKLOG = 1_000
"""How many records the input may be ahead of those who process it: else a busy machine never gets to its end."""


class Workload(Protocol):
    """Runs, stops, judges itself."""

    name: str
    topics: tuple[str, ...]
    history: History
    aborts: bool
    """Whether it aborts transactions of its own accord."""

    def threads(self) -> list[Callable[[], None]]:
        """Return what runs, each on a thread of its own."""
        ...

    def judge(self) -> list[Anomaly]:
        """Return what is wrong, once everything has stopped and nothing is broken any more."""
        ...


class _Base:
    name = ""
    topics: tuple[str, ...] = ()
    aborts = True

    def __init__(self, bootstrap: str, stop: threading.Event, seed: int) -> None:
        self.history = History()
        self._bootstrap = bootstrap
        self._stop = stop
        self._seed = seed

    def _transactional(self, transactional_id: str, step: Callable[[TransactionalProducer, int], None]) -> None:
        """Run `step` with a producer and a growing number, until told to stop; another producer where one is lost."""
        number = 0
        while not self._stop.is_set():
            try:
                producer = TransactionalProducer(self.history, self._bootstrap, transactional_id, self._stop.is_set)
                while not self._stop.is_set():
                    number += 1
                    step(producer, number)
            except (ProducerLostError, KafkaException):
                self.history.counts["producers lost"] += 1
                self._stop.wait(0.2)

    def _read(self, group: str | None, topic: str, name: str, *, committed_only: bool) -> None:
        while not self._stop.is_set():
            reader = Reader(self.history, self._bootstrap, name, group=group, committed_only=committed_only)
            try:
                if group is None:
                    reader.consumer.assign([TopicPartition(topic, each, 0) for each in range(PARTITIONS)])
                else:
                    reader.subscribe(topic)
                while not self._stop.is_set():
                    messages = reader.poll(100, 0.3)
                    if messages and group is not None:
                        reader.commit(messages)
            except KafkaException:
                self.history.counts["consumers lost"] += 1
            finally:
                reader.close()

    def _final(self, topic: str) -> FinalLog:
        """Read a topic to its end, both ways; count what is there and not to be seen."""
        logs = []
        for committed_only in (True, False):
            reader = Reader(History(), self._bootstrap, "final", committed_only=committed_only)
            try:
                logs.append(reader.read_everything(topic, PARTITIONS, _DRAIN_SECONDS))
            finally:
                reader.close()
        found = FinalLog(*logs)
        self.history.counts["records hidden"] += len(found.everything) - len(found.committed)
        return found


class TransactionalQueue(_Base):
    """Producers put transactions of several records into a queue, a quarter of them aborted; a group takes them out."""

    name = "transactional queue"
    topics = ("queue",)

    def threads(self) -> list[Callable[[], None]]:
        return [
            *(lambda at=at: self._produce(at) for at in range(2)),
            self._plain,
            *(lambda at=at: self._read("queue-group", "queue", f"queue-{at}", committed_only=True) for at in range(2)),
            lambda: self._read(None, "queue", "queue-tail", committed_only=True),
            lambda: self._read(None, "queue", "queue-dirty-tail", committed_only=False),
        ]

    def judge(self) -> list[Anomaly]:
        assert self.history.commits, "no offset was ever committed"
        return find_anomalies(
            self.history, replace(self._final("queue"), offsets=self._committed("queue-group", "queue"))
        )

    def _committed(self, group: str, topic: str) -> dict[tuple[str, str, int], int]:
        asking = Reader(History(), self._bootstrap, "asking", group=group)
        try:
            asked = [TopicPartition(topic, each) for each in range(PARTITIONS)]
            return {
                (group, topic, each.partition): each.offset for each in asking.consumer.committed(asked, timeout=30)
            }
        finally:
            asking.close()

    def _produce(self, at: int) -> None:
        chance = random.Random(self._seed * 100 + at)

        def step(producer: TransactionalProducer, number: int) -> None:
            name = f"q{at}.{number}"
            records = [
                ("queue", chance.randrange(PARTITIONS), f"{name}.{each}") for each in range(chance.randint(1, 6))
            ]
            producer.run(name, records, abort=chance.random() < 0.25)
            self._stop.wait(chance.random() * 0.01)

        self._transactional(f"queue-{at}", step)

    def _plain(self) -> None:
        """Beside the transactions, records without any."""
        chance, number = random.Random(self._seed), 0
        while not self._stop.is_set():
            producer = PlainProducer(self.history, self._bootstrap, "plain")
            while not self._stop.is_set() and producer.lost is None:
                number += 1
                producer.send("queue", chance.randrange(PARTITIONS), f"plain.{number}")
                self._stop.wait(0.005)
            missing = producer.flush(_DRAIN_SECONDS)
            assert producer.lost is not None or not missing, f"{missing} records were never acknowledged"


class ConsumeTransformProduce(_Base):
    """Two processors of one group read, write what they made of it, and commit both or neither."""

    name = "consume-transform-produce"
    topics = ("input", "output")
    aborts = False

    def __init__(self, bootstrap: str, stop: threading.Event, seed: int) -> None:
        super().__init__(bootstrap, stop, seed)
        self._fed = threading.Event()
        self._drained = threading.Event()
        self._made_from: dict[str, str] = {}
        self._processed = [0, 0]
        """How many records each processor is done with, perhaps some of them twice."""
        self._readers: dict[int, Reader] = {}

    def threads(self) -> list[Callable[[], None]]:
        return [
            self._feed,
            *(lambda at=at: self._process(at) for at in range(2)),
            lambda: self._read(None, "output", "output-tail", committed_only=True),
        ]

    def judge(self) -> list[Anomaly]:
        inputs, outputs = self._final("input"), self._final("output")
        both = FinalLog([*inputs.committed, *outputs.committed], [*inputs.everything, *outputs.everything])
        found = find_anomalies(self.history, both)
        return [*found, *exactly_once(inputs.committed, outputs.committed, self._made_from)]

    def _feed(self) -> None:
        chance, number = random.Random(self._seed), 0
        while not self._stop.is_set():
            producer = PlainProducer(self.history, self._bootstrap, "input")
            while not self._stop.is_set() and producer.lost is None:
                if number - sum(self._processed) > _BACKLOG:
                    self._stop.wait(0.05)
                    continue
                number += 1
                producer.send("input", chance.randrange(PARTITIONS), f"in.{number}")
                self._stop.wait(0.005)
            missing = producer.flush(_DRAIN_SECONDS)
            assert producer.lost is not None or not missing, f"{missing} records were never acknowledged"
        self._fed.set()

    def _process(self, at: int) -> None:
        number = 0
        deadline = float("inf")
        while not self._drained.is_set():
            reader = Reader(self.history, self._bootstrap, f"processor-{at}", group="processors")
            self._readers[at] = reader
            try:
                producer = TransactionalProducer(self.history, self._bootstrap, f"processor-{at}", lambda: False)
                reader.subscribe("input")
                while not self._drained.is_set():
                    messages = reader.poll(50, 0.1)
                    if self._fed.is_set():
                        deadline = min(deadline, time.monotonic() + _DRAIN_SECONDS)
                        assert time.monotonic() < deadline, self._standing()
                        if not messages:
                            self._look_whether_done(reader)
                    if not messages:
                        continue
                    number += 1
                    records = []
                    for each in messages:
                        source = (each.value() or b"").decode()
                        value = f"p{at}.{number}.{source}"
                        self._made_from[value] = source
                        records.append(("output", each.partition() or 0, value))
                    offsets, group = positions(messages), reader.consumer.consumer_group_metadata()

                    def send_offsets(by=producer.producer, offsets=offsets, group=group) -> None:
                        by.send_offsets_to_transaction(offsets, group, 10)

                    self._processed[at] += len(messages)
                    if not producer.run(f"p{at}.{number}", records, before_commit=send_offsets):
                        self._processed[at] -= len(messages)
                        reader.rewind()
            except (ProducerLostError, KafkaException):
                self.history.counts["processors lost"] += 1
                self._drained.wait(0.2)
            finally:
                reader.close()

    def _standing(self) -> str:
        """Say where the group stands, as the broker and as librdkafka see it."""
        said = [f"input is not processed {_DRAIN_SECONDS} s after its end"]
        asking = Reader(History(), self._bootstrap, "asking", group="processors")
        for each in range(PARTITIONS):
            try:
                [committed] = asking.consumer.committed([TopicPartition("input", each)], timeout=10)
                said.append(f"partition {each}: committed {committed}, ends {self._end(asking, each)}")
            except KafkaException as failure:
                said.append(f"partition {each}: {failure}, ends {self._end(asking, each)}")
        return "\n".join([*said, *(each.standing() for each in self._readers.values())])

    def _end(self, reader: Reader, partition: int) -> int:
        return int(reader.consumer.get_watermark_offsets(TopicPartition("input", partition), timeout=10)[1])

    def _look_whether_done(self, reader: Reader) -> None:
        partitions = [TopicPartition("input", each) for each in range(PARTITIONS)]
        committed = reader.consumer.committed(partitions, timeout=10)
        ends = [self._end(reader, each) for each in range(PARTITIONS)]
        if [max(0, each.offset) for each in committed] == ends:
            self._drained.set()


class ListAppend(_Base):
    """Each transaction appends to several lists, one a partition; what is in one of them is in all of them."""

    name = "list-append across partitions"
    topics = ("lists",)

    def threads(self) -> list[Callable[[], None]]:
        return [
            *(lambda at=at: self._append(at) for at in range(2)),
            lambda: self._read(None, "lists", "lists-tail", committed_only=True),
        ]

    def judge(self) -> list[Anomaly]:
        log = self._final("lists")
        unknown = [each.name for each in self.history.transactions if each.outcome is Outcome.OPEN]
        assert not unknown, f"transactions without an end: {unknown[:3]}"
        return find_anomalies(self.history, log)

    def _append(self, at: int) -> None:
        chance = random.Random(self._seed * 7 + at)

        def step(producer: TransactionalProducer, number: int) -> None:
            lists = chance.sample(range(PARTITIONS), chance.randint(2, PARTITIONS))
            producer.run(
                f"l{at}.{number}",
                [("lists", each, f"l{at}.{number}@{each}") for each in lists],
                abort=chance.random() < 0.2,
            )
            self._stop.wait(chance.random() * 0.02)

        self._transactional(f"lists-{at}", step)


WORKLOADS: tuple[type[TransactionalQueue] | type[ConsumeTransformProduce] | type[ListAppend], ...] = (
    TransactionalQueue,
    ConsumeTransformProduce,
    ListAppend,
)
