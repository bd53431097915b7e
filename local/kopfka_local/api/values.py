"""What a schema makes of a value before it is judged: unknown fields dropped and reported, nulls dropped, defaults
filled in.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from kopfka_local.api import quantity
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


def drop_nothings(value: Any, node: Node) -> None:
    """Drop what says nothing in a built-in kind, in place: nulls, and empty maps and lists that are not required."""
    if node is ANY or node.opaque:
        return
    if isinstance(value, dict):
        needed = node.raw.get("required") or ()
        for key, item in list(value.items()):
            child = node.field(key) or ANY
            drop_nothings(item, child)
            if item is None or (
                item in ({}, []) and key not in needed and child is not ANY and _is_collection(item, child)
            ):
                del value[key]
    elif isinstance(value, list):
        for item in value:
            drop_nothings(item, node.items)


def _is_collection(value: Any, node: Node) -> bool:
    return isinstance(value, list) or "additionalProperties" in node.raw


def fill_zeros(value: Any, node: Node) -> None:
    """Fill in the defaults of a built-in kind's definition, in place: most are the zeros of fields that are never left
    out.
    """
    if node is ANY:
        return
    if isinstance(value, dict):
        for key, raw in node.properties.items():
            if "default" in raw and key not in value:
                value[key] = copy.deepcopy(raw["default"])
            if isinstance(value.get(key), (dict, list)) and key != "metadata":
                fill_zeros(value[key], node.field(key) or ANY)
        if not node.properties and node.additional is not None:
            for item in value.values():
                fill_zeros(item, node.additional)
    elif isinstance(value, list):
        for item in value:
            fill_zeros(item, node.items)


def blank(node: Node) -> dict[str, Any]:
    """Return an object of which only is said what a typed client cannot leave out."""
    result: dict[str, Any] = {}
    for key, raw in node.properties.items():
        child = node.field(key)
        if raw.get("default") == {} and child is not None:
            result[key] = blank(child)
        elif "default" in raw:
            result[key] = raw["default"]
        elif key in (node.raw.get("required") or ()):
            result[key] = None
    return result


def settle_quantities(value: Any, node: Node) -> None:
    """Write amounts in their canonical form, in place: `1000m` is `1`."""
    if node is ANY:
        return
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(pairs):
        child = (node.field(key) if isinstance(value, dict) else node.items) or ANY
        if child.is_quantity:
            value[key] = quantity.canonical(str(item))
        elif isinstance(item, (dict, list)):
            settle_quantities(item, child)


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
