"""Which types of a file others may use: `export` and `local` of edition 2024, and what goes where neither stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf.features import of_file
from kopfka_registry.formats.protobuf.refusal import RefusalError

if TYPE_CHECKING:
    from kopfka_registry.formats.protobuf.symbols import Symbol


def is_exported(symbol: Symbol) -> bool:
    """Tell whether other files may use a message or an enum."""
    element = symbol.element
    if isinstance(element, e.Message | e.Enum) and element.visibility:
        return element.visibility == "export"
    match of_file(symbol.table.file).default_symbol_visibility:
        case "EXPORT_TOP_LEVEL":
            return symbol.parent is None
        case "LOCAL_ALL" | "STRICT":
            return False
    return True


def check_export(element: e.Message | e.Enum, file: e.File, parent: e.Message | None) -> None:
    """Check that something nested is not exported where the file forbids it.

    An enum may be, in a local message that reserves all numbers and so is nothing but a name before it.
    """
    if element.visibility != "export" or parent is None:
        return
    if of_file(file).default_symbol_visibility != "STRICT":
        return
    reserves_all = any(item.ranges == ((1, e.LARGEST_NUMBER),) for item in parent.reserved)
    if not (isinstance(element, e.Enum) and reserves_all and parent.visibility != "export"):
        raise RefusalError(f'"{element.name}" is nested and cannot be exported: the file is STRICT', element.at)
