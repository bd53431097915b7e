"""Judging values by their schema: types, bounds, patterns, enums, required fields, list keys, logical combinations.

For CRDs all of the structural schema counts; for built-in kinds, whose OpenAPI says less than Kubernetes checks,
`rules` adds what matters. CEL rules are in `celrules`.
"""

from __future__ import annotations

import functools
import math
import re
from typing import TYPE_CHECKING, Any

import orjson

from kopfka_local.api import formats, quantity
from kopfka_local.api.errors import Cause, duplicate, invalid_value, not_supported, required, too_long, wrong_type
from kopfka_local.api.schemas import ANY

if TYPE_CHECKING:
    from kopfka_local.api.schemas import Node


def validate(value: Any, node: Node, path: str = "") -> list[Cause]:
    """Return what is wrong with a value and all below it."""
    if node is ANY:
        return []
    schema = node.raw
    if value is None:
        return (
            [] if schema.get("nullable") or not schema.get("type") else [wrong_type(path, None, schema["type"], "null")]
        )
    mismatch = _type(value, node, path)
    if mismatch:
        return [mismatch, *_enum(value, schema, path)]
    causes = _scalar(value, schema, path)
    if isinstance(value, dict):
        causes += _object(value, node, path)
    elif isinstance(value, list):
        causes += _list(value, node, path)
    return causes + _combined(value, schema, path)


def type_name(value: Any) -> str:
    """Return the JSON schema type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _type(value: Any, node: Node, path: str) -> Cause | None:
    wanted = node.raw.get("type")
    found = type_name(value)
    if node.is_quantity:
        return None if quantity.is_valid(value) else Cause(path, "FieldValueTypeInvalid", quantity.RULE)
    if node.int_or_string:
        return None if found in ("integer", "string") else wrong_type(path, found, "integer,string", found)
    if not wanted or wanted == found or (wanted == "number" and found == "integer"):
        return None
    return wrong_type(path, found, wanted, found)


def _scalar(value: Any, schema: Any, path: str) -> list[Cause]:
    causes = _enum(value, schema, path)
    if isinstance(value, str):
        causes += _string(value, schema, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        causes += _number(value, schema, path)
    return causes


def _enum(value: Any, schema: Any, path: str) -> list[Cause]:
    enum = schema.get("enum")
    return [] if enum is None or value in enum else [not_supported(path, value, enum)]


def _string(value: str, schema: Any, path: str) -> list[Cause]:
    causes = []
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    if longest is not None and len(value) > longest:
        causes.append(too_long(path, longest))
    if shortest is not None and len(value) < shortest:
        causes.append(_bad(path, value, f"should be at least {shortest} chars long"))
    pattern = schema.get("pattern")
    if pattern and not _compiled(pattern).search(value):
        causes.append(_bad(path, value, f"should match '{pattern}'"))
    format_ = schema.get("format")
    if format_ == "byte" and not formats.is_valid(format_, value):
        causes.append(Cause(path, "FieldValueTypeInvalid", "illegal base64 data"))
    elif format_ and not formats.is_valid(format_, value):
        causes.append(_bad(path, value, f'must be of type {format_}: "{value}"'))
    return causes


def _number(value: float, schema: Any, path: str) -> list[Cause]:
    causes = []
    low, high, step = schema.get("minimum"), schema.get("maximum"), schema.get("multipleOf")
    if low is not None:
        exclusive = schema.get("exclusiveMinimum")
        if value < low or (exclusive and value == low):
            causes.append(_bad(path, value, f"should be greater than {'' if exclusive else 'or equal to '}{low}"))
    if high is not None:
        exclusive = schema.get("exclusiveMaximum")
        if value > high or (exclusive and value == high):
            causes.append(_bad(path, value, f"should be less than {'' if exclusive else 'or equal to '}{high}"))
    if step and not math.isclose(value / step, round(value / step), abs_tol=1e-9):
        causes.append(_bad(path, value, f"should be a multiple of {step}"))
    width = {"int32": 2**31, "int64": 2**63}.get(schema.get("format", ""))
    if width and not -width <= value < width:
        causes.append(_bad(path, value, f'must be of type {schema["format"]}: "{value}"'))
    return causes


def _object(value: dict[str, Any], node: Node, path: str) -> list[Cause]:
    schema = node.raw
    causes = [required(_below(path, name)) for name in schema.get("required") or [] if name not in value]
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if most is not None and len(value) > most:
        causes.append(Cause(path, "FieldValueTooMany", f"Too many: {len(value)}: must have at most {most} items"))
    if least is not None and len(value) < least:
        causes.append(_bad(path, value, f"should have at least {least} properties"))
    for key, item in value.items():
        child = node.field(key)
        if child is not None:
            causes += validate(item, child, _below(path, key))
    return causes


def _list(value: list[Any], node: Node, path: str) -> list[Cause]:
    schema = node.raw
    causes = []
    most, least = schema.get("maxItems"), schema.get("minItems")
    if most is not None and len(value) > most:
        causes.append(Cause(path, "FieldValueTooMany", f"Too many: {len(value)}: must have at most {most} items"))
    if least is not None and len(value) < least:
        causes.append(_bad(path, value, f"should have at least {least} items"))
    for index, item in enumerate(value):
        causes += validate(item, node.items, f"{path}[{index}]")
    kind = schema.get("x-kubernetes-list-type") or ("set" if schema.get("uniqueItems") else "atomic")
    if kind in ("set", "map"):
        seen = set()
        for index, item in enumerate(value):
            identity = (
                item if kind == "set" else {key: item.get(key) for key in node.keys} if isinstance(item, dict) else item
            )
            text = orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)
            if text in seen:
                causes.append(duplicate(f"{path}[{index}]", identity))
            seen.add(text)
    return causes


def _combined(value: Any, schema: Any, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for part in schema.get("allOf") or ():
        if "$ref" not in part:
            causes += _partial(value, part, path)
    if any_of := schema.get("anyOf"):
        results = [_partial(value, part, path) for part in any_of]
        if all(results):
            causes += [*min(results, key=len), _failed(value, path, "must validate at least one schema (anyOf)")]
    if (one_of := schema.get("oneOf")) and schema.get("format") != "int-or-string":
        results = [_partial(value, part, path) for part in one_of]
        passed = sum(not result for result in results)
        if passed != 1:
            causes.append(_failed(value, path, f"must validate one and only one schema (oneOf). {_found(passed)}"))
    if (none := schema.get("not")) and not _partial(value, none, path):
        causes.append(_failed(value, path, "must not validate the schema (not)"))
    return causes


def _found(passed: int) -> str:
    return "Found none valid" if not passed else f"Found {passed} valid alternatives"


def _partial(value: Any, schema: Any, path: str) -> list[Cause]:
    from kopfka_local.api.schemas import Definitions, Node  # noqa: PLC0415

    return validate(value, Node(schema, Definitions()), path)


def _failed(value: Any, path: str, why: str) -> Cause:
    shown = "" if isinstance(value, (dict, list)) else value
    return invalid_value(path or "<nil>", shown, f'"{path}" {why}')


def _bad(path: str, value: Any, why: str) -> Cause:
    return invalid_value(path, value, f"{path} in body {why}")


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@functools.lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    # Go's \z is Python's \Z; the rest of RE2's syntax that schemas use is the same in both
    return re.compile(pattern.replace("\\z", "\\Z"))
