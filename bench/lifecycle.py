"""What is measured of starts and of idling: the broker, and everything `kopfka up` runs."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.machine import ROOT, memory_of
from bench.measures import create_topic
from bench.targets import Target, prepare_ack, stop, wait_for_ack

from support.raw_protocol import RawConnection

if TYPE_CHECKING:
    from pathlib import Path

_UP_SECONDS = 30
_IDLE_SECONDS = 3.0


class UpFailedError(Exception):
    """`kopfka up` did not get everything ready; the message is its last line."""


def start_to_ack(target: Target, data: str) -> float:
    """Return the seconds from the start of a broker's process over an empty folder to its first acknowledged record.

    Topic creation is in it. Formatting a folder, which Apache Kafka needs once, is not.
    """
    process = target.process(data)
    prepare = getattr(process, "format", None)
    if prepare is not None:
        prepare()
    prepare_ack()
    try:
        begun = time.perf_counter()
        process.start(wait=False)
        wait_for_ack(process.bootstrap, "first", create=True)
        return time.perf_counter() - begun
    finally:
        stop(process)


def restart_to_ack(target: Target, data: str, topic: str) -> float:
    """Return the seconds from a broker's start over what a SIGKILL left behind to its first acknowledged record."""
    process = target.process(data)
    process.start()
    process.kill()
    prepare_ack()
    try:
        begun = time.perf_counter()
        process.start(wait=False)
        wait_for_ack(process.bootstrap, topic, create=False)
        return time.perf_counter() - begun
    finally:
        stop(process)


def idle_memory(target: Target, data: str) -> dict[str, float]:
    """Return the memory of a broker that started over an empty folder, took one record, and then had nothing to do."""
    process = target.process(data)
    process.start()
    try:
        wait_for_ack(process.bootstrap, "first", create=True)
        time.sleep(_IDLE_SECONDS)
        assert process.process is not None
        return memory_of(process.process.pid)
    finally:
        stop(process)


def connection_memory(target: Target, data: str, count: int) -> float:
    """Return by how many KB a broker grows with each of so many connections that were used once and then idle."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # of the broker too: it is a child
    with target.running(data) as process, contextlib.ExitStack() as open_ones:
        assert process.process is not None
        wait_for_ack(process.bootstrap, "first", create=True)
        before = memory_of(process.process.pid)["rss_mb"]
        for _ in range(count):
            open_ones.enter_context(RawConnection(process.bootstrap)).call("api_versions", 0)
        return (memory_of(process.process.pid)["rss_mb"] - before) * 1000 / count


@dataclass(frozen=True, slots=True)
class ManyPartitions:
    """What a great many partitions cost, none of which is used."""

    made: float
    """Seconds to make them, a thousand to a topic."""
    kilobytes: float
    """Of memory, each."""
    start: float
    """Seconds from a start after a clean stop to the first acknowledged record."""


def many_partitions(target: Target, data: str, count: int) -> ManyPartitions:
    """Make so many partitions, then stop the broker and start it again."""
    process = target.process(data)
    process.start()
    try:
        wait_for_ack(process.bootstrap, "first", create=True)
        assert process.process is not None
        before = memory_of(process.process.pid)["rss_mb"]
        begun = time.perf_counter()
        for number in range(0, count, 1000):
            create_topic(process.bootstrap, f"topic-{number}", min(1000, count - number))
        made = time.perf_counter() - begun
        kilobytes = (memory_of(process.process.pid)["rss_mb"] - before) * 1000 / count
        process.stop()
        begun = time.perf_counter()
        process.start(wait=False)
        wait_for_ack(process.bootstrap, "first", create=False)
        return ManyPartitions(made, kilobytes, time.perf_counter() - begun)
    finally:
        stop(process)


def up(folder: Path) -> tuple[float, dict[str, float]]:
    """Run `kopfka up` with the quick start example.

    Returns the seconds from its start until everything was Ready, and the memory of everything it runs, then idle.

    Raises:
        UpFailedError: not everything got Ready.
    """
    from kopfka_local.commands.state import State  # noqa: PLC0415 - the broker's figures need no local mode

    command = [sys.executable, "-m", "kopfka_cli"]
    example = str(ROOT / "examples" / "quickstart.yaml")
    begun = time.perf_counter()
    run = subprocess.run(
        [*command, "up", "-f", example, "--state", str(folder), "--detach", "--timeout", str(_UP_SECONDS)],
        capture_output=True, text=True, timeout=_UP_SECONDS + 30, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - begun
    try:
        if run.returncode:
            raise UpFailedError((run.stderr.strip() or run.stdout.strip() or "no word").splitlines()[-1])
        owner = State(folder).owner()
        if owner is None:
            raise UpFailedError("it ended right after it said that all is ready")
        time.sleep(_IDLE_SECONDS)
        return seconds, memory_of(owner)
    finally:
        subprocess.run([*command, "down", "--state", str(folder)], capture_output=True, timeout=60, check=False)
