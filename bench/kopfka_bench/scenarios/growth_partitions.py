"""How cost grows with partitions that are not used: memory, round trips, making them, starts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kopfka_bench.load.topics import create_partitions
from kopfka_bench.protocol.ack import prepare_ack, wait_for_ack
from kopfka_bench.scenarios.probing import FIRST, look, restart

if TYPE_CHECKING:
    from kopfka_bench.session import Session

TITLE = "growth: partitions"
AIM = "nothing quadratic"
_DATA = "growth-partitions"
_OF = "partitions"


def run(session: Session) -> None:
    """Let each broker grow step by step."""
    prepare_ack()
    for target in session.growing(_DATA):
        with target.running(_DATA) as broker:
            wait_for_ack(broker.bootstrap, FIRST, create=True)
            had = 0
            for number in session.plan.growth_partitions:
                begun = time.perf_counter()
                create_partitions(broker.bootstrap, f"to-{number}", number - had)
                each = (time.perf_counter() - begun) / (number - had) * 1000
                session.grow(f"making a partition by {_OF}", target.name, of=_OF, number=number, value=each, unit="ms")
                look(session, broker, _OF, number)
                restart(session, broker, _OF, number)
                had = number
