"""What a schema language does for the registry, and the words it says it in.

Whatever a text contains, `Format.parse` and what it returns take bounded time and memory, or raise
`SchemaTooComplexError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_TEXT: Final = 1_000_000
"""Characters of one schema: what fits a record of `max.message.bytes`."""
DEEPEST: Final = 200
"""Levels of nesting in one schema."""
MOST_STEPS: Final = 1_000_000
"""Steps one parse or one comparison may take; a step is some microseconds."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One reason why a reader's schema cannot read what a writer's schema wrote.

    `text` has `{reader}` and `{writer}` where it speaks of one of the two, so that the same difference can be told of
    a new schema that reads old data, and of an old one that reads new data.
    """

    rule: str
    """The name of the broken rule, as in Confluent's `errorType`: `READER_FIELD_MISSING_DEFAULT_VALUE`."""
    path: str
    """Where, in the language's own notation: `/fields/1` (Avro), `#/properties/a` (JSON Schema), `#/A/1` (Protobuf)."""
    text: str
    additional: str = ""
    """What it is about in one word: a field's name, two types, a missing symbol."""

    def told(self, reader: str, writer: str) -> str:
        """Return the difference as verbose answers have it, for a `reader` and a `writer` (`new` and `old`)."""
        said = self.text.replace("{reader}", reader).replace("{writer}", writer)
        extra = f", additionalInfo:'{self.additional}'" if self.additional else ""
        return f"{{errorType:'{self.rule}', description:'{said}'{extra}}}"


class ParsedSchema(Protocol):
    """A schema that was read together with what it refers to."""

    @property
    def canonical(self) -> str:
        """The text that is stored and answered; equal texts are the same schema."""

    @property
    def name(self) -> str | None:
        """Full name of what it describes (an Avro record, a Protobuf message, a JSON Schema's title), if it has one."""

    def normalized(self) -> Self:
        """Return the same schema in the one form that all spellings of it share (`normalize=true`)."""

    def formatted(self, form: str) -> str:
        """Return the text in a form of the API's parameter `format`; the canonical one where `form` is not known."""

    def check_defaults(self) -> None:
        """Make sure that the defaults of fields fit their types; asked of new schemas that are to be normalised.

        Languages in which a default is no more than a remark let all pass.

        Raises:
            InvalidSchemaError: one does not fit.
        """

    def inline_tags(self) -> Mapping[str, set[str]]:
        """Return the tags that the text itself gives to its fields (`confluent:tags`), by the field's path."""

    def differences(self, writer: Self) -> list[Difference]:
        """Return why this schema, as the reader, cannot read all that `writer` wrote; empty where it can.

        Raises:
            SchemaTooComplexError: comparing the two would take too long.
        """


class Format(Protocol):
    """A schema language."""

    name: str
    """As in the API's `schemaType`: `AVRO`, `PROTOBUF`, `JSON`."""

    def parse(self, text: str, references: Mapping[str, str]) -> ParsedSchema:
        """Read a schema.

        Args:
            text: the schema.
            references: the text of every schema it refers to, directly or through another, by the name it is referred
                to; what a schema needs stands before it.

        Raises:
            InvalidSchemaError: it is no schema of this language, or refers to what is not there; in one line, with
                the place.
            SchemaTooComplexError: it is larger or deeper than what is worked on.
        """
