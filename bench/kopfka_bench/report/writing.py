"""The files of a run: `README.md`, its charts, and `figures.json` with every sample."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from kopfka_bench.figures import APACHE_KAFKA, KOPFKA

if TYPE_CHECKING:
    from pathlib import Path

    from kopfka_bench.figures import Results
    from kopfka_bench.report.background import Background


def write(folder: Path, results: Results, background: Background) -> Path:
    """Write all files of a run to a folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.json").write_text(json.dumps(raw(results, background), indent=1) + "\n", "utf-8")
    return folder


def raw(results: Results, background: Background) -> dict[str, object]:
    """Return everything as plain data: samples, not only what became of them."""
    figures = []
    for figure in results.figures():
        ratio = figure.ratio()
        medians = {target: figure.median(target) for target in figure.samples}
        figures.append(asdict(figure) | {"medians": medians, "ratio": asdict(ratio) if ratio else None})
    growths = [
        asdict(growth) | {"slopes": {target: growth.slope(target) for target in (KOPFKA, APACHE_KAFKA)}}
        for growth in results.growths()
    ]
    return asdict(background) | {
        "aims": results.aims, "figures": figures, "growth": growths, "notes": results.notes
    }  # fmt: skip
