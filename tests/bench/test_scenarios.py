"""Scenarios run to their end and measure something: the bundled broker alone, as little as there is.

Of each kind one; CI runs all of them, beside Apache Kafka, by `kopfka bench --short`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kopfka_bench.brokers.targets import make_targets
from kopfka_bench.figures import KOPFKA, Results
from kopfka_bench.plan import SHORT
from kopfka_bench.scenarios.catalog import load
from kopfka_bench.session import Session

if TYPE_CHECKING:
    from pathlib import Path

PLAN = replace(
    SHORT,
    megabytes=2,
    warm_seconds=0.1,
    seconds=0.2,
    partitions=5,
    connections=5,
    log_megabytes=1,
    members=3,
    groups=5,
    rates=(100,),
    growth_partitions=(2, 4),
    growth_connections=(2, 4),
    growth_megabytes=(1, 2),
    growth_groups=(1, 3),
)


@pytest.mark.parametrize("name", ["small-requests", "throughput-out", "growth-partitions"])
def test_it_runs_to_its_end(name: str, tmp_path: Path) -> None:
    results = Results()
    with Session(PLAN, make_targets([KOPFKA], tmp_path), results, name) as session:
        load(name).run(session)
    measured = [value for figure in results.figures() for value in figure.samples[KOPFKA]]
    grown = [value for growth in results.growths() for _, value in growth.points[KOPFKA]]
    assert measured or grown
    assert all(value >= 0 for value in measured)
    assert all(value > 0 for value in grown)
    assert results.notes == []
