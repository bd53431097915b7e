"""How figures are written, the same in the terminal, in Markdown and in charts."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kopfka_bench.figures import Figure, Growth, Ratio


def number(value: float | None) -> str:
    """Return a figure with three digits that count, empty for none."""
    if value is None:
        return ""
    size = abs(value)
    if size >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size else "0"


def cell(figure: Figure, target: str) -> str:
    """Return a figure's median, in its second unit too where it has one."""
    value = figure.median(target)
    if value is None or figure.also is None:
        return number(value)
    return f"{number(value)} · {value * figure.also[1]:,.0f}"


def unit(figure: Figure) -> str:
    """Return a figure's unit, or both."""
    return figure.unit if figure.also is None else f"{figure.unit} · {figure.also[0]}"


def points(growth: Growth, target: str) -> list[str]:
    """Return number and median of each point, with the lowest and the highest where it was taken more than once."""
    said = []
    for at, values in growth.samples(target).items():
        between = f" ({number(min(values))}–{number(max(values))})" if len(values) > 1 else ""
        said.append(f"{at:,.0f}: {number(statistics.median(values))}{between}")
    return said


def ratio(of: Ratio | None) -> str:
    """Return how many times better, with the worst and the best round."""
    if of is None:
        return ""
    spread = "" if of.lowest == of.highest else f" ({of.lowest:.2f}–{of.highest:.2f})"
    return f"{of.value:.2f}×{spread}"


def spread(figure: Figure, target: str) -> str:
    """Return the lowest and the highest sample, empty where there is one only."""
    samples = figure.samples.get(target, [])
    return f"{number(min(samples))}–{number(max(samples))}" if len(samples) > 1 else ""
