"""The checker itself: it finds each anomaly in a history that has it, and none in a history that is sound."""

from __future__ import annotations

import pytest

from faults.checker.anomalies import FinalLog, exactly_once, find_anomalies
from faults.checker.history import Found, History, Outcome

A, B, C = ("t", 0, 0), ("t", 0, 1), ("t", 0, 2)


def kinds(history, committed, everything=None):
    committed = [Found(place, value) for place, value in committed]
    everything = committed if everything is None else [Found(place, value) for place, value in everything]
    return {each.kind for each in find_anomalies(history, FinalLog(committed, everything))}


def transaction(history, name, *values, outcome=Outcome.COMMITTED):
    made = history.begin(name, f"producer of {name}")
    for value in values:
        history.send_in(made, value)
    if outcome in (Outcome.COMMITTED, Outcome.UNKNOWN):
        history.committing(made)
    history.ended(made, outcome)
    return made


def test_a_sound_history():
    history = History()
    transaction(history, "one", "a", "b")
    transaction(history, "two", "x", outcome=Outcome.ABORTED)
    history.send("plain", "c")
    history.acknowledge("c", C)
    for place, value in ((A, "a"), (B, "b"), (C, "c")):
        history.poll("reader", place, value, committed_only=True)
    there = [(A, "a"), (B, "b"), (C, "c")]
    assert kinds(history, there, [*there, (("t", 0, 3), "x")]) == set()


def test_a_lost_record():
    history = History()
    history.send("p", "a")
    history.acknowledge("a", A)
    assert kinds(history, []) == {"lost acknowledged write"}


def test_a_lost_transaction():
    history = History()
    transaction(history, "one", "a")
    assert kinds(history, []) == {"lost acknowledged write"}


def test_a_record_at_another_place():
    history = History()
    history.send("p", "a")
    history.acknowledge("a", A)
    assert kinds(history, [(B, "a")]) == {"lost acknowledged write"}


def test_a_place_with_another_record():
    history = History()
    for value in ("a", "b"):
        history.send("p", value)
    history.poll("reader", A, "a", committed_only=True)
    assert kinds(history, [(A, "b")]) == {"lost acknowledged write"}


def test_a_duplicate():
    history = History()
    history.send("p", "a")
    assert "duplicate under idempotence" in kinds(history, [(A, "a"), (B, "a")])


@pytest.mark.parametrize("by_a_reader", [True, False])
def test_an_aborted_read(by_a_reader):
    history = History()
    transaction(history, "one", "a", outcome=Outcome.ABORTED)
    if by_a_reader:
        history.poll("reader", A, "a", committed_only=True)
        assert "aborted read" in kinds(history, [], [(A, "a")])
    else:
        assert "aborted read" in kinds(history, [(A, "a")])


def test_who_reads_uncommitted_may_see_what_is_aborted():
    history = History()
    transaction(history, "one", "a", outcome=Outcome.ABORTED)
    history.poll("reader", A, "a", committed_only=False)
    assert kinds(history, [], [(A, "a")]) == set()


def test_a_torn_transaction():
    history = History()
    transaction(history, "one", "a", "b", outcome=Outcome.UNKNOWN)
    assert kinds(history, [(A, "a")], [(A, "a"), (B, "b")]) == {"torn transaction"}
    assert kinds(history, [(A, "a"), (B, "b")]) == set()
    assert kinds(history, [], [(A, "a"), (B, "b")]) == set()


def test_offsets_that_go_back():
    history = History()
    for value in ("a", "b"):
        history.send("p", value)
    history.poll("reader", B, "b", committed_only=True)
    history.poll("reader", A, "a", committed_only=True)
    assert kinds(history, [(A, "a"), (B, "b")]) == {"non-monotonic offset"}


def test_a_record_passed_by():
    history = History()
    for value in ("a", "b", "c"):
        history.send("p", value)
    history.poll("reader", A, "a", committed_only=True)
    history.poll("reader", C, "c", committed_only=True)
    assert kinds(history, [(A, "a"), (B, "b"), (C, "c")]) == {"unseen committed record"}
    assert kinds(history, [(A, "a"), (C, "c")], [(A, "a"), (B, "b"), (C, "c")]) == set()


def test_a_read_before_the_commit():
    history = History()
    made = history.begin("one", "p")
    history.send_in(made, "a")
    history.poll("reader", A, "a", committed_only=True)
    history.committing(made)
    history.ended(made, Outcome.COMMITTED)
    assert kinds(history, [(A, "a")]) == {"precommitted read"}


@pytest.mark.parametrize(("final", "found"), [(9, set()), (8, {"lost offset commit"}), (None, {"lost offset commit"})])
def test_an_offset_commit_that_is_gone_at_the_end(final, found):
    history = History()
    history.commit_offset("g", "t", 0, 5)
    history.commit_offset("g", "t", 0, 9)
    offsets = {("g", "t", 1): 3} | ({} if final is None else {("g", "t", 0): final})
    assert {each.kind for each in find_anomalies(history, FinalLog([], [], offsets))} == found
    assert not find_anomalies(history, FinalLog([], [])), "a group nobody looked at"


@pytest.mark.parametrize(("first", "found"), [(2, set()), (1, {"lost offset commit"})])
def test_a_member_that_begins_before_what_was_committed(first, found):
    history = History()
    there = [(A, "a"), (B, "b"), (C, "c")]
    for _, value in there:
        history.send("p", value)
    for place, value in there[:2]:
        history.poll("g#1", place, value, committed_only=True, group="g")
    history.commit_offset("g", "t", 0, 2)
    for place, value in there[first:]:
        history.poll("g#2", place, value, committed_only=True, group="g")
    history.poll("tail", A, "a", committed_only=True)
    assert kinds(history, there) == found


def test_records_out_of_order():
    history = History()
    for value in ("a", "b"):
        history.send("p", value)
    assert kinds(history, [(A, "b"), (B, "a")]) == {"reordered write"}


def test_a_record_nobody_sent():
    assert kinds(History(), [(A, "a")]) == {"record from nowhere"}


def test_exactly_once():
    inputs = [Found(A, "a"), Found(B, "b"), Found(C, "c")]
    outputs = [Found(A, "1a"), Found(B, "1b"), Found(C, "2b"), Found(C, "1z")]
    made_from = {"1a": "a", "1b": "b", "2b": "b", "1z": "z"}
    assert [each.kind for each in exactly_once(inputs, outputs, made_from)] == [
        "duplicate under idempotence",
        "lost acknowledged write",
        "record from nowhere",
    ]
    assert not list(exactly_once(inputs[:1], outputs[:1], made_from))
