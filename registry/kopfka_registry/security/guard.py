"""The registry as one caller may use it: each question and each change, after a look at the caller's rights.

Routes work with it as with the registry itself, so none can forget to ask. An alias counts as the subject it stands
for; whoever registers, looks up or tests a schema must be able to read what it refers to, as answers and messages show
parts of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kopfka_registry.errors import NotPermittedError, SubjectNotFoundError
from kopfka_registry.names import DEFAULT_CONTEXT, LATEST, Subject, context_of, within
from kopfka_registry.security.rights import Right
from kopfka_registry.security.view import View
from kopfka_registry.service.modes import Mode, Modes
from kopfka_registry.service.parsing import MOST_REFERENCES, Parser
from kopfka_registry.service.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kopfka_registry.formats.contract import ParsedSchema
    from kopfka_registry.models import Config, Reference
    from kopfka_registry.names import Version
    from kopfka_registry.security.view import Permit
    from kopfka_registry.service.registering import Wanted
    from kopfka_registry.store.content import Content, Registered
    from kopfka_registry.store.state import State


class Guarded(Registry):
    """The registry, for one caller."""

    def __init__(self, registry: Registry, permit: Permit) -> None:
        # not the base's: what is asked of this one is asked of the other, or refused
        self._registry = registry
        self._permit = permit
        self.parser = self._parser = _GuardedParser(registry, permit)
        self.modes = Modes(lambda: self.state)

    @property
    def state(self) -> State:
        """What the caller sees of what is known now."""
        return View(self._registry.state, self._permit)

    @property
    def leads(self) -> bool:
        """Whether changes may be made here."""
        return self._registry.leads

    # changes

    async def register(self, subject: str, wanted: Wanted, *, normalize: bool) -> tuple[Registered, int | None]:
        """Register a schema; see `Registry`."""
        self._require(Right.WRITE, subject, wanted)
        return await self._registry.register(subject, wanted, normalize=normalize)

    async def delete_subject(self, subject: str, *, permanent: bool) -> tuple[list[Version], int]:
        """Delete a subject; see `Registry`."""
        self._permit.require(Right.ADMIN if permanent else Right.WRITE, subject)
        return await self._registry.delete_subject(subject, permanent=permanent)

    async def delete_version(self, subject: str, version: int, *, permanent: bool) -> tuple[Version, int]:
        """Delete a version; see `Registry`."""
        self._permit.require(Right.ADMIN if permanent else Right.WRITE, subject)
        return await self._registry.delete_version(subject, version, permanent=permanent)

    async def put_config(self, subject: str | None, update: Config) -> int:
        """Set settings; see `Registry`."""
        self._permit.require(Right.ADMIN, subject)
        return await self._registry.put_config(subject, update)

    async def delete_config(self, subject: str | None) -> tuple[Config, int | None]:
        """Forget settings; see `Registry`."""
        self._permit.require(Right.ADMIN, subject)
        return await self._registry.delete_config(subject)

    async def put_mode(self, subject: str | None, mode: Mode, *, force: bool) -> int:
        """Set a mode; see `Registry`."""
        self._permit.require(Right.ADMIN, subject)
        return await self._registry.put_mode(subject, mode, force=force)

    async def delete_mode(self, subject: str | None, *, recursive: bool) -> tuple[str, int | None]:
        """Forget a mode; see `Registry`."""
        self._permit.require(Right.ADMIN, subject)
        return await self._registry.delete_mode(subject, recursive=recursive)

    # questions

    async def look_up(self, subject: str, wanted: Wanted, *, normalize: bool, deleted: bool) -> Registered:
        """Return the version of a subject that is this schema; see `Registry`."""
        self._require(Right.READ, subject, wanted)
        return await self._registry.look_up(subject, wanted, normalize=normalize, deleted=deleted)

    async def known_already(self, subject: str, wanted: Wanted, *, normalize: bool) -> Registered | None:
        """Return a schema that registering would find there; see `Registry`."""
        self._require(Right.WRITE, subject, wanted)
        return await self._registry.known_already(subject, wanted, normalize=normalize)

    async def tags(self, registered: Registered, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return where a schema has tags; see `Registry`."""
        self._permit.require(Right.READ, registered.subject)
        self._parser.check(context_of(registered.subject), registered.content.references)
        return await self._registry.tags(registered, names)

    async def test(self, subject: str, wanted: Wanted, *, normalize: bool, version: int | None) -> list[str]:
        """Return why a schema does not fit; see `Registry`."""
        self._require(Right.READ, subject, wanted)
        return await self._registry.test(subject, wanted, normalize=normalize, version=version)

    def version(self, subject: str, version: int, *, deleted: bool = False) -> Registered:
        """Return a version of a subject; one without a context is looked for in all that may be read."""
        parsed = Subject.parse(subject)
        contexts = self._registry.state.contexts() if parsed.context == DEFAULT_CONTEXT else []
        places = [name for context in contexts if self._permit.reads(name := str(Subject(context, parsed.name)))]
        if not places:
            self._permit.require(Right.READ, subject)
        found = self._registry.version(subject, version, deleted=deleted)
        if self._permit.reads(found.subject):
            return found
        # the first context that has it is none of those
        for place in places:
            if context_of(place) != DEFAULT_CONTEXT and self._registry.state.versions(place, deleted=deleted):
                return self._registry.version(place, version, deleted=deleted)
        raise SubjectNotFoundError(subject)

    def place_of_id(self, schema_id: int, subject: str | None) -> tuple[str, int] | None:
        """Return the context in which an id is to be read.

        Raises:
            NotPermittedError: it is there, and not for this caller.
        """
        place = self._registry.place_of_id(schema_id, subject)
        if place is not None and self._registry.state.known(*place) is not None and self.state.known(*place) is None:
            raise NotPermittedError(f"{self._permit.caller} may not read this schema")
        return place

    def config(self, subject: str | None) -> Config:
        """Return the settings that hold for a subject, or for all."""
        self._permit.require(Right.READ, subject)
        return self._registry.config(subject)

    def resolved(self, subject: str) -> str:
        """Return the subject that is meant by one that may be an alias: the rights on that one count."""
        return self._registry.resolved(subject)

    def _require(self, right: Right, subject: str, wanted: Wanted) -> None:
        self._permit.require(right, subject)
        self._parser.check(context_of(subject), wanted.references)


class _GuardedParser(Parser):
    """The parser, for one caller: a schema is read together with what it refers to."""

    def __init__(self, registry: Registry, permit: Permit) -> None:
        self._registry = registry
        self._permit = permit

    async def parse(self, context: str, content: Content) -> ParsedSchema:
        """Return a content as a schema; see `Parser`."""
        self.check(context, content.references)
        return await self._registry.parser.parse(context, content)

    def pinned(self, context: str, references: Iterable[Reference]) -> tuple[Reference, ...]:
        """Return references with the version each means now; see `Parser`."""
        references = tuple(references)
        self.check(context, references)
        return self._registry.parser.pinned(context, references)

    def texts(self, context: str, references: Iterable[Reference]) -> dict[str, str]:
        """Return the text of all schemas referred to; see `Parser`."""
        references = tuple(references)
        self.check(context, references)
        return self._registry.parser.texts(context, references)

    def check(self, context: str, references: Iterable[Reference]) -> None:
        """Refuse a caller that may not read what is referred to, or what that refers to in turn.

        Raises:
            NotPermittedError: it may not.
        """
        state = self._registry.state
        seen: set[tuple[str, int]] = set()
        open_ = [(within(context, each.subject), each.version, each.name) for each in references]
        while open_:
            subject, version, name = open_.pop()
            if (subject, version) in seen or len(seen) > MOST_REFERENCES:  # more are refused where they are read
                continue
            seen.add((subject, version))
            if not self._permit.reads(subject):
                raise NotPermittedError(f"{self._permit.caller} may not read what the reference {name} stands for")
            found = state.latest(subject) if version == LATEST else state.version(subject, version, deleted=True)
            inner = context_of(subject)
            for each in found.content.references if found else ():
                open_.append((within(inner, each.subject), each.version, name))
