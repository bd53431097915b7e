"""Groups: rebalancing a group of many members, classic and of KIP-848, and many groups that commit once a second.

A classic rebalance is that of all members. In KIP-848 one member leaves and a new one joins; it is over when all are in
one epoch and have their partitions, two for each member. Its group's forming, all at once, is measured too.
The bundled broker syncs what its coordinator keeps before it answers, Apache Kafka does not: each is measured as by
default, with neither syncing, and with both.

Members and groups are plain connections with encoded requests, so that the coordinator is what takes the time.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from kopfka_bench.figures import percentile
from kopfka_bench.load import workers
from kopfka_bench.load.committing import commit_once
from kopfka_bench.load.consumer_members import Shared, replacements
from kopfka_bench.load.members import rebalances
from kopfka_bench.load.sockets import Load, paced
from kopfka_bench.load.syncing import BOTH, BY_DEFAULT, NEITHER, everybody_syncs, nobody_syncs
from kopfka_bench.load.topics import create_topic
from kopfka_bench.load.warming import warm
from kopfka_bench.protocol.frames import commit_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_bench.brokers.targets import Broker
    from kopfka_bench.session import Session

TITLE = "groups"
AIM = "2×"
_TOPIC, _SHARED = "committed", "shared-out"
_EACH = 2
_CONNECTIONS = 20
_REBALANCES = 10


def run(session: Session) -> None:
    """Measure both in turns."""
    plan = session.plan
    names = [f"group-{number}" for number in range(plan.groups)]
    with session.brokers("groups") as brokers:
        for broker in brokers:
            warm(broker.bootstrap, plan.warm_seconds)
            create_topic(broker.bootstrap, _TOPIC)
            create_topic(broker.bootstrap, _SHARED, plan.members * _EACH)
            commit_once(broker.bootstrap, _TOPIC, names)
        _all(session, brokers, names, BY_DEFAULT)
        if plan.combinations:
            with nobody_syncs(brokers):
                _all(session, brokers, names, NEITHER)
        if plan.combinations and session.compared:
            with everybody_syncs(brokers):
                _all(session, brokers, names, BOTH)


def _all(session: Session, brokers: Sequence[Broker], names: list[str], how: str) -> None:
    for _, broker in session.turns(brokers):
        _rebalance(session, broker, how)
    for _, broker in session.turns(brokers):
        _replace(session, broker, how)
    for _, broker in session.turns(brokers):
        _commit(session, broker, names, how)


def _rebalance(session: Session, broker: Broker, how: str) -> None:
    members = session.plan.members
    ran: workers.Done[list[float]]
    with broker.metered() as meter:
        group = f"rebalanced-{uuid.uuid4()}"
        ran = workers.run(rebalances, broker.bootstrap, group, members, _REBALANCES)
    (times,) = ran.results
    name = f"rebalance of {members} members, classic, {how}"
    session.add(name, broker.name, percentile(sorted(times), 0.5) * 1000, "ms")
    session.cost(name, broker.name, meter, requests=_REBALANCES, client=ran.cpu / ran.seconds)


def _replace(session: Session, broker: Broker, how: str) -> None:
    members = session.plan.members
    ran: workers.Done[tuple[float, list[float]]]
    with broker.metered() as meter:
        group = f"replaced-{uuid.uuid4()}"
        shared = Shared(_SHARED, members * _EACH, members)
        ran = workers.run(replacements, broker.bootstrap, group, shared, _REBALANCES)
    formed, times = ran.results[0]
    session.add(f"group of {members} members formed, KIP-848, {how}", broker.name, formed * 1000, "ms")
    name = f"rebalance of {members} members, KIP-848, one replaced, {how}"
    session.add(name, broker.name, percentile(sorted(times), 0.5) * 1000, "ms")
    session.cost(name, broker.name, meter, requests=_REBALANCES, client=ran.cpu / ran.seconds)


def _commit(session: Session, broker: Broker, names: list[str], how: str) -> None:
    frames = [commit_frame(name, _TOPIC) for name in names]
    load = Load(seconds=session.plan.seconds, rate=len(frames))
    ran: workers.Done[Any]
    with broker.metered() as meter:
        ran = workers.run(paced, broker.bootstrap, frames, _CONNECTIONS, load)
    (got,) = ran.results
    name = f"{len(frames):,} groups commit every second, {how}"
    session.add(f"{name}, p50", broker.name, percentile(got.times, 0.5) * 1000, "ms")
    session.add(f"{name}, p99", broker.name, percentile(got.times, 0.99) * 1000, "ms")
    session.add(f"{name}, CPU of the broker", broker.name, 100 * meter.cpu / got.seconds, "% of a core")
    session.cost(name, broker.name, meter, requests=got.requests, client=ran.cpu / ran.seconds)
