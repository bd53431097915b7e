"""Loads by Apache Kafka's own Java clients: `kafka-producer-perf-test.sh` and its twin for consumers."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kopfka_bench.brokers.java import java_command
from kopfka_bench.load.payloads import values
from kopfka_bench.load.workers import LoadError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOOLS = "org.apache.kafka.tools"
_SECONDS = 300
_LINE = re.compile(r"(\d+) records sent, ([\d.]+) records/sec")
_RECORDS, _FETCHING_MS = 4, 7
"""Of the columns that the consumer's tool prints: how many records came, and how long it took without joining."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is sent to a topic, and with which settings of the client."""

    topic: str
    count: int
    size: int = 1000
    settings: Mapping[str, object] = field(default_factory=dict)
    text: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """What the tool printed, and what its JVM cost."""

    records_per_second: float
    cpu: float


def produce(bootstrap: str, job: Job, *, warm: int) -> Moved:
    """Send records of one size as fast as it goes; the first `warm` of them do not count.

    Raises:
        LoadError: the tool failed.
    """
    given = [f"{name}={value}" for name, value in job.settings.items()]
    with tempfile.TemporaryDirectory(prefix="kopfka-bench-java-") as folder:
        payload = ["--record-size", str(job.size)]
        if job.text:
            file = Path(folder) / "payload"
            file.write_bytes(b"\n".join(values(job.size, text=True)) + b"\n")
            payload = ["--payload-file", str(file)]
        return _run(
            "ProducerPerformance",
            [
                "--bootstrap-server",
                bootstrap,
                "--topic",
                job.topic,
                "--num-records",
                str(job.count + warm),
                "--warmup-records",
                str(warm),
                *payload,
                "--throughput",
                "-1",
                "--command-property",
                *given,
            ],
        )


def consume(bootstrap: str, topic: str, count: int) -> Moved:
    """Read so many records of a topic from its beginning; joining its group does not count.

    Raises:
        LoadError: the tool failed, or read less.
    """
    return _run(
        "ConsumerPerformance",
        ["--bootstrap-server", bootstrap, "--topic", topic, "--num-records", str(count), "--hide-header"],
    )


def _run(tool: str, arguments: list[str]) -> Moved:
    flags = ("-Xms512m", "-XX:+UseG1GC")
    command = java_command(f"{_TOOLS}.{tool}", *arguments, heap="512m", flags=flags)
    before = os.times()
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_SECONDS, stdin=subprocess.DEVNULL
    )
    after = os.times()
    found = summary(done.stdout) if tool == "ProducerPerformance" else read_summary(done.stdout)
    if done.returncode or found is None:
        raise LoadError(f"{tool} ended with {done.returncode}: {done.stderr[-500:]}{done.stdout[-500:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Moved(found, cpu)


def summary(printed: str) -> float | None:
    """Return the records a second of the producer's last line that has any: that of the steady state."""
    rates = [float(match.group(2)) for match in _LINE.finditer(printed)]
    return rates[-1] if rates else None


def read_summary(printed: str) -> float | None:
    """Return the records a second of the consumer's line: all it read, by the time without joining its group."""
    for line in reversed(printed.splitlines()):
        columns = [column.strip() for column in line.split(",")]
        if len(columns) > _FETCHING_MS and columns[_RECORDS].isdigit() and columns[_FETCHING_MS].lstrip("-").isdigit():
            records, milliseconds = int(columns[_RECORDS]), int(columns[_FETCHING_MS])
            return records * 1000 / milliseconds if records and milliseconds > 0 else None
    return None
