"""The files of a run: `README.md`, its charts, and `figures.json` with every sample."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING

from kopfka_bench.figures import APACHE_KAFKA, KOPFKA
from kopfka_bench.report import svg
from kopfka_bench.report.markdown import page

if TYPE_CHECKING:
    from pathlib import Path

    from kopfka_bench.figures import Results
    from kopfka_bench.report.background import Background


def write(folder: Path, results: Results, background: Background) -> Path:
    """Write all files of a run to a folder, without the charts of an earlier one, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    names = {}
    for name, drawn in charts(results).items():
        names[name] = f"{_file_name(name)}.svg"
        (folder / names[name]).write_text(drawn, "utf-8")
    (folder / "figures.json").write_text(json.dumps(raw(results, background), indent=1) + "\n", "utf-8")
    (folder / "README.md").write_text(page(results, background, names), "utf-8")
    return folder


def charts(results: Results) -> dict[str, str]:
    """Return the charts: of the ratios of each scenario that has any, and of each thing that grows."""
    drawn = {}
    for scenario in results.scenarios():
        bars = [
            svg.Bar(figure.name, ratio.value, ratio.lowest, ratio.highest)
            for figure in results.figures(scenario)
            if not figure.cost and (ratio := figure.ratio()) is not None
        ]
        if bars:
            drawn[scenario] = svg.ratios(scenario.capitalize(), bars)
    for growth in results.growths():
        series = [svg.Series(target, growth.medians(target)) for target in growth.points]
        if any(min(point) > 0 for one in series for point in one.points):
            drawn[growth.name] = svg.lines(growth.name.capitalize(), growth.of, growth.unit, series)
    return drawn


def raw(results: Results, background: Background) -> dict[str, object]:
    """Return everything as plain data: samples, not only what became of them."""
    figures = []
    for figure in results.figures():
        ratio = figure.ratio()
        medians = {target: figure.median(target) for target in figure.samples}
        figures.append(asdict(figure) | {"medians": medians, "ratio": asdict(ratio) if ratio else None})
    growths = [
        asdict(growth)
        | {"slopes": {target: growth.slope(target) for target in (KOPFKA, APACHE_KAFKA)}}
        | {"words": {target: growth.words(target) for target in (KOPFKA, APACHE_KAFKA)}}
        for growth in results.growths()
    ]
    return asdict(background) | {
        "aims": results.aims, "figures": figures, "growth": growths, "notes": results.notes
    }  # fmt: skip


def _file_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
