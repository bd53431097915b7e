"""What the records of `_schemas` add up to: subjects, ids, references, settings. Pure: no I/O, no rules.

`apply` follows the log record by record; everything else asks. Contents that subjects share are kept once.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

from kopfka_registry.models import Config
from kopfka_registry.names import DEFAULT_CONTEXT, SchemaId, Subject, Version, context_of, within
from kopfka_registry.store.content import Registered
from kopfka_registry.store.records import (
    ClearSubjectKey,
    ConfigKey,
    ContextKey,
    DeleteSubjectKey,
    ModeKey,
    NoopKey,
    SchemaKey,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kopfka_registry.store.content import Content
    from kopfka_registry.store.records import Entry

_GLOBAL_CONTEXT: Final = ":.__GLOBAL:"
_NO_CONFIG: Final = Config()
T = TypeVar("T")


@dataclass(slots=True)
class Known:
    """A content that has an id: where it stands."""

    content: Content
    places: list[tuple[str, Version]] = field(default_factory=list)


@dataclass(slots=True)
class _Context:
    ids: dict[SchemaId, Known] = field(default_factory=dict)
    by_fingerprint: dict[bytes, SchemaId] = field(default_factory=dict)
    last_id: int = 0


class State:
    """All that a registry knows."""

    def __init__(self) -> None:
        self.changes = 0
        """Counts the records that changed anything."""
        self._contexts: dict[str, _Context] = {DEFAULT_CONTEXT: _Context()}
        self._subjects: dict[str, dict[Version, Registered]] = {}
        self._names: list[str] = []  # of subjects, sorted
        self._configs: dict[str | None, Config] = {}
        self._modes: dict[str | None, str] = {}
        self._referrers: dict[tuple[str, int], set[tuple[str, Version]]] = {}
        self._guids: dict[bytes, set[str]] = {}  # a fingerprint to the contexts it is in

    # what there is

    def contexts(self) -> list[str]:
        """Return the contexts, the default one first."""
        return [DEFAULT_CONTEXT, *sorted(name for name in self._contexts if name != DEFAULT_CONTEXT)]

    def subjects(self, prefix: str = "") -> Iterator[str]:
        """Return the subjects that begin with `prefix`, deleted ones too, in order."""
        names = self._names
        for index in range(bisect.bisect_left(names, prefix), len(names)):
            if not names[index].startswith(prefix):
                return
            yield names[index]

    def versions(self, subject: str, *, deleted: bool = False) -> list[Registered]:
        """Return what stands under a subject, the first version first; deleted ones only where asked for."""
        found = self._subjects.get(subject, {})
        return [found[version] for version in sorted(found) if deleted or not found[version].deleted]

    def version(self, subject: str, version: int, *, deleted: bool = False) -> Registered | None:
        """Return one version of a subject."""
        found = self._subjects.get(subject, {}).get(Version(version))
        return found if found is not None and (deleted or not found.deleted) else None

    def latest(self, subject: str) -> Registered | None:
        """Return the last version of a subject that is not deleted."""
        found = [each for each in self._subjects.get(subject, {}).values() if not each.deleted]
        return max(found, key=lambda each: each.version, default=None)

    def last_version(self, subject: str) -> int:
        """Return the highest version a subject has, deleted ones included; 0 where it has none."""
        return max(self._subjects.get(subject, {}), default=0)

    def known(self, context: str, schema_id: int) -> Known | None:
        """Return the content with this id."""
        found = self._contexts.get(context)
        return found.ids.get(SchemaId(schema_id)) if found else None

    def id_of(self, context: str, fingerprint: bytes) -> SchemaId | None:
        """Return the id of a content in a context."""
        found = self._contexts.get(context)
        return found.by_fingerprint.get(fingerprint) if found else None

    def last_ids(self) -> dict[str, int]:
        """Return the highest id ever given in each context."""
        return {name: context.last_id for name, context in self._contexts.items()}

    def ids_of_guid(self, fingerprint: bytes) -> list[tuple[str, SchemaId]]:
        """Return the contexts a content is in, with its id there."""
        contexts = sorted(self._guids.get(fingerprint, ()), key=lambda name: (name != DEFAULT_CONTEXT, name))
        return [(name, self._contexts[name].by_fingerprint[fingerprint]) for name in contexts]

    def referrers(self, subject: str, version: int, *, deleted: bool = False) -> list[Registered]:
        """Return the schemas that refer to this one; deleted ones only where asked for."""
        places = self._referrers.get((subject, version), ())
        found = [self._subjects[name][number] for name, number in places]
        return sorted((each for each in found if deleted or not each.deleted), key=lambda each: (each.id, each.subject))

    # settings

    def config(self, subject: str | None) -> Config | None:
        """Return what is set for a subject, for a context (`:.CONTEXT:`), or for all (None)."""
        return self._configs.get(subject)

    def config_in_scope(self, subject: str | None) -> Config:
        """Return what holds for a subject: its own settings, else its context's, else those of all contexts."""
        merged = _NO_CONFIG
        for scope in _scopes(subject):
            found = self._configs.get(scope)
            if found is not None:
                merged = merged.over(found)
        return merged

    def configs(self) -> Iterator[tuple[str, Config]]:
        """Return what is set for single subjects and contexts."""
        return ((subject, config) for subject, config in self._configs.items() if subject is not None)

    def mode(self, subject: str | None) -> str | None:
        """Return the mode set for a subject, for a context, or for all (None)."""
        return self._modes.get(subject)

    def mode_in_scope(self, subject: str | None) -> str | None:
        """Return the mode that holds for a subject; READONLY_OVERRIDE of a wider scope comes first."""
        modes = [self._modes.get(scope) for scope in _scopes(subject)]
        if "READONLY_OVERRIDE" in modes:
            return "READONLY_OVERRIDE"
        return next((mode for mode in modes if mode is not None), None)

    # the log

    def apply(self, entry: Entry) -> None:  # noqa: PLR0912 - one case a kind of record
        """Follow one record."""
        self.changes += not isinstance(entry.key, NoopKey)
        match entry.key:
            case SchemaKey(subject, version):
                if isinstance(entry.value, Registered):
                    self._put(entry.value)
                else:
                    self._remove(subject, version)
            case ConfigKey(subject):
                _set(self._configs, subject, entry.value if isinstance(entry.value, Config) else None)
            case ModeKey(subject):
                _set(self._modes, subject, entry.value if isinstance(entry.value, str) else None)
            case DeleteSubjectKey(subject):
                last = entry.value if isinstance(entry.value, int) else 0
                for version, registered in list(self._subjects.get(subject, {}).items()):
                    if version <= last and not registered.deleted:
                        self._put(replace(registered, deleted=True))
            case ClearSubjectKey(subject):
                if entry.value is not None:
                    for version in list(self._subjects.get(subject, {})):
                        self._remove(subject, version)
            case ContextKey(context):
                if entry.value is not None:
                    self._contexts.setdefault(context, _Context())
            case NoopKey():
                for name, last in (entry.value if isinstance(entry.value, dict) else {}).items():
                    known = self._contexts.setdefault(name, _Context())
                    known.last_id = max(known.last_id, last)

    def _put(self, registered: Registered) -> None:
        subject, version = registered.subject, registered.version
        former = self._subjects.get(subject, {}).get(version)
        if former is not None and (former.id, former.content) == (registered.id, registered.content):
            self._subjects[subject][version] = replace(former, deleted=registered.deleted)
            return
        if former is not None:
            self._remove(subject, version)
        name = context_of(subject)
        context = self._contexts.setdefault(name, _Context())
        known = context.ids.get(registered.id)
        if known is None:
            fingerprint = registered.content.fingerprint()
            known = context.ids[registered.id] = Known(registered.content)
            context.by_fingerprint[fingerprint] = registered.id
            context.last_id = max(context.last_id, registered.id)
            self._guids.setdefault(fingerprint, set()).add(name)
        elif known.content == registered.content:
            registered = replace(registered, content=known.content)
        known.places.append((subject, version))
        if subject not in self._subjects:
            self._subjects[subject] = {}
            bisect.insort(self._names, subject)
        self._subjects[subject][version] = registered
        for reference in registered.content.references:
            place = within(name, reference.subject), reference.version
            self._referrers.setdefault(place, set()).add((subject, version))

    def _remove(self, subject: str, version: Version) -> None:
        registered = self._subjects.get(subject, {}).pop(version, None)
        if registered is None:
            return
        if not self._subjects[subject]:
            del self._subjects[subject]
            del self._names[bisect.bisect_left(self._names, subject)]
        name = context_of(subject)
        for reference in registered.content.references:
            place = within(name, reference.subject), reference.version
            self._referrers.get(place, set()).discard((subject, version))
        context = self._contexts[name]
        known = context.ids[registered.id]
        known.places.remove((subject, version))
        if not known.places:
            del context.ids[registered.id]
            fingerprint = known.content.fingerprint()
            if context.by_fingerprint.get(fingerprint) == registered.id:
                del context.by_fingerprint[fingerprint]
                self._guids[fingerprint].discard(name)


def _scopes(subject: str | None) -> list[str | None]:
    """Return a subject and the wider scopes whose settings hold for it, the nearest first."""
    if subject is None:
        return [None, _GLOBAL_CONTEXT]
    parsed = Subject.parse(subject)
    context = None if parsed.context == DEFAULT_CONTEXT else parsed.prefix
    return [subject, context, _GLOBAL_CONTEXT]


def _set(settings: dict[str | None, T], subject: str | None, value: T | None) -> None:
    if value is None:
        settings.pop(subject, None)
    else:
        settings[subject] = value
