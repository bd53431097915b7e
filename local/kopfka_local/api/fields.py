"""Sets of fields, as `metadata.managedFields` names them (`FieldsV1`), and what merging, comparing and removing do with
them.

A path is a tuple of elements in FieldsV1's own words: `f:NAME` a field, `k:{"name":"x"}` the item of a list with these
keys, `v:1` a value of a set. A set of paths holds owned things: leaves, items, entries of maps, and maps as a whole.
Which values are one thing (atomic) and which are many comes from the schema.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from kopfka_local.api.errors import bad_request
from kopfka_local.api.schemas import ANY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_local.api.schemas import Node

Path = tuple[str, ...]
Paths = set[Path]
Object = dict[str, Any]


@dataclass(slots=True)
class Comparison:
    """How a value came from another: the paths added, modified and removed."""

    added: Paths = field(default_factory=set)
    modified: Paths = field(default_factory=set)
    removed: Paths = field(default_factory=set)


def of(value: Any, node: Node) -> Paths:
    """Return all fields of a value, as an apply configuration owns them."""
    found: Paths = set()
    _collect(value, node, (), found)
    return found


def _collect(value: Any, node: Node, path: Path, found: Paths) -> None:
    if isinstance(value, dict) and not node.atomic:
        for key, item in value.items():
            child, below = node.field(key) or ANY, (*path, f"f:{key}")
            _collect(item, child, below, found)
            if item is None or item == {} or key not in node.properties:
                found.add(below)
    elif isinstance(value, list) and node.list_type != "atomic":
        for element, item in elements(value, node):
            _collect(item, node.items, (*path, element), found)
            found.add((*path, element))
    else:
        found.add(path)


def elements(items: list[Any], node: Node) -> list[tuple[str, Any]]:
    """Return the items of a list of type set or map with the path elements that name them.

    Raises:
        ApiError: 400, an item has no key.
    """
    if node.list_type == "set":
        return [("v:" + _dump(item), item) for item in items]
    named = []
    for index, item in enumerate(items):
        key: Object = {}
        for name in node.keys:
            value = item.get(name) if isinstance(item, dict) else None
            if value is None:
                value = (node.items.field(name) or ANY).raw.get("default")
            if value is None:
                omitted = f'associative list with keys has an element that omits key field "{name}"'
                why = f"{omitted} (and doesn't have default value)"
                raise bad_request(f"element {index}: {why}")
            key[name] = value
        named.append(("k:" + _dump(key), item))
    return named


def _dump(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def compare(before: Any, after: Any, node: Node) -> Comparison:
    """Return how `after` came from `before`."""
    result = Comparison()
    _compare(before, after, node, (), result)
    return result


_ABSENT = object()


def _compare(before: Any, after: Any, node: Node, path: Path, result: Comparison) -> None:
    if before is _ABSENT or after is _ABSENT:
        value, changed = (after, result.added) if before is _ABSENT else (before, result.removed)
        _collect_whole(value, node, path, changed)
    elif before == after and type(before) is type(after):
        return
    elif before is None and isinstance(after, (dict, list)) and not _is_atomic(after, node):
        _compare(type(after)(), after, node, path, result)
    elif isinstance(before, dict) and isinstance(after, dict) and not node.atomic and (before or after):
        for key in before.keys() | after.keys():
            child = node.field(key) or ANY
            _compare(before.get(key, _ABSENT), after.get(key, _ABSENT), child, (*path, f"f:{key}"), result)
    elif isinstance(before, list) and isinstance(after, list) and node.list_type != "atomic" and (before or after):
        old, new = dict(elements(before, node)), dict(elements(after, node))
        for element in old.keys() | new.keys():
            below = (*path, element)
            _compare(old.get(element, _ABSENT), new.get(element, _ABSENT), node.items, below, result)
    else:
        result.modified.add(path)


def _is_atomic(value: Any, node: Node) -> bool:
    return node.atomic if isinstance(value, dict) else node.list_type == "atomic"


def _collect_whole(value: Any, node: Node, path: Path, found: Paths) -> None:
    """Collect the fields of a value that came or went as a whole, the maps and items that hold them included."""
    found.add(path)
    if isinstance(value, dict) and not node.atomic:
        for key, item in value.items():
            _collect_whole(item, node.field(key) or ANY, (*path, f"f:{key}"), found)
    elif isinstance(value, list) and node.list_type != "atomic":
        for element, item in elements(value, node):
            _collect_whole(item, node.items, (*path, element), found)


def merge(live: Any, config: Any, node: Node) -> Any:
    """Return `live` with everything that `config` says; neither argument is changed."""
    if isinstance(config, dict) and isinstance(live, dict) and not node.atomic:
        result = dict(live)
        for key, value in config.items():
            result[key] = merge(live[key], value, node.field(key) or ANY) if key in live else value
        return result
    if isinstance(config, list) and isinstance(live, list) and node.list_type != "atomic":
        return _merge_list(live, config, node)
    return config


def _merge_list(live: list[Any], config: list[Any], node: Node) -> list[Any]:
    """Merge by keys: shared and new items in the order of `config`, the others where they were among them."""
    old, new = dict(elements(live, node)), dict(elements(config, node))
    order, result, flushed = list(old), [], 0
    for element, item in new.items():
        if element not in old:
            result.append(item)
            continue
        while flushed < len(order) and flushed <= order.index(element):
            if order[flushed] not in new:
                result.append(old[order[flushed]])
            flushed += 1
        result.append(merge(old[element], item, node.items))
    return result + [old[element] for element in order[flushed:] if element not in new]


def remove(value: Any, node: Node, paths: Paths, path: Path = ()) -> Any:
    """Return a value without what is at `paths`; a structure that only held removed fields goes with them."""
    if not any(len(each) > len(path) and each[: len(path)] == path for each in paths):
        return value
    if isinstance(value, dict):
        result: Object = {}
        for key, item in value.items():
            below = (*path, f"f:{key}")
            if below in paths:
                continue
            kept = remove(item, node.field(key) or ANY, paths, below)
            if kept not in ({}, []) or item in ({}, []):
                result[key] = kept
        return result
    if isinstance(value, list) and node.list_type != "atomic":
        return [
            remove(item, node.items, paths, (*path, element))
            for element, item in elements(value, node)
            if (*path, element) not in paths
        ]
    return value


def encode(paths: Iterable[Path]) -> Object:
    """Return paths as a FieldsV1 tree."""
    tree: Object = {}
    members = set(paths)
    for path in sorted(members):
        level = tree
        for element in path:
            level = level.setdefault(element, {})
    _mark(tree, (), members)
    return tree


def _mark(tree: Object, path: Path, members: Paths) -> None:
    for element, below in list(tree.items()):
        if below:
            _mark(below, (*path, element), members)
    if tree and path and path in members:
        tree["."] = {}


def decode(tree: Object) -> Paths:
    """Read a FieldsV1 tree."""
    found: Paths = set()
    _unfold(tree, (), found)
    return found


def _unfold(tree: Object, path: Path, found: Paths) -> None:
    if (not tree or "." in tree) and path:
        found.add(path)
    for element, below in tree.items():
        if element != ".":
            _unfold(below, (*path, element), found)


def shown(path: Path) -> str:
    """Return a path as people read it: `.spec.containers[name="web"].image`."""
    text = ""
    for element in path:
        kind, _, rest = element.partition(":")
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            text += "[" + ",".join(f"{name}={_dump(value)}" for name, value in sorted(orjson.loads(rest).items())) + "]"
        else:
            text += f"[={rest}]" if kind == "v" else f"[{rest}]"
    return text
