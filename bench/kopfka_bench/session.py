"""A run: what is compared, how much, and where figures go. Scenarios are given one and know nothing else."""

from __future__ import annotations

import contextlib
import shutil
import sys
from dataclasses import dataclass
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

    def rounds(self, count: int | None = None) -> Iterator[tuple[int, Target]]:
        """Yield number and target, in turns: A B A B."""
        for number in range(self.plan.rounds if count is None else count):
            for target in self.targets:
                yield number, target

    @contextlib.contextmanager
    def brokers(self, data: str, config: str = "", *, of_kafka: str = "") -> Iterator[list[Broker]]:
        """Run all targets beside each other over new folders; those who are not measured have nothing to do.

        `config` is for both, `of_kafka` for Apache Kafka alone, where it needs to be told to do as the other does.
        """
        with contextlib.ExitStack() as stack:
            running = []
            for target in self.targets:
                stack.callback(shutil.rmtree, target.folder / data, ignore_errors=True)
                extra = of_kafka if target.name == APACHE_KAFKA else ""
                running.append(stack.enter_context(target.running(data, config + extra)))
            yield running

    def turns(self, brokers: Sequence[Broker], count: int | None = None) -> Iterator[tuple[int, Broker]]:
        """Yield number and broker, in turns: A B A B."""
        for number in range(self.plan.rounds if count is None else count):
            for broker in brokers:
                yield number, broker

    def add(
        self, name: str, target: str, value: float, unit: str, *, more_is_better: bool = False, cost: bool = False
    ) -> None:
        """Add one sample."""
        self.results.add(self.scenario, name, target, value, unit, more_is_better=more_is_better, cost=cost)

    def cost(
        self,
        name: str,
        target: str,
        meter: Meter,
        *,
        gigabytes: float = 0.0,
        requests: float = 0.0,
        client_cpu: float | None = None,
    ) -> None:
        """Add what a figure cost: processor time of the broker by what was moved, its memory, the client's share."""
        if gigabytes:
            self.add(f"{name}: broker's CPU", target, meter.cpu / gigabytes, "s/GB", cost=True)
        elif requests:
            self.add(f"{name}: broker's CPU", target, meter.cpu / requests * 1e6, "µs each", cost=True)
        else:
            self.add(f"{name}: broker's CPU", target, 100 * meter.cpu / meter.seconds, "% of a core", cost=True)
        self.add(f"{name}: broker's RSS", target, meter.rss, "MB", cost=True)
        if client_cpu is not None:
            share = 100 * client_cpu / meter.seconds
            self.add(f"{name}: client's CPU", target, share, "% of a core", cost=True)

    def grow(self, name: str, target: str, *, of: str, number: float, value: float, unit: str) -> None:
        """Add one point of how a figure grows with the number `of` something."""
        self.results.grow(self.scenario, name, target, of=of, number=number, value=value, unit=unit)

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
