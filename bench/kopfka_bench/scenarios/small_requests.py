"""Small requests: one record of 100 bytes a Produce, the next one after its answer, on 1 and on 50 connections.

Encoded requests over plain sockets, so that no client is the limit. With `acks=all` the bundled broker syncs, many
requests with one fsync; Apache Kafka does not by default, and does with `flush.messages=1` on its topic ("both sync").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_bench.figures import APACHE_KAFKA, percentile
from kopfka_bench.load import workers
from kopfka_bench.load.sockets import Load, closed_loop, synchronous
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
    acks: int = 1
    synced: bool = False

    @property
    def name(self) -> str:
        """What it is called in the table."""
        sure = "acks=1" if self.acks == 1 else "acks=all, both sync" if self.synced else "acks=all, as by default"
        return f"{self.connections} connection{'s' if self.connections > 1 else ''}, {sure}"


CASES = (Case(1), Case(50), Case(1, -1), Case(1, -1, synced=True), Case(50, -1), Case(50, -1, synced=True))


def run(session: Session) -> None:
    """Measure each in turns."""
    with session.brokers("small-requests") as brokers:
        for broker in brokers:
            warm(broker.bootstrap, session.plan.warm_seconds)
            create_topic(broker.bootstrap, _TOPIC)
            told = {"flush.messages": "1"} if broker.name == APACHE_KAFKA else None
            create_topic(broker.bootstrap, _SYNCED_TOPIC, configs=told)
        for case in CASES if session.plan.combinations else CASES[:2]:
            for _, broker in session.turns(brokers):
                _one(session, broker, case)


def _one(session: Session, broker: Broker, case: Case) -> None:
    frame = produce_frame(_SYNCED_TOPIC if case.synced else _TOPIC, {0: batch_of(1, 100)}, acks=case.acks)
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
