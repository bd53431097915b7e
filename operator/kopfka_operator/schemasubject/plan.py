"""What is to be done for a `SchemaSubject`, from what is wanted and what is there. Pure: no I/O, no clock.

The resource is the whole truth about its subject's compatibility and mode: one it does not name is the registry's. Of
the schema it says which one is to be there. A schema that is not there is registered only if the registry's dry run
found it compatible; one that others registered after it is told and never undone.

A plan brings the subject one step nearer: a compatibility that changes counts before the dry run that follows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_operator.actions import (
    Action,
    DeleteSubject,
    HoldDeletion,
    RegisterSchema,
    ReleaseDeletion,
    SetCompatibility,
    SetMode,
)
from kopfka_operator.api.reasons import Reason
from kopfka_operator.status import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_operator.api.schemasubject import SchemaSubjectSpec
    from kopfka_operator.kube.resources import Ref
    from kopfka_operator.registry.model import Level, Registered, Schema, Verdict

_WRITABLE = frozenset({None, "READWRITE", "IMPORT"})
_MOST_MESSAGES = 20
"""Messages of a dry run that a status quotes."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A SchemaSubject: who it is and what it wants."""

    ref: Ref
    spec: SchemaSubjectSpec

    @property
    def name(self) -> str:
        """Name of the subject in the registry."""
        return self.spec.subject or self.ref.name


@dataclass(frozen=True, slots=True)
class Live:
    """A subject as its registry has it."""

    versions: Sequence[int] = ()
    compatibility: Level | None = None
    """Its own, if it has one."""
    mode: str | None = None
    """Its own, if it has one."""
    registered: Registered | None = None
    """Where the wanted schema is in it."""
    verdict: Verdict | None = None
    """The dry run of a wanted schema that is not in it; None where there was none."""
    invalid: str | None = None
    """Why the wanted schema is none, in the registry's words."""

    @property
    def latest(self) -> int | None:
        """The newest version."""
        return max(self.versions, default=None)


@dataclass(frozen=True, slots=True)
class Observed:
    """What is there."""

    live: Live | None
    """None where the registry is gone, so that there is nothing to clean up."""
    schema: Schema | None = None
    """The wanted schema; None where its text or a reference is missing."""
    lacks: Problem | None = None
    """Why it is missing."""
    leaving: bool = False
    """Whether the SchemaSubject is being deleted."""
    held: bool = False
    """Whether the finalizer is on the SchemaSubject."""
    owner: str | None = None
    """The other SchemaSubject that has this subject, if there is one."""


def plan(subject: Subject, observed: Observed) -> list[Action]:
    """Return what is to be done next, in this order; none where all is as wanted as far as it can be."""
    ours = observed.owner is None
    wants_delete = subject.spec.reclaim_policy == "Delete"
    if observed.leaving:
        if not observed.held:
            return []
        delete = _delete(subject, observed.live) if wants_delete and ours and observed.live is not None else []
        return [*delete, ReleaseDeletion(subject.ref)]
    actions: list[Action] = []
    if wants_delete and ours and not observed.held:
        actions.append(HoldDeletion(subject.ref))
    if observed.held and not (wants_delete and ours):
        actions.append(ReleaseDeletion(subject.ref))
    return actions + (_in_registry(subject, observed, observed.live) if ours and observed.live is not None else [])


def settings_agree(subject: Subject, live: Live) -> bool:
    """Tell whether the subject's compatibility is as wanted, so that a dry run would say what counts."""
    return not _compatibility(subject, live)


def problems(subject: Subject, observed: Observed) -> list[Problem]:
    """Return what cannot be done, each with its remedy."""
    if observed.owner is not None:
        return [
            Problem(
                Reason.CONFLICT,
                f"SchemaSubject {observed.owner} has the subject {subject.name} of this registry: "
                "delete one of the two",
            )
        ]
    live = observed.live
    if live is None or observed.lacks is not None:
        return []
    if live.invalid is not None:
        return [Problem(Reason.INVALID_SCHEMA, f"the registry does not take the schema: {live.invalid}")]
    if live.verdict is not None and not live.verdict.compatible:
        return [Problem(Reason.INCOMPATIBLE_SCHEMA, _incompatible(subject, live))]
    return []


def newer(subject: Subject, observed: Observed) -> Problem | None:
    """Return what is to be told where something was registered after the wanted schema."""
    live = observed.live
    if live is None or live.registered is None or live.latest is None or observed.owner is not None:
        return None
    if live.latest <= live.registered.version:
        return None
    return Problem(
        Reason.NEWER_VERSION,
        f"this schema is version {live.registered.version} of {subject.name}, and version {live.latest} came after "
        f"it: take that one over into this resource, or delete version {live.latest} to go back to this one",
    )


def drift(actions: Sequence[Action], live: Live | None, known_version: int | None) -> str:
    """Say what was changed outside, given the plan for a subject that had been as wanted; empty if nothing was."""
    said: list[str] = []
    for action in actions:
        if isinstance(action, RegisterSchema) and live is not None and known_version is not None:
            if live.latest is None:
                said.append(f"the subject {action.subject} was deleted outside Kopfka; it has been registered anew")
            elif known_version not in live.versions:
                said.append(f"version {known_version} was deleted outside Kopfka; it has been registered anew")
        elif isinstance(action, SetCompatibility) and live is not None:
            had = live.compatibility.name if live.compatibility is not None else None
            said.append(_put_right("compatibility", had, action.level))
        elif isinstance(action, SetMode) and live is not None:
            said.append(_put_right("mode", live.mode, action.mode))
    return "; ".join(said)


def _in_registry(subject: Subject, observed: Observed, live: Live) -> list[Action]:
    actions = _compatibility(subject, live)
    mode: list[Action] = [] if subject.spec.mode == live.mode else [SetMode(subject.name, subject.spec.mode)]
    register: list[Action] = []
    # what has just been said of the compatibility counts first: the dry run comes with the next observation
    if not actions and observed.schema is not None and live.verdict is not None and live.verdict.compatible:
        register.append(RegisterSchema(subject.name, observed.schema, subject.spec.normalize))
    awaited = not live.registered and observed.schema is not None and live.invalid is None and not _refused(live)
    if subject.spec.mode in _WRITABLE:
        return [*mode, *actions, *register]  # of a closed subject nothing else can be changed either
    # a subject is closed when its schema is in it
    return [*actions, *register, *(mode if register or not awaited else [])]


def _compatibility(subject: Subject, live: Live) -> list[Action]:
    wanted, has = subject.spec.compatibility, live.compatibility
    if wanted == (has.name if has is not None else None):
        return []
    if wanted is None and has is not None and not has.alone:
        return []  # taking it away would take away what else others have set there
    return [SetCompatibility(subject.name, wanted)]


def _refused(live: Live) -> bool:
    return live.verdict is not None and not live.verdict.compatible


def _delete(subject: Subject, live: Live) -> list[Action]:
    actions: list[Action] = []
    if live.mode not in (None, "READWRITE"):
        actions.append(SetMode(subject.name, None))  # a closed subject cannot be deleted
    if live.compatibility is not None and not live.versions:
        actions.append(SetCompatibility(subject.name, None))  # it goes with the versions, where there are any
    return [*actions, DeleteSubject(subject.name)]


def _incompatible(subject: Subject, live: Live) -> str:
    messages = live.verdict.messages if live.verdict is not None else ()
    said = "; ".join(messages[:_MOST_MESSAGES]) or "the registry does not say why"
    more = f"; and {len(messages) - _MOST_MESSAGES} more" if len(messages) > _MOST_MESSAGES else ""
    kept = f"version {live.latest} stays" if live.latest is not None else "nothing is registered"
    return f"the schema is not compatible with {subject.name}, so {kept}: {said}{more}"


def _put_right(what: str, had: str | None, wanted: str | None) -> str:
    before = f"was set to {had}" if had is not None else "was not set"
    return f"{what} {before}, " + (f"is {wanted} again" if wanted is not None else "is the registry's again")
