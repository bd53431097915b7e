"""Latency: how long a record of 1 KB takes to be acknowledged (acks=1) and to reach a consumer, at steady rates.

With acks=all as each broker does by default, with both syncing before the answer, and with neither.
By confluent-kafka with `linger.ms` 0; producer and consumer are a process each, on the clock they share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_bench.figures import APACHE_KAFKA, percentile
from kopfka_bench.load import paced, workers
from kopfka_bench.load.syncing import BOTH, BY_DEFAULT, NEITHER, nobody_syncs
from kopfka_bench.load.topics import create_topic
from kopfka_bench.load.warming import warm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_bench.brokers.targets import Broker
    from kopfka_bench.session import Session

TITLE = "latency"
AIM = "half at p99, p50 no worse"
PARTS = ((0.5, "p50"), (0.99, "p99"), (0.999, "p99.9"))
_ENOUGH = 1000
"""Samples without which p99.9 would be the slowest of them."""
_TOPIC, _SYNCED_TOPIC = "latency", "latency-synced"


def run(session: Session) -> None:
    """Measure each rate in turns; the rate in the middle with acks=all too."""
    plan = session.plan
    with session.brokers("latency") as brokers:
        for broker in brokers:
            warm(broker.bootstrap, plan.warm_seconds)
            create_topic(broker.bootstrap, _TOPIC)
            told = {"flush.messages": "1"} if broker.name == APACHE_KAFKA else None
            create_topic(broker.bootstrap, _SYNCED_TOPIC, configs=told)
        for rate in plan.rates:
            _at(session, brokers, rate, "1")
        if not plan.combinations:
            return
        middle = plan.rates[len(plan.rates) // 2]
        _at(session, brokers, middle, "all", BY_DEFAULT)
        _at(session, brokers, middle, "all", BOTH)
        with nobody_syncs(brokers):
            _at(session, brokers, middle, "all", NEITHER)


def _at(session: Session, brokers: Sequence[Broker], rate: int, acks: str, how: str = "") -> None:
    seconds = max(session.plan.seconds, session.plan.latencies / rate)
    topic = _SYNCED_TOPIC if how == BOTH else _TOPIC
    for _, broker in session.turns(brokers):
        pace = paced.Pace(topic, rate, seconds, {"acks": acks, "linger.ms": 0})
        measure(session, broker, ", ".join(filter(None, (f"{rate:,} records/s", f"acks={acks}", how))), pace)


def measure(session: Session, broker: Broker, name: str, pace: paced.Pace) -> None:
    """Send at a pace and receive, and add both latencies with what they cost."""
    with broker.metered() as meter:
        ran = workers.mixed([(paced.send, (broker.bootstrap, pace)), (paced.receive, (broker.bootstrap, pace))])
    acknowledged, arrived = ran.results
    _add(session, broker, f"{name}, produce", acknowledged)
    _add(session, broker, f"{name}, end to end", arrived)
    session.cost(name, broker.name, meter, requests=len(acknowledged), client=ran.cpu / ran.seconds)


def _add(session: Session, broker: Broker, name: str, times: Sequence[float]) -> None:
    for part, called in PARTS if len(times) > _ENOUGH else PARTS[:2]:
        session.add(f"{name}, {called}", broker.name, percentile(times, part) * 1000, "ms")
