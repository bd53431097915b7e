"""Avro as one of the registry's schema languages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_registry.errors import InvalidSchemaError, SchemaTooComplexError
from kopfka_registry.formats.avro import defaults, resolution, writing
from kopfka_registry.formats.avro.budget import Budget
from kopfka_registry.formats.avro.reading import Reader
from kopfka_registry.formats.avro.style import AS_READ, NORMAL
from kopfka_registry.formats.avro.tags import inline_tags
from kopfka_registry.formats.avro.types import Enum, Fixed, Record
from kopfka_registry.formats.contract import LARGEST_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_registry.formats.avro.style import AsRead
    from kopfka_registry.formats.avro.types import Type
    from kopfka_registry.formats.contract import Difference

_UNLIMITED: Final = 10**9


class AvroSchema:
    """A schema, in the form of `style`; `known` are the names of what it refers to."""

    __slots__ = ("_known", "_root", "_style", "canonical")

    def __init__(self, root: Type, known: frozenset[str], style: AsRead, written: str = "") -> None:
        self._root = root
        self._known = known
        self._style = style
        text = writing.write(root, style, known)
        if len(text) > LARGEST_TEXT:
            raise SchemaTooComplexError(f"written out, the schema has {len(text)} characters, more than {LARGEST_TEXT}")
        # what is stored already is not held twice
        self.canonical: Final = written if text == written else text
        """The text that is stored and answered; equal texts are the same schema."""

    @property
    def name(self) -> str | None:
        """Full name of the record it describes, if it is one."""
        return self._root.name.full if isinstance(self._root, Record) else None

    def normalized(self) -> AvroSchema:
        """Return the same schema in the one form that all spellings of it share (`normalize=true`)."""
        return self if self._style is NORMAL else AvroSchema(self._root, self._known, NORMAL)

    def formatted(self, form: str) -> str:
        """Return the text with all that it refers to in it for `resolved`, else the canonical one."""
        if form.lower() != "resolved":
            return self.canonical
        return writing.write(self._root, self._style, deepest=_UNLIMITED)

    def differences(self, writer: AvroSchema) -> list[Difference]:
        """Return why this schema, as the reader, cannot read all that `writer` wrote; empty where it can.

        Raises:
            SchemaTooComplexError: comparing the two would take too long.
        """
        return resolution.differences(self._root, writer._root)

    def check_defaults(self) -> None:
        """Make sure that the defaults of fields fit their types: for new schemas if they are to be normalised, or if
        `avro.validate.defaults` is set.

        Raises:
            InvalidSchemaError: one does not.
            SchemaTooComplexError: checking takes too long.
        """
        defaults.check(self._root)

    def inline_tags(self) -> dict[str, set[str]]:
        """Return the tags of records and fields, by the full name: `ns.Record`, `ns.Record.field`."""
        return inline_tags(self._root)


class AvroFormat:
    """The language."""

    name = "AVRO"

    def parse(self, text: str, references: Mapping[str, str]) -> AvroSchema:
        """Read a schema; see `formats.contract.Format`.

        Raises:
            InvalidSchemaError: it is no Avro schema, or names a type that is not there.
            SchemaTooComplexError: it is larger or deeper than what is worked on.
        """
        try:
            return _parsed(text, references)
        except RecursionError:
            # a caller that is deep in calls itself has left too few of them
            raise SchemaTooComplexError("the schema is nested too deep for where it is read") from None


def _parsed(text: str, references: Mapping[str, str]) -> AvroSchema:
    reader = Reader(Budget("reading the schema"))
    known: set[str] = set()
    for name, referred in references.items():
        try:
            root = reader.read(referred)
        except InvalidSchemaError as error:
            raise type(error)(f"in the reference {name}: {error}") from None
        if isinstance(root, (Record, Enum, Fixed)):
            known.add(root.name.full)
    return AvroSchema(reader.read(text), frozenset(known), AS_READ, text)


FORMAT: Final = AvroFormat()
