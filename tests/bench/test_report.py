"""Tables and charts: everything measured is in them, losses as well as wins."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_bench.figures import APACHE_KAFKA, KOPFKA, Results
from kopfka_bench.report import svg
from kopfka_bench.report.background import Background
from kopfka_bench.report.markdown import table
from kopfka_bench.report.numbers import number
from kopfka_bench.report.terminal import show
from kopfka_bench.report.writing import write

if TYPE_CHECKING:
    from pathlib import Path

BACKGROUND = Background({"cores": 2}, {"kopfka": "1"}, {"both": "a=b"}, {"rounds": 3}, "2026-01-01", 120.0)
POINTS = st.lists(st.tuples(st.floats(1e-3, 1e9), st.floats(1e-3, 1e9)), min_size=1, max_size=6)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20)


def results() -> Results:
    made = Results()
    made.aims["latency"] = "half"
    for ours, theirs in ((10.0, 20.0), (12.0, 20.0), (14.0, 20.0)):
        made.add("latency", "p50", KOPFKA, ours, "ms")
        made.add("latency", "p50", APACHE_KAFKA, theirs, "ms")
        made.add("latency", "p99", KOPFKA, 2 * theirs, "ms")
        made.add("latency", "p99", APACHE_KAFKA, theirs, "ms")
    for target, memory in ((KOPFKA, 30.0), (APACHE_KAFKA, 300.0)):
        made.add("latency", "p50", target, memory, "MB", cost="broker's memory")
        for count in (10, 100):
            made.grow("growth", "memory", target, of="partitions", number=count, value=memory + count, unit="MB")
    made.note("the disk was full")
    return made


def test_a_run_is_written_as_page_charts_and_samples(tmp_path: Path) -> None:
    (tmp_path / "of-an-earlier-run.svg").write_text("<svg/>")
    write(tmp_path, results(), BACKGROUND)
    page = (tmp_path / "README.md").read_text()
    assert "| p50 | ms | 12.0 | 20.0 | 1.67× (1.43–2.00) |" in page
    assert "| p99 | ms | 40.0 | 20.0 | **0.50×** |" in page
    assert "30.0 / 300 MB (10.00×)" in page
    assert "the disk was full" in page
    charts = set(re.findall(r"\]\(([\w-]+\.svg)\)", page))
    assert charts == {path.name for path in tmp_path.glob("*.svg")} == {"latency.svg", "memory.svg"}
    figures = json.loads((tmp_path / "figures.json").read_text())["figures"]
    assert figures[0]["samples"] == {KOPFKA: [10.0, 12.0, 14.0], APACHE_KAFKA: [20.0, 20.0, 20.0]}


@pytest.mark.parametrize("targets", [[KOPFKA], [KOPFKA, APACHE_KAFKA]])
def test_the_terminal_shows_every_figure(targets: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    show(results(), BACKGROUND, targets)
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("p50", "p99", "broker's memory", "10: 40.0", "the disk was full"))


@given(NAMES, st.lists(st.tuples(NAMES, POINTS), min_size=1, max_size=3))
def test_any_lines_are_well_formed_and_inside_the_drawing(name: str, series: list[tuple[str, list]]) -> None:
    drawn = ET.fromstring(svg.lines(name, "partitions", "MB", [svg.Series(*one) for one in series]))
    circles = [node for node in drawn.iter() if node.tag.endswith("circle")]
    assert len(circles) == sum(len(points) for _, points in series)
    for circle in circles:
        assert 0 <= float(circle.get("cx")) <= float(drawn.get("width"))
        assert 0 <= float(circle.get("cy")) <= float(drawn.get("height"))


@given(st.lists(st.tuples(NAMES, st.floats(0.001, 1000)), min_size=1, max_size=20))
def test_any_ratios_are_well_formed_and_coloured_by_side(bars: list[tuple[str, float]]) -> None:
    drawn = ET.fromstring(svg.ratios("x", [svg.Bar(name, value, value / 2, value * 2) for name, value in bars]))
    rects = [node for node in drawn.iter() if node.tag.endswith("rect")][1:]
    assert len({rect.get("fill") for rect in rects}) == len({value >= 1 for _, value in bars})
    assert all(float(rect.get("width")) >= 1 for rect in rects)


def test_a_second_unit_stands_beside_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Results()
    for target, value in ((KOPFKA, 300.0), (APACHE_KAFKA, 150.0)):
        made.add("in", "1 KB", target, value, "MB/s", more_is_better=True, also=("records/s", 1000.0))
    write(tmp_path, made, BACKGROUND)
    assert "| 1 KB | MB/s · records/s | 300 · 300,000 | 150 · 150,000 | 2.00× |" in (tmp_path / "README.md").read_text()
    show(made, BACKGROUND, [KOPFKA, APACHE_KAFKA])
    assert "300 · 300,000" in capsys.readouterr().out


def test_points_taken_again_are_told_with_their_spread(tmp_path: Path) -> None:
    made = results()
    made.grow("growth", "memory", KOPFKA, of="partitions", number=100, value=150.0, unit="MB")
    write(tmp_path, made, BACKGROUND)
    assert "10: 40.0, 100: 140 (130–150)" in (tmp_path / "README.md").read_text()


def test_a_chart_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no point"):
        svg.lines("t", "x", "y", [svg.Series("a", [(0, 1)])])
    with pytest.raises(ValueError, match="no bar"):
        svg.ratios("t", [])


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert table(["a"], [["x|y"]]) == "| a |\n| --- |\n| x\\|y |"


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, ""), (0.0, "0"), (0.123, "0.12"), (12.34, "12.3"), (123.4, "123"), (12_345.0, "12,345")],
)
def test_three_digits_count(value: float | None, written: str) -> None:
    assert number(value) == written
