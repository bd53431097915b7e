"""Kafka Streams' word count, exactly_once_v2: two instances, each killed while the other goes on; counts are exact."""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
import urllib.error
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import ConfigResource

from support.corpus import library_lines
from support.java import JavaProgram
from support.prerequisites import need_java
from support.processes import free_port
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.java
MAIN = "io.kopfka.interop.WordCount"
PARTITIONS = 4
LINES = 4_000
KILLS = {"kopfka": 3, "apache-kafka": 1}


class Instance:
    """One instance of the application, with its state in a folder of its own."""

    def __init__(self, folder: Path, bootstrap: str, topics: tuple[str, str], settings: dict[str, str]) -> None:
        self.folder = folder
        self._bootstrap = bootstrap
        self._topics = topics
        self._settings = settings
        self._starts = 0
        self.port = free_port()
        self.program: JavaProgram | None = None
        folder.mkdir()

    def start(self) -> None:
        self._starts += 1
        source, sink = self._topics
        options = [
            "--bootstrap", self._bootstrap, "--application", f"{source}-app", "--state", str(self.folder / "state"),
            "--port", str(self.port), "--input", source, "--output", sink,
        ]  # fmt: skip
        for name, value in self._settings.items():
            options += ["--set", f"{name}={value}"]
        self.program = JavaProgram(self.folder / f"out-{self._starts}", MAIN, *options, heap="256m")

    def kill(self) -> None:
        if self.program is not None:
            self.program.kill()

    def ask(self, path: str) -> str | None:
        """Return the answer to an interactive query, None while there is none."""
        assert self.program is not None
        assert self.program.running()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=10) as answer:
                return answer.read().decode()
        except (urllib.error.URLError, ConnectionError):
            return None

    def is_running(self) -> bool:
        return self.ask("state") == "RUNNING"

    def counts(self) -> dict[str, int]:
        """Return this instance's part of the store."""
        lines = (self.ask("all") or "").split("\n")
        return {word: int(count) for word, _, count in (line.partition("\t") for line in lines if line)}


@contextlib.contextmanager
def two_instances(
    folder: Path, bootstrap: str, topics: tuple[str, str], settings: dict[str, str]
) -> Iterator[list[Instance]]:
    instances = [Instance(folder / f"instance-{at}", bootstrap, topics, settings) for at in range(2)]
    try:
        for each in instances:
            each.start()
        yield instances
    finally:
        for each in instances:
            each.kill()


@pytest.mark.timeout(900)
@pytest.mark.client("Kafka Streams", "word count, exactly_once_v2, instances killed, interactive queries")
def test_word_count_is_exact_however_often_an_instance_is_killed(
    broker, create_topic: Callable[..., str], name: str, tmp_path: Path
) -> None:
    need_java()
    source = create_topic(PARTITIONS)
    sink = f"{name}-counts"
    broker.admin.create_topics([_new(sink)])[sink].result(timeout=30)
    expected: Counter[str] = Counter()
    settings = {
        "commit.interval.ms": "100",
        "num.stream.threads": "1",
        "consumer.session.timeout.ms": "6000",
        "consumer.heartbeat.interval.ms": "500",
        "producer.transaction.timeout.ms": "10000",
    }
    with two_instances(tmp_path, broker.bootstrap, (source, sink), settings) as instances:
        eventually(lambda: all(each.is_running() for each in instances), seconds=90, what="both instances to run")
        enough = threading.Event()
        feeder = threading.Thread(target=_feed, args=(broker.bootstrap, source, expected, enough), daemon=True)
        feeder.start()
        watcher = Watcher(broker.bootstrap, sink)
        for number in range(KILLS[broker.kind]):
            seen, victim = watcher.total, instances[(number + 1) % 2]
            eventually(lambda seen=seen: watcher.advance() > seen + 500, seconds=90, what="more counts")
            victim.kill()
            victim.start()
            eventually(victim.is_running, seconds=90, what="the killed instance to run again")
        enough.set()
        feeder.join(60)
        assert not feeder.is_alive()

        def exact() -> bool:
            watcher.advance()
            assert watcher.latest == expected
            return True

        eventually(exact, seconds=120, every=0.5, what="every count to be exact")
        assert not watcher.backwards, f"counts that did not grow: {watcher.backwards[:5]}"

        # interactive queries: both parts of the store together are the whole, and each word's owner has it
        eventually(lambda: all(each.is_running() for each in instances), seconds=60)

        def both() -> bool:
            parts = [each.counts() for each in instances]
            assert not parts[0].keys() & parts[1].keys()
            assert parts[0] | parts[1] == expected
            return True

        eventually(both, seconds=60, what="interactive queries to give every count")
        for each in instances:
            assert list(each.folder.glob("state/**/rocksdb/word-count-store/CURRENT")), "its store is not RocksDB's"
        by_address = {f"127.0.0.1:{each.port}": each.counts() for each in instances}
        for word in list(expected)[:20]:
            assert by_address[instances[0].ask(f"owner?{word}") or ""][word] == expected[word]

    changelog = f"{source}-app-word-count-store-changelog"
    topics = broker.admin.list_topics(timeout=10).topics
    assert len(topics[changelog].partitions) == PARTITIONS
    assert len(topics[f"{source}-app-word-count-store-repartition"].partitions) == PARTITIONS
    resource = ConfigResource(ConfigResource.Type.TOPIC, changelog)
    assert broker.admin.describe_configs([resource])[resource].result(timeout=10)["cleanup.policy"].value == "compact"


class Watcher:
    """Reads the counts as they are committed."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.latest: dict[str, int] = {}
        self.backwards: list[tuple[str, int, int]] = []
        self.total = 0
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": f"{topic}-watch", "isolation.level": "read_committed"}
        )
        self._consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])

    def advance(self) -> int:
        """Read what has come, and return how many counts came in total."""
        for message in self._consumer.consume(10_000, timeout=0.3):
            assert message.error() is None, message.error()
            word, count = (message.key() or b"").decode(), int.from_bytes(message.value() or b"", "big")
            if count <= self.latest.get(word, 0):
                self.backwards.append((word, self.latest[word], count))
            self.latest[word] = count
            self.total += 1
        return self.total


def _feed(bootstrap: str, topic: str, expected: Counter[str], enough: threading.Event) -> None:
    """Send lines until told that it is enough, and count their words."""
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 2})
    for number, (_, line) in enumerate(itertools.cycle(library_lines()[:LINES])):
        if enough.is_set():
            break
        text = line.decode("ascii", "ignore")
        producer.produce(topic, key=b"%d" % number, value=text)
        expected.update(word for word in re.split(r"\W+", text.lower()) if word)
        if number % 10 == 0:
            producer.poll(0)
            enough.wait(0.05)
    assert producer.flush(60) == 0


def _new(topic: str):
    from confluent_kafka.admin import NewTopic

    return NewTopic(topic, PARTITIONS, 1, config={"retention.ms": "-1"})
