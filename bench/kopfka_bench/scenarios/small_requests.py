"""Small requests: one record of 100 bytes a Produce, the next one after its answer, on 1 and on 50 connections.

Encoded requests over plain sockets, so that no client is the limit. With `acks=all` the bundled broker syncs, many
requests with one fsync; Apache Kafka does not by default, and does with `flush.messages=1` on its topic ("both sync").
With `kopfka.acks.all.fsync=false` neither does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_bench.figures import APACHE_KAFKA, percentile
from kopfka_bench.load import workers
from kopfka_bench.load.sockets import Load, closed_loop, synchronous
from kopfka_bench.load.syncing import BOTH, BY_DEFAULT, NEITHER, nobody_syncs
from kopfka_bench.load.topics import create_topic
from kopfka_bench.load.warming import warm
from kopfka_bench.protocol.frames import batch_of, produce_frame

if TYPE_CHECKING:
    from kopfka_bench.brokers.targets import Broker
    from kopfka_bench.session import Session

TITLE = "small requests"
AIM = "1.2×"
_TOPIC, _SYNCED_TOPIC = "small", "small-synced"


@dataclass(frozen=True, slots=True)
class Case:
    """On how many connections, and what an answer waits for."""

    connections: int
    all: str = ""
    """How `acks=all` is measured; empty for `acks=1`."""

    @property
    def name(self) -> str:
        """What it is called in the table."""
        sure = f"acks=all, {self.all}" if self.all else "acks=1"
        return f"{self.connections} connection{'s' if self.connections > 1 else ''}, {sure}"


CASES = (
    Case(1), Case(50), Case(1, BY_DEFAULT), Case(50, BY_DEFAULT), Case(1, BOTH), Case(50, BOTH), Case(1, NEITHER),
    Case(50, NEITHER),
)  # fmt: skip


def run(session: Session) -> None:
    """Measure each in turns."""
    with session.brokers("small-requests") as brokers:
        for broker in brokers:
            warm(broker.bootstrap, session.plan.warm_seconds)
            create_topic(broker.bootstrap, _TOPIC)
            told = {"flush.messages": "1"} if broker.name == APACHE_KAFKA else None
            create_topic(broker.bootstrap, _SYNCED_TOPIC, configs=told)
        for case in CASES if session.plan.combinations else CASES[:2]:
            with nobody_syncs(brokers if case.all == NEITHER else ()):
                for _, broker in session.turns(brokers):
                    _one(session, broker, case)


def _one(session: Session, broker: Broker, case: Case) -> None:
    topic, acks = _SYNCED_TOPIC if case.all == BOTH else _TOPIC, -1 if case.all else 1
    frame = produce_frame(topic, {0: batch_of(1, 100)}, acks=acks)
    seconds = session.plan.seconds
    with broker.metered() as meter:
        if case.connections == 1:
            ran = workers.run(synchronous, broker.bootstrap, frame, seconds)
        else:
            ran = workers.run(closed_loop, broker.bootstrap, [[frame]] * case.connections, Load(seconds=seconds))
    (got,) = ran.results
    session.add(case.name, broker.name, got.requests / got.seconds, "requests/s", more_is_better=True)
    session.add(f"{case.name}, p50", broker.name, percentile(got.times, 0.5) * 1e6, "µs")
    session.add(f"{case.name}, p99", broker.name, percentile(got.times, 0.99) * 1e6, "µs")
    session.cost(case.name, broker.name, meter, requests=got.requests, client=ran.cpu / ran.seconds)
