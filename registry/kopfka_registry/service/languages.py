"""The schema languages by the API's names; each is imported at its first use."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from kopfka_registry.errors import InvalidSchemaError

if TYPE_CHECKING:
    from kopfka_registry.formats.contract import Format

NAMES: Final = ("JSON", "PROTOBUF", "AVRO")


@cache
def language(name: str) -> Format:
    """Return a language.

    Raises:
        InvalidSchemaError: there is none of this name.
    """
    # ruff: noqa: PLC0415
    match name:
        case "AVRO":
            from kopfka_registry.formats.avro import FORMAT as AVRO

            return AVRO
        case "PROTOBUF":
            from kopfka_registry.formats.protobuf import FORMAT as PROTOBUF

            return PROTOBUF
        case "JSON":
            from kopfka_registry.formats.jsonschema import FORMAT as JSONSCHEMA

            return JSONSCHEMA
    raise InvalidSchemaError(f"Invalid schema type {name}: write one of {', '.join(NAMES)}")
