"""The table in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from kopfka_bench.report.numbers import cell, points, ratio, spread, unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_bench.figures import Growth, Results
    from kopfka_bench.report.background import Background


def show(results: Results, background: Background, targets: Sequence[str]) -> None:
    """Print where the figures come from, a table for each scenario, how things grow, and what is missing."""
    console = Console(width=None if Console().is_terminal else 140)
    for part in (background.machine, background.versions, background.settings):
        console.print(" · ".join(f"{key}: {value}" for key, value in part.items()), style="dim", highlight=False)
    for scenario in results.scenarios():
        console.print(_table(results, scenario, targets))
    if growths := list(results.growths()):
        console.print(_growth_table(growths, targets))
    for text in results.notes:
        console.print(f"note: {text}", highlight=False)
    console.print(f"took {background.seconds:.0f} s", style="dim", highlight=False)


def _table(results: Results, scenario: str, targets: Sequence[str]) -> Table:
    aim = results.aims.get(scenario, "")
    compared = len(targets) > 1
    table = Table(title=f"{scenario} (aim: {aim})" if aim else scenario, title_justify="left", show_edge=False)
    table.add_column("figure", min_width=48)
    table.add_column("unit")
    for target in targets:
        table.add_column(target, justify="right")
    table.add_column("better by" if compared else "range", justify="right")
    for figure in results.figures(scenario):
        last = ratio(figure.ratio()) if compared else spread(figure, targets[0])
        cells = [cell(figure, target) for target in targets]
        name = f"  {figure.cost}" if figure.cost else figure.name
        table.add_row(name, unit(figure), *cells, last, style="dim" if figure.cost else None)
    return table


def _growth_table(growths: Sequence[Growth], targets: Sequence[str]) -> Table:
    table = Table(title="how cost grows", title_justify="left", show_edge=False)
    for title in ("figure", "unit", "broker", "number: figure", "slope"):
        table.add_column(title)
    for growth in growths:
        for target in targets:
            shown = "  ".join(points(growth, target))
            table.add_row(growth.name, growth.unit, target, shown, growth.words(target))
    return table
