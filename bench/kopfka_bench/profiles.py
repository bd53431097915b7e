"""The tuning profiles: which settings of producers and consumers each stands for. Kafka's names; times in ms."""

from __future__ import annotations

from dataclasses import dataclass

_LIBRDKAFKA = {"buffer.memory": "queue.buffering.max.kbytes", "fetch.max.wait.ms": "fetch.wait.max.ms"}


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of settings."""

    name: str
    producer: dict[str, str]
    consumer: dict[str, str]


HIGH_THROUGHPUT = Profile(
    "high-throughput",
    {
        "batch.size": "131072",
        "linger.ms": "20",
        "compression.type": "lz4",
        "acks": "1",
        "buffer.memory": "67108864",
    },
    {"fetch.min.bytes": "1048576", "fetch.max.wait.ms": "500"},
)
LOW_LATENCY = Profile(
    "low-latency",
    {"batch.size": "16384", "linger.ms": "0", "compression.type": "none", "acks": "1", "buffer.memory": "33554432"},
    {"fetch.min.bytes": "1", "fetch.max.wait.ms": "10"},
)
BALANCED = Profile(
    "balanced",
    {"batch.size": "65536", "linger.ms": "5", "compression.type": "lz4", "acks": "1", "buffer.memory": "33554432"},
    {"fetch.min.bytes": "1", "fetch.max.wait.ms": "100"},
)
PROFILES = (HIGH_THROUGHPUT, BALANCED, LOW_LATENCY)


def _varied(base: Profile, what: str, **producer: str) -> Profile:
    settings = {name.replace("_", "."): value for name, value in producer.items()}
    return Profile(f"{base.name}, {what}", base.producer | settings, base.consumer)


VARIED = (
    _varied(HIGH_THROUGHPUT, "64 KB", batch_size="65536"),
    _varied(HIGH_THROUGHPUT, "256 KB", batch_size="262144"),
    _varied(HIGH_THROUGHPUT, "linger 10 ms", linger_ms="10"),
    _varied(HIGH_THROUGHPUT, "linger 100 ms", linger_ms="100"),
    _varied(HIGH_THROUGHPUT, "zstd", compression_type="zstd"),
    _varied(LOW_LATENCY, "lz4", compression_type="lz4"),
    _varied(LOW_LATENCY, "no batches", batch_size="1"),
)
"""The other ends of what the profiles may be set to, one setting at a time."""


def of_librdkafka(settings: dict[str, str]) -> dict[str, str]:
    """Return Kafka's settings under librdkafka's names, and in its units."""
    given = {}
    for name, value in settings.items():
        given[_LIBRDKAFKA.get(name, name)] = str(int(value) // 1024) if name == "buffer.memory" else value
    return given
