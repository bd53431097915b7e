"""The page of a run in Markdown: where the figures come from, a table for each scenario, costs, growth. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_bench.figures import APACHE_KAFKA, KOPFKA
from kopfka_bench.report.numbers import cell, number, points, ratio, spread, unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kopfka_bench.figures import Figure, Growth, Results
    from kopfka_bench.report.background import Background

_NAMES = {KOPFKA: "Kopfka", APACHE_KAFKA: "Apache Kafka"}
_COSTS = ("broker's CPU", "broker's memory", "its memory by what was moved", "client's CPU")


def page(results: Results, background: Background, charts: Mapping[str, str]) -> str:
    """Return the page; `charts` has the file of each chart by its scenario, or by the name of what grows."""
    targets = [target for target in (KOPFKA, APACHE_KAFKA) if _is_there(results, target)]
    parts = [_head(background)]
    for scenario in results.scenarios():
        parts.append(_scenario(results, scenario, targets, charts))
    parts += [_growths(list(results.growths()), targets, charts), _notes(results.notes), _settings(background)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _is_there(results: Results, target: str) -> bool:
    return any(target in figure.samples for figure in results.figures()) or any(
        target in growth.points for growth in results.growths()
    )


def _head(background: Background) -> str:
    machine, versions = background.machine, background.versions
    return f"""# Benchmarks

Made by `kopfka bench` on {background.at}; it took {background.seconds / 60:.0f} minutes. Do not edit: run it again.
`figures.json` has every sample. What is measured, and how, is in [performance.md](../performance.md).

{_facts(machine)}

{_facts(versions)}

Both brokers run on this machine at the same time, the one that is not measured idle, and so do the clients. Figures
are medians of rounds in turns (A B A B). *Better by* is above 1 where Kopfka is better, whatever the unit; the
worst and the best round are in parentheses."""


def _facts(facts: Mapping[str, object]) -> str:
    return " · ".join(f"{name.replace('_', ' ')}: {value}" for name, value in facts.items())


def _scenario(results: Results, scenario: str, targets: Sequence[str], charts: Mapping[str, str]) -> str:
    figures = [figure for figure in results.figures(scenario) if not figure.cost]
    costs = [figure for figure in results.figures(scenario) if figure.cost]
    aim = results.aims.get(scenario)
    parts = [f"## {scenario.capitalize()}"]
    if aim:
        parts.append(f"Aim against Apache Kafka: {aim}.")
    if scenario in charts:
        parts.append(f"![{scenario}]({charts[scenario]})")
    parts.append(_figures(figures, targets))
    if costs:
        parts += ["What it cost:", _cost_table(costs, targets)]
    return "\n\n".join(parts)


def _figures(figures: Sequence[Figure], targets: Sequence[str]) -> str:
    compared = len(targets) > 1
    head = ["", "unit", *(_NAMES[target] for target in targets), "better by" if compared else "range"]
    rows = []
    for figure in figures:
        last = _ratio(figure) if compared else spread(figure, targets[0])
        rows.append([figure.name, unit(figure), *(cell(figure, target) for target in targets), last])
    return table(head, rows)


def _cost_table(costs: Sequence[Figure], targets: Sequence[str]) -> str:
    """One row for each figure; a column for each cost holds both brokers and the ratio."""
    kinds = [kind for kind in _COSTS if any(figure.cost == kind for figure in costs)]
    by_name: dict[str, dict[str, Figure]] = {}
    for figure in costs:
        by_name.setdefault(figure.name, {})[figure.cost] = figure
    rows = []
    for name, kept in by_name.items():
        cells = [name]
        for kind in kinds:
            cells.append(_both(kept[kind], targets) if kind in kept else "")
        rows.append(cells)
    who = " / ".join(_NAMES[target] for target in targets)
    return table(["", *(f"{kind}, {who}" for kind in kinds)], rows)


def _both(figure: Figure, targets: Sequence[str]) -> str:
    values = " / ".join(number(figure.median(target)) or "–" for target in targets)
    found = figure.ratio()
    better = f" ({found.value:.2f}×)" if found and figure.cost != "client's CPU" else ""
    return f"{values} {figure.unit}{better}"


def _ratio(figure: Figure) -> str:
    found = figure.ratio()
    return f"**{ratio(found)}**" if found and found.value < 1 else ratio(found)


def _growths(growths: Sequence[Growth], targets: Sequence[str], charts: Mapping[str, str]) -> str:
    if not growths:
        return ""
    parts = [
        "## How cost grows",
        "The power is the slope of the logarithms: 0 is flat, 1 linear, 2 quadratic; the last step is between the two "
        "largest numbers. Kopfka's points are medians of the rounds, with the lowest and the highest in parentheses; "
        "Apache Kafka's, which take minutes, were taken once.",
    ]
    for of in dict.fromkeys(growth.of for growth in growths):
        own = [growth for growth in growths if growth.of == of]
        parts.append(f"### {of[0].upper()}{of[1:]}")
        parts += [f"![{growth.name}]({charts[growth.name]})" for growth in own if growth.name in charts]
        rows = [
            [growth.name, growth.unit, _NAMES[target], ", ".join(points(growth, target)), growth.words(target)]
            for growth in own
            for target in targets
        ]
        parts.append(table(["", "unit", "", of, "slope"], rows))
    return "\n\n".join(parts)


def _notes(notes: Sequence[str]) -> str:
    return "## Notes\n\n" + "\n".join(f"- {note}" for note in dict.fromkeys(notes)) if notes else ""


def _settings(background: Background) -> str:
    rows = [[name, f"`{value}`"] for name, value in {**background.settings, **background.plan}.items()]
    return "## Settings\n\n" + table(["setting", "value"], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown; a bar in a cell does not end it."""
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
