"""Deleting versions and subjects: first so that they can still be found by who asks for deleted ones, then for good."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kopfka_registry.errors import (
    ReferenceExistsError,
    SubjectNotFoundError,
    SubjectNotSoftDeletedError,
    SubjectSoftDeletedError,
    VersionNotFoundError,
    VersionNotSoftDeletedError,
    VersionSoftDeletedError,
)
from kopfka_registry.names import LATEST, Version
from kopfka_registry.store.records import ConfigKey, DeleteSubjectKey, Entry, ModeKey, NoopKey, SchemaKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_registry.service.modes import Modes
    from kopfka_registry.service.registering import Lead
    from kopfka_registry.store.content import Registered
    from kopfka_registry.store.state import State


async def delete_subject(
    state: State, modes: Modes, lead: Lead, subject: str, *, permanent: bool
) -> tuple[list[Version], int]:
    """Delete a subject; return the versions that were deleted, and the offset of the last record.

    Raises:
        RegistryError: it is not there, may not be changed, or others refer to it; nothing was written.
    """
    every = state.versions(subject, deleted=True)
    if not every:
        raise SubjectNotFoundError(subject)
    modes.check_change(subject)
    living = [each for each in every if not each.deleted]
    if permanent:
        if living:
            raise SubjectNotSoftDeletedError(subject)
        _check_references(state, every, permanent=True)
        entries = [Entry(SchemaKey(subject, each.version)) for each in every]
        entries.append(_last_ids(state))
        return [each.version for each in every], await lead.write(entries)
    if not living:
        raise SubjectSoftDeletedError(subject)
    _check_references(state, living)
    entries = [Entry(DeleteSubjectKey(subject), living[-1].version), *_settings(state, subject)]
    return [each.version for each in living], await lead.write(entries)


async def delete_version(
    state: State, modes: Modes, lead: Lead, subject: str, version: int, *, permanent: bool
) -> tuple[Version, int]:
    """Delete a version of a subject; return it, and the offset of the last record.

    Raises:
        RegistryError: it is not there, may not be changed, or others refer to it; nothing was written.
    """
    if not state.versions(subject, deleted=True):
        raise SubjectNotFoundError(subject)
    found = state.latest(subject) if version == LATEST else state.version(subject, version, deleted=True)
    if found is None:
        raise VersionNotFoundError(version)
    modes.check_change(subject)
    if permanent:
        if not found.deleted:
            raise VersionNotSoftDeletedError(subject, found.version)
        _check_references(state, [found], permanent=True)
        return found.version, await lead.write([Entry(SchemaKey(subject, found.version)), _last_ids(state)])
    if found.deleted:
        raise VersionSoftDeletedError(subject, found.version)
    _check_references(state, [found])
    entries: list[Entry] = [Entry(SchemaKey(subject, found.version), replace(found, deleted=True))]
    if len(state.versions(subject)) == 1:
        entries += _settings(state, subject)
    return found.version, await lead.write(entries)


def _check_references(state: State, versions: Iterable[Registered], *, permanent: bool = False) -> None:
    """Let pass what no other schema needs; for good, not the deleted ones either: their ids are known."""
    for each in versions:
        if state.referrers(each.subject, each.version, deleted=permanent):
            raise ReferenceExistsError(each.subject, each.version)


def _settings(state: State, subject: str) -> list[Entry]:
    """Return the end of a subject's own settings: who registers under its name later begins without them."""
    entries: list[Entry] = []
    if state.config(subject) is not None:
        entries.append(Entry(ConfigKey(subject)))
    if state.mode(subject) is not None:
        entries.append(Entry(ModeKey(subject)))
    return entries


def _last_ids(state: State) -> Entry:
    return Entry(NoopKey(), state.last_ids())
