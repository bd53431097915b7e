"""What a registry says of the schemas of files, before any of them is registered. Changes nothing there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from kopfka_operator.errors import OperatorError, RegistryRefusedError
from kopfka_operator.registry.model import Reference
from kopfka_operator.schemasubject.order import levels
from kopfka_operator.schemasubject.sources import schema_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kopfka_operator.api.schemasubject import SchemaReference
    from kopfka_operator.registry.client import RegistryClient
    from kopfka_operator.registry.model import Schema
    from kopfka_operator.schemas.files import Candidate
    from kopfka_operator.schemasubject.plan import Subject


class Outcome(Enum):
    """How it stands with one schema."""

    UNCHANGED = "unchanged"
    COMPATIBLE = "compatible"
    NEW = "new"
    INCOMPATIBLE = "INCOMPATIBLE"
    INVALID = "INVALID"
    UNCHECKED = "NOT CHECKED"

    @property
    def exit_code(self) -> int:
        """The exit code it asks for: 0 fine, 1 not compatible, 2 not known."""
        if self in (Outcome.INCOMPATIBLE, Outcome.INVALID):
            return 1
        return 2 if self is Outcome.UNCHECKED else 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be told of one SchemaSubject."""

    candidate: Candidate
    outcome: Outcome
    said: str
    details: tuple[str, ...] = ()


class _UnresolvedError(Exception):
    """A reference leads to what is not registered; `own` says whether the files would register it."""

    def __init__(self, said: str, *, own: bool) -> None:
        super().__init__(said)
        self.own = own


async def verdicts(candidates: Sequence[Candidate], client: RegistryClient) -> list[Verdict]:
    """Return what the registry says of the candidates, which are all for it, in their order."""
    needs = {
        each.subject.name: {reference.subject for reference in each.subject.spec.references or ()}
        for each in candidates
        if each.subject is not None
    }
    groups, circle = levels(needs)
    rank = {name: number for number, group in enumerate(groups) for name in group}
    beside: dict[str, Outcome] = {}
    found: dict[int, Verdict] = {}
    for each in sorted(candidates, key=lambda one: rank.get(one.subject.name, 0) if one.subject is not None else 0):
        verdict = await _judged(each, client, beside, circle)
        found[id(each)] = verdict
        if each.subject is not None:
            beside[each.subject.name] = verdict.outcome
    return [found[id(each)] for each in candidates]


async def _judged(
    candidate: Candidate, client: RegistryClient, beside: Mapping[str, Outcome], circle: Sequence[str]
) -> Verdict:
    if candidate.subject is None or candidate.wrong:
        return Verdict(candidate, Outcome.UNCHECKED, candidate.wrong)
    if candidate.subject.name in circle:
        said = "it is in a circle of references, or refers to one: no schema of it can be the first"
        return Verdict(candidate, Outcome.UNCHECKED, said)
    try:
        return await _verdict(candidate, candidate.subject, client, beside)
    except OperatorError as error:
        return Verdict(candidate, Outcome.UNCHECKED, str(error))


@dataclass(frozen=True, slots=True)
class _Case:
    """One schema and what is found out about it."""

    candidate: Candidate
    subject: Subject
    versions: Sequence[int]
    notes: list[str]

    def verdict(self, outcome: Outcome, said: str, details: Sequence[str] = ()) -> Verdict:
        return Verdict(self.candidate, outcome, "; ".join((said, *self.notes)), tuple(details))

    @property
    def next(self) -> int:
        return max(self.versions, default=0) + 1


async def _verdict(
    candidate: Candidate, subject: Subject, client: RegistryClient, beside: Mapping[str, Outcome]
) -> Verdict:
    case = _Case(candidate, subject, await client.versions(subject.name), [])
    try:
        references = [await _reference(each, client, beside, case.notes) for each in subject.spec.references or ()]
    except _UnresolvedError as missing:
        if missing.own and not case.versions:
            return case.verdict(Outcome.NEW, f"would be version 1; the registry was not asked: {missing}")
        return case.verdict(Outcome.UNCHECKED, str(missing))
    try:
        return await _tried(case, schema_of(subject.spec, candidate.text, tuple(references)), client)
    except RegistryRefusedError as error:
        if error.status != 422:
            raise
        return case.verdict(Outcome.INVALID, str(error))


async def _tried(case: _Case, schema: Schema, client: RegistryClient) -> Verdict:
    subject, normalize = case.subject, case.subject.spec.normalize
    registered = await client.lookup(subject.name, schema, normalize=normalize)
    if registered is not None:
        if registered.version < case.next - 1:
            case.notes.append(f"version {case.next - 1} came after it")
        return case.verdict(Outcome.UNCHANGED, f"is version {registered.version}")
    dry_run = await client.check(subject.name, schema, normalize=normalize)
    would = f"would be version {case.next}"
    if not case.versions:
        return case.verdict(Outcome.NEW, would)
    wanted, counts = subject.spec.compatibility, await _level(subject, client)
    if wanted is not None and wanted != counts:
        if wanted == "NONE" and not dry_run.compatible:
            return case.verdict(Outcome.COMPATIBLE, f"{would}, as compatibility becomes NONE", dry_run.messages)
        case.notes.append(
            f"the registry went by {counts}, and compatibility becomes {wanted}: it is checked again then"
        )
    if dry_run.compatible:
        return case.verdict(Outcome.COMPATIBLE, would)
    messages = dry_run.messages or ("the registry does not say why",)
    return case.verdict(Outcome.INCOMPATIBLE, f"version {case.next - 1} would stay", messages)


async def _level(subject: Subject, client: RegistryClient) -> str | None:
    if subject.spec.compatibility is None:
        return None
    level = await client.compatibility(subject.name) or await client.compatibility()
    return level.name if level is not None else None


async def _reference(
    wanted: SchemaReference, client: RegistryClient, beside: Mapping[str, Outcome], notes: list[str]
) -> Reference:
    versions = await client.versions(wanted.subject)
    version = max(versions, default=None) if wanted.version is None else wanted.version
    own = wanted.subject in beside
    if version is None or version not in versions:
        what = wanted.subject if wanted.version is None else f"version {wanted.version} of {wanted.subject}"
        where = "is among these files and not registered yet" if own else "is not registered"
        raise _UnresolvedError(f"it refers to {what}, which {where}", own=own)
    if wanted.version is None and beside.get(wanted.subject, Outcome.UNCHANGED) is not Outcome.UNCHANGED:
        notes.append(f"with version {version} of {wanted.subject}, as it is registered now")
    return Reference(wanted.name, wanted.subject, version)
