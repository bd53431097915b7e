"""Rates as Kafka's metrics measure them, with times of the test's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_broker.security.rates import Rate, TokenBucket, Windows

WINDOWS = Windows(11, 1000)
EVENTS = st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 1_000_000)), min_size=1, max_size=40)


def test_a_start_is_no_burst():
    rate = Rate(WINDOWS)
    rate.record(1000, 0)
    assert rate.value(0) == 100  # over the ten windows there would have been


def test_what_is_too_old_does_not_count():
    rate = Rate(WINDOWS)
    rate.record(1000, 0)
    rate.record(500, 5000)
    assert rate.value(10_500) == pytest.approx(1500 / 10.5)
    assert rate.value(11_000) == pytest.approx(500 / 10)
    assert rate.value(16_000) == 0


def test_a_negative_amount_takes_back():
    rate = Rate(WINDOWS)
    rate.record(1000, 0)
    rate.record(-1000, 10)
    assert rate.value(10) == 0


def test_the_wait_brings_the_rate_to_its_limit():
    rate = Rate(WINDOWS)
    rate.record(2000, 0)
    assert rate.excess_ms(100, 0) == 10_000  # 2000 at 100 a second take 20 s, ten of which are the windows
    assert rate.excess_ms(200, 0) == 0
    assert rate.excess_ms(float("nan"), 0) == 0


@given(events=EVENTS)
def test_never_more_samples_than_windows_and_what_is_recorded_counts(events):
    rate, now, recorded = Rate(WINDOWS), 0, []
    for pause, amount in events:
        now += pause
        rate.record(amount, now)
        recorded.append((now, amount))
        value = rate.value(now)
        seconds = rate.span_ms(now) / 1000
        assert len(rate._samples) <= WINDOWS.samples + 1
        assert 10 <= seconds <= 12
        newest = sum(amount for at, amount in recorded if now - at < 10_000)
        everything = sum(amount for at, amount in recorded if now - at < 12_000)
        assert newest * 0.999 <= value * seconds <= everything * 1.001 + 1e-6


@given(shares=st.lists(st.floats(0, 1), max_size=200), limit=st.floats(1, 1e9))
def test_who_waits_as_told_stays_within_the_limit(shares, limit):
    """What was done over time stays below the limit but for the burst that the windows hold, whatever the sizes."""
    rate, now, total = Rate(WINDOWS), 0.0, 0.0
    for share in shares:
        rate.record(share * limit, now)
        total += share * limit
        now += rate.excess_ms(limit, now)
        assert total <= limit * (now / 1000 + WINDOWS.seconds + 2) * 1.001


def test_a_bucket_gives_bursts_and_then_the_rate():
    bucket = TokenBucket(WINDOWS)
    assert bucket.tokens(2.0, 0) == 22
    bucket.take(30, 2.0, 0)
    assert bucket.tokens(2.0, 0) == -8
    assert bucket.excess_ms(2.0, 0) == 4000
    assert bucket.excess_ms(2.0, 1000) == 3000
    assert bucket.tokens(2.0, 4000) == 0
    assert bucket.tokens(2.0, 1_000_000) == 22
