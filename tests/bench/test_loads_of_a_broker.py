"""Every load, as small as it gets, against the bundled broker: it ends, and says what it did."""

from __future__ import annotations

import re
import urllib.request
from typing import TYPE_CHECKING

import pytest

from kopfka_bench.brokers.targets import Broker
from kopfka_bench.figures import APACHE_KAFKA, KOPFKA
from kopfka_bench.load import consumer_members, librdkafka, members, paced, transactions, workers
from kopfka_bench.load.committing import commit_once
from kopfka_bench.load.filling import BATCH_RECORDS, RECORD_BYTES, fill, fill_partitions
from kopfka_bench.load.sockets import Load, Stretch, closed_loop, fetch_through, synchronous
from kopfka_bench.load.sockets import paced as paced_requests
from kopfka_bench.load.syncing import nobody_syncs
from kopfka_bench.load.topics import create_topic, delete_topics
from kopfka_bench.load.warming import warm
from kopfka_bench.protocol.frames import batch_of, commit_frame, fetch_all_frame, fetch_frame, produce_frame
from support.processes import running_broker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = "group.initial.rebalance.delay.ms=0\n"
    with running_broker(tmp_path_factory.mktemp("bench") / "data", config) as broker:
        yield broker.bootstrap


def go() -> None:
    """Begin at once: no other load is waited for."""


def test_what_is_filled_is_read_to_its_end(bootstrap: str) -> None:
    create_topic(bootstrap, "filled")
    count = fill(bootstrap, "filled", megabytes=2)
    stretch = Stretch(fetch_frame("filled", max_bytes=300_000), 0, count)
    got = fetch_through(go, bootstrap, [stretch] * 2, len(batch_of(BATCH_RECORDS, RECORD_BYTES)), BATCH_RECORDS)
    assert got.bytes_in > 2 * count * RECORD_BYTES
    assert librdkafka.consume(go, bootstrap, librdkafka.Job("filled", count)) > 0


def test_requests_in_a_closed_loop(bootstrap: str) -> None:
    create_topic(bootstrap, "closed", 2)
    frame = produce_frame("closed", {0: batch_of(3, 10), 1: batch_of(3, 10)})
    done = workers.run(closed_loop, bootstrap, [[frame]] * 3, Load(window=2, total=20))
    assert done.results[0].requests == 20
    assert synchronous(go, bootstrap, frame, 0.05).requests > 0
    whole = fetch_all_frame({"closed": 2}, partition_bytes=1000, max_bytes=10_000)
    assert closed_loop(go, bootstrap, [[whole]], Load(total=2)).bytes_in > 200


def test_a_refused_request_ends_the_load(bootstrap: str) -> None:
    nowhere = produce_frame("nowhere", {0: batch_of(1, 1)})
    with pytest.raises(workers.LoadError, match="error code 3"):
        workers.run(closed_loop, bootstrap, [[nowhere]], Load(total=1))


def test_records_at_a_pace_are_acknowledged_and_arrive(bootstrap: str) -> None:
    create_topic(bootstrap, "paced")
    pace = paced.Pace("paced", 100, 0.5, {"acks": "1", "linger.ms": 0})
    done = workers.mixed([(paced.send, (bootstrap, pace)), (paced.receive, (bootstrap, pace))])
    assert [len(times) for times in done.results] == [50, 50]


def test_a_producer_of_text(bootstrap: str) -> None:
    create_topic(bootstrap, "text")
    job = librdkafka.Job("text", 500, 100, {"compression.type": "lz4"}, text=True)
    librdkafka.produce(go, bootstrap, job)
    assert librdkafka.consume(go, bootstrap, librdkafka.Job("text", 500)) >= 0


def test_groups_commit_at_a_pace(bootstrap: str) -> None:
    create_topic(bootstrap, "committed")
    names = [f"group-{number}" for number in range(5)]
    commit_once(bootstrap, "committed", names)
    frames = [commit_frame(name, "committed") for name in names]
    assert paced_requests(go, bootstrap, frames, 2, Load(rate=50, seconds=0.4)).requests == 20


def test_a_group_is_rebalanced_again_and_again(bootstrap: str) -> None:
    times = members.rebalances(go, bootstrap, "rebalanced", 7, 3)
    assert len(times) == 3
    assert all(one > 0 for one in times)


def test_a_group_of_kip_848_has_all_partitions_after_each_replacement(bootstrap: str) -> None:
    create_topic(bootstrap, "shared-out", 10)
    formed, times = consumer_members.replacements(
        go, bootstrap, "replaced", consumer_members.Shared("shared-out", 10, 4), 5
    )
    assert formed > 0
    assert len(times) == 5


def test_many_partitions_are_filled_alike(bootstrap: str) -> None:
    topics = [("many-0", 13), ("many-1000", 2)]
    for topic, partitions in topics:
        create_topic(bootstrap, topic, partitions)
    count = fill_partitions(bootstrap, topics, megabytes=2)
    assert count == 15 * 2 * BATCH_RECORDS
    for topic, partitions in topics:
        job = librdkafka.Job(topic, partitions * 2 * BATCH_RECORDS, partitions=tuple(range(partitions)))
        assert librdkafka.consume(go, bootstrap, job) > 0


def test_acks_all_waits_for_no_sync_while_it_is_told_so(tmp_path: Path) -> None:
    with running_broker(tmp_path / "data", "") as process:
        broker = Broker(KOPFKA, process)
        create_topic(process.bootstrap, "t")
        frame = produce_frame("t", {0: batch_of(1, 10)}, acks=-1)
        for _ in range(2):  # it is as it was after the block
            before = _synced(process.health_port)
            with nobody_syncs([broker, Broker(APACHE_KAFKA, process)]):
                assert closed_loop(go, process.bootstrap, [[frame]], Load(total=5)).requests == 5
            assert _synced(process.health_port) == before
            assert closed_loop(go, process.bootstrap, [[frame]], Load(total=5)).requests == 5
            assert _synced(process.health_port) > before


def _synced(health_port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{health_port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return float(re.search(r"^kafka_log_logflushstats_logflushrateandtimems_count\S* (\S+)", text, re.M).group(1))


def test_transactions(bootstrap: str) -> None:
    create_topic(bootstrap, "source")
    create_topic(bootstrap, "copied")
    count = fill(bootstrap, "source", megabytes=0.2)
    assert transactions.commits(go, bootstrap, "copied", 2, 0.2)
    assert transactions.copy(go, bootstrap, "source", "copied", count) > 0


def test_warming_leaves_no_topic(bootstrap: str) -> None:
    warm(bootstrap, 0.1)
    create_topic(bootstrap, "warm")  # it is free
    delete_topics(bootstrap, "warm")
