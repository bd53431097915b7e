"""What one caller sees of the registry's state: subjects it may read, and nothing of the others.

A question for one subject that may not be read is refused; lists leave it out. Schemas are readable where one of their
subjects is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.errors import NotPermittedError
from kopfka_registry.security.rights import Right, Rights
from kopfka_registry.store.state import Known, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kopfka_registry.models import Config
    from kopfka_registry.names import SchemaId
    from kopfka_registry.security.callers import Caller
    from kopfka_registry.store.content import Registered
    from kopfka_registry.store.records import Entry

_VERBS = {Right.READ: "read", Right.WRITE: "write to", Right.ADMIN: "administer"}


class Permit:
    """One caller, and what it may do."""

    __slots__ = ("caller", "rights")

    def __init__(self, caller: Caller, rights: Rights) -> None:
        self.caller = caller
        self.rights = rights

    def reads(self, subject: str) -> bool:
        """Tell whether the caller may read a subject."""
        return self.rights.may(Right.READ, subject)

    def require(self, right: Right, subject: str | None) -> None:
        """Refuse a caller that lacks a right on a subject, or on all (None); what holds for all, anybody may read.

        Raises:
            NotPermittedError: it lacks it. The message names no subject: it may be what an alias stands for.
        """
        if subject is not None:
            if not self.rights.may(right, subject):
                raise NotPermittedError(f"{self.caller} may not {_VERBS[right]} this subject")
        elif not (self.rights.may_any() if right is Right.READ else self.rights.may_all(right)):
            raise NotPermittedError(f"{self.caller} may not {_VERBS[right]} what holds for all subjects")


class View(State):
    """The state, for one caller."""

    def __init__(self, state: State, permit: Permit) -> None:
        # not the base's: it would make an empty state
        self._state = state
        self._permit = permit
        self.changes = state.changes

    # what there is

    def contexts(self) -> list[str]:
        """Return the contexts in which there may be something to read."""
        return [each for each in self._state.contexts() if self._permit.rights.sees(each)]

    def subjects(self, prefix: str = "") -> Iterator[str]:
        """Return the subjects with a prefix that may be read."""
        return (each for each in self._state.subjects(prefix) if self._permit.reads(each))

    def versions(self, subject: str, *, deleted: bool = False) -> list[Registered]:
        """Return the versions of a subject."""
        self._permit.require(Right.READ, subject)
        return self._state.versions(subject, deleted=deleted)

    def version(self, subject: str, version: int, *, deleted: bool = False) -> Registered | None:
        """Return one version of a subject."""
        self._permit.require(Right.READ, subject)
        return self._state.version(subject, version, deleted=deleted)

    def latest(self, subject: str) -> Registered | None:
        """Return the last version of a subject."""
        self._permit.require(Right.READ, subject)
        return self._state.latest(subject)

    def last_version(self, subject: str) -> int:
        """Return the highest version a subject has."""
        self._permit.require(Right.READ, subject)
        return self._state.last_version(subject)

    def known(self, context: str, schema_id: int) -> Known | None:
        """Return the content with an id, and those of its places that may be read; None where there are none."""
        known = self._state.known(context, schema_id)
        if known is None:
            return None
        places = [place for place in known.places if self._permit.reads(place[0])]
        return Known(known.content, places) if places else None

    def id_of(self, context: str, fingerprint: bytes) -> SchemaId | None:
        """Return the id of a content."""
        found = self._state.id_of(context, fingerprint)
        return found if found is not None and self.known(context, found) is not None else None

    def last_ids(self) -> dict[str, int]:
        """Return the highest id of each context: numbers tell nothing."""
        return self._state.last_ids()

    def ids_of_guid(self, fingerprint: bytes) -> list[tuple[str, SchemaId]]:
        """Return the contexts in which a content may be read.

        Raises:
            NotPermittedError: it is there, and not for this caller.
        """
        found = self._state.ids_of_guid(fingerprint)
        readable = [place for place in found if self.known(*place) is not None]
        if found and not readable:
            raise NotPermittedError(f"{self._permit.caller} may not read this schema")
        return readable

    def referrers(self, subject: str, version: int, *, deleted: bool = False) -> list[Registered]:
        """Return the schemas that refer to this one and may be read."""
        self._permit.require(Right.READ, subject)
        found = self._state.referrers(subject, version, deleted=deleted)
        return [each for each in found if self._permit.reads(each.subject)]

    # settings

    def config(self, subject: str | None) -> Config | None:
        """Return what is set for a subject, a context, or all."""
        self._permit.require(Right.READ, subject)
        return self._state.config(subject)

    def config_in_scope(self, subject: str | None) -> Config:
        """Return what holds for a subject."""
        self._permit.require(Right.READ, subject)
        return self._state.config_in_scope(subject)

    def configs(self) -> Iterator[tuple[str, Config]]:
        """Return what is set for single subjects and contexts that may be read."""
        return ((subject, config) for subject, config in self._state.configs() if self._permit.reads(subject))

    def mode(self, subject: str | None) -> str | None:
        """Return the mode set for a subject, a context, or all."""
        self._permit.require(Right.READ, subject)
        return self._state.mode(subject)

    def mode_in_scope(self, subject: str | None) -> str | None:
        """Return the mode that holds for a subject."""
        self._permit.require(Right.READ, subject)
        return self._state.mode_in_scope(subject)

    # the log

    def apply(self, entry: Entry) -> None:
        """Refuse: a view follows nothing."""
        raise TypeError("a view of the state is not written to")
