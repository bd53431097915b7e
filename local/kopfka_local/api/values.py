"""What a schema makes of a value before it is judged: unknown fields dropped and reported, nulls dropped, defaults filled in."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from kopfka_local.api.schemas import ANY

if TYPE_CHECKING:
    from kopfka_local.api.schemas import Node


def prune(value: Any, node: Node, path: str = "") -> list[str]:
    """Drop fields the schema does not know, in place; return their paths (`spec.containers[0].imge`)."""
    if node is ANY:
        return []
    unknown: list[str] = []
    if isinstance(value, dict):
        for key in list(value):
            child = node.field(key)
            below = f"{path}.{key}" if path else key
            if child is None:
                unknown.append(below)
                del value[key]
            elif isinstance(value[key], (dict, list)):
                unknown += prune(value[key], child, below)
    elif isinstance(value, list):
        items = node.items
        for index, item in enumerate(value):
            if isinstance(item, (dict, list)):
                unknown += prune(item, items, f"{path}[{index}]")
    return unknown


def drop_nulls(value: Any) -> None:
    """Drop every null, in place: for built-in kinds a null says the same as nothing."""
    if isinstance(value, dict):
        for key in [key for key, item in value.items() if item is None]:
            del value[key]
        for item in value.values():
            drop_nulls(item)
    elif isinstance(value, list):
        for item in value:
            drop_nulls(item)


def fill_defaults(value: Any, node: Node) -> None:
    """Fill in the defaults of a CRD's schema, in place; a null where none is allowed counts as nothing."""
    if node is ANY:
        return
    if isinstance(value, dict):
        for key in list(value):
            child = node.field(key)
            if value[key] is None and child is not None and child is not ANY and not child.raw.get("nullable"):
                del value[key]
        for key, raw in node.properties.items():
            if key not in value and isinstance(raw, dict) and "default" in raw:
                value[key] = copy.deepcopy(raw["default"])
        for key, item in value.items():
            if isinstance(item, (dict, list)):
                fill_defaults(item, node.field(key) or ANY)
    elif isinstance(value, list):
        items = node.items
        for item in value:
            if isinstance(item, (dict, list)):
                fill_defaults(item, items)
