"""JSON Schema, drafts 4 to 2020-12, as a language of the registry: `FORMAT`.

What is compared and how is in `rules`; how a schema is read, in `library`; what it becomes for that, in `nodes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_registry.errors import InvalidSchemaError
from kopfka_registry.formats.jsonschema.schema import JsonDifference, JsonSchema
from kopfka_registry.formats.jsonschema.text import read

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FORMAT", "JsonDifference", "JsonSchema", "JsonSchemaFormat"]


class JsonSchemaFormat:
    """JSON Schema; see `formats.contract.Format`."""

    name = "JSON"

    def parse(self, text: str, references: Mapping[str, str]) -> JsonSchema:
        """Read and check a schema with what it refers to.

        Raises:
            InvalidSchemaError: it is no schema of its draft, or refers to what is not there; in one line.
            SchemaTooComplexError: it is larger or deeper than what is worked on.
        """
        try:
            return JsonSchema(read(text), references)
        except InvalidSchemaError as error:
            raise type(error)(" ".join(str(error).split())) from None


FORMAT: Final = JsonSchemaFormat()
