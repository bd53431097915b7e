"""What scenarios of growth look at, whatever grows: a round trip, memory, and how long a start takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_bench.brokers.targets import stop
from kopfka_bench.figures import percentile
from kopfka_bench.load import workers
from kopfka_bench.load.sockets import synchronous
from kopfka_bench.protocol.frames import batch_of, produce_frame
from kopfka_bench.scenarios.start import timed_start

if TYPE_CHECKING:
    from kopfka_bench.brokers.targets import Broker
    from kopfka_bench.load.sockets import Answers
    from kopfka_bench.session import Session

FIRST = "first"
"""A topic of one partition that each broker has, which the round trip goes to."""
_PROBE_SECONDS = 1.0


def round_trips(broker: Broker) -> Answers:
    """Send single records, each after the one before was acknowledged with acks=1."""
    ran: workers.Done[Answers]
    frame = produce_frame(FIRST, {0: batch_of(1, 100)})
    ran = workers.run(synchronous, broker.bootstrap, frame, _PROBE_SECONDS)
    return ran.results[0]


def look(session: Session, broker: Broker, of: str, number: float) -> None:
    """Add memory, round trip and what it costs of a broker that has so many of something."""
    session.grow(f"memory by {of}", broker.name, of=of, number=number, value=broker.used().rss, unit="MB")
    with broker.metered() as meter:
        got = round_trips(broker)
    middle = percentile(got.times, 0.5) * 1e6
    session.grow(f"round trip by {of}", broker.name, of=of, number=number, value=middle, unit="µs")
    each = meter.cpu / got.requests * 1e6
    session.grow(f"CPU of a round trip by {of}", broker.name, of=of, number=number, value=each, unit="µs")


def restart(session: Session, broker: Broker, of: str, number: float, *, kill: bool = False) -> None:
    """Stop or kill a broker, start it again, and add how long that took to the first acknowledged record.

    In the short form only kills are measured.
    """
    if not (kill or session.plan.combinations):
        return
    if kill:
        broker.process.kill()
    else:
        stop(broker.process)
    start = timed_start(broker.process)
    how = "SIGKILL" if kill else "a clean stop"
    session.grow(f"start after {how} by {of}", broker.name, of=of, number=number, value=start.seconds, unit="s")
    name = f"CPU of a start after {how} by {of}"
    session.grow(name, broker.name, of=of, number=number, value=start.used.cpu, unit="s")
