"""A schema with the texts it refers to, and what each reference in them leads to.

A text is read when the first reference leads to it. Nothing is fetched: what is not among the references, and is none
of the drafts' own metaschemas, is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kopfka_registry.errors import InvalidSchemaError
from kopfka_registry.formats.jsonschema.drafts import ASSERTING, Draft, draft_of
from kopfka_registry.formats.jsonschema.examine import (
    Budget,
    Findings,
    Reference,
    Step,
    examine,
    own_base,
    reference_keywords,
)
from kopfka_registry.formats.jsonschema.text import read
from kopfka_registry.formats.jsonschema.uris import join, pointer, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kopfka_registry.formats.jsonschema.text import Json

_METASCHEMAS: Final = ("http://json-schema.org/draft-0", "https://json-schema.org/draft/")


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One text."""

    name: str
    """What it is referred to by; empty for the schema itself."""
    root: Json
    base: str
    draft: Draft
    library: Library


@dataclass(slots=True, eq=False)
class Located:
    """A schema, and where it stands: what its references are relative to. Made very often, so not frozen."""

    value: Json
    base: str
    document: Document

    def at(self, value: Json) -> Located:
        """Return a schema inside this one."""
        return Located(value, own_base(value, self.base, self.document.draft), self.document)

    @property
    def draft(self) -> Draft:
        """The draft it is written in."""
        return self.document.draft

    def references(self) -> list[tuple[str, str]]:
        """Return the keywords by which it refers to another schema, with what they say."""
        value = self.value
        if not isinstance(value, dict):
            return []
        return [(each, value[each]) for each in reference_keywords(self.draft) if isinstance(value.get(each), str)]


def plain_reference(place: Located) -> tuple[str, str] | None:
    """Return keyword and reference of a schema that says nothing but another one; None for every other schema."""
    references = place.references()
    if not place.draft.modern:
        return references[0] if references else None
    if len(references) != 1 or any(keyword in ASSERTING for keyword in place.value):
        return None
    return references[0]


class Library:
    """A schema and what it refers to, checked."""

    def __init__(self, root: Json, references: Mapping[str, str]) -> None:
        """Read and check everything that the schema leads to.

        Raises:
            InvalidSchemaError: a text is no schema, or a reference leads to nothing.
            SchemaTooComplexError: that would take too long.
        """
        self._budget = Budget("reading the schema with what it refers to")
        self._texts = references
        self._seen: set[int] = set()
        self._resources: dict[str, Located] = {}
        self._anchors: dict[tuple[str, str], Located] = {}
        self._dynamic: dict[str, dict[str, Located]] = {}
        self._named: dict[str, Document] = {}
        self._found: dict[tuple[str, str, str], Located | None] = {}
        self._open: list[tuple[Document, Reference]] = []
        draft = draft_of(root)
        self.document = Document("", root, own_base(root, "", draft), draft, self)
        self.root = Located(root, self.document.base, self.document)
        self._names = {join(self.document.base, name): name for name in references}
        self._enter(self.document)
        self._follow()

    def target(self, place: Located, keyword: str, reference: str) -> Located | None:
        """Return what a reference leads to; None where that depends on the way that led to it.

        Raises:
            InvalidSchemaError: it leads to nothing.
        """
        key = place.base, keyword, reference
        if key not in self._found:
            found = self._static(place, reference)
            self._found[key] = found if keyword == "$ref" else self._outermost(found, keyword, reference)
        return self._found[key]

    def documents(self) -> Iterator[Document]:
        """Yield the texts that references lead to, the schema's own first."""
        yield self.document
        yield from self._named.values()

    def _enter(self, document: Document) -> None:
        self._resources.setdefault(document.base, Located(document.root, document.base, document))
        self._take(document, examine(document.root, document.base, document.draft, self._budget, self._seen))

    def _take(self, document: Document, findings: Findings) -> None:
        for base, value in findings.resources:
            self._resources.setdefault(base, Located(value, base, document))
        for base, name, value in findings.anchors:
            self._anchors.setdefault((base, name), Located(value, base, document))
        for base, name, value in findings.dynamic:
            self._dynamic.setdefault(name, {}).setdefault(base, Located(value, base, document))
        self._open += [(document, each) for each in findings.references]

    def _follow(self) -> None:
        """Follow every reference, those of texts that references lead to included."""
        plain: dict[int, tuple[Reference, Located]] = {}
        while self._open:
            document, reference = self._open.pop()
            self._budget.spend()
            place = Located(reference.value, reference.base, document)
            said = reference.value[reference.keyword]
            at = Step(reference.at, reference.keyword)
            try:
                found = self.target(place, reference.keyword, said)
            except InvalidSchemaError as error:
                raise type(error)(f"{at}: {error}") from None
            if found is None:
                continue
            if id(found.value) not in self._seen:
                # it stands where no schema is expected, so it was not looked at yet
                draft = found.draft
                self._take(found.document, examine(found.value, found.base, draft, self._budget, self._seen, at=at))
            if plain_reference(place) is not None:
                plain[id(reference.value)] = reference, found
        _refuse_circles(plain)
        # what a dynamic reference means is known when all is read that it could mean
        self._found = {key: found for key, found in self._found.items() if key[1] == "$ref"}
        self._seen = set()

    def _static(self, place: Located, reference: str) -> Located:
        uri, fragment = split(reference)
        there = self._resource(join(place.base, uri), uri)
        if there is None:
            raise InvalidSchemaError(f"there is no schema {uri!r}: name it in the references")
        if not fragment:
            return there
        if not fragment.startswith("/"):
            found = self._anchors.get((there.base, fragment))
            if found is None:
                raise InvalidSchemaError(f"there is no anchor {fragment!r} in the schema it refers to")
            return found
        found = self._pointed(there, fragment)
        if found is None and not uri:
            # as Confluent: of a schema with an id inside another, a pointer may be relative to the outer one
            found = self._pointed(self._resource(place.document.base, "") or there, fragment)
        if found is None:
            raise InvalidSchemaError(f"there is nothing at {fragment!r} in the schema it refers to")
        return found

    def _resource(self, uri: str, said: str) -> Located | None:
        found = self._resources.get(uri)
        if found is not None:
            return found
        for name in (self._names.get(uri, uri), uri, said, said.removeprefix("./")):
            if name in self._texts and name not in self._named:
                return self._read(name, uri)
            if name in self._named:
                document = self._named[name]
                return Located(document.root, document.base, document)
        if uri.startswith(_METASCHEMAS):
            return self._metaschema(uri)
        for name in self._texts:  # one of them may have this id
            if name not in self._named:
                self._read(name, join(self.document.base, name))
        return self._resources.get(uri)

    def _read(self, name: str, uri: str) -> Located:
        try:
            root = read(self._texts[name])
            draft = draft_of(root, self.document.draft)
            document = Document(name, root, own_base(root, uri, draft), draft, self)
            self._named[name] = document
            self._enter(document)
        except InvalidSchemaError as error:
            raise type(error)(f"in the reference {name!r}: {error}") from None
        there = Located(root, document.base, document)
        self._resources.setdefault(uri, there)
        return there

    def _metaschema(self, uri: str) -> Located | None:
        from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped] # noqa: PLC0415 few need it

        root = next((REGISTRY.contents(each) for each in (uri, f"{uri}#") if each in REGISTRY), None)
        if root is None:
            return None
        document = Document(uri, root, uri, draft_of(root), self)
        self._named[uri] = document
        self._enter(document)
        return self._resources[uri]

    def _pointed(self, there: Located, fragment: str) -> Located | None:
        for step in pointer(fragment):
            value = there.value
            if isinstance(value, dict) and step in value:
                inner = value[step]
            elif isinstance(value, list) and step.isdecimal() and int(step[:7]) < len(value):
                inner = value[int(step[:7])]
            else:
                return None
            self._budget.spend()
            there = there.at(inner)
        return there

    def _outermost(self, found: Located, keyword: str, reference: str) -> Located | None:
        """Return what a dynamic reference means, wherever evaluation came from; None where that makes a difference.

        The root is the outermost schema of every way, so what it offers is what is meant.
        """
        name = split(reference)[1] if keyword == "$dynamicRef" else ""
        offered = self._dynamic.get(name, {})
        dynamic = offered.get(found.base)
        if dynamic is None or dynamic.value is not found.value or (keyword == "$dynamicRef" and not name):
            return found
        if self.root.base in offered:
            return offered[self.root.base]
        return found if len(offered) == 1 else None


def _refuse_circles(plain: dict[int, tuple[Reference, Located]]) -> None:
    """Refuse references that lead to references only, and at last back to the first.

    Raises:
        InvalidSchemaError: there is one.
    """
    ended: set[int] = set()
    for start in plain:
        way: set[int] = set()
        at = start
        while at in plain and at not in ended:
            if at in way:
                reference, _ = plain[at]
                raise InvalidSchemaError(f"{reference.at}/{reference.keyword}: leads back to itself, and to no schema")
            way.add(at)
            at = id(plain[at][1].value)
        ended |= way
