"""`kopfka mirror` between bundled brokers and Apache Kafkas, both ways, beside Java's clients of MirrorMaker 2."""

from __future__ import annotations

import subprocess

import pytest

from kopfka_bench.brokers import java
from support.java import mirror_classpath
from support.kafka import running_kafka
from support.mirrored import Side, contents
from support.mirrors import running_mirror
from support.prerequisites import need_java
from support.processes import running_broker
from support.waiting import eventually

pytestmark = pytest.mark.java

CONFIG = (
    "node.id=1\ngroup.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=2\n"
    "transaction.state.log.num.partitions=2\nauto.create.topics.enable=false\n"
)


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """Return a bundled broker `east` and an Apache Kafka `west`."""
    need_java()
    folder = tmp_path_factory.mktemp("mirror")
    with running_broker(folder / "east", CONFIG) as east, running_kafka(folder / "west", CONFIG) as west:
        yield Side("east", east), Side("west", west)


def facts(side, alias, *groups):
    """Return what Java's MirrorClient and RemoteClusterUtils say of a target."""
    command = java.java_command(
        "io.kopfka.interop.MirrorFacts", side.bootstrap, alias, *groups, flags=PLAIN, classpath=mirror_classpath()
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    lines = [line.split(" ") for line in done.stdout.splitlines()]
    said = {line[0]: line[1] for line in lines if line[0] != "translated"}
    translated = {
        (line[1], line[2], int(line[3])): (int(line[4]), " ".join(line[5:]))
        for line in lines
        if line[0] == "translated"
    }
    return said, translated


PLAIN = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Without the archive of loaded classes, which is of another class path."""


@pytest.mark.client("Java", "MirrorClient and RemoteClusterUtils on what `kopfka mirror` writes")
@pytest.mark.parametrize("mode", ["disabled", "enabled"], ids=["at-least-once", "exactly-once"])
@pytest.mark.parametrize("way", ["to-apache-kafka", "from-apache-kafka"])
def test_java_reads_the_internal_topics_right(sides, tmp_path, way, mode):
    source, target = sides if way == "to-apache-kafka" else reversed(sides)
    topic = f"orders-{way}-{mode}"
    remote = f"{source.alias}.{topic}"
    source.create(topic, 2)
    source.produce(topic, [b"%d" % number for number in range(100)], compression_type="zstd")
    transactions(source, topic)
    source.produce(topic, [b"%d" % number for number in range(100, 200)], 1, compression_type="lz4")
    ends = {number: source.bounds(topic, number)[1] for number in range(2)}
    places = {"start": 0, "lagging": 42, "inside": 104, "aborted": 112, "level": ends[0]}
    for group, offset in places.items():
        source.commit(f"{topic}-{group}", {(topic, 0): offset})
    clusters = {side.alias: side.bootstrap for side in (source, target)}
    with running_mirror(
        tmp_path / "m",
        clusters,
        f"{source.alias}->{target.alias}",
        topics=topic,
        groups=f"{topic}.*",
        exactly_once_source_support=mode,
    ) as mirror:
        eventually(lambda: mirror.metric("kopfka_mirror_records_total", topic=topic) == 220, what="all records")
        eventually(lambda: mirror.metric("kopfka_mirror_lag_records", topic=topic) == 0, what="no lag")
        eventually(lambda: mirror.metric("kopfka_mirror_checkpoints_total") >= len(places), what="checkpoints")
        eventually(lambda: mirror.metric("kopfka_mirror_records_total", topic="heartbeats") > 0, what="heartbeats")
        assert contents(target, remote, 2) == contents(source, topic, 2)
        # a checkpoint that was written before all was mirrored is followed by the exact one
        said = eventually(lambda: right(source, target, topic, places), every=0.5, what="exact checkpoints")
    assert said["hops"] == "1"
    assert source.alias in said["upstream"].split(",")
    assert remote in said["topics"].split(",")
    assert {"heartbeats", f"{source.alias}.heartbeats"} <= set(said["heartbeats"].split(","))
    assert f"{source.alias}.checkpoints.internal" in said["checkpoints"]


def right(source, target, topic, places):
    """Check what Java translates, and return what else it says."""
    remote = f"{source.alias}.{topic}"
    said, translated = facts(target, source.alias, *(f"{topic}-{group}" for group in places))
    for group, offset in places.items():
        at, metadata = translated[f"{topic}-{group}", remote, 0]
        left = [each.content for each in source.read(topic, 0, offset)]
        there = target.read(remote, 0, at)
        assert [each.content for each in there] == left, f"{group}: {offset} is translated to {at}"
        assert not there or there[0].offset == at
        assert metadata == ""
    return said


def transactions(side, topic):
    producer = side.producer(transactional_id=topic)
    producer.init_transactions(30)
    for commit in (True, False, True):
        producer.begin_transaction()
        for number in range(10):
            producer.produce(topic, b"of a transaction %d" % number, None, 0)
        producer.flush(30)
        if commit:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)
