"""Fan-out: 200 topics of 20 partitions, 50 clients with 4 topics each, all at once.

Encoded requests over plain sockets: a Produce has ten records of 1 KB for each of a topic's 20 partitions, a Fetch
asks for all 80 partitions of a client's topics from their beginning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kopfka_bench.load import workers
from kopfka_bench.load.sockets import Load, closed_loop
from kopfka_bench.load.topics import create_topic
from kopfka_bench.load.warming import warm
from kopfka_bench.protocol.frames import batch_of, fetch_all_frame, produce_frame

if TYPE_CHECKING:
    from kopfka_bench.brokers.targets import Broker
    from kopfka_bench.session import Session

TITLE = "fan-out"
AIM = "1×"
_PARTITIONS = 20
_TOPICS_EACH = 4
_RECORDS, _RECORD_BYTES = 10, 1000
_PARTITION_BYTES, _FETCH_BYTES = 64 * 1024, 4 * 1024 * 1024


def run(session: Session) -> None:
    """Measure both directions in turns."""
    clients = 50 if session.plan.combinations else 5
    topics = [[f"fan-{client}-{number}" for number in range(_TOPICS_EACH)] for client in range(clients)]
    count = clients * _TOPICS_EACH
    with session.brokers("fan-out") as brokers:
        for broker in brokers:
            warm(broker.bootstrap, session.plan.warm_seconds)
            for own in topics:
                for topic in own:
                    create_topic(broker.bootstrap, topic, _PARTITIONS)
        for _, broker in session.turns(brokers):
            _produce(session, broker, topics, f"in, {count} topics × {_PARTITIONS} partitions, {clients} clients")
        for _, broker in session.turns(brokers):
            _fetch(session, broker, topics, f"out, {count} topics × {_PARTITIONS} partitions, {clients} clients")


def _produce(session: Session, broker: Broker, topics: list[list[str]], name: str) -> None:
    batches = dict.fromkeys(range(_PARTITIONS), batch_of(_RECORDS, _RECORD_BYTES))
    frames = [[produce_frame(topic, batches) for topic in own] for own in topics]
    ran: workers.Done[Any]
    with broker.metered() as meter:
        ran = workers.run(closed_loop, broker.bootstrap, frames, Load(seconds=session.plan.seconds))
    (got,) = ran.results
    moved = got.requests * _PARTITIONS * _RECORDS * _RECORD_BYTES
    session.throughput(name, broker.name, moved / 1e6 / got.seconds, _RECORD_BYTES)
    session.cost(name, broker.name, meter, gigabytes=moved / 1e9, client=ran.cpu / ran.seconds)


def _fetch(session: Session, broker: Broker, topics: list[list[str]], name: str) -> None:
    frames = [
        [fetch_all_frame(dict.fromkeys(own, _PARTITIONS), partition_bytes=_PARTITION_BYTES, max_bytes=_FETCH_BYTES)]
        for own in topics
    ]
    ran: workers.Done[Any]
    with broker.metered() as meter:
        ran = workers.run(closed_loop, broker.bootstrap, frames, Load(seconds=session.plan.seconds))
    (got,) = ran.results
    session.throughput(name, broker.name, got.bytes_in / 1e6 / got.seconds, _RECORD_BYTES)
    session.cost(name, broker.name, meter, gigabytes=got.bytes_in / 1e9, client=ran.cpu / ran.seconds)
