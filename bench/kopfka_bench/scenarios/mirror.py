"""Replication beside MirrorMaker 2: a backlog, from the start of the process, and records as they come at 20 MB/s.

Each replicator copies the same topic between the same two brokers, one after the other, first between two of Kopfka's,
then between two Apache Kafkas; only its alias of the source differs. Both run with their defaults: at least once.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from kopfka_bench.brokers.replicators import Replicator
from kopfka_bench.brokers.targets import stop
from kopfka_bench.brokers.waiting import eventually
from kopfka_bench.errors import LostRecordsError
from kopfka_bench.figures import percentile
from kopfka_bench.load.filling import fill_partitions
from kopfka_bench.load.topics import create_topic
from kopfka_bench.machine import usage

if TYPE_CHECKING:
    from kopfka_bench.brokers.targets import Broker, Target
    from kopfka_bench.session import Session

TITLE = "replication"
AIM = "2.5× MB/s between Apache Kafkas, 4× between bundled brokers; a fifth of the CPU; p99 of lag under 100 ms"
_PARTITIONS = 6
_RECORD_BYTES = 1000
_PACED_BYTES = 10_000
_PACED_RATE = 2_000
_PATIENCE = 120.0


def run(session: Session) -> None:
    """Measure both replicators between the brokers of each kind."""
    # a look at it is between brokers of one kind
    for target in session.targets if session.plan.combinations else session.targets[:1]:
        with target.running("mirror-source") as source, target.running("mirror-target") as sink:
            create_topic(source.bootstrap, "backlog", _PARTITIONS)
            records = fill_partitions(
                source.bootstrap, [("backlog", _PARTITIONS)], megabytes=session.plan.megabytes * 3
            )
            for turn in range(session.plan.rounds):
                for each in session.targets:
                    _measure(session, target, each.name, (source, sink), records=records, turn=turn)


def _measure(
    session: Session, target: Target, kind: str, pair: tuple[Broker, Broker], *, records: int, turn: int
) -> None:
    source, sink = pair
    between = f"between {target.name} brokers"
    alias = f"{kind}-{turn}"
    live = f"live-{alias}"
    create_topic(source.bootstrap, live, 1)
    folder = target.folder / f"replicator-{alias}"
    replicator = Replicator(
        folder, kind, alias, source=source.bootstrap, target=sink.bootstrap, topic=f"backlog,{live}"
    )
    watcher = _Watcher(sink.bootstrap)
    begun = time.perf_counter()
    replicator.start(wait=False)
    try:
        remote = f"{alias}.backlog"
        eventually(lambda: watcher.count(remote) > 0, seconds=_PATIENCE, every=0.02, what="a first record")
        first = time.perf_counter()
        session.add(f"{between}, start to first record", kind, first - begun, "s")
        before, there = usage(replicator.pid).cpu, watcher.count(remote)
        eventually(lambda: watcher.count(remote) >= records, seconds=_PATIENCE, every=0.02, what="the backlog")
        seconds = time.perf_counter() - first
        megabytes = (records - there) * _RECORD_BYTES / 1e6
        name = f"{between}, 1 KB records, backlog of {_PARTITIONS} partitions"
        if megabytes > 0:
            session.throughput(name, kind, megabytes / seconds, _RECORD_BYTES)
            cpu = (usage(replicator.pid).cpu - before) / megabytes * 1000
            session.add(name, kind, cpu, "s/GB", cost="replicator's CPU")
        session.add(f"{between}, RSS after the backlog", kind, usage(replicator.pid).rss, "MB")
        took = _lag(source.bootstrap, sink.bootstrap, live, f"{alias}.{live}", session.plan.seconds)
        for part in (50, 99):
            session.add(f"{between}, lag at 20 MB/s, p{part}", kind, percentile(took, part / 100) * 1000, "ms")
    finally:
        watcher.close()
        stop(replicator)


class _Watcher:
    """Counts the records of topics by their end offsets."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "watcher", "log_level": 0})

    def count(self, topic: str) -> int:
        """Return how many records the partitions that are there hold."""
        known = self._consumer.list_topics(topic, timeout=10).topics[topic]
        if known.error:
            return 0
        parts = [TopicPartition(topic, number) for number in known.partitions]
        try:
            return sum(self._consumer.get_watermark_offsets(part, timeout=10)[1] for part in parts)
        except KafkaException:  # a partition that was just created has no leader yet
            return 0

    def close(self) -> None:
        self._consumer.close()


def _lag(source: str, sink: str, topic: str, remote: str, seconds: float) -> list[float]:
    """Write at a steady rate, and return how long each record took to a reader of the target, sorted."""
    count = max(100, int(_PACED_RATE * seconds))
    watcher = _Watcher(sink)
    producer = Producer({"bootstrap.servers": source, "linger.ms": 1, "log_level": 0})
    producer.produce(topic, b"the first one waits for the topic to be found")
    producer.flush(30)
    eventually(lambda: watcher.count(remote) > 0, seconds=_PATIENCE, what=f"{remote} to have a record")
    watcher.close()
    took: list[float] = []
    consumer = Consumer(
        {"bootstrap.servers": sink, "group.id": "lag", "fetch.wait.max.ms": 10, "enable.auto.commit": False,
         "log_level": 0}
    )  # fmt: skip
    consumer.assign([TopicPartition(remote, 0, 1)])
    reader = threading.Thread(target=_read, args=(consumer, count, took))
    reader.start()
    begun = time.perf_counter()
    for number in range(count):
        pause = begun + number / _PACED_RATE - time.perf_counter()
        if pause > 0:
            time.sleep(pause)
        producer.produce(topic, b"%.6f" % time.time() + b" " * (_PACED_BYTES - 17))
        producer.poll(0)
    producer.flush(30)
    reader.join()
    consumer.close()
    if len(took) < count:
        raise LostRecordsError(f"{count - len(took)} of {count} records did not come to {remote}")
    return sorted(took)


def _read(consumer: Consumer, count: int, took: list[float]) -> None:
    end = time.monotonic() + _PATIENCE
    while len(took) < count and time.monotonic() < end:
        message = consumer.poll(0.1)  # one by one: `consume` waits until it has as many as it is asked for
        if message is not None and not message.error():
            took.append(time.time() - float((message.value() or b"")[:17]))
