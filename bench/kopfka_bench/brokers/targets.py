"""The two that are compared, started alike, with a meter on each: processor time and memory of a broker under load."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kopfka_bench.brokers.java import need_java
from kopfka_bench.brokers.kafka import PRODUCTION_FLAGS, ApacheKafka
from kopfka_bench.brokers.processes import BrokerProcess
from kopfka_bench.figures import APACHE_KAFKA, KOPFKA
from kopfka_bench.machine import Usage, usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kopfka_bench.brokers.processes import ServerProcess

HEAP = "1g"
# what differs from the defaults, on both: groups of this program need not wait, and nothing is removed meanwhile
SETTINGS = "group.initial.rebalance.delay.ms=0\ngroup.consumer.assignment.interval.ms=0\nlog.retention.ms=-1\n"
FSYNC = "log.flush.interval.messages=1\n"
"""Makes Apache Kafka sync before it answers `acks=all`, as the bundled broker does by default."""
_SAMPLE_SECONDS = 0.2
_PATIENCE_SECONDS = 180.0  # with ten thousand partitions either takes its time, and a stop has to be a clean one


@dataclass(slots=True)
class Meter:
    """What a broker used while a block ran."""

    pid: int
    cpu: float = 0.0
    """Seconds of processor time."""
    rss: float = 0.0
    """The most memory seen, in MB."""
    seconds: float = 0.0
    _done: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Look at the memory until the block is over."""
        while not self._done.wait(_SAMPLE_SECONDS):
            with contextlib.suppress(OSError):
                self.rss = max(self.rss, usage(self.pid).rss)

    def end(self) -> None:
        """Have `watch` return."""
        self._done.set()


@dataclass(slots=True)
class Broker:
    """A broker that runs, one of two."""

    name: str
    process: ServerProcess

    @property
    def bootstrap(self) -> str:
        """HOST:PORT for clients."""
        return self.process.bootstrap

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process.process is not None
        return self.process.process.pid

    def used(self, *, exact: bool = False) -> Usage:
        """Return what it has used until now."""
        return usage(self.pid, exact=exact)

    @contextlib.contextmanager
    def metered(self) -> Iterator[Meter]:
        """Measure what the broker uses while the block runs."""
        before = self.used()
        meter = Meter(self.pid, rss=before.rss)
        thread = threading.Thread(target=meter.watch, daemon=True)
        thread.start()
        begun = time.perf_counter()
        try:
            yield meter
        finally:
            meter.seconds = time.perf_counter() - begun
            meter.end()
            thread.join()
            with contextlib.suppress(OSError):
                after = self.used()
                meter.cpu = after.cpu - before.cpu
                meter.rss = max(meter.rss, after.rss)


@dataclass(frozen=True, slots=True)
class Target:
    """One of the brokers that are compared, and the folder it keeps everything in."""

    name: str
    folder: Path

    def process(self, data: str, config: str = "") -> ServerProcess:
        """Return a broker over the data folder of that name, not yet started; `config` is added to both's settings."""
        process: ServerProcess
        if self.name == KOPFKA:
            process = BrokerProcess(self.folder / data, SETTINGS + config)
        else:
            process = ApacheKafka(self.folder / data, SETTINGS + config, heap=HEAP, flags=PRODUCTION_FLAGS)
        process.start_seconds = process.stop_seconds = _PATIENCE_SECONDS
        return process

    @contextlib.contextmanager
    def running(self, data: str, config: str = "") -> Iterator[Broker]:
        """Run a broker over the data folder of that name for the length of the block."""
        process = self.process(data, config)
        try:
            process.start()
            yield Broker(self.name, process)
        finally:
            stop(process)


def make_targets(names: Sequence[str], folder: Path) -> list[Target]:
    """Return the targets of these names.

    Raises:
        MissingProgramError: Apache Kafka is one of them, and there is nothing to run it with.
    """
    if APACHE_KAFKA in names:
        need_java()
    for name in names:
        (folder / name).mkdir(parents=True)
    return [Target(name, folder / name) for name in names]


def stop(process: ServerProcess) -> None:
    """Stop a broker, and make sure that it is gone."""
    if process.process is not None and process.process.poll() is None:
        with contextlib.suppress(Exception):
            process.stop()
        if process.process.poll() is None:
            process.kill()
