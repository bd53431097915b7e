"""Latency: how long a record of 1 KB takes to be acknowledged (acks=1) and to reach a consumer, at steady rates.

By confluent-kafka with `linger.ms` 0; producer and consumer are a process each, on the clock they share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_bench.figures import percentile
from kopfka_bench.load import paced, workers
from kopfka_bench.load.topics import create_topic
from kopfka_bench.load.warming import warm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_bench.brokers.targets import Broker
    from kopfka_bench.session import Session

TITLE = "latency"
AIM = "half at p99, p50 no worse"
PARTS = ((0.5, "p50"), (0.99, "p99"), (0.999, "p99.9"))
_TOPIC = "latency"


def run(session: Session) -> None:
    """Measure each rate in turns; the rate in the middle with acks=all too."""
    rates = session.plan.rates
    cases = [(rate, "1") for rate in rates] + ([(rates[len(rates) // 2], "all")] if session.plan.combinations else [])
    with session.brokers("latency") as brokers:
        for broker in brokers:
            warm(broker.bootstrap, session.plan.warm_seconds)
            create_topic(broker.bootstrap, _TOPIC)
        for rate, acks in cases:
            for _, broker in session.turns(brokers):
                pace = paced.Pace(_TOPIC, rate, session.plan.seconds, {"acks": acks, "linger.ms": 0})
                sure = "acks=1" if acks == "1" else "acks=all, as by default"
                measure(session, broker, f"{rate:,} records/s, {sure}", pace)


def measure(session: Session, broker: Broker, name: str, pace: paced.Pace) -> None:
    """Send at a pace and receive, and add both latencies with what they cost."""
    with broker.metered() as meter:
        ran = workers.mixed([(paced.send, (broker.bootstrap, pace)), (paced.receive, (broker.bootstrap, pace))])
    acknowledged, arrived = ran.results
    _add(session, broker, f"{name}, produce", acknowledged)
    _add(session, broker, f"{name}, end to end", arrived)
    session.cost(name, broker.name, meter, requests=len(acknowledged), client=ran.cpu / ran.seconds)


def _add(session: Session, broker: Broker, name: str, times: Sequence[float]) -> None:
    for part, called in PARTS:
        session.add(f"{name}, {called}", broker.name, percentile(times, part) * 1000, "ms")
