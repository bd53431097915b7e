"""Strategic merge patches: merge patches that know lists whose items have a key (`x-kubernetes-patch-merge-key`).

Directives: `$patch: replace | delete | merge` in a map or in an item of a list, `$deleteFromPrimitiveList/FIELD`,
`$setElementOrder/FIELD`, `$retainKeys`.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from kopfka_local.api.errors import bad_request
from kopfka_local.api.schemas import ANY

if TYPE_CHECKING:
    from kopfka_local.api.schemas import Node

    Object = dict[str, Any]

_DELETE, _ORDER, _RETAIN, _PATCH = "$deleteFromPrimitiveList/", "$setElementOrder/", "$retainKeys", "$patch"


def merge(target: Object, patch: Object, node: Node) -> Object:  # noqa: PLR0912
    """Return `target` changed by a strategic merge patch; neither argument is changed.

    Raises:
        ApiError: 400, a directive is unknown or an item has no merge key.
    """
    directive = patch.get(_PATCH)
    if directive == "replace":
        return {key: value for key, value in copy.deepcopy(patch).items() if key != _PATCH}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise bad_request(f"unknown patch directive {directive!r}: write replace, delete or merge")
    result = dict(target)
    if _RETAIN in patch:
        result = {key: value for key, value in result.items() if key in patch[_RETAIN]}
    for key, value in patch.items():
        if key in (_PATCH, _RETAIN) or key.startswith(_ORDER):
            continue
        if key.startswith(_DELETE):
            name = key.removeprefix(_DELETE)
            result[name] = [item for item in result.get(name) or [] if item not in value]
            continue
        child = node.field(key) or ANY
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and "replace" not in child.strategies:
            below = result.get(key)
            result[key] = merge(below if isinstance(below, dict) else {}, value, child)
            if value.get(_PATCH) == "delete":
                del result[key]
        elif isinstance(value, list) and "merge" in child.strategies:
            result[key] = _merge_list(result.get(key) or [], value, child)
        else:
            result[key] = copy.deepcopy(value)
    for key, order in patch.items():
        if key.startswith(_ORDER) and isinstance(result.get(name := key.removeprefix(_ORDER)), list):
            result[name] = _ordered(result[name], order, (node.field(name) or ANY).merge_key, patch.get(name) or [])
    return result


def _merge_list(target: list[Any], patch: list[Any], node: Node) -> list[Any]:
    merge_key = node.merge_key
    if not merge_key or not all(isinstance(item, dict) for item in patch):
        return target + [item for item in dict.fromkeys(patch) if item not in target]
    if any(item.get(_PATCH) == "replace" and merge_key not in item for item in patch):
        return [copy.deepcopy(item) for item in patch if _PATCH not in item]
    result = list(target)
    for item in patch:
        if merge_key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {merge_key}")
        places = [i for i, each in enumerate(result) if each.get(merge_key) == item[merge_key]]
        directive = item.get(_PATCH)
        if directive == "delete":
            result = [each for i, each in enumerate(result) if i not in places]
        elif places:
            result[places[0]] = merge(result[places[0]], item, node.items)
        else:
            result.append(merge({}, {k: v for k, v in item.items() if k != _PATCH}, node.items))
    return result


def _ordered(items: list[Any], order: list[Any], merge_key: str, patched: list[Any]) -> list[Any]:
    """Put the items that `order` names into that order; others stay behind the one they followed."""
    wanted = [item.get(merge_key) if isinstance(item, dict) else item for item in order]

    def identity(item: Any) -> Any:
        return item.get(merge_key) if isinstance(item, dict) and merge_key else item

    named = sorted((item for item in items if identity(item) in wanted), key=lambda item: wanted.index(identity(item)))
    result: list[Any] = []
    queue = iter(named)
    for item in items:
        result.append(next(queue) if identity(item) in wanted else item)
    return result
