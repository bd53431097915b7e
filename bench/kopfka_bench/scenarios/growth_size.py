"""How cost grows with the size of a topic: memory, round trips, starts, reading any batch.

A topic has segments of 100 MB, so that there are many of them. What a start after SIGKILL has to look at is what was
written since the last checkpoint, which here is all of a step.
"""

from __future__ import annotations

import shutil
import statistics
import time
from typing import TYPE_CHECKING

from kopfka_bench.load.filling import fill
from kopfka_bench.load.topics import create_topic
from kopfka_bench.protocol.ack import prepare_ack, wait_for_ack
from kopfka_bench.protocol.raw import RawConnection
from kopfka_bench.scenarios.probing import FIRST, look, restart
from kopfka_bench.scenarios.throughput_out import drop_pages

if TYPE_CHECKING:
    from kopfka_bench.brokers.targets import Broker
    from kopfka_bench.session import Session

TITLE = "growth: size of a topic"
AIM = "nothing quadratic"
_DATA = "growth-size"
_OF = "MB in a topic"
_TOPIC = "growing"
_SEGMENT_BYTES = "100000000"
_LOOK_UPS = 20
_SPARE = 3.0  # as much disk as the largest topic must be free, times this: one for each broker, and one for others


def run(session: Session) -> None:
    """Let each broker grow step by step, as far as the disk allows."""
    prepare_ack()
    for target in session.growing(_DATA):
        free = shutil.disk_usage(target.folder).free / 1e6
        with target.running(_DATA) as broker:
            wait_for_ack(broker.bootstrap, FIRST, create=True)
            create_topic(broker.bootstrap, _TOPIC, configs={"segment.bytes": _SEGMENT_BYTES})
            had, records = 0, 0
            for number in session.plan.growth_megabytes:
                if number * _SPARE > free:
                    session.results.note(f"a topic of {number:,} MB was left out: only {free:,.0f} MB are free")
                    break
                records += fill(broker.bootstrap, _TOPIC, megabytes=number - had)
                look(session, broker, _OF, number)
                if session.plan.combinations or number == session.plan.growth_megabytes[-1]:
                    restart(session, broker, _OF, number, kill=True)
                restart(session, broker, _OF, number)
                _look_up(session, broker, number, records)
                had = number


def _look_up(session: Session, broker: Broker, number: int, records: int) -> None:
    """Add how long it takes to read one batch, anywhere in a log that is not in memory."""
    drop_pages(broker.process.data)
    times = []
    with RawConnection(broker.bootstrap) as connection:
        for turn in range(_LOOK_UPS):
            offset = records * turn // _LOOK_UPS
            part = {"partition": 0, "fetch_offset": offset, "partition_max_bytes": 1, "current_leader_epoch": -1}
            fields = {"max_wait": 500, "min_bytes": 1, "max_bytes": 1, "session_epoch": -1, "replica_id": -1}
            begun = time.perf_counter()
            connection.call("fetch", 11, **fields, topics=[{"topic": _TOPIC, "partitions": [part]}])
            times.append(time.perf_counter() - begun)
    value = statistics.median(times) * 1e6
    session.grow(f"reading any one batch, cold, by {_OF}", broker.name, of=_OF, number=number, value=value, unit="µs")
