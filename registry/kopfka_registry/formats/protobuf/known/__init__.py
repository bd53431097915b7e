"""Files that every schema may import without a reference: `google/protobuf/*`, `google/type/*` and Confluent's own.

Those of `google/protobuf` that the runtime has come from its descriptors; the others are interfaces, written beside
this module with nothing but names, types and numbers.
"""

from __future__ import annotations

import functools
import importlib
import importlib.resources
from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.protobuf.decoded import elements_of, read_descriptor
from kopfka_registry.formats.protobuf.reader import read_file
from kopfka_registry.formats.protobuf.refusal import Steps

if TYPE_CHECKING:
    from kopfka_registry.formats.protobuf.elements import File

_OF_RUNTIME: Final = frozenset(
    f"google/protobuf/{name}.proto"
    for name in ("any", "api", "descriptor", "duration", "empty", "field_mask", "source_context", "struct",
                 "timestamp", "type", "wrappers", "compiler/plugin")
)  # fmt: skip
_WRITTEN: Final = frozenset(
    (
        "confluent/meta.proto",
        "confluent/type/decimal.proto",
        *(f"google/protobuf/{name}_features.proto" for name in ("cpp", "java", "go")),
        *(f"google/type/{name}.proto"
          for name in ("calendar_period", "color", "date", "datetime", "dayofweek", "decimal", "expr", "fraction",
                       "interval", "latlng", "localized_text", "money", "month", "phone_number", "postal_address",
                       "quaternion", "timeofday")),
    )
)  # fmt: skip

DESCRIPTOR: Final = "google/protobuf/descriptor.proto"
KNOWN: Final = _OF_RUNTIME | _WRITTEN
"""Paths of the files that need no reference."""


@functools.cache
def known_file(path: str) -> File:
    """Return the elements of one of the files in `KNOWN`."""
    if path in _WRITTEN:
        text = importlib.resources.files(__name__).joinpath(path).read_text("utf-8")
        return read_file(text, Steps())
    module = importlib.import_module(path.removesuffix(".proto").replace("/", ".") + "_pb2")
    return elements_of(read_descriptor(module.DESCRIPTOR.serialized_pb), Steps())
