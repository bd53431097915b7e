"""Figures of a run: samples of two brokers in turns, their medians, and how many times better one is. No I/O.

A ratio above 1 says that the bundled broker is better, whether more or less of the unit is better.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KOPFKA = "kopfka"
APACHE_KAFKA = "apache-kafka"


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times better the bundled broker is: by the medians, and in the worst and the best round."""

    value: float
    lowest: float
    highest: float


@dataclass(slots=True)
class Figure:
    """One thing that is measured: its samples for each broker, one a round."""

    scenario: str
    name: str
    unit: str
    more_is_better: bool = False
    cost: str = ""
    """Of what is told what the figure of this name cost: processor time, memory; empty for the figure itself."""
    samples: dict[str, list[float]] = field(default_factory=dict)
    also: tuple[str, float] | None = None
    """A second unit, and how many of it one of the first is."""

    def median(self, target: str) -> float | None:
        """Return the median of a broker's samples, None where there is none."""
        samples = self.samples.get(target)
        return statistics.median(samples) if samples else None

    def ratio(self) -> Ratio | None:
        """Return how the two compare, None where one is missing or nothing at all.

        The spread is that of the rounds: sample by sample, as they were taken one after the other.
        """
        ours, theirs = self.median(KOPFKA), self.median(APACHE_KAFKA)
        if ours is None or theirs is None or ours <= 0 or theirs <= 0:
            return None
        each = [
            self._better(*pair) for pair in zip(self.samples[KOPFKA], self.samples[APACHE_KAFKA], strict=False)
            if min(pair) > 0
        ]  # fmt: skip
        value = self._better(ours, theirs)
        return Ratio(value, min([value, *each]), max([value, *each]))

    def _better(self, ours: float, theirs: float) -> float:
        return ours / theirs if self.more_is_better else theirs / ours


@dataclass(slots=True)
class Growth:
    """How a figure grows with the number of something: one figure or more for each number."""

    scenario: str
    name: str
    of: str
    unit: str
    points: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, target: str, number: float, value: float) -> None:
        """Add what was measured with that number."""
        self.points.setdefault(target, []).append((number, value))

    def samples(self, target: str) -> dict[float, list[float]]:
        """Return what was measured with each number, from the smallest on."""
        found: dict[float, list[float]] = {}
        for number, value in sorted(self.points.get(target, ()), key=lambda point: point[0]):
            found.setdefault(number, []).append(value)
        return found

    def medians(self, target: str) -> list[tuple[float, float]]:
        """Return one point for each number."""
        return [(number, statistics.median(values)) for number, values in self.samples(target).items()]

    def slope(self, target: str) -> float | None:
        """Return the power of the number by which the figure grows: 0 not at all, 1 in step, 2 quadratic."""
        return slope(self.medians(target))

    def words(self, target: str) -> str:
        """Return the slope in words, empty where there are too few points."""
        power = self.slope(target)
        if power is None:
            return ""
        points = self.medians(target)
        (first, low), (last, high) = min(points), max(points)
        said = f"{high / low:.3g} times as much for {last / first:.3g} times as many: {_in_words(power)}"
        step = slope(points[-2:])
        return f"{said}, {step:.2f} in the last step" if step is not None and len(points) > 2 else said


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Return the slope of the straight line through the logarithms of points, by least squares; None for under two."""
    known = [(math.log(x), math.log(y)) for x, y in points if x > 0 and y > 0]
    if len({x for x, _ in known}) < 2:
        return None
    return statistics.linear_regression([x for x, _ in known], [y for _, y in known]).slope


def _in_words(power: float) -> str:
    if power < -0.1:
        return f"falls (power {power:.2f})"
    if power < 0.1:
        return f"flat (power {power:.2f})"
    if power < 0.85:
        return f"below linear (power {power:.2f})"
    if power <= 1.15:
        return f"linear (power {power:.2f})"
    if power < 1.7:
        return f"above linear (power {power:.2f})"
    return f"about quadratic or worse (power {power:.2f})"


def percentile(ordered: Sequence[float], part: float) -> float:
    """Return the smallest of ordered samples that at least this part of them does not exceed."""
    return ordered[max(0, min(len(ordered), math.ceil(len(ordered) * part)) - 1)]


class Results:
    """Everything that was measured in a run, in the order in which it was first measured."""

    def __init__(self) -> None:
        self._figures: dict[tuple[str, str, str], Figure] = {}
        self._growths: dict[tuple[str, str], Growth] = {}
        self.aims: dict[str, str] = {}
        """What each scenario aims at against Apache Kafka."""
        self.notes: list[str] = []

    def add(
        self,
        scenario: str,
        name: str,
        target: str,
        value: float,
        unit: str,
        *,
        more_is_better: bool = False,
        cost: str = "",
        also: tuple[str, float] | None = None,
    ) -> None:
        """Add one sample."""
        key = (scenario, name, cost)
        figure = self._figures.setdefault(key, Figure(scenario, name, unit, more_is_better, cost, also=also))
        figure.samples.setdefault(target, []).append(value)

    def grow(self, scenario: str, name: str, target: str, *, of: str, number: float, value: float, unit: str) -> None:
        """Add one point of how a figure grows with the number `of` something."""
        growth = self._growths.setdefault((scenario, name), Growth(scenario, name, of, unit))
        growth.add(target, number, value)

    def note(self, text: str) -> None:
        """Add a sentence on what could not be measured."""
        self.notes.append(text)

    def figures(self, scenario: str | None = None) -> Iterator[Figure]:
        """Yield the figures, of one scenario or of all."""
        return (figure for figure in self._figures.values() if scenario in (None, figure.scenario))

    def growths(self) -> Iterator[Growth]:
        """Yield what was measured of growth."""
        return iter(self._growths.values())

    def scenarios(self) -> list[str]:
        """Return the scenarios of which there are figures."""
        return list(dict.fromkeys(figure.scenario for figure in self._figures.values()))
