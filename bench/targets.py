"""What is measured: the bundled broker, and Apache Kafka beside it when asked for."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

# the tests' processes and raw protocol are this program's too; tests/ is no package of the distribution
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.java import build_classpath
from support.kafka import PRODUCTION_FLAGS, ApacheKafka
from support.prerequisites import java_version
from support.processes import BrokerProcess
from support.raw_protocol import CLOSED, RawConnection, prepare, record_batch
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

Process = BrokerProcess | ApacheKafka
KOPFKA = "kopfka"
APACHE_KAFKA = "apache-kafka"
# what differs from the defaults, on both: groups of this program need not wait, and nothing is removed meanwhile
SETTINGS = "group.initial.rebalance.delay.ms=0\nlog.retention.ms=-1\n"
_CALLS = {"create_topics": 5, "produce": 9}
_RETRIED = {"not_leader_or_follower", "unknown_topic_or_partition", "leader_not_available", "not_controller"}


class MissingPeerError(Exception):
    """Apache Kafka was asked for, and there is no Java to run it."""


@dataclass(frozen=True, slots=True)
class Target:
    """One of the brokers that are compared, and the folder it keeps everything in."""

    name: str
    folder: Path

    def process(self, data: str) -> Process:
        """Return a broker over the data folder of that name, not yet started."""
        if self.name == KOPFKA:
            return BrokerProcess(self.folder / data, SETTINGS)
        return ApacheKafka(self.folder / data, SETTINGS, heap="1g", flags=PRODUCTION_FLAGS)

    @contextlib.contextmanager
    def running(self, data: str) -> Iterator[Process]:
        """Run a broker over the data folder of that name for the length of the block."""
        process = self.process(data)
        process.start()
        try:
            yield process
        finally:
            stop(process)


def make_targets(names: list[str], folder: Path) -> list[Target]:
    """Return the targets of these names.

    Raises:
        MissingPeerError: Apache Kafka is one of them, and there is no JDK 17.
    """
    if APACHE_KAFKA in names:
        if java_version() < 17:
            raise MissingPeerError("apache-kafka needs a JDK 17 or newer and Maven")
        build_classpath()
    for name in names:
        (folder / name).mkdir(parents=True)
    return [Target(name, folder / name) for name in names]


def cpu_seconds(process: Process) -> float:
    """Return the processor time a broker has used until now: what a figure costs, also on a machine that is busy."""
    assert process.process is not None
    times = psutil.Process(process.process.pid).cpu_times()
    return float(times.user + times.system)


def stop(process: Process) -> None:
    """Stop a broker, and make sure that it is gone."""
    if process.process is not None and process.process.poll() is None:
        with contextlib.suppress(Exception):
            process.stop()
        if process.process.poll() is None:
            process.kill()


def prepare_ack() -> None:
    """Load what `wait_for_ack` needs, so that none of it is in what it measures."""
    for api, version in _CALLS.items():
        prepare(api, version)


def wait_for_ack(bootstrap: str, topic: str, *, create: bool) -> None:
    """Return when a record was acknowledged with acks=all; tries from now on, every two milliseconds.

    It speaks the protocol over a plain socket, so that no client library's own back-off is measured.
    """
    created = not create

    def acknowledged() -> bool:
        nonlocal created
        try:
            with RawConnection(bootstrap, seconds=30) as connection:
                while not created:
                    new = {"name": topic, "num_partitions": 1, "replication_factor": 1}
                    answer = connection.call("create_topics", _CALLS["create_topics"], topics=[new], timeout=10_000)
                    if answer is CLOSED:
                        return False
                    created = answer["topics"][0]["error_code"] in ("none", "topic_already_exists")
                data = {"name": topic, "partition_data": [{"index": 0, "records": record_batch([b"x" * 1000])}]}
                answer = connection.call("produce", _CALLS["produce"], acks=-1, timeout=10_000, topic_data=[data])
                if answer is CLOSED:
                    return False
                code = answer["responses"][0]["partition_responses"][0]["error_code"]
                if code not in {"none", *_RETRIED}:
                    raise RuntimeError(f"{bootstrap} refused a record: {code}")
                return bool(code == "none")
        except OSError:
            return False

    eventually(acknowledged, seconds=60, every=0.002, what=f"{bootstrap} to acknowledge a record")
