"""Conditions: when a status is new, and since when something is so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kopfka_operator.api.conditions import Condition
from kopfka_operator.api.reasons import ConditionType, Reason
from kopfka_operator.context import paused_status
from kopfka_operator.specs import invalid_spec
from kopfka_operator.status import (
    Problem,
    StatusDraft,
    degraded,
    not_ready,
    progressing,
    ready,
    render,
    settled,
)

THEN = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)


def body(generation: int = 1, **status: Any) -> dict[str, Any]:
    return {"metadata": {"generation": generation}, "status": status}


def test_times_change_only_when_a_condition_does() -> None:
    first = render(body(), StatusDraft((not_ready(Reason.STARTING, "starts"), settled())), lambda: THEN)
    second = render(body(2, **first), StatusDraft((ready("runs"), settled())), lambda: LATER)
    health, progress = second["conditions"]
    assert (health["status"], health["lastTransitionTime"]) == ("True", "2026-01-02T00:00:00Z")
    assert (progress["status"], progress["lastTransitionTime"]) == ("False", "2026-01-01T00:00:00Z")
    assert second["observedGeneration"] == health["observedGeneration"] == 2
    for condition in second["conditions"]:
        Condition.model_validate(condition)


def test_saying_the_same_again_is_the_same_status() -> None:
    draft = StatusDraft((ready("runs"), settled(), degraded([])), {"replicas": 1, "clusterId": None})
    first = render(body(), draft, lambda: THEN)
    assert first["replicas"] == 1
    assert "clusterId" not in first
    assert render(body(1, **first), draft, lambda: LATER) == first


def test_a_pause_leaves_all_else_as_it_was() -> None:
    before = render(body(), StatusDraft((ready("runs"), settled(), degraded([]))), lambda: THEN)
    paused = render(body(5, **before), paused_status(), lambda: LATER)
    reasons = {condition["type"]: condition["reason"] for condition in paused["conditions"]}
    assert reasons == {"Progressing": "Paused", "Ready": "Ready", "Degraded": "AsExpected"}
    assert paused["observedGeneration"] == 1


def test_several_problems_are_all_told_and_the_first_names_the_reason() -> None:
    draft = degraded([Problem(Reason.STORAGE_CANNOT_GROW, "one"), Problem(Reason.POD_FAILING, "two")])
    assert (draft.status, draft.reason, draft.message) == (True, Reason.STORAGE_CANNOT_GROW, "one; two")
    assert degraded([]).status is False


def test_a_long_message_is_cut_to_what_the_api_takes() -> None:
    status = render(body(), StatusDraft((progressing(Reason.STARTING, "x" * 100_000),)), lambda: THEN)
    assert len(status["conditions"][0]["message"]) == 4096


def test_an_error_that_is_no_validation_error_keeps_its_words() -> None:
    draft = invalid_spec(ValueError("no such thing"))
    assert [(each.type, each.reason) for each in draft.conditions] == [
        (ConditionType.READY, Reason.INVALID_SPEC),
        (ConditionType.PROGRESSING, Reason.INVALID_SPEC),
        (ConditionType.DEGRADED, Reason.INVALID_SPEC),
    ]
    assert draft.conditions[0].message == "no such thing"
