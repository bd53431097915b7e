"""A load by Apache Kafka's own Java client: the program behind `kafka-producer-perf-test.sh`."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_bench.brokers.java import java_command
from kopfka_bench.load.workers import LoadError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINE = re.compile(r"(\d+) records sent, ([\d.]+) records/sec")


@dataclass(frozen=True, slots=True)
class Produced:
    """What the tool printed, and what its JVM cost."""

    records_per_second: float
    cpu: float


def produce(
    bootstrap: str, topic: str, *, count: int, warm: int, size: int, settings: Mapping[str, object]
) -> Produced:
    """Send records of one size as fast as it goes; the first `warm` of them do not count.

    Raises:
        LoadError: the tool failed.
    """
    given = [f"{name}={value}" for name, value in settings.items()]
    command = java_command(
        "org.apache.kafka.tools.ProducerPerformance",
        "--bootstrap-server", bootstrap, "--topic", topic, "--num-records", str(count + warm), "--warmup-records",
        str(warm), "--record-size", str(size), "--throughput", "-1", "--command-property", *given,
        heap="512m", flags=("-Xms512m", "-XX:+UseG1GC"),
    )  # fmt: skip
    before = os.times()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, stdin=subprocess.DEVNULL)
    after = os.times()
    found = summary(done.stdout)
    if done.returncode or found is None:
        raise LoadError(f"ProducerPerformance ended with {done.returncode}: {done.stderr[-500:]}{done.stdout[-500:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Produced(found, cpu)


def summary(printed: str) -> float | None:
    """Return the records a second of the last line that has any: that of the steady state."""
    rates = [float(match.group(2)) for match in _LINE.finditer(printed)]
    return rates[-1] if rates else None
