"""Throughput in: one factor at a time around a base case, by confluent-kafka, Java and encoded batches.

The base case: records of 1 KB, `batch.size` 64 KB, no compression, `acks=1`, `linger.ms` 5, one partition. The bundled
broker syncs before it answers `acks=all`, Apache Kafka does not. So `acks=all` is measured with both syncing
(`flush.messages=1` on Apache Kafka's topic), with neither (`kopfka.acks.all.fsync=false`), and once as by default.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kopfka_bench.figures import APACHE_KAFKA
from kopfka_bench.load import java, librdkafka, workers
from kopfka_bench.load.sockets import Load, closed_loop
from kopfka_bench.load.syncing import BOTH, BY_DEFAULT, NEITHER, nobody_syncs
from kopfka_bench.load.topics import create_topic, delete_topics
from kopfka_bench.load.warming import warm
from kopfka_bench.protocol.frames import batch_of, produce_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kopfka_bench.brokers.targets import Broker
    from kopfka_bench.session import Session

TITLE = "throughput in"
AIM = "2.5× from 64 KB batches on, 2× at 16 KB"
_MOST_RECORDS = 1_000_000
_WINDOW = 5  # max.in.flight.requests.per.connection
_LINGER_MS = 5


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent, and how."""

    size: int = 1000
    batch_kb: int = 64
    codec: str = "none"
    all: str = ""
    """How `acks=all` is measured; empty for `acks=1`."""
    client: str = "confluent-kafka"
    text: bool = False

    @property
    def name(self) -> str:
        """What it is called in the table."""
        parts = [self.client, _size(self.size), f"{self.batch_kb} KB batches", f"acks={self.acks}", self.all]
        if self.codec != "none" or self.text:
            parts.insert(3, f"{self.codec} of text")
        return ", ".join(filter(None, parts))

    @property
    def acks(self) -> str:
        """What the producer asks for."""
        return "all" if self.all else "1"


_BATCHES = (16, 64, 256)
BASE = Case()
CASES = (
    BASE,
    replace(BASE, size=100),
    replace(BASE, size=10_000),
    replace(BASE, batch_kb=16),
    replace(BASE, batch_kb=256),
    replace(BASE, text=True),
    replace(BASE, text=True, codec="lz4"),
    replace(BASE, text=True, codec="zstd"),
    replace(BASE, all=BY_DEFAULT),
    *(replace(BASE, batch_kb=each, all=BOTH) for each in _BATCHES),
    *(replace(BASE, batch_kb=each, all=NEITHER) for each in _BATCHES),
    replace(BASE, client="Java"),
    replace(BASE, client="Java", size=100),
    replace(BASE, client="Java", size=10_000),
    replace(BASE, client="Java", batch_kb=16),
    replace(BASE, client="Java", batch_kb=256),
    replace(BASE, client="Java", text=True, codec="lz4"),
    replace(BASE, client="Java", text=True, codec="zstd"),
    replace(BASE, client="Java", all=BOTH),
    replace(BASE, client="Java", all=NEITHER),
    replace(BASE, client="encoded"),
    replace(BASE, client="encoded", batch_kb=16),
    replace(BASE, client="encoded", size=100),
)
SHORT = (BASE, replace(BASE, client="Java"), replace(BASE, client="encoded"), replace(BASE, all=BOTH))


def run(session: Session) -> None:
    """Measure each case in turns, over topics of its own."""
    with session.brokers("throughput-in") as brokers:
        for broker in brokers:
            warm(broker.bootstrap, session.plan.warm_seconds)
        for case in _cases(session):
            for number, broker in session.turns(brokers):
                topic = f"in-{CASES.index(case) if case in CASES else 0}-{number}"
                flushing = case.all == BOTH and broker.name == APACHE_KAFKA
                create_topic(broker.bootstrap, topic, configs={"flush.messages": "1"} if flushing else None)
                with nobody_syncs([broker] if case.all == NEITHER else ()):
                    _one(session, broker, case, topic)
                delete_topics(broker.bootstrap, topic)


def _cases(session: Session) -> Iterator[Case]:
    for case in CASES if session.plan.combinations else SHORT:
        if case.client == "Java" and not session.compared:
            continue  # who measures alone may have no Java
        yield case


def _one(session: Session, broker: Broker, case: Case, topic: str) -> None:
    count = min(session.plan.megabytes * 1_000_000 // case.size, _MOST_RECORDS)
    settings = {
        "acks": case.acks, "linger.ms": _LINGER_MS, "batch.size": case.batch_kb * 1024, "compression.type": case.codec
    }  # fmt: skip
    begun = time.perf_counter()
    client: float | None = None
    with broker.metered() as meter:
        if case.client == "Java":
            # its JVM warms up on the first tenth; the meter has that too, and so has what it is divided by
            job = java.Job(topic, count, case.size, settings, case.text)
            done = java.produce(broker.bootstrap, job, warm=count // 10)
            rate, moved = done.records_per_second, count * 1.1
            client = done.cpu / (time.perf_counter() - begun)
        elif case.client == "encoded":
            each = max(1, case.batch_kb * 1024 // (case.size + 10))
            frame = produce_frame(topic, {0: batch_of(each, case.size)})
            total = max(1, session.plan.megabytes * 1_000_000 // (each * case.size))
            sent = workers.run(closed_loop, broker.bootstrap, [[frame]], Load(window=_WINDOW, total=total))
            rate, moved, client = total * each / sent.seconds, total * each, sent.cpu / sent.seconds
        else:
            ran = workers.run(
                librdkafka.produce, broker.bootstrap, librdkafka.Job(topic, count, case.size, settings, case.text)
            )
            rate, moved, client = count / ran.seconds, count, ran.cpu / ran.seconds
    session.throughput(case.name, broker.name, rate * case.size / 1e6, case.size)
    session.cost(case.name, broker.name, meter, gigabytes=moved * case.size / 1e9, client=client)


def _size(size: int) -> str:
    return f"{size} B" if size < 1000 else f"{size // 1000} KB"
