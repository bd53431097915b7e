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


def of_librdkafka(settings: dict[str, str]) -> dict[str, str]:
    """Return Kafka's settings under librdkafka's names, and in its units."""
    given = {}
    for name, value in settings.items():
        given[_LIBRDKAFKA.get(name, name)] = str(int(value) // 1024) if name == "buffer.memory" else value
    return given
