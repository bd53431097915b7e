"""Writes a log of a known shape as fast as the broker takes it: batches of one size, encoded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_bench.load.sockets import Load, closed_loop
from kopfka_bench.protocol.frames import batch_of, produce_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

RECORD_BYTES = 1000
BATCH_RECORDS = 64
_WINDOW = 5
_AT_ONCE = 10  # partitions of a request


def fill_partitions(bootstrap: str, topics: Sequence[tuple[str, int]], *, megabytes: float) -> int:
    """Append so many MB in all, the same to each partition of topics (name, partitions); return how many records."""
    batch = batch_of(BATCH_RECORDS, RECORD_BYTES)
    partitions = sum(count for _, count in topics)
    turns = max(1, round(megabytes * 1e6 / (partitions * BATCH_RECORDS * RECORD_BYTES)))
    for topic, count in topics:
        frames = [
            produce_frame(topic, dict.fromkeys(range(first, min(first + _AT_ONCE, count)), batch))
            for first in range(0, count, _AT_ONCE)
        ]
        closed_loop(lambda: None, bootstrap, [frames], Load(window=_WINDOW, total=turns * len(frames)))
    return turns * partitions * BATCH_RECORDS


def fill(bootstrap: str, topic: str, *, megabytes: float, partition: int = 0) -> int:
    """Append so many MB of records of 1,000 random bytes in batches of 64; return how many records that are."""
    batches = max(1, int(megabytes * 1e6 / (BATCH_RECORDS * RECORD_BYTES)))
    frame = produce_frame(topic, {partition: batch_of(BATCH_RECORDS, RECORD_BYTES)})
    closed_loop(lambda: None, bootstrap, [[frame]], Load(window=_WINDOW, total=batches))
    return batches * BATCH_RECORDS
