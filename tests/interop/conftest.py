"""Brokers, topics and Java tools of the interop tests.

A test that takes `broker` runs twice: against the bundled broker and against Apache Kafka, which decides what is right.
Both run for the whole session with the same configuration, so a test names topics and groups of its own.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from interop.compatibility import FAILED, PASSED, note
from kopfka_bench.protocol.raw import RawConnection, record_batch
from support.differential import BASE_TIME, RECORDS, TOPIC, Side
from support.java import JavaTools, kafka_classpath
from support.kafka import running_kafka
from support.logins import Guarded, IdentityProvider, running_guarded
from support.prerequisites import need_java
from support.processes import free_port, running_broker
from support.secured import CONFIG as SECURED
from support.secured import SecuredSide
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KINDS = ("kopfka", "apache-kafka")
CONFIG = (
    "node.id=1\ngroup.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=4\n"
    "offsets.retention.check.interval.ms=86400000\n"  # groups without members and offsets are not taken away meanwhile
    "log.cleaner.backoff.ms=250\ntransaction.state.log.num.partitions=4\ntransaction.abort.timed.out.transaction.cleanup.interval.ms=250\n"
)
TELEMETRY = "metric.reporters=io.kopfka.interop.TelemetryReceiver\n"
"""Without a plug-in that takes it, Apache Kafka does not serve clients' telemetry."""
_names = itertools.count(1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Keep how tests of clients ended, for the table of compatibility."""
    report = yield
    if report.failed or (report.when == "call" and report.passed):
        note(item, FAILED if report.failed else PASSED)
    return report


@dataclass(frozen=True, slots=True)
class Peer:
    """A running broker of one of the `KINDS`."""

    kind: str
    bootstrap: str
    data: Path
    admin: AdminClient


def _run_peer(kind: str, folder: Path) -> Iterator[Peer]:
    if kind == "apache-kafka":
        need_java()
    running = running_kafka if kind == "apache-kafka" else running_broker
    config = CONFIG + TELEMETRY if kind == "apache-kafka" else CONFIG
    with running(folder / kind, config) as process:
        yield Peer(
            kind, process.bootstrap, process.data, AdminClient({"bootstrap.servers": process.bootstrap, "log_level": 0})
        )


@pytest.fixture(scope="session")
def kopfka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    yield from _run_peer("kopfka", tmp_path_factory.mktemp("interop"))


@pytest.fixture(scope="session")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    yield from _run_peer("apache-kafka", tmp_path_factory.mktemp("interop"))


@pytest.fixture(scope="session", params=KINDS)
def broker(request: pytest.FixtureRequest) -> Peer:
    return request.getfixturevalue(request.param.replace("-", "_"))


@pytest.fixture(scope="session")
def sides(kopfka: Peer, apache_kafka: Peer) -> Iterator[list[Side]]:
    """Make both ready for scenarios, ours first: the same topic with the same records, each in a batch of its own."""
    made = []
    for peer in (kopfka, apache_kafka):
        new = NewTopic(TOPIC, 2, 1, config={"retention.ms": "-1"})
        peer.admin.create_topics([new])[TOPIC].result(timeout=30)
        eventually(lambda peer=peer: _led(peer.bootstrap, TOPIC, 2), what=f"leaders of {TOPIC}")
        side = Side(peer.bootstrap, TOPIC, "", own="", version=12)
        side.topic_id = side.call("metadata", topics=[{"name": TOPIC}])["topics"][0]["topic_id"]
        for number in range(RECORDS):
            answer = side.produce(record_batch([b"value %d" % number], timestamp=BASE_TIME + number * 1000))
            assert answer["responses"][0]["partition_responses"][0]["base_offset"] == number
        eventually(side.coordinates, what=f"{peer.kind} to coordinate groups")
        made.append(side)
    yield made
    for side in made:
        side.close()


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SecuredSide]]:
    """Run both with users and an authorizer, ours first (see `support.secured`), with the topic both have."""
    need_java()
    folder = tmp_path_factory.mktemp("secured")
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    listeners = [f"SASL_PLAINTEXT://{address}" for address in addresses]
    with (
        running_broker(folder / "kopfka", f"{CONFIG}{SECURED}listeners={listeners[0]}\n") as ours,
        running_kafka(folder / "apache-kafka", CONFIG + SECURED, listeners[1:]) as theirs,
    ):
        made = []
        for process, address in zip((ours, theirs), addresses, strict=True):
            side = SecuredSide(process.bootstrap, TOPIC, "", own=TOPIC, version=12, sasl=address)
            side.topic_id = side.create(2, retention_ms="-1")
            answer = side.produce(record_batch([b"a value"], timestamp=BASE_TIME))
            assert answer["responses"][0]["partition_responses"][0]["base_offset"] == 0
            eventually(side.coordinates, what=f"{address} to coordinate groups")
            made.append(side)
        yield made
        for side in made:
            side.close()


@pytest.fixture(scope="session")
def provider() -> Iterator[IdentityProvider]:
    provider = IdentityProvider()
    yield provider
    provider.close()


@pytest.fixture(scope="session", params=KINDS)
def guarded(
    request: pytest.FixtureRequest, provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    """Run a broker with a listener of every security protocol (see `support.logins`)."""
    with running_guarded(request.param, provider, tmp_path_factory.mktemp("guarded")) as made:
        yield made


@pytest.fixture(scope="session")
def tools() -> Iterator[JavaTools]:
    kafka_classpath()
    tools = JavaTools()
    yield tools
    tools.close()


@pytest.fixture
def name() -> str:
    """Return a name no other test uses, for a topic or a group."""
    return f"t{os.getpid()}-{next(_names)}"


@pytest.fixture
def create_topic(broker: Peer, name: str) -> Callable[..., str]:
    """Return a function that creates a topic and returns its name.

    Its records are kept whatever their timestamps say: some tests write records of long ago.
    """

    def create(partitions: int = 1, **config: str) -> str:
        settings = {"retention.ms": "-1"} | {key.replace("_", "."): value for key, value in config.items()}
        new = NewTopic(name, num_partitions=partitions, replication_factor=1, config=settings)
        for future in broker.admin.create_topics([new]).values():
            future.result(timeout=30)
        eventually(lambda: _led(broker.bootstrap, name, partitions), what=f"leaders of {name}")
        return name

    return create


def _led(bootstrap: str, topic: str, partitions: int) -> bool:
    """Tell whether every partition takes requests.

    Apache Kafka answers CreateTopics before. An idempotent Java producer whose first batch comes too early for a
    partition, and whose second does not, never gets over it: the second is taken, the first is out of order for good.
    """
    asked = {
        "name": topic,
        "partitions": [{"partition_index": number, "timestamp": -1} for number in range(partitions)],
    }
    with RawConnection(bootstrap) as connection:
        answer = connection.call("list_offsets", 4, replica_id=-1, topics=[asked])
    return all(partition["error_code"] == "none" for partition in answer["topics"][0]["partitions"])


@pytest.fixture
def topic(create_topic: Callable[..., str]) -> str:
    """Create a topic with one partition and return its name."""
    return create_topic()
