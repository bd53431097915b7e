"""Medians, ratios and slopes: what the figures of a run become."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_bench.figures import APACHE_KAFKA, KOPFKA, Figure, Growth, Results, percentile, slope

POSITIVE = st.floats(0.001, 1e6)


def figure(ours: list[float], theirs: list[float], *, more: bool) -> Figure:
    return Figure("s", "n", "u", more_is_better=more, samples={KOPFKA: ours, APACHE_KAFKA: theirs})


def test_above_one_is_better_whether_more_or_less_is() -> None:
    assert figure([200], [100], more=True).ratio().value == 2
    assert figure([200], [100], more=False).ratio().value == 0.5


def test_the_spread_is_that_of_rounds_taken_one_after_the_other() -> None:
    ratio = figure([100, 300, 200], [100, 100, 100], more=True).ratio()
    assert (ratio.value, ratio.lowest, ratio.highest) == (2, 1, 3)


@pytest.mark.parametrize("samples", [{}, {KOPFKA: [1.0]}, {KOPFKA: [0.0], APACHE_KAFKA: [1.0]}])
def test_there_is_no_ratio_without_two_figures(samples: dict[str, list[float]]) -> None:
    assert Figure("s", "n", "u", samples=samples).ratio() is None


@given(st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1, max_size=9), st.booleans())
def test_the_ratio_lies_in_its_spread(pairs: list[tuple[float, float]], more: bool) -> None:
    ratio = figure([a for a, _ in pairs], [b for _, b in pairs], more=more).ratio()
    assert ratio.lowest <= ratio.value <= ratio.highest


@pytest.mark.parametrize(
    ("power", "said"),
    [(0, "flat"), (0.5, "below linear"), (1, "linear"), (1.4, "above linear"), (2, "about quadratic or worse")],
)
def test_the_slope_is_the_power(power: float, said: str) -> None:
    growth = Growth("s", "memory", "partitions", "MB")
    for count in (10, 100, 1000):
        growth.add(KOPFKA, count, 3 * count**power)
    assert growth.slope(KOPFKA) == pytest.approx(power, abs=1e-6)
    assert f": {said} (power" in growth.words(KOPFKA)
    assert growth.words(APACHE_KAFKA) == ""


def test_points_taken_again_count_by_their_median_and_the_last_step_is_told_by_itself() -> None:
    growth = Growth("s", "memory", "partitions", "MB")
    for count, value in ((100, 7.0), (10, 7.0), (1000, 70.0), (10, 9.0), (10, 5.0)):
        growth.add(KOPFKA, count, value)
    assert growth.medians(KOPFKA) == [(10, 7.0), (100, 7.0), (1000, 70.0)]
    assert (
        growth.words(KOPFKA)
        == "10 times as much for 100 times as many: below linear (power 0.50), 1.00 in the last step"
    )


def test_one_point_has_no_slope() -> None:
    assert slope([(1, 1)]) is None
    assert slope([(1, 1), (1, 2)]) is None


@given(st.lists(st.floats(0, 1000), min_size=1), st.floats(0, 1))
def test_a_percentile_is_a_sample_that_enough_do_not_exceed(samples: list[float], part: float) -> None:
    ordered = sorted(samples)
    found = percentile(ordered, part)
    assert found in samples
    assert sum(one <= found for one in ordered) >= part * len(ordered) - 1e-9


def test_figures_stay_in_the_order_in_which_they_came() -> None:
    results = Results()
    for name in ("b", "a", "b"):
        results.add("second" if name == "a" else "first", name, KOPFKA, 1.0, "s")
    results.add("first", "b", KOPFKA, 5.0, "MB", cost="memory")
    assert results.scenarios() == ["first", "second"]
    assert [(one.name, one.cost) for one in results.figures("first")] == [("b", ""), ("b", "memory")]
    assert next(results.figures("first")).samples == {KOPFKA: [1.0, 1.0]}
