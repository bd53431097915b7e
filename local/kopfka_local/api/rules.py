"""Rules of built-in kinds that are not in their schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kopfka_local.api.errors import Cause

Object = dict[str, Any]


def check(storage: str, obj: Object, live: Object | None) -> list[Cause]:
    """Return what is wrong with an object, or with its change."""
    return []
