"""Limits on connections and on the memory of requests, counted by hand: no sockets, no clock but the test's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_broker.network.limits import ConnectionLimits, ListenerLimits, Rate, RequestMemory, parse_overrides
from kopfka_runtime.errors import SettingsError


def test_overrides_for_single_addresses():
    assert parse_overrides("10.0.0.1:5, ::1:7,[fe80::1]:0") == {"10.0.0.1": 5, "::1": 7, "fe80::1": 0}
    for wrong in ("10.0.0.1", ":5", "a:b", "a:-1"):
        with pytest.raises(SettingsError, match=r"max\.connections\.per\.ip\.overrides"):
            parse_overrides(wrong)


def test_addresses_have_limits_of_their_own():
    limits, listener = ConnectionLimits(per_host=2, overrides={"b": 0, "c": 3}), ListenerLimits()
    admitted = dict.fromkeys("abc", 0)
    for _ in range(5):
        for host in admitted:
            if limits.refusal(host, 0.0) is None:
                limits.enter(listener, host, 0.0)
                admitted[host] += 1
    assert admitted == {"a": 2, "b": 0, "c": 3}
    limits.leave(listener, "a")
    assert limits.refusal("a", 0.0) is None
    assert (limits.count, listener.count) == (4, 4)


def test_an_address_with_a_quota_of_connections_a_second():
    limits, listener = ConnectionLimits(host_rate={"a": 2.0}.get), ListenerLimits()
    taken = []
    for tenth in range(300):
        if limits.refusal("a", tenth / 10) is None:
            limits.enter(listener, "a", tenth / 10)
            taken.append(tenth)
    assert taken[:20] == list(range(20))  # what all windows hold may come at once
    assert 56 <= len(taken) <= 2 * 30 + 20
    assert all(later - first > 100 for first, later in zip(taken, taken[25:], strict=False))
    assert limits.refusal("b", 0.0) is None


def test_the_rates_of_addresses_that_are_gone_are_forgotten():
    limits = ConnectionLimits(host_rate=lambda host: 2.0)
    for number in range(1001):
        limits.refusal(str(number), 0.0)
    limits.refusal("new", 60.0)
    assert len(limits._host_rates) == 1


@given(st.integers(1, 50), st.lists(st.floats(0.0, 0.3), min_size=1, max_size=200))
def test_a_rate_is_never_exceeded_over_any_time(per_second, pauses):
    rate, now, taken = Rate(per_second), 0.0, []
    for pause in pauses:
        now += pause
        if not rate.delay(now):
            rate.take(now)
            taken.append(now)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= per_second * (taken[last] - taken[first] + 1) + 1


@given(st.integers(1, 50))
def test_who_waits_as_long_as_told_may_come(per_second):
    rate, now = Rate(per_second), 0.0
    for _ in range(3 * per_second):
        now += rate.delay(now)
        assert rate.delay(now) < 1e-6
        rate.take(now)
    assert now <= 2.0 + 1e-6


def test_who_waits_for_memory_is_called_once_there_is_some():
    memory, called = RequestMemory(100), []
    memory.take(150)
    assert memory.full
    memory.waiting.append(lambda: called.append(1))
    memory.take(-20)
    assert not called
    memory.take(-40)
    assert called == [1]
    memory.take(-90)
    assert called == [1]
    assert memory.used == 0
