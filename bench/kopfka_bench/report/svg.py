"""Charts as SVG, drawn here: lines on logarithmic axes for growth, bars on both sides of 1 for ratios. Pure.

They carry their own light background, so they can be read wherever Markdown is shown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from kopfka_bench.report.numbers import number

if TYPE_CHECKING:
    from collections.abc import Sequence

COLOURS = ("#0b6e99", "#d9730d", "#448361", "#9065b0")
_BETTER, _WORSE = "#448361", "#c4554d"
_INK, _GRID, _PAPER = "#37352f", "#e3e2e0", "#ffffff"
_FONT = "font-family='system-ui, sans-serif'"


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its name, and its points, in any order."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Bar:
    """One ratio with its spread."""

    name: str
    value: float
    lowest: float
    highest: float


def lines(title: str, x_title: str, y_title: str, series: Sequence[Series]) -> str:
    """Return a chart with both axes logarithmic; points of which a coordinate is not above 0 are left out.

    Raises:
        ValueError: there is no point.
    """
    width, height, left, top, right, bottom = 640, 360, 72, 44, 24, 76
    shown = [Series(one.name, sorted(p for p in one.points if min(p) > 0)) for one in series]
    points = [point for one in shown for point in one.points]
    if not points:
        raise ValueError(f"{title}: no point")
    across = _Axis([x for x, _ in points], left, width - right)
    up = _Axis([y for _, y in points], height - bottom, top)
    parts = [_text(left, 24, title, size=15, weight="bold")]
    for tick in across.ticks():
        x = across.at(tick)
        parts += [
            _line(x, top, x, height - bottom, _GRID),
            _text(x, height - bottom + 18, _short(tick), anchor="middle"),
        ]
    for tick in up.ticks():
        y = up.at(tick)
        parts += [_line(left, y, width - right, y, _GRID), _text(left - 8, y + 4, _short(tick), anchor="end")]
    parts.append(_text((left + width - right) / 2, height - bottom + 38, x_title, anchor="middle"))
    parts.append(_text(left - 8, top - 8, y_title, anchor="end"))
    for index, one in enumerate(shown):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in one.points)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2.5'/>")
        for x, y in one.points:
            label = f"{one.name}: {number(y)} {y_title} at {_short(x)}"
            parts.append(
                f"<circle cx='{across.at(x):.1f}' cy='{up.at(y):.1f}' r='4' fill='{colour}'>"
                f"<title>{escape(label)}</title></circle>"
            )
        at = left + index * 170
        parts.append(f"<rect x='{at}' y='{height - 24}' width='12' height='12' fill='{colour}'/>")
        parts.append(_text(at + 18, height - 14, one.name))
    return _drawing(width, height, title, parts)


def ratios(title: str, bars: Sequence[Bar]) -> str:
    """Return bars from 1 to each ratio on a logarithmic axis: to the right better, to the left worse.

    Raises:
        ValueError: there is no bar.
    """
    if not bars:
        raise ValueError(f"{title}: no bar")
    row, left, right, top, width = 22, 380, 70, 56, 900
    height = top + row * len(bars) + 34
    reach = [value for bar in bars for value in (bar.lowest, bar.highest, bar.value)]
    axis = _Axis([*reach, 0.5, 2.0], left, width - right)
    parts = [
        _text(16, 24, title, size=15, weight="bold"),
        _text(16, 42, "times better than Apache Kafka; 1 is the same"),
    ]
    for tick in axis.ticks():
        x = axis.at(tick)
        parts += [_line(x, top, x, height - 30, _GRID), _text(x, height - 12, f"{_short(tick)}×", anchor="middle")]
    one = axis.at(1.0)
    for index, bar in enumerate(bars):
        y, end = top + index * row, axis.at(bar.value)
        middle, colour = y + row / 2 - 2, _BETTER if bar.value >= 1 else _WORSE
        parts.append(_text(left - 10, middle + 4, bar.name, anchor="end"))
        parts.append(
            f"<rect x='{min(one, end):.1f}' y='{y + 3}' width='{max(1.0, abs(end - one)):.1f}' height='{row - 9}' "
            f"fill='{colour}'><title>{escape(f'{bar.name}: {bar.value:.2f}×')}</title></rect>"
        )
        parts.append(_line(axis.at(bar.lowest), middle, axis.at(bar.highest), middle, _INK))
        parts.append(_text(max(one, axis.at(bar.highest), end) + 6, middle + 4, f"{bar.value:.2f}×"))
    parts.append(_line(one, top, one, height - 30, _INK))
    return _drawing(width, height, title, parts)


class _Axis:
    """A logarithmic axis from one place of the drawing to another, a little wider than what it has to show."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        low, high = math.log10(min(values)), math.log10(max(values))
        if high - low < 0.3:  # a line that hardly rises must look like it
            low, high = low - 0.15, high + 0.15
        margin = (high - low) * 0.04
        self._low, self._high, self._begin, self._end = low - margin, high + margin, begin, end

    def at(self, value: float) -> float:
        """Return the place of a value."""
        part = (math.log10(value) - self._low) / (self._high - self._low)
        return self._begin + part * (self._end - self._begin)

    def ticks(self) -> list[float]:
        """Return round values on the axis: powers of ten, with 2 and 5 between where those are few."""
        first, last = math.floor(self._low), math.ceil(self._high)
        for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)):
            found = [
                step * 10.0**power for power in range(first, last + 1) for step in steps
                if self._low <= math.log10(step * 10.0**power) <= self._high
            ]  # fmt: skip
            if len(found) >= 3:
                break
        return found


def _drawing(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    inner = "\n".join(parts)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {width} {height}' "
        f"role='img' {_FONT}>\n<title>{escape(title)}</title>\n"
        f"<rect width='{width}' height='{height}' fill='{_PAPER}'/>\n{inner}\n</svg>\n"
    )


def _text(
    x: float, y: float, text: str, *, size: int = 12, anchor: str = "start", weight: str = "normal"
) -> str:  # fmt: skip
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' font-weight='{weight}' text-anchor='{anchor}' "
        f"fill='{_INK}'>{escape(text)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}'/>"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"
