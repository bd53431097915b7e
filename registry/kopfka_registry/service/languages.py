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
            from kopfka_registry.formats import avro

            return avro.FORMAT
        case "PROTOBUF":
            from kopfka_registry.formats import protobuf

            return protobuf.FORMAT
        case "JSON":
            from kopfka_registry.formats import jsonschema

            return jsonschema.FORMAT
    raise InvalidSchemaError(f"Invalid schema type {name}: write one of {', '.join(NAMES)}")
