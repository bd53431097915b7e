"""JSONPath, as far as printer columns and field paths of CRDs use it: fields, `[*]`, indices, filters, `..`, unions of
quotes.

.status.conditions[?(@.type=="Ready")].status    .spec.ports[0].port    .metadata.labels['app\\.kubernetes\\.io/name']
"""

from __future__ import annotations

import functools
import re
from typing import Any

_STEP = re.compile(
    r"\.\.(?P<deep>[\w$-]+|\*)"
    r"|\.(?P<field>(?:[\w$/-]|\\.)+|\*)"
    r"|\[(?P<index>-?\d+)\]"
    r"|\[(?P<low>-?\d*):(?P<high>-?\d*)\]"
    r"|\[(?P<every>\*)\]"
    r"|\[(?P<quote>['\"])(?P<quoted>(?:[^'\"\\]|\\.)*)(?P=quote)\]"
    r"|\[\?\(\s*@(?P<sub>[^=!<>)]*?)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<value>[^)]*?)\s*)?\)\]"
)


@functools.lru_cache(maxsize=256)
def _steps(path: str) -> tuple[dict[str, str | None], ...]:
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    if text and text[0] not in ".[":
        text = "." + text
    steps = []
    position = 0
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            raise ValueError(f"{path!r} is not a JSONPath that is understood: the part {text[position:]!r}")
        steps.append(found.groupdict())
        position = found.end()
    return tuple(steps)


def check(path: str) -> str | None:
    """Return what is wrong with a path, None where nothing is."""
    try:
        _steps(path)
    except ValueError as error:
        return str(error)
    return None


def find(obj: Any, path: str) -> list[Any]:
    """Return every value at a path, none where there is none or the path is not understood."""
    try:
        steps = _steps(path)
    except ValueError:
        return []
    values = [obj]
    for step in steps:
        values = [found for value in values for found in _step(value, step)]
    return values


def _step(value: Any, step: dict[str, str | None]) -> list[Any]:  # noqa: PLR0911
    name = step["field"] or step["quoted"]
    if name is not None:
        name = re.sub(r"\\(.)", r"\1", name)
        if name == "*":
            return _all(value)
        return [value[name]] if isinstance(value, dict) and value.get(name) is not None else []
    if step["every"]:
        return _all(value)
    if step["deep"]:
        return [
            found
            for each in _descendants(value)
            for found in _step(each, {**step, "field": step["deep"], "deep": None})
        ]
    if not isinstance(value, list):
        return []
    if step["index"]:
        index = int(step["index"])
        return [value[index]] if -len(value) <= index < len(value) else []
    if step["sub"] is not None:
        return [item for item in value if _holds(item, step)]
    return value[slice(int(step["low"]) if step["low"] else None, int(step["high"]) if step["high"] else None)]


def _all(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def _descendants(value: Any) -> list[Any]:
    return [value, *(below for child in _all(value) for below in _descendants(child))]


def _holds(item: Any, step: dict[str, str | None]) -> bool:
    found = find(item, step["sub"] or "") if step["sub"] else [item]
    if step["op"] is None:
        return bool(found)
    wanted = _literal(step["value"] or "")
    for value in found:
        try:
            match step["op"]:
                case "==":
                    holds = value == wanted
                case "!=":
                    holds = value != wanted
                case "<":
                    holds = value < wanted
                case "<=":
                    holds = value <= wanted
                case ">":
                    holds = value > wanted
                case _:
                    holds = value >= wanted
        except TypeError:
            continue
        if holds:
            return True
    return False


def _literal(text: str) -> Any:
    if text[:1] in ("'", '"'):
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text
