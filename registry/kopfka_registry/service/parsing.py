"""Contents as parsed schemas, with what they refer to. The last ones used are kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from kopfka_registry.errors import InvalidSchemaError, SchemaTooComplexError
from kopfka_registry.names import LATEST, context_of, within
from kopfka_registry.service.languages import language

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kopfka_registry.formats.contract import ParsedSchema
    from kopfka_registry.models import Reference
    from kopfka_registry.store.content import Content
    from kopfka_registry.store.state import State

KEPT: Final = 1000
"""Parsed schemas in memory; `schema.cache.size`."""
MOST_REFERENCES: Final = 1000
"""Schemas that one may refer to, directly or through others."""
INLINE: Final = 8 * 1024
"""Characters of a text that is parsed at once; a longer one on a thread, so that others are answered meanwhile."""


class Parser:
    """Parses contents of one registry."""

    def __init__(self, state: Callable[[], State], kept: int = KEPT) -> None:
        self._state = state
        self._kept = kept
        self._parsed: OrderedDict[tuple[str, str, tuple[tuple[str, str], ...]], ParsedSchema] = OrderedDict()

    async def parse(self, context: str, content: Content) -> ParsedSchema:
        """Return a content of a context as a schema.

        Raises:
            InvalidSchemaError: it is none, or refers to what is not there.
        """
        texts = self.texts(context, content.references)
        key = content.type, content.text, tuple(texts.items())
        found = self._parsed.get(key)
        if found is not None:
            self._parsed.move_to_end(key)
            return found
        parse = language(content.type).parse
        try:
            if len(content.text) + sum(map(len, texts.values())) > INLINE:
                parsed = await asyncio.to_thread(parse, content.text, texts)
            else:
                parsed = parse(content.text, texts)
        except SchemaTooComplexError:
            raise
        except InvalidSchemaError as error:
            raise InvalidSchemaError(f"Invalid schema of type {content.type}, details: {error}") from None
        self._parsed[key] = parsed
        if len(self._parsed) > self._kept:
            self._parsed.popitem(last=False)
        return parsed

    def pinned(self, context: str, references: Iterable[Reference]) -> tuple[Reference, ...]:
        """Return references with the version each means now, where they say `latest` (-1).

        Raises:
            InvalidSchemaError: there is nothing to refer to.
        """
        found = []
        for reference in references:
            version = reference.version
            if version == LATEST:
                latest = self._state().latest(within(context, reference.subject))
                if latest is None:
                    raise _missing(reference)
                version = latest.version
            found.append(reference.model_copy(update={"version": int(version)}))
        return tuple(found)

    def texts(self, context: str, references: Iterable[Reference]) -> dict[str, str]:
        """Return the text of all schemas referred to, by name; what one needs stands before it.

        Raises:
            InvalidSchemaError: one of them is not there.
            SchemaTooComplexError: there are too many.
        """
        texts: dict[str, str] = {}
        seen: set[str] = set()
        open_: list[tuple[str, Reference, bool]] = [(context, each, False) for each in reversed(list(references))]
        while open_:
            at, reference, entered = open_.pop()
            subject = within(at, reference.subject)
            registered = self._state().version(subject, reference.version, deleted=True)
            if registered is None:
                raise _missing(reference)
            if entered:
                texts.setdefault(reference.name, registered.content.text)
                continue
            if reference.name in seen:
                continue
            seen.add(reference.name)
            if len(seen) > MOST_REFERENCES:
                raise SchemaTooComplexError(f"the schema refers to more than {MOST_REFERENCES} others")
            open_.append((at, reference, True))
            inner = context_of(subject)
            open_ += [(inner, each, False) for each in reversed(registered.content.references)]
        return texts


def _missing(reference: Reference) -> InvalidSchemaError:
    return InvalidSchemaError(
        f'No schema reference found for subject "{reference.subject}" and version {reference.version}: '
        "register it first"
    )
