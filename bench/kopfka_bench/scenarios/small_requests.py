"""Small requests: one record of 100 bytes a Produce, the next one after its answer, on 1 and on 50 connections.

Encoded requests over plain sockets, so that no client is the limit; acks=1, and acks=all on 50 connections, where the
bundled broker syncs many with one fsync and Apache Kafka does not sync.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_bench.figures import percentile
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
_CASES = ((1, 1), (50, 1), (1, -1), (50, -1))
_TOPIC = "small"


def run(session: Session) -> None:
    """Measure each in turns."""
    with session.brokers("small-requests") as brokers:
        for broker in brokers:
            warm(broker.bootstrap, session.plan.warm_seconds)
            create_topic(broker.bootstrap, _TOPIC)
        for connections, acks in _CASES if session.plan.combinations else _CASES[:2]:
            for _, broker in session.turns(brokers):
                _one(session, broker, connections, acks)


def _one(session: Session, broker: Broker, connections: int, acks: int) -> None:
    frame = produce_frame(_TOPIC, {0: batch_of(1, 100)}, acks=acks)
    seconds = session.plan.seconds
    with broker.metered() as meter:
        if connections == 1:
            ran = workers.run(synchronous, broker.bootstrap, frame, seconds)
        else:
            ran = workers.run(closed_loop, broker.bootstrap, [[frame]] * connections, Load(seconds=seconds))
    (got,) = ran.results
    sure = "acks=1" if acks == 1 else "acks=all, as by default"
    name = f"{connections} connection{'s' if connections > 1 else ''}, {sure}"
    session.add(name, broker.name, got.requests / got.seconds, "requests/s", more_is_better=True)
    session.add(f"{name}, p50", broker.name, percentile(got.times, 0.5) * 1e6, "µs")
    session.add(f"{name}, p99", broker.name, percentile(got.times, 0.99) * 1e6, "µs")
    session.cost(name, broker.name, meter, requests=got.requests, client=ran.cpu / ran.seconds)
