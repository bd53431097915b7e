"""Footprint: resident memory of a broker that is idle, takes 100 MB/s, or has many partitions or connections.

Each on a broker of its own, started over an empty folder.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from kopfka_bench.load import workers
from kopfka_bench.load.filling import BATCH_RECORDS, RECORD_BYTES
from kopfka_bench.load.sockets import Load, paced
from kopfka_bench.load.topics import create_partitions, create_topic
from kopfka_bench.protocol.ack import wait_for_ack
from kopfka_bench.protocol.frames import batch_of, produce_frame
from kopfka_bench.protocol.raw import RawConnection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kopfka_bench.brokers.targets import Broker
    from kopfka_bench.session import Session

TITLE = "footprint"
AIM = "a fifth"
_IDLE_SECONDS = 3.0
_RATE = 100e6


def run(session: Session) -> None:
    """Measure each broker; memory hardly varies, so at most twice."""
    plan = session.plan
    for number, target in session.rounds(min(2, plan.rounds)):
        with target.running(f"footprint-{number}") as broker:
            wait_for_ack(broker.bootstrap, "first", create=True)
            time.sleep(_IDLE_SECONDS if plan.combinations else 1)
            before = broker.used(exact=True)
            session.add("idle", broker.name, before.rss, "MB")
            if before.pss:
                session.add("idle, PSS", broker.name, before.pss, "MB")
            with many_connections(broker, plan.connections):
                session.add(f"{plan.connections:,} connections", broker.name, broker.used().rss, "MB")
            if not plan.combinations:
                _partitions(session, broker)
                _busy(session, broker)
        if plan.combinations:
            with target.running(f"footprint-partitions-{number}") as broker:
                wait_for_ack(broker.bootstrap, "first", create=True)
                _partitions(session, broker)
            with target.running(f"footprint-busy-{number}") as broker:
                _busy(session, broker)


def _partitions(session: Session, broker: Broker) -> None:
    count = session.plan.partitions
    create_partitions(broker.bootstrap, "many", count)
    session.add(f"{count:,} partitions", broker.name, broker.used().rss, "MB")


def _busy(session: Session, broker: Broker) -> None:
    create_topic(broker.bootstrap, "busy")
    frame = produce_frame("busy", {0: batch_of(BATCH_RECORDS, RECORD_BYTES)})
    load = Load(seconds=session.plan.seconds, rate=_RATE / (BATCH_RECORDS * RECORD_BYTES))
    with broker.metered() as meter:
        ran = workers.run(paced, broker.bootstrap, [frame], 4, load)
    (got,) = ran.results
    moved = got.requests * BATCH_RECORDS * RECORD_BYTES
    session.add("at 100 MB/s", broker.name, meter.rss, "MB")
    session.add("at 100 MB/s, CPU of the broker", broker.name, meter.cpu / (moved / 1e9), "s/GB")
    if moved / got.seconds < 0.9 * _RATE:
        session.results.note(f"{broker.name} took {moved / got.seconds / 1e6:.0f} MB/s where 100 were sent")


@contextlib.contextmanager
def many_connections(broker: Broker, count: int) -> Iterator[None]:
    """Hold so many connections, each used once, for the length of the block."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(RawConnection(broker.bootstrap, seconds=60))
            connection.call("api_versions", 0)
        yield
