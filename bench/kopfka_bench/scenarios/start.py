"""Start: from a process's start to the first record acknowledged with acks=all.

Clean over an empty folder, over one and many partitions after a clean stop and after SIGKILL, and over 2 GB of log that
was just written when the broker was stopped or killed: in one partition, and spread over all the many.
What Apache Kafka needs once, formatting the folder, is not in it.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_bench.brokers.kafka import ApacheKafka
from kopfka_bench.brokers.targets import stop
from kopfka_bench.brokers.waiting import eventually
from kopfka_bench.errors import RefusedError
from kopfka_bench.load.filling import fill, fill_partitions
from kopfka_bench.load.topics import create_partitions, create_topic, partitioned
from kopfka_bench.machine import Usage, usage
from kopfka_bench.protocol.ack import prepare_ack, wait_for_ack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_bench.brokers.processes import ServerProcess
    from kopfka_bench.brokers.targets import Target
    from kopfka_bench.session import Session

TITLE = "start"
AIM = "10× faster"
_TOPIC = "first"
_MANY, _LOGS = "start-many", "start-logs"


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds to the first acknowledged record, and what the broker had used by then."""

    seconds: float
    used: Usage


def run(session: Session) -> None:
    """Measure an empty folder, one and many partitions, and a log, each in turns."""
    plan = session.plan
    prepare_ack()
    for number, target in session.rounds():
        _record(session, "empty folder", target, _fresh(target, f"start-{number}"))
    for _, target in session.rounds():
        _logs(session, target)
    if not plan.combinations:
        return
    for name in (_MANY, _LOGS):
        for target in session.targets:
            with target.running(name) as broker:
                wait_for_ack(broker.bootstrap, _TOPIC, create=True)
                create_partitions(broker.bootstrap, "many", plan.partitions)
    for _, target in session.rounds():
        _record(session, "1 partition, clean", target, _again(target, "start-0", kill=False))
        _record(session, "1 partition, SIGKILL", target, _again(target, "start-0", kill=True))
        _record(session, f"{plan.partitions:,} partitions, clean", target, _again(target, _MANY, kill=False))
        _record(session, f"{plan.partitions:,} partitions, SIGKILL", target, _again(target, _MANY, kill=True))
    for _, target in session.rounds():
        _many_logs(session, target)


def _record(session: Session, name: str, target: Target, start: Start) -> None:
    session.add(name, target.name, start.seconds, "s")
    session.add(name, target.name, start.used.cpu, "s", cost="broker's CPU")
    session.add(name, target.name, start.used.rss, "MB", cost="broker's memory")


def _fresh(target: Target, data: str) -> Start:
    process = target.process(data)
    if isinstance(process, ApacheKafka):
        process.format()
    try:
        return timed_start(process, create=True)
    finally:
        stop(process)


def _again(target: Target, data: str, *, kill: bool) -> Start:
    process = target.process(data)
    try:
        process.start()
        return _restart(process, kill=kill)
    finally:
        stop(process)


def _restart(process: ServerProcess, *, kill: bool) -> Start:
    if kill:
        process.kill()
    else:
        stop(process)
    return timed_start(process)


def _logs(session: Session, target: Target) -> None:
    """Kill a broker over a log of one partition right after it was written, and stop it cleanly after that."""
    megabytes = session.plan.log_megabytes
    process = target.process("start-log")
    try:
        process.start()
        wait_for_ack(process.bootstrap, _TOPIC, create=True)
        create_topic(process.bootstrap, "log")
        fill(process.bootstrap, "log", megabytes=megabytes)
        _record(session, f"{megabytes:,} MB of log just written, SIGKILL", target, _restart(process, kill=True))
        if session.plan.combinations:
            _record(session, f"{megabytes:,} MB of log, clean", target, _restart(process, kill=False))
    finally:
        stop(process)
        shutil.rmtree(process.data, ignore_errors=True)


def _many_logs(session: Session, target: Target) -> None:
    """Kill a broker that just wrote to all of many partitions, which have the records of earlier rounds too."""
    plan = session.plan
    process = target.process(_LOGS)
    try:
        process.start()
        wait_for_ack(process.bootstrap, _TOPIC, create=False)
        topics = partitioned("many", plan.partitions)
        eventually(lambda: _taken(process.bootstrap, topics), seconds=60, what="all partitions to be led")
        fill_partitions(process.bootstrap, topics, megabytes=plan.log_megabytes)
        name = f"{plan.partitions:,} partitions with {plan.log_megabytes:,} MB of log just written"
        _record(session, f"{name}, SIGKILL", target, _restart(process, kill=True))
    finally:
        stop(process)


def _taken(bootstrap: str, topics: Sequence[tuple[str, int]]) -> bool:
    """Tell whether partitions take records again: Apache Kafka serves one before it leads the others."""
    try:
        fill_partitions(bootstrap, topics, megabytes=0)
    except RefusedError:
        return False
    return True


def timed_start(process: ServerProcess, *, create: bool = False) -> Start:
    """Start a broker and return the seconds until it acknowledged a record."""
    begun = time.perf_counter()
    process.start(wait=False)
    wait_for_ack(process.bootstrap, _TOPIC, create=create)
    seconds = time.perf_counter() - begun
    assert process.process is not None
    return Start(seconds, usage(process.process.pid))
