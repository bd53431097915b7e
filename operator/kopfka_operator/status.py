"""Statuses: drafts of conditions become the conditions of a resource, with the times the API wants.

A draft has no time: whether a status has to be written is decided by what it says, not by when.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kopfka_operator.api.reasons import ConditionType, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kopfka_operator.kube.resources import Manifest

_LONGEST_MESSAGE = 4096


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as the spec says, with the remedy in its message."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Draft:
    """One condition, without its times."""

    type: ConditionType
    status: bool
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class StatusDraft:
    """A whole status: its conditions, and its other fields in YAML's names."""

    conditions: Sequence[Draft]
    fields: Mapping[str, Any] = field(default_factory=dict)
    observed: bool = True
    """False where the spec has not been acted on, so that observedGeneration stays what it was."""


def ready(message: str) -> Draft:
    """Return `Ready` that is true."""
    return Draft(ConditionType.READY, True, Reason.READY, message)


def not_ready(reason: Reason, message: str) -> Draft:
    """Return `Ready` that is false."""
    return Draft(ConditionType.READY, False, reason, message)


def progressing(reason: Reason, message: str) -> Draft:
    """Return `Progressing` that is true."""
    return Draft(ConditionType.PROGRESSING, True, reason, message)


def settled(message: str = "nothing to do", reason: Reason = Reason.RECONCILED) -> Draft:
    """Return `Progressing` that is false."""
    return Draft(ConditionType.PROGRESSING, False, reason, message)


def degraded(problems: Sequence[Problem]) -> Draft:
    """Return `Degraded`: true where there are problems, with the first one's reason and every one's message."""
    if not problems:
        return Draft(ConditionType.DEGRADED, False, Reason.AS_EXPECTED, "nothing needs attention")
    return Draft(ConditionType.DEGRADED, True, problems[0].reason, join(problems))


def join(problems: Sequence[Problem]) -> str:
    """Return the messages of several problems as one."""
    return "; ".join(problem.message for problem in problems)


def render(
    body: Manifest, draft: StatusDraft, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> dict[str, Any]:
    """Return the status that a resource is to have. It equals the present one where the draft says nothing new."""
    present = body.get("status") or {}
    generation = body["metadata"].get("generation", 0) if draft.observed else present.get("observedGeneration")
    before = {condition["type"]: condition for condition in present.get("conditions") or []}
    conditions = [_condition(each, before.get(each.type.value), generation, now) for each in draft.conditions]
    drafted = {condition["type"] for condition in conditions}
    conditions += [condition for type_, condition in before.items() if type_ not in drafted]
    status: dict[str, Any] = {"conditions": conditions}
    if generation is not None:
        status["observedGeneration"] = generation
    status.update({name: value for name, value in draft.fields.items() if value is not None})
    return status


def condition(body: Manifest, type_: ConditionType) -> dict[str, Any]:
    """Return a condition of a resource as it is written there, or an empty mapping."""
    conditions = (body.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each.get("type") == type_.value), {})


def is_true(body: Manifest, type_: ConditionType) -> bool:
    """Tell whether a condition is there and true."""
    return condition(body, type_).get("status") == "True"


def _condition(
    draft: Draft, before: dict[str, Any] | None, generation: int | None, now: Callable[[], datetime]
) -> dict[str, Any]:
    status = "True" if draft.status else "False"
    same = before is not None and before.get("status") == status
    out: dict[str, Any] = {
        "type": draft.type.value,
        "status": status,
        "reason": draft.reason.value,
        "message": draft.message[:_LONGEST_MESSAGE],
        "lastTransitionTime": before["lastTransitionTime"] if same and before else now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if generation is not None:
        out["observedGeneration"] = generation
    return out
