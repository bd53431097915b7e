"""Start: from a process's start to the first record acknowledged with acks=all.

Clean over an empty folder, over many partitions after a clean stop, and over a log that a SIGKILL left behind.
What Apache Kafka needs once, formatting the folder, is not in it.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from kopfka_bench.brokers.kafka import ApacheKafka
from kopfka_bench.brokers.targets import stop
from kopfka_bench.load.filling import fill
from kopfka_bench.load.topics import create_partitions, create_topic
from kopfka_bench.protocol.ack import prepare_ack, wait_for_ack

if TYPE_CHECKING:
    from kopfka_bench.brokers.processes import ServerProcess
    from kopfka_bench.brokers.targets import Target
    from kopfka_bench.session import Session

TITLE = "start"
AIM = "10× faster"
_TOPIC = "first"


def run(session: Session) -> None:
    """Measure an empty folder, one and many partitions, and a log, each in turns."""
    plan = session.plan
    prepare_ack()
    for number, target in session.rounds():
        _record(session, "empty folder", target, _fresh(target, f"start-{number}"))
    for _, target in session.rounds():
        seconds = after_writing(target, "start-log", plan.log_megabytes)
        _record(session, f"{plan.log_megabytes:,} MB of log just written, SIGKILL", target, seconds)
    if not plan.combinations:
        return
    for target in session.targets:
        with target.running("start-many") as broker:
            wait_for_ack(broker.bootstrap, _TOPIC, create=True)
            create_partitions(broker.bootstrap, "many", plan.partitions)
    for _, target in session.rounds():
        _record(session, "1 partition, clean", target, _again(target, "start-0", kill=False))
        _record(session, "1 partition, SIGKILL", target, _again(target, "start-0", kill=True))
        _record(session, f"{plan.partitions:,} partitions, clean", target, _again(target, "start-many", kill=False))
        _record(session, f"{plan.partitions:,} partitions, SIGKILL", target, _again(target, "start-many", kill=True))


def _record(session: Session, name: str, target: Target, seconds: float) -> None:
    session.add(name, target.name, seconds, "s")


def _fresh(target: Target, data: str) -> float:
    process = target.process(data)
    if isinstance(process, ApacheKafka):
        process.format()
    try:
        return timed_start(process, create=True)
    finally:
        stop(process)


def _again(target: Target, data: str, *, kill: bool) -> float:
    process = target.process(data)
    try:
        process.start()
        if kill:
            process.kill()
        else:
            stop(process)
        return timed_start(process)
    finally:
        stop(process)


def after_writing(target: Target, data: str, megabytes: int) -> float:
    """Return how long a start takes over so many MB that were written right before a SIGKILL."""
    process = target.process(data)
    try:
        process.start()
        wait_for_ack(process.bootstrap, _TOPIC, create=True)
        create_topic(process.bootstrap, "log")
        fill(process.bootstrap, "log", megabytes=megabytes)
        process.kill()
        return timed_start(process)
    finally:
        stop(process)
        shutil.rmtree(process.data, ignore_errors=True)


def timed_start(process: ServerProcess, *, create: bool = False) -> float:
    """Start a broker and return the seconds until it acknowledged a record."""
    begun = time.perf_counter()
    process.start(wait=False)
    wait_for_ack(process.bootstrap, _TOPIC, create=create)
    return time.perf_counter() - begun
