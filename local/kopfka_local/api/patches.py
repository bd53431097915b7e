"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902)."""

from __future__ import annotations

import copy
from typing import Any

from kopfka_local.api.errors import ApiError, bad_request


def merge(target: Any, patch: Any) -> Any:
    """Return `target` changed by a JSON merge patch; neither argument is changed."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def merge_diff(before: Any, after: Any) -> Any:
    """Return the merge patch that makes `after` of `before` (which has no nulls)."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return after
    patch = {key: None for key in before if key not in after}
    for key, value in after.items():
        if key not in before:
            patch[key] = value
        elif before[key] != value:
            patch[key] = merge_diff(before[key], value)
    return patch


def json_patch(target: Any, operations: list[Any]) -> Any:
    """Return `target` changed by a JSON patch; it is not changed itself.

    Raises:
        ApiError: 400, an operation is malformed; 422, one does not fit the target or a test fails.
    """
    result = copy.deepcopy(target)
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise bad_request("a JSON patch operation is an object with op and path")
        result = _operate(result, operation)
    return result


def _operate(document: Any, operation: dict[str, Any]) -> Any:  # noqa: PLR0911
    path = _pointer(operation["path"])
    match operation.get("op"):
        case "add":
            return _add(document, path, _value(operation))
        case "remove":
            return _remove(document, path)[0]
        case "replace":
            if path:
                _get(document, path)
                return _add(_remove(document, path)[0], path, _value(operation))
            return copy.deepcopy(_value(operation))
        case "move":
            source = _pointer(str(operation.get("from")))
            if path[: len(source)] == source and path != source:
                raise _refused(f"cannot move {operation['from']} into itself")
            document, moved = _remove(document, source)
            return _add(document, path, moved)
        case "copy":
            return _add(document, path, copy.deepcopy(_get(document, _pointer(str(operation.get("from"))))))
        case "test":
            if not _same(_get(document, path, absent=True), _value(operation)):
                raise _refused(f"testing value {operation['path']} failed")
            return document
    raise bad_request(f"unexpected JSON patch operation {operation.get('op')!r}")


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise bad_request(f"JSON patch operation {operation.get('op')!r} on {operation['path']} has no value")
    return operation["value"]


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise bad_request(f"{text!r} is not a JSON pointer: it starts with a slash")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _index(key: str, length: int) -> int:
    if not (key.isascii() and key.isdigit()) or (len(key) > 1 and key[0] == "0") or int(key) >= length:
        raise _refused(f"list index {key!r} is out of bounds")
    return int(key)


def _get(document: Any, path: list[str], *, absent: bool = False) -> Any:
    for key in path:
        if isinstance(document, dict) and key in document:
            document = document[key]
        elif isinstance(document, list):
            document = document[_index(key, len(document))]
        elif absent:
            return None
        else:
            raise _refused(f"nothing is at /{'/'.join(path)}")
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _get(document, path[:-1])
    key = path[-1]
    if isinstance(parent, dict):
        parent[key] = value
    elif isinstance(parent, list):
        parent.insert(len(parent) if key == "-" else _index(key, len(parent) + 1), value)
    else:
        raise _refused(f"/{'/'.join(path[:-1])} is neither an object nor a list")
    return document


def _remove(document: Any, path: list[str]) -> tuple[Any, Any]:
    if not path:
        raise _refused("the whole document cannot be removed")
    parent = _get(document, path[:-1])
    key = path[-1]
    if isinstance(parent, dict) and key in parent:
        return document, parent.pop(key)
    if isinstance(parent, list):
        return document, parent.pop(_index(key, len(parent)))
    raise _refused(f"nothing is at /{'/'.join(path)}")


def _same(left: Any, right: Any) -> bool:
    """Compare as JSON does: true is not 1, but 1.0 is."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)


def _refused(why: str) -> ApiError:
    return ApiError(422, "Invalid", f"the server rejected our request due to an error in our request: {why}")
