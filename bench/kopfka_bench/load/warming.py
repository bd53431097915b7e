"""Load before what counts: a JVM gets faster for seconds, and both brokers get the same."""

from __future__ import annotations

from kopfka_bench.load.sockets import Load, Stretch, closed_loop, fetch_through
from kopfka_bench.load.topics import create_topic, delete_topics
from kopfka_bench.protocol.frames import batch_of, fetch_frame, produce_frame

_TOPIC = "warm"
_RECORDS = 16


def warm(bootstrap: str, seconds: float) -> None:
    """Produce small and large batches, and read them, for about so many seconds."""
    create_topic(bootstrap, _TOPIC)
    single = produce_frame(_TOPIC, {0: batch_of(1, 100)}, acks=-1)
    closed_loop(_go, bootstrap, [[single]] * 10, Load(seconds=seconds / 4))
    batch = batch_of(_RECORDS, 1000)
    closed_loop(_go, bootstrap, [[produce_frame(_TOPIC, {0: batch})]] * 2, Load(window=2, seconds=seconds / 2))
    create_topic(bootstrap, f"{_TOPIC}-read")
    frame = produce_frame(f"{_TOPIC}-read", {0: batch})
    count = int(100 * seconds) + 1
    closed_loop(_go, bootstrap, [[frame]], Load(window=2, total=count))
    reading = fetch_frame(f"{_TOPIC}-read", max_bytes=1 << 20)
    for _ in range(10):
        fetch_through(_go, bootstrap, [Stretch(reading, 0, count * _RECORDS)], len(batch), _RECORDS)
    delete_topics(bootstrap, _TOPIC, f"{_TOPIC}-read")


def _go() -> None:
    pass
