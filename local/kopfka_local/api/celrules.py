"""`x-kubernetes-validations`: the CEL rules of a CRD, at every level of its schema, with messages and transitions.

A rule sees `self`, and where it names it `oldSelf`: such a rule is run only on updates, and only where the old value
can be told (not inside lists without keys). Values are given to CEL as the schema types them: a `number` is a double, a
`date-time` a timestamp.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from kopfka_local.api import fields
from kopfka_local.api.cel import CelError, Program, compile_expression
from kopfka_local.api.cel.functions import duration, timestamp
from kopfka_local.api.cel.values import NONE, Optional
from kopfka_local.api.errors import Cause, invalid_value
from kopfka_local.api.schemas import ANY
from kopfka_local.api.validation import type_name

if TYPE_CHECKING:
    from kopfka_local.api.schemas import Node

    Object = dict[str, Any]

_ABSENT = object()
_SELF, _OLD = "self", "oldSelf"


def check(expression: str) -> str | None:
    """Return what is wrong with an expression, None where nothing is."""
    try:
        _program(expression)
    except CelError as error:
        return str(error)
    return None


@functools.lru_cache(maxsize=512)
def _program(expression: str) -> Program:
    return compile_expression(expression, (_SELF, _OLD))


def has_rules(node: Node) -> bool:
    """Tell whether there are rules in a schema or below it."""
    return _contains_rules(node.raw)


def evaluate(obj: Object, live: Object | None, node: Node) -> list[Cause]:
    """Return the rules that an object, or its change from `live`, breaks."""
    return _evaluate(obj, _ABSENT if live is None else live, node, "", updating=live is not None)


def _evaluate(value: Any, old: Any, node: Node, path: str, *, updating: bool) -> list[Cause]:
    if node is ANY or value is None or not has_rules(node):
        return []
    causes = []
    for rule in node.raw.get("x-kubernetes-validations") or ():
        cause = _run(rule, value, old, node, path, updating=updating)
        if cause:
            causes.append(cause)
    if isinstance(value, dict):
        for key, item in value.items():
            child = node.field(key)
            if child is not None:
                before = old.get(key, _ABSENT) if isinstance(old, dict) else _ABSENT
                causes += _evaluate(item, before, child, f"{path}.{key}" if path else key, updating=updating)
    elif isinstance(value, list):
        known = node.list_type == "map"
        before_items = dict(fields.elements(old, node)) if known and isinstance(old, list) else {}
        names = [element for element, _ in fields.elements(value, node)] if known else [""] * len(value)
        for index, item in enumerate(value):
            before = before_items.get(names[index], _ABSENT)
            causes += _evaluate(item, before, node.items, f"{path}[{index}]", updating=updating)
    return causes


def _contains_rules(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    if schema.get("x-kubernetes-validations"):
        return True
    below = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return any(_contains_rules(child) for child in below)


def _run(rule: Object, value: Any, old: Any, node: Node, path: str, *, updating: bool) -> Cause | None:
    try:
        program = _program(rule["rule"])
    except CelError as error:
        return invalid_value(path, value, f"rule compile error: {error}")
    optional = bool(rule.get("optionalOldSelf"))
    variables: Object = {_SELF: to_cel(value, node)}
    if _OLD in program.uses:
        if old is _ABSENT and not optional:
            return None
        before = to_cel(old, node) if old is not _ABSENT else None
        if optional:
            variables[_OLD] = NONE if old is _ABSENT else Optional(present=True, value=before)
        else:
            variables[_OLD] = before
    try:
        if program.evaluate(variables) is True:
            return None
        why = _message(rule, variables)
    except CelError as error:
        why = f"{error} evaluating rule: {rule.get('message') or rule['rule']}"
    where = path
    if rule.get("fieldPath"):
        where = _joined(path, rule["fieldPath"])
    return _cause(rule.get("reason") or "FieldValueInvalid", where, value, why)


def _message(rule: Object, variables: Object) -> str:
    expression = rule.get("messageExpression")
    if expression:
        try:
            text = _program(expression).evaluate({_OLD: None, **variables})
        except CelError:
            text = None
        if isinstance(text, str) and text.strip() and "\n" not in text:
            return text
    return str(rule.get("message") or f"failed rule: {rule['rule']}").strip()


def _cause(reason: str, path: str, value: Any, why: str) -> Cause:
    value = type_name(value)
    match reason:
        case "FieldValueForbidden":
            return Cause(path, reason, f"Forbidden: {why}")
        case "FieldValueRequired":
            return Cause(path, reason, f"Required value: {why}")
        case "FieldValueDuplicate":
            return Cause(path, reason, f'Duplicate value: "{value}"')
    return invalid_value(path, value, why)


def _joined(path: str, field: str) -> str:
    below = re.sub(r"\['([^']*)'\]", r"[\1]", field)
    return (path + below).lstrip(".")


def to_cel(value: Any, node: Node) -> Any:  # noqa: PLR0911
    """Return a JSON value as CEL sees it."""
    if isinstance(value, dict):
        return {key: to_cel(item, node.field(key) or ANY) for key, item in value.items()}
    if isinstance(value, list):
        return [to_cel(item, node.items) for item in value]
    kind, format_ = node.raw.get("type"), node.raw.get("format")
    if kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind == "integer" and isinstance(value, float):
        return int(value)
    if kind == "string" and isinstance(value, str):
        if format_ in ("date-time", "datetime"):
            return timestamp(value)
        if format_ == "duration":
            return duration(value)
        if format_ == "byte":
            import base64  # noqa: PLC0415

            return base64.b64decode(value)
    return value
