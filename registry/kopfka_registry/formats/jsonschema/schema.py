"""A JSON Schema as the registry has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.contract import Difference
from kopfka_registry.formats.jsonschema.compare.outcome import told
from kopfka_registry.formats.jsonschema.compare.run import Comparison
from kopfka_registry.formats.jsonschema.inline import inlined
from kopfka_registry.formats.jsonschema.library import Library
from kopfka_registry.formats.jsonschema.tags import TAGS, inline_tags
from kopfka_registry.formats.jsonschema.text import ordered, read, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_registry.formats.jsonschema.text import Json

_KEPT: Final = 32_768
"""Characters up to which a schema stays in memory as it was read; a larger one is read anew when it is needed."""


@dataclass(frozen=True, slots=True)
class JsonDifference(Difference):
    """A difference in the words of Confluent's answers about JSON Schema, which are in double quotes."""

    def told(self, reader: str, writer: str) -> str:
        """Return the difference for a `reader` and a `writer` (`new`, `old`)."""
        said = self.text.replace("{reader}", reader).replace("{writer}", writer)
        return f'{{errorType:"{self.rule}", description:"{said}"}}'


class JsonSchema:
    """A schema and what it refers to. Does not change."""

    __slots__ = ("_library", "_references", "canonical", "name")

    canonical: str
    """The text that is stored and answered; equal texts are the same schema."""
    name: str | None
    """The title."""

    def __init__(self, root: Json, references: Mapping[str, str]) -> None:
        """Check a schema.

        Raises:
            InvalidSchemaError: it is none, or refers to what is not there.
            SchemaTooComplexError: checking it takes too long.
        """
        library = Library(root, references)
        self.canonical = write(root)
        self.name = root.get("title") if isinstance(root, dict) else None
        self._references = references
        size = len(self.canonical) + sum(map(len, references.values()))
        self._library = library if size <= _KEPT else None

    def normalized(self) -> JsonSchema:
        """Return the schema with the members of all objects in order."""
        return JsonSchema(ordered(read(self.canonical)), self._references)

    def formatted(self, form: str) -> str:
        """Return the text; as `resolved`, with the schemas it refers to in the places of the references.

        Raises:
            SchemaTooComplexError: the text would be larger than a schema may be.
        """
        if form.lower() != "resolved" or not self._references:
            return self.canonical
        return write(inlined(self._read().root))

    def differences(self, writer: JsonSchema) -> list[Difference]:
        """Return why this schema, as the reader, cannot read all that `writer` wrote.

        Raises:
            SchemaTooComplexError: comparing the two would take too long.
        """
        return [difference for difference, compatible in self.changes(writer) if not compatible]

    def changes(self, writer: JsonSchema, *, compatible: bool = False) -> list[tuple[Difference, bool]]:
        """Return what is different from `writer`'s schema, and of each whether this one can read data all the same.

        Args:
            writer: the other schema.
            compatible: whether differences that hurt nobody are wanted, too.
        """
        if self.canonical == writer.canonical and self._references == writer._references:
            return []
        found = Comparison().run(writer._read().root, self._read().root)
        return [
            (JsonDifference(rule.name, path, rule.text.replace("{path}", path), _last(path)), rule.compatible)
            for rule, path in told(found, compatible=compatible)
        ]

    def check_defaults(self) -> None:
        """Let all pass: `default` is an annotation."""

    def inline_tags(self) -> dict[str, set[str]]:
        """Return the tags (`confluent:tags`) of objects and fields, by Confluent's paths: `object.card`."""
        return inline_tags(self._read().root) if TAGS in self.canonical else {}

    def _read(self) -> Library:
        return self._library or Library(read(self.canonical), self._references)


def _last(path: str) -> str:
    return path[path.rfind("/") + 1 :]
