"""A run takes its samples in turns, and a broken scenario does not cost the others."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

from kopfka_bench import main as command
from kopfka_bench.brokers.targets import Meter, Target
from kopfka_bench.errors import LostRecordsError
from kopfka_bench.figures import APACHE_KAFKA, KOPFKA, Results
from kopfka_bench.plan import SHORT
from kopfka_bench.scenarios import catalog
from kopfka_bench.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def session(folder: Path, *names: str) -> Session:
    return Session(SHORT, [Target(name, folder) for name in names], Results(), "s")


def test_samples_are_taken_in_turns(tmp_path: Path) -> None:
    taken = [(number, target.name) for number, target in session(tmp_path, "a", "b").rounds(2)]
    assert taken == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]


def test_who_is_alone_is_not_compared(tmp_path: Path) -> None:
    assert session(tmp_path, KOPFKA, APACHE_KAFKA).compared
    assert not session(tmp_path, KOPFKA).compared


def test_a_cost_is_in_parts_of_what_was_moved(tmp_path: Path) -> None:
    made = session(tmp_path, KOPFKA)
    meter = Meter(1, cpu=2.0, rss=40.0, seconds=4.0)
    made.cost("a", KOPFKA, meter, gigabytes=0.5, client=0.25)
    made.cost("b", KOPFKA, meter, requests=1000)
    made.cost("c", KOPFKA, meter)
    told = {(one.name, one.cost): (one.samples[KOPFKA][0], one.unit) for one in made.results.figures()}
    assert told["a", "broker's CPU"] == (4.0, "s/GB")
    assert told["a", "broker's memory"] == (40.0, "MB")
    assert told["a", "client's CPU"] == (25.0, "% of a core")
    assert told["a", "its memory by what was moved"] == (80.0, "MB/GB")
    assert told["b", "broker's CPU"] == (2000.0, "µs each")
    assert told["c", "broker's CPU"] == (50.0, "% of a core")


def test_growth_is_taken_again_of_the_bundled_broker_only_in_a_new_folder(tmp_path: Path) -> None:
    made = session(tmp_path, KOPFKA, APACHE_KAFKA)
    made.plan = replace(SHORT, growth_rounds=3)
    taken = []
    for target in made.growing("data"):
        (target.folder / "data").mkdir()  # fails where it is there
        taken.append(target.name)
    assert taken == [KOPFKA, APACHE_KAFKA, KOPFKA, KOPFKA]


def test_a_scenario_that_breaks_costs_only_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(given: Session) -> None:
        if given.scenario == "latency":
            raise LostRecordsError("3 records are gone")
        given.add("figure", KOPFKA, 1.0, "s")

    monkeypatch.setattr(catalog, "load", lambda name: SimpleNamespace(TITLE=name, AIM="", run=run))
    assert command.main(["--alone", "--only", "latency", "--only", "start"]) == 1
    printed = capsys.readouterr()
    assert "LostRecordsError: 3 records are gone" in printed.out
    assert "figure" in printed.out
    assert "latency broke" in printed.err
