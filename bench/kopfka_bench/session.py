"""A run: what is compared, how much, and where figures go. Scenarios are given one and know nothing else."""

from __future__ import annotations

import contextlib
import shutil
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kopfka_bench.figures import APACHE_KAFKA, KOPFKA

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kopfka_bench.brokers.targets import Broker, Meter, Target
    from kopfka_bench.figures import Results
    from kopfka_bench.plan import Plan


@dataclass(slots=True)
class Session:
    """One run of the program."""

    plan: Plan
    targets: Sequence[Target]
    results: Results
    scenario: str = ""
    """The title of what is measured now."""
    _running: list[Broker] = field(default_factory=list)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def rounds(self, count: int | None = None) -> Iterator[tuple[int, Target]]:
        """Yield number and target, in turns: A B A B."""
        for number in range(self.plan.rounds if count is None else count):
            for target in self.targets:
                yield number, target

    @contextlib.contextmanager
    def brokers(self, data: str, *, of_kafka: str = "") -> Iterator[list[Broker]]:
        """Run all targets beside each other over new folders; those who are not measured have nothing to do.

        `of_kafka` are settings of Apache Kafka, where it needs to be told to do as the other does.
        """
        if self.plan.shared and not of_kafka:
            if not self._running:
                self._running = self._start("shared", self._stack)
            yield self._running
            return
        with contextlib.ExitStack() as stack:
            yield self._start(data, stack, of_kafka)

    def _start(self, data: str, stack: contextlib.ExitStack, of_kafka: str = "") -> list[Broker]:
        running = []
        for target in self.targets:
            stack.callback(shutil.rmtree, target.folder / data, ignore_errors=True)
            running.append(stack.enter_context(target.running(data, of_kafka if target.name == APACHE_KAFKA else "")))
        return running

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def turns(self, brokers: Sequence[Broker], count: int | None = None) -> Iterator[tuple[int, Broker]]:
        """Yield number and broker, in turns: A B A B."""
        for number in range(self.plan.rounds if count is None else count):
            for broker in brokers:
                yield number, broker

    def add(
        self, name: str, target: str, value: float, unit: str, *, more_is_better: bool = False, cost: str = ""
    ) -> None:
        """Add one sample."""
        self.results.add(self.scenario, name, target, value, unit, more_is_better=more_is_better, cost=cost)

    def throughput(self, name: str, target: str, megabytes_per_second: float, record_bytes: int) -> None:
        """Add one sample of MB/s, which is told in records/s too."""
        self.results.add(
            self.scenario,
            name,
            target,
            megabytes_per_second,
            "MB/s",
            more_is_better=True,
            also=("records/s", 1e6 / record_bytes),
        )

    def cost(
        self,
        name: str,
        target: str,
        meter: Meter,
        *,
        gigabytes: float = 0.0,
        requests: float = 0.0,
        client: float | None = None,
    ) -> None:
        """Add what a figure cost: processor time of the broker by what was moved, its memory, the client's share.

        `client` is the client's processor time in parts of its duration.
        """
        if gigabytes:
            self.add(name, target, meter.cpu / gigabytes, "s/GB", cost="broker's CPU")
        elif requests:
            self.add(name, target, meter.cpu / requests * 1e6, "µs each", cost="broker's CPU")
        else:
            self.add(name, target, 100 * meter.cpu / meter.seconds, "% of a core", cost="broker's CPU")
        self.add(name, target, meter.rss, "MB", cost="broker's memory")
        if gigabytes:
            self.add(name, target, meter.rss / gigabytes, "MB/GB", cost="its memory by what was moved")
        if client is not None:
            self.add(name, target, 100 * client, "% of a core", cost="client's CPU")

    def grow(self, name: str, target: str, *, of: str, number: float, value: float, unit: str) -> None:
        """Add one point of how a figure grows with the number `of` something."""
        self.results.grow(self.scenario, name, target, of=of, number=number, value=value, unit=unit)

    def growing(self, data: str) -> Iterator[Target]:
        """Yield each target as often as its points of growth are taken, with its folder `data` new each time.

        Apache Kafka's turn takes minutes and is taken once.
        """
        for number in range(self.plan.growth_rounds):
            for target in self.targets:
                if number == 0 or target.name == KOPFKA:
                    yield target
                    shutil.rmtree(target.folder / data, ignore_errors=True)

    def say(self, text: str) -> None:
        """Tell whoever waits what is measured now."""
        print(text, file=sys.stderr, flush=True)

    @property
    def names(self) -> list[str]:
        """The names of what is compared."""
        return [target.name for target in self.targets]

    @property
    def compared(self) -> bool:
        """Whether both are there."""
        return {KOPFKA, APACHE_KAFKA} <= set(self.names)
