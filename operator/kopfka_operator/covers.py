"""Whether a live object already is what a manifest asks for. Pure.

A manifest says only what matters to it: fields the API server or others have added do not count. Lists of objects
with a natural key (name, mountPath, port …) are compared by key, since the server may merge others' entries in; other
lists and scalars have to be equal. Quantities are compared by value, since the API server rewrites them.
"""

from __future__ import annotations

from typing import Any

from kopfka_operator.quantities import parse_quantity

_KEYS = ("name", "mountPath", "containerPort", "port", "uid", "type", "key")
_QUANTITIES = frozenset({"requests", "limits", "capacity"})


def covers(live: Any, wanted: Any) -> bool:
    """Tell whether everything `wanted` says holds in `live`."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(_field(live, name, value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(live, list) and _list(live, wanted)
    return bool(live == wanted)


def _field(live: dict[str, Any], name: str, wanted: Any) -> bool:
    if name in _QUANTITIES and isinstance(wanted, dict):
        have = live.get(name) or {}
        return all(key in have and _same_quantity(have[key], value) for key, value in wanted.items())
    if name not in live:
        # the API server leaves out what is empty or has its zero value
        return wanted in ({}, [], "", False, None)
    return covers(live[name], wanted)


def _list(live: list[Any], wanted: list[Any]) -> bool:
    key = next(
        (key for key in _KEYS if wanted and all(isinstance(item, dict) and key in item for item in wanted)), None
    )
    if key is None:
        return len(live) == len(wanted) and all(covers(*pair) for pair in zip(live, wanted, strict=True))
    by_key = {item.get(key): item for item in live if isinstance(item, dict)}
    return all(item[key] in by_key and covers(by_key[item[key]], item) for item in wanted)


def _same_quantity(live: Any, wanted: Any) -> bool:
    try:
        return parse_quantity(live) == parse_quantity(wanted)
    except ValueError:
        return bool(live == wanted)
