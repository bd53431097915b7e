"""Custom options in descriptors: fields the runtime does not know, read with the files that declare them.

What none of the imported files declares is left out: it has no name to be written by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf.encoding import Decoder, raw_fields, together
from kopfka_registry.formats.protobuf.types import Types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kopfka_registry.formats.protobuf.symbols import Linked
    from kopfka_registry.formats.protobuf.types import FieldType


def custom_options(linked: Linked) -> Callable[[str, bytes], Iterator[tuple[str, e.Value]]]:
    """Return what reads the extensions in the bytes of a message of options, given the message's full name."""
    types = Types(linked)
    declared: dict[str, dict[int, FieldType]] = {}
    decoder = Decoder(types, declared)
    for table in (linked.main, *linked.others()):
        for symbol in table.symbols.values():
            if symbol.kind == "extension" and table.path in linked.visible(linked.main, options=True):
                extended = types.extendee(symbol)
                if extended is not None and isinstance(symbol.element, e.Field):
                    declared.setdefault(extended.name, {})[symbol.element.number] = types.extension(symbol)

    def read(message: str, content: bytes) -> Iterator[tuple[str, e.Value]]:
        for field, wire_type, value in together(raw_fields(content), declared.get(message, {})):
            linked.steps.take()
            for item in decoder.values(field, wire_type, value):
                yield field.name, item

    return read
