"""Specs that cannot be acted on, in words for their status."""

from __future__ import annotations

from kopfka_operator.api.reasons import Reason
from kopfka_operator.status import Problem, StatusDraft, degraded, not_ready, settled


def invalid_spec(error: ValueError) -> StatusDraft:
    """Return the status of a resource whose spec passes the API server but cannot be acted on."""
    problem = Problem(Reason.INVALID_SPEC, words(error))
    return StatusDraft(
        (
            not_ready(problem.reason, problem.message),
            settled("the spec has to be corrected", problem.reason),
            degraded([problem]),
        )
    )


def words(error: ValueError) -> str:
    """Return what is wrong with a spec, field by field."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    out = []
    for each in errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in ("spec", *each["loc"]))
        out.append(f"{where}: {each['msg'].removeprefix('Value error, ')}")
    return "; ".join(out)
