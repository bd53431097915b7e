"""The heap of timeouts does what a list of them would, and costs little."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kopfka_broker.coordinators.timers import Timers

keys = st.sampled_from("abcd")
steps = st.one_of(
    st.tuples(st.just("schedule"), keys, st.integers(0, 20)),
    st.tuples(st.just("cancel"), keys, st.just(0)),
    st.tuples(st.just("pass"), st.just(""), st.integers(0, 15)),
)


@settings(deadline=None)
@given(st.lists(steps, max_size=60))
def test_like_a_list_of_timeouts(given: list[tuple[str, str, int]]) -> None:
    now = 0
    timers = Timers(lambda: now)
    rung: list[tuple[int, str]] = []
    waiting: dict[str, int] = {}
    expected: list[tuple[int, str]] = []
    for what, key, number in given:
        if what == "schedule":
            due = now + number
            timers.schedule(key, number, lambda due=due, key=key: rung.append((due, key)))
            waiting[key] = due
        elif what == "cancel":
            timers.cancel(key)
            waiting.pop(key, None)
        else:
            now += number
            timers.advance()
            expected += sorted((due, key) for key, due in waiting.items() if due <= now)
            waiting = {key: due for key, due in waiting.items() if due > now}
        assert len(timers) == len(waiting)
        assert all(key in timers for key in waiting)
        next_due = timers.next_due()
        assert (next_due is None) == (not waiting)
        if next_due is not None:
            assert next_due <= min(waiting.values())
    assert sorted(rung) == sorted(expected)


def test_the_earliest_is_told_of() -> None:
    now, told = 0, 0

    def tell() -> None:
        nonlocal told
        told += 1

    timers = Timers(lambda: now)
    timers.on_earlier = tell
    timers.schedule("a", 10, tell)
    assert told == 1
    timers.schedule("b", 20, tell)
    assert told == 1
    timers.schedule("b", 5, tell)
    assert (told, timers.next_due()) == (2, 5)


def test_a_heartbeat_leaves_the_heap_alone() -> None:
    now = 0
    timers = Timers(lambda: now)
    for number in range(1_000):
        timers.schedule(number, 45_000, lambda: None)
    for _ in range(14):
        now += 3_000
        for number in range(1_000):
            timers.schedule(number, 45_000, lambda: None)
        timers.advance()
    assert len(timers._heap) == 1_000


def test_a_callback_may_schedule_and_cancel() -> None:
    now = 0
    timers, rung = Timers(lambda: now), []

    def first() -> None:
        rung.append("first")
        timers.cancel("second")
        timers.schedule("third", 0, lambda: rung.append("third"))

    timers.schedule("first", 1, first)
    timers.schedule("second", 1, lambda: rung.append("second"))
    now = 1
    timers.advance()
    assert rung == ["first"]
    assert timers.next_due() == 1
    timers.advance()
    assert rung == ["first", "third"]


def test_a_callback_that_is_always_due_lets_others_work() -> None:
    timers, rung = Timers(lambda: 0), []

    def again() -> None:
        rung.append("again")
        timers.schedule("again", -5, again)

    again()
    timers.advance()
    timers.advance()
    assert rung == ["again"] * 3
