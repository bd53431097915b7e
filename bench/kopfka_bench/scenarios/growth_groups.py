"""How cost grows with groups that have committed: memory, round trips, a commit, starts (which read all of them)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_bench.figures import percentile
from kopfka_bench.load import workers
from kopfka_bench.load.committing import commit_once
from kopfka_bench.load.sockets import Load, closed_loop
from kopfka_bench.protocol.ack import prepare_ack, wait_for_ack
from kopfka_bench.protocol.frames import commit_frame
from kopfka_bench.scenarios.probing import FIRST, look, restart

if TYPE_CHECKING:
    from kopfka_bench.session import Session

TITLE = "growth: consumer groups"
AIM = "nothing quadratic"
_DATA = "growth-groups"
_OF = "groups"
_SECONDS = 1.0


def run(session: Session) -> None:
    """Let each broker grow step by step."""
    prepare_ack()
    for target in session.growing(_DATA):
        with target.running(_DATA) as broker:
            wait_for_ack(broker.bootstrap, FIRST, create=True)
            names: list[str] = []
            for number in session.plan.growth_groups:
                new = [f"group-{index}" for index in range(len(names), number)]
                commit_once(broker.bootstrap, FIRST, new)
                names += new
                frames = [commit_frame(name, FIRST) for name in names]
                (got,) = workers.run(closed_loop, broker.bootstrap, [frames], Load(seconds=_SECONDS)).results
                value = percentile(got.times, 0.5) * 1e6
                session.grow(f"a commit by {_OF}", target.name, of=_OF, number=number, value=value, unit="µs")
                look(session, broker, _OF, number)
                restart(session, broker, _OF, number)
                commit_once(broker.bootstrap, FIRST, names[:1])  # the coordinator has read what it needs
