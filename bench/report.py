"""Figures of a run: collected sample by sample, shown as a table, kept as JSON."""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from bench.targets import APACHE_KAFKA, KOPFKA
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(slots=True)
class Figure:
    """One thing that was measured: its samples for each broker; the median is what counts."""

    name: str
    unit: str
    more_is_better: bool
    aim: str = ""
    samples: dict[str, list[float]] = field(default_factory=dict)

    def median(self, target: str) -> float | None:
        """Return the median of a broker's samples, None where there is none."""
        samples = self.samples.get(target)
        return statistics.median(samples) if samples else None

    def ratio(self) -> float | None:
        """Return how many times better (above 1) or worse the bundled broker is, None where only one was measured."""
        ours, theirs = self.median(KOPFKA), self.median(APACHE_KAFKA)
        if not ours or not theirs:
            return None
        return ours / theirs if self.more_is_better else theirs / ours


class Report:
    """The figures of one run, in the order in which they were first measured."""

    def __init__(self, machine: dict[str, object], settings: dict[str, object]) -> None:
        self._machine = machine
        self._settings = settings
        self._figures: dict[str, Figure] = {}
        self._notes: list[str] = []

    def add(
        self, name: str, target: str, value: float, unit: str, *, more_is_better: bool = False, aim: str = ""
    ) -> None:
        """Add one sample."""
        figure = self._figures.setdefault(name, Figure(name, unit, more_is_better, aim))
        figure.samples.setdefault(target, []).append(value)

    def note(self, text: str) -> None:
        """Add a sentence on what could not be measured."""
        self._notes.append(text)

    def show(self, targets: list[str]) -> None:
        """Print machine, settings and table."""
        console = Console(width=None if Console().is_terminal else 130)
        for part in (self._machine, self._settings):
            console.print(" · ".join(f"{key}: {value}" for key, value in part.items()), style="dim", highlight=False)
        table = Table(show_edge=False, pad_edge=False)
        table.add_column("figure")
        table.add_column("unit")
        for target in targets:
            table.add_column(target, justify="right")
        table.add_column("range", justify="right")
        if len(targets) > 1:
            table.add_column("ratio", justify="right")
        table.add_column("aim")
        for figure in self._figures.values():
            cells = [_number(figure.median(target)) for target in targets]
            if len(targets) > 1:
                spread, ratio = _range(figure, targets[0]), figure.ratio()
                table.add_row(figure.name, figure.unit, *cells, spread, f"{ratio:.2f}x" if ratio else "", figure.aim)
            else:
                table.add_row(figure.name, figure.unit, *cells, _range(figure, targets[0]), figure.aim)
        console.print(table)
        for text in self._notes:
            console.print(f"not measured: {text}", highlight=False)

    def write(self, folder: Path) -> Path:
        """Write everything as JSON to a file named after the time, and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / time.strftime("%Y%m%dT%H%M%SZ.json", time.gmtime())
        figures = [
            asdict(figure)
            | {"medians": {target: figure.median(target) for target in figure.samples}, "ratio": figure.ratio()}
            for figure in self._figures.values()
        ]
        content = {"machine": self._machine, "settings": self._settings, "figures": figures, "notes": self._notes}
        path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
        return path


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _range(figure: Figure, target: str) -> str:
    samples = figure.samples.get(target, [])
    return f"{_number(min(samples))} to {_number(max(samples))}" if len(samples) > 1 else ""
