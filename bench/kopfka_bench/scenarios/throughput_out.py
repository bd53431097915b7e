"""Throughput out: reading a log of 1 KB records in batches of 64 KB, cold and hot, by 1 and 10 consumers.

Cold: the pages of the log's files are dropped from the page cache first (`posix_fadvise`, which needs no rights); what
the device itself caches is not. Ten consumers read the same partition each. Encoded: fetches of 1 MB over plain sockets
that look at an answer's size only.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kopfka_bench.load import librdkafka, workers
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


def run(session: Session) -> None:
    """Fill a log on each, then read it in turns."""
    with session.brokers("throughput-out") as brokers:
        counts = {}
        for broker in brokers:
            warm(broker.bootstrap, session.plan.warm_seconds)
            create_topic(broker.bootstrap, _TOPIC)
            counts[broker.name] = fill(broker.bootstrap, _TOPIC, megabytes=session.plan.megabytes)
        for name, cold, encoded, consumers in (
            ("cold, 1 consumer", True, False, 1),
            ("hot, 1 consumer", False, False, 1),
            ("hot, 10 consumers", False, False, _MANY),
            ("encoded, cold, 1 connection", True, True, 1),
            ("encoded, hot, 1 connection", False, True, 1),
            ("encoded, hot, 10 connections", False, True, _MANY),
        ):
            if not session.plan.combinations and consumers > 1 and not encoded:
                continue
            for _, broker in session.turns(brokers):
                if cold and not drop_pages(broker.process.data):
                    session.results.note("cold reads were hot: this system has no posix_fadvise")
                _one(session, broker, name, counts[broker.name], consumers, encoded=encoded)


def _one(session: Session, broker: Broker, name: str, count: int, consumers: int, *, encoded: bool) -> None:
    ran: workers.Done[Any]
    with broker.metered() as meter:
        if encoded:
            stretch = Stretch(fetch_frame(_TOPIC, max_bytes=_FETCH_BYTES), 0, count)
            batch = len(batch_of(BATCH_RECORDS, RECORD_BYTES))
            ran = workers.run(fetch_through, broker.bootstrap, [stretch] * consumers, batch, BATCH_RECORDS)
        else:
            share = count // consumers if consumers > 1 else count  # the same amount in all, whoever reads it
            job = librdkafka.Job(_TOPIC, share)
            ran = workers.together(librdkafka.consume, [(broker.bootstrap, job)] * consumers)
            count = share * consumers
    seconds = ran.seconds if encoded else max(ran.results)
    moved = count * RECORD_BYTES * (consumers if encoded else 1)
    session.add(name, broker.name, moved / 1e6 / seconds, "MB/s", more_is_better=True)
    session.cost(name, broker.name, meter, gigabytes=moved / 1e9, client=ran.cpu / ran.seconds)


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
