"""What the status of a `SchemaSubject` says. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_operator.api.reasons import Reason
from kopfka_operator.schemasubject.plan import newer, problems
from kopfka_operator.status import Problem, StatusDraft, degraded, join, not_ready, progressing, ready, settled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kopfka_operator.schemasubject.plan import Observed, Subject

_ASKS = frozenset({Reason.INVALID_SPEC, Reason.LOGIN_FAILED})
"""What does not come right by waiting."""

DRIFTED = "changed outside and put right: "


def report(
    subject: Subject,
    observed: Observed,
    failures: Sequence[Problem],
    known: Mapping[str, object],
    *,
    drifted: str = "",
    unfinished: bool = False,
) -> StatusDraft:
    """Return the status of a subject whose plan has been carried out.

    `known` is the status of before: what was registered last stays told while something else cannot be. `drifted` says
    what had been changed outside.
    """
    if observed.lacks is not None and observed.owner is None and not failures:
        return waiting(subject, observed.lacks, known)
    found = [*failures, *problems(subject, observed)]
    live = observed.live if observed.owner is None else None
    fields: dict[str, object] = {"subject": subject.name}
    if live is not None and live.registered is not None:
        at = live.registered
        fields |= {"id": at.id, "version": at.version, "guid": at.guid, "latestVersion": live.latest}
    elif live is not None and live.versions:
        fields |= {**_kept(known), "latestVersion": live.latest}
    told = newer(subject, observed)
    if found:
        health = not_ready(found[0].reason, join(found))
    elif live is None or live.registered is None or unfinished:
        health = not_ready(Reason.RECONCILING, "the registry does not show the changes yet")
    else:
        health = ready(f"the schema is version {live.registered.version} of {subject.name}")
    if unfinished and not found:
        progress = progressing(Reason.RECONCILING, "waiting for the registry to show the changes")
    elif drifted:
        progress = settled(DRIFTED + drifted, Reason.DRIFT_CORRECTED)
    else:
        progress = settled()
    return StatusDraft((health, progress, degraded([*found, *([told] if told is not None else [])])), fields)


def waiting(subject: Subject, why: Problem, known: Mapping[str, object]) -> StatusDraft:
    """Return the status of a subject that nothing can be done for now; what was known of it stays."""
    asks = why.reason in _ASKS
    progress = settled("somebody has to act first", why.reason) if asks else progressing(why.reason, why.message)
    return StatusDraft(
        (not_ready(why.reason, why.message), progress, degraded([why] if asks else [])),
        {**_kept(known), "subject": subject.name},
    )


def _kept(known: Mapping[str, object]) -> dict[str, object]:
    return {name: known[name] for name in ("id", "version", "guid", "latestVersion") if name in known}
