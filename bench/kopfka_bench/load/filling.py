"""Writes a log of a known shape as fast as the broker takes it: batches of one size, encoded once."""

from __future__ import annotations

from kopfka_bench.load.sockets import Load, closed_loop
from kopfka_bench.protocol.frames import batch_of, produce_frame

RECORD_BYTES = 1000
BATCH_RECORDS = 64
_WINDOW = 5


def fill(bootstrap: str, topic: str, *, megabytes: float, partition: int = 0) -> int:
    """Append so many MB of records of 1,000 random bytes in batches of 64; return how many records that are."""
    batches = max(1, int(megabytes * 1e6 / (BATCH_RECORDS * RECORD_BYTES)))
    frame = produce_frame(topic, {partition: batch_of(BATCH_RECORDS, RECORD_BYTES)})
    closed_loop(lambda: None, bootstrap, [[frame]], Load(window=_WINDOW, total=batches))
    return batches * BATCH_RECORDS
