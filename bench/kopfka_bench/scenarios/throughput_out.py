"""Throughput out: reading a log of 1 KB records in batches of 64 KB, cold and hot, by 1 and 10 consumers.

Cold: the pages of the log's files are dropped from the page cache first (`posix_fadvise`, which needs no rights); what
the device itself caches is not. Ten consumers read a tenth each, at once; ten connections read all of it each. Encoded:
fetches of 1 MB over plain sockets that look at an answer's size only.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kopfka_bench.load import java, librdkafka, workers
from kopfka_bench.load.filling import BATCH_RECORDS, RECORD_BYTES, fill
from kopfka_bench.load.sockets import Stretch, fetch_through
from kopfka_bench.load.topics import create_topic
from kopfka_bench.load.warming import warm
from kopfka_bench.protocol.frames import batch_of, fetch_frame

if TYPE_CHECKING:
    from pathlib import Path

    from kopfka_bench.brokers.targets import Broker
    from kopfka_bench.session import Session

TITLE = "throughput out"
AIM = "1.5×"
_TOPIC = "out"
_MANY = 10
_FETCH_BYTES = 1 << 20
LIBRDKAFKA, JAVA, ENCODED = "confluent-kafka", "Java", "encoded"


@dataclass(frozen=True, slots=True)
class Case:
    """Who reads, and from where."""

    client: str
    cold: bool
    consumers: int = 1

    @property
    def name(self) -> str:
        """What it is called in the table."""
        who = "connection" if self.client == ENCODED else "consumer"
        many = "s" if self.consumers > 1 else ""
        return f"{self.client}, {'cold' if self.cold else 'hot'}, {self.consumers} {who}{many}"


CASES = (
    *(Case(LIBRDKAFKA, cold, many) for cold in (True, False) for many in (1, _MANY)),
    Case(JAVA, cold=True),
    Case(JAVA, cold=False),
    Case(ENCODED, cold=True),
    Case(ENCODED, cold=False),
    Case(ENCODED, cold=False, consumers=_MANY),
)


def run(session: Session) -> None:
    """Fill a log on each, then read it in turns."""
    with session.brokers("throughput-out") as brokers:
        counts = {}
        for broker in brokers:
            warm(broker.bootstrap, session.plan.warm_seconds)
            create_topic(broker.bootstrap, _TOPIC)
            counts[broker.name] = fill(broker.bootstrap, _TOPIC, megabytes=session.plan.megabytes)
        for case in CASES:
            few = not session.plan.combinations and case.consumers > 1 and case.client != ENCODED
            if few or (case.client == JAVA and not session.compared):  # who measures alone may have no Java
                continue
            for _, broker in session.turns(brokers):
                if case.cold and not drop_pages(broker.process.data):
                    session.results.note("cold reads were hot: this system has no posix_fadvise")
                read = _by_java if case.client == JAVA else _one
                read(session, broker, case, counts[broker.name])


def _by_java(session: Session, broker: Broker, case: Case, count: int) -> None:
    begun = time.perf_counter()
    with broker.metered() as meter:
        done = java.consume(broker.bootstrap, _TOPIC, count)
    session.throughput(case.name, broker.name, done.records_per_second * RECORD_BYTES / 1e6, RECORD_BYTES)
    client = done.cpu / (time.perf_counter() - begun)
    session.cost(case.name, broker.name, meter, gigabytes=count * RECORD_BYTES / 1e9, client=client)


def _one(session: Session, broker: Broker, case: Case, count: int) -> None:
    consumers, encoded = case.consumers, case.client == ENCODED
    ran: workers.Done[Any]
    with broker.metered() as meter:
        if encoded:
            stretch = Stretch(fetch_frame(_TOPIC, max_bytes=_FETCH_BYTES), 0, count)
            batch = len(batch_of(BATCH_RECORDS, RECORD_BYTES))
            ran = workers.run(fetch_through, broker.bootstrap, [stretch] * consumers, batch, BATCH_RECORDS)
        else:
            share = count // consumers if consumers > 1 else count  # the same amount in all, whoever reads it
            jobs = [librdkafka.Job(_TOPIC, share, first=share * number) for number in range(consumers)]
            ran = workers.together(librdkafka.consume, [(broker.bootstrap, job) for job in jobs])
            count = share * consumers
    seconds = ran.seconds if encoded else max(ran.results)
    moved = count * RECORD_BYTES * (consumers if encoded else 1)
    session.throughput(case.name, broker.name, moved / 1e6 / seconds, RECORD_BYTES)
    session.cost(case.name, broker.name, meter, gigabytes=moved / 1e9, client=ran.cpu / ran.seconds)


def drop_pages(folder: Path) -> bool:
    """Have the system forget the pages of all files of records in a folder; tell whether it can."""
    if not hasattr(os, "posix_fadvise"):
        return False
    for file in folder.glob("*/*.log"):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fdatasync(descriptor)  # pages that are not written yet stay
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    return True
