"""The registry as one thing: every change, in its order, and every question. The API is the only one to call it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kopfka_registry.errors import (
    SchemaNotFoundError,
    SubjectNotFoundError,
    UnknownLeaderError,
    VersionNotFoundError,
)
from kopfka_registry.models import Config
from kopfka_registry.names import LATEST, Subject, context_of
from kopfka_registry.service import deleting, registering, settings
from kopfka_registry.service.compatibility import Level
from kopfka_registry.service.locks import Locks
from kopfka_registry.service.modes import Mode, Modes
from kopfka_registry.service.parsing import KEPT, Parser
from kopfka_registry.service.registering import Holder, canonical, found_under, with_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kopfka_registry.names import Version
    from kopfka_registry.service.registering import Lead, Wanted
    from kopfka_registry.store.content import Registered
    from kopfka_registry.store.state import State

MOST_ALIASES = 10
"""Steps from an alias to a subject that is none."""


class Registry:
    """One instance's view, and what it may change while it leads."""

    def __init__(
        self,
        state: Callable[[], State],
        lead: Callable[[], Lead | None],
        *,
        level: Level = Level.BACKWARD,
        mode_mutability: bool = True,
        parsed_kept: int = KEPT,
    ) -> None:
        self._state = state
        self._lead = lead
        self._level = level
        self._mode_mutability = mode_mutability
        self._locks = Locks()
        self.parser = Parser(state, parsed_kept)
        self.modes = Modes(state)

    @property
    def state(self) -> State:
        """What is known now."""
        return self._state()

    @property
    def leads(self) -> bool:
        """Whether changes may be made here."""
        return self._lead() is not None

    # changes

    async def register(self, subject: str, wanted: Wanted, *, normalize: bool) -> tuple[Registered, int | None]:
        """Register a schema; return it, and the offset of its record where it is new."""
        async with self._locks.subject(subject):
            return await registering.register(self._holder(), self._writer(), subject, wanted, normalize=normalize)

    async def delete_subject(self, subject: str, *, permanent: bool) -> tuple[list[Version], int]:
        """Delete a subject; return its versions, and the offset of the last record."""
        async with self._locks.all():
            return await deleting.delete_subject(self.state, self.modes, self._writer(), subject, permanent=permanent)

    async def delete_version(self, subject: str, version: int, *, permanent: bool) -> tuple[Version, int]:
        """Delete a version; return it, and the offset of the last record."""
        async with self._locks.all():
            return await deleting.delete_version(
                self.state, self.modes, self._writer(), subject, version, permanent=permanent
            )

    async def put_config(self, subject: str | None, update: Config) -> int:
        """Set settings; return the offset."""
        async with self._locks.all():
            return await settings.put_config(self.state, self.modes, self._writer(), subject, update)

    async def delete_config(self, subject: str | None) -> tuple[Config, int | None]:
        """Forget settings; return them, and the offset."""
        async with self._locks.all():
            return await settings.delete_config(self.state, self.modes, self._writer(), subject)

    async def put_mode(self, subject: str | None, mode: Mode, *, force: bool) -> int:
        """Set a mode; return the offset."""
        async with self._locks.all():
            return await settings.put_mode(
                self.state, self._writer(), subject, mode, force=force, mutable=self._mode_mutability
            )

    async def delete_mode(self, subject: str | None, *, recursive: bool) -> tuple[str, int | None]:
        """Forget a mode; return it, and the offset."""
        async with self._locks.all():
            return await settings.delete_mode(self.state, self._writer(), subject, recursive=recursive)

    # questions

    async def look_up(self, subject: str, wanted: Wanted, *, normalize: bool, deleted: bool) -> Registered:
        """Return the version of a subject that is this schema.

        Raises:
            SubjectNotFoundError: there is no such subject.
            SchemaNotFoundError: it has no such version.
            InvalidSchemaError: it is no schema.
        """
        state = self.state
        if not state.versions(subject, deleted=deleted):
            raise SubjectNotFoundError(subject)
        config = state.config_in_scope(subject)
        for each in (wanted, with_settings(config, wanted, state.latest(subject))):
            content, _ = await canonical(self._holder(), subject, each, config, normalize=normalize)
            found = found_under(state, subject, content, deleted=deleted)
            if found is not None:
                return found
        raise SchemaNotFoundError

    async def known_already(self, subject: str, wanted: Wanted, *, normalize: bool) -> Registered | None:
        """Return a schema that registering would find there, so that nobody needs to be asked; None where unsure."""
        state = self.state
        config = state.config_in_scope(subject)
        if not wanted.text.strip() or self.modes.of(subject) is not Mode.READWRITE:
            return None
        wanted = with_settings(config, wanted, state.latest(subject))
        content, _ = await canonical(self._holder(), subject, wanted, config, normalize=normalize)
        return found_under(state, subject, content)

    async def tags(self, registered: Registered, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return where a schema has tags, those of `names` (`*` means all)."""
        parsed = await self.parser.parse(context_of(registered.subject), registered.content)
        found = {path: set(tags) for path, tags in parsed.inline_tags().items()}
        for path, tags in ((registered.content.metadata.tags or {}) if registered.content.metadata else {}).items():
            found.setdefault(path, set()).update(tags)
        wanted = set(names)
        return [
            {"schemaEntity": {"entityPath": path}, "tags": sorted(tags)}
            for path, tags in found.items()
            if "*" in wanted or tags & wanted
        ]

    async def test(self, subject: str, wanted: Wanted, *, normalize: bool, version: int | None) -> list[str]:
        """Return why a schema may not be registered under a subject now, or may not follow one version of it.

        Raises:
            VersionNotFoundError: there is no such version.
            InvalidSchemaError: it is no schema.
        """
        state, config = self.state, self.state.config_in_scope(subject)
        against: Sequence[Registered] | None = None
        if version is not None:
            found = state.latest(subject) if version == LATEST else state.version(subject, version)
            if found is None and version != LATEST:
                raise VersionNotFoundError(version) if state.versions(subject) else SubjectNotFoundError(subject)
            against = [found] if found else []
        wanted = with_settings(config, wanted, None)
        content, parsed = await canonical(self._holder(), subject, wanted, config, normalize=normalize)
        return await registering.differences(self._holder(), subject, content, parsed, config, versions=against)

    def version(self, subject: str, version: int, *, deleted: bool = False) -> Registered:
        """Return a version of a subject; one without a context is looked for in all of them.

        Raises:
            SubjectNotFoundError: there is no such subject.
            VersionNotFoundError: it has no such version.
        """
        state = self.state
        for each in self._everywhere(subject):
            found = state.latest(each) if version == LATEST else state.version(each, version, deleted=deleted)
            if found is not None:
                return found
        if any(state.versions(each, deleted=deleted) for each in self._everywhere(subject)):
            raise VersionNotFoundError(version)
        raise SubjectNotFoundError(subject)

    def place_of_id(self, schema_id: int, subject: str | None) -> tuple[str, int] | None:
        """Return the context in which an id is to be read: that of `subject`, or the one that has it under it."""
        state = self.state
        if not subject:
            return (".", schema_id) if state.known(".", schema_id) else None
        parsed = Subject.parse(subject)
        if parsed.name and parsed.context == ".":
            for each in self._everywhere(subject):
                known = state.known(context_of(each), schema_id)
                if known and any(place[0] == each for place in known.places):
                    return context_of(each), schema_id
        return (parsed.context, schema_id) if state.known(parsed.context, schema_id) else None

    def config(self, subject: str | None) -> Config:
        """Return the settings that hold for a subject, the server's own default level included."""
        found = self.state.config_in_scope(subject)
        return found if found.compatibility_level else found.over(Config(compatibility_level=self._level.value))

    def resolved(self, subject: str) -> str:
        """Return the subject that is meant by one that may be an alias."""
        for _ in range(MOST_ALIASES):
            config = self.state.config(subject)
            if config is None or not config.alias:
                return subject
            alias = config.alias
            subject = alias if alias.startswith(":") else str(Subject(context_of(subject), alias))
        return subject

    def _everywhere(self, subject: str) -> list[str]:
        parsed = Subject.parse(subject)
        if parsed.context != ".":
            return [subject]
        return [str(Subject(context, parsed.name)) for context in self.state.contexts()]

    def _holder(self) -> Holder:
        return Holder(self.state, self.parser, self.modes, self._level)

    def _writer(self) -> Lead:
        lead = self._lead()
        if lead is None:
            raise UnknownLeaderError("this instance does not lead any more; ask again")
        return lead
