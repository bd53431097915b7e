"""Transactions: commits a second of one record each, by 1 and 20 producers, and read-process-write.

The bundled broker syncs each step before the next; Apache Kafka leaves that to the operating system, unless it is told
to sync (`log.flush.interval.messages=1`): each is measured as by default, with neither syncing (the bundled broker with
`kopfka.acks.all.fsync=false`), and with both syncing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kopfka_bench.brokers.targets import FSYNC
from kopfka_bench.figures import percentile
from kopfka_bench.load import transactions, workers
from kopfka_bench.load.filling import RECORD_BYTES, fill
from kopfka_bench.load.syncing import BOTH, BY_DEFAULT, NEITHER, nobody_syncs
from kopfka_bench.load.topics import create_topic
from kopfka_bench.load.warming import warm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_bench.brokers.targets import Broker
    from kopfka_bench.session import Session

TITLE = "transactions"
AIM = "1.5×"
_SOURCE, _TARGET = "transactions-in", "transactions-out"


def run(session: Session) -> None:
    """Measure each in turns."""
    with session.brokers("transactions") as brokers:
        counts = _prepare(session, brokers)
        _all(session, brokers, counts, BY_DEFAULT)
        if session.plan.combinations:
            with nobody_syncs(brokers):
                _all(session, brokers, counts, NEITHER)
    if session.plan.combinations and session.compared:
        with session.brokers("transactions-synced", of_kafka=FSYNC) as brokers:
            _all(session, brokers, _prepare(session, brokers), BOTH)


def _prepare(session: Session, brokers: Sequence[Broker]) -> dict[str, int]:
    counts = {}
    for broker in brokers:
        warm(broker.bootstrap, session.plan.warm_seconds)
        create_topic(broker.bootstrap, _TARGET)
        create_topic(broker.bootstrap, _SOURCE)
        counts[broker.name] = fill(broker.bootstrap, _SOURCE, megabytes=session.plan.megabytes / 4)
        workers.run(transactions.commits, broker.bootstrap, _TARGET, 2, session.plan.warm_seconds / 4)
    return counts


def _all(session: Session, brokers: Sequence[Broker], counts: dict[str, int], how: str) -> None:
    for producers in (1, 20) if session.plan.combinations else (5,):
        for _, broker in session.turns(brokers):
            _commits(session, broker, producers, how)
    for _, broker in session.turns(brokers):
        _copy(session, broker, counts[broker.name], how)


def _commits(session: Session, broker: Broker, producers: int, how: str) -> None:
    with broker.metered() as meter:
        ran: workers.Done[list[float]] = workers.run(
            transactions.commits, broker.bootstrap, _TARGET, producers, session.plan.seconds
        )
    (times,) = ran.results
    name = f"{producers} producer{'s' if producers > 1 else ''}, {how}"
    session.add(name, broker.name, len(times) / ran.seconds, "commits/s", more_is_better=True)
    session.add(f"{name}, p50", broker.name, percentile(times, 0.5) * 1000, "ms")
    session.add(f"{name}, p99", broker.name, percentile(times, 0.99) * 1000, "ms")
    session.cost(name, broker.name, meter, requests=len(times), client=ran.cpu / ran.seconds)


def _copy(session: Session, broker: Broker, count: int, how: str) -> None:
    with broker.metered() as meter:
        ran: workers.Done[Any] = workers.run(transactions.copy, broker.bootstrap, _SOURCE, _TARGET, count)
    name = f"read-process-write, {transactions.EACH} records a transaction, {how}"
    session.add(name, broker.name, count / ran.results[0], "records/s", more_is_better=True)
    session.cost(name, broker.name, meter, gigabytes=count * RECORD_BYTES / 1e9, client=ran.cpu / ran.seconds)
