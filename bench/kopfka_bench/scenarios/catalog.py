"""Which scenarios there are, in the order in which they run. A module is imported when it is its turn.

Each has a `TITLE`, an `AIM` against Apache Kafka, and `run(session)`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

SCENARIOS = {
    "start": "from a process's start to the first acknowledged record",
    "footprint": "memory: idle, at 100 MB/s, with many partitions and connections",
    "throughput-in": "MB/s of producers: sizes, batches, codecs, acks, clients",
    "throughput-out": "MB/s of consumers: cold and hot, 1 and 10",
    "latency": "to the acknowledgement and to a consumer, at steady rates",
    "small-requests": "single records, one after the other, on 1 and 50 connections",
    "transactions": "commits a second, and read-process-write",
    "groups": "rebalances, and many groups that commit",
    "fan-out": "many topics, partitions and clients at once",
    "profiles": "tuning profiles: what each gains and costs",
    "growth-partitions": "how cost grows with partitions",
    "growth-connections": "how cost grows with connections",
    "growth-size": "how cost grows with the size of a topic",
    "growth-groups": "how cost grows with consumer groups",
    "mirror": "replication beside MirrorMaker 2: a backlog, and lag at a steady rate",
    "registry": "schema registry: start, memory, look-ups, registration (no counterpart)",
    "up": "`kopfka up` until everything is ready, and its memory (no counterpart)",
}


def load(name: str) -> ModuleType:
    """Return the module of a scenario."""
    return import_module(f"kopfka_bench.scenarios.{name.replace('-', '_')}")
