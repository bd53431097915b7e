"""How cost grows with connections that were used once and are idle: memory, round trips, opening one."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from kopfka_bench.protocol.ack import wait_for_ack
from kopfka_bench.protocol.raw import RawConnection
from kopfka_bench.scenarios.probing import FIRST, look

if TYPE_CHECKING:
    from kopfka_bench.session import Session

TITLE = "growth: connections"
AIM = "nothing quadratic"
_DATA = "growth-connections"
_OF = "connections"


def run(session: Session) -> None:
    """Let each broker grow step by step."""
    for target in session.growing(_DATA):
        with target.running(_DATA) as broker, contextlib.ExitStack() as stack:
            wait_for_ack(broker.bootstrap, FIRST, create=True)
            had = 0
            for number in session.plan.growth_connections:
                begun = time.perf_counter()
                for _ in range(number - had):
                    connection = stack.enter_context(RawConnection(broker.bootstrap, seconds=60))
                    connection.call("api_versions", 0)
                each = (time.perf_counter() - begun) / (number - had) * 1e6
                name = f"opening a connection by {_OF}"
                session.grow(name, target.name, of=_OF, number=number, value=each, unit="µs")
                look(session, broker, _OF, number)
                had = number
