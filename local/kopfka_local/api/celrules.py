"""CEL rules of CRDs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kopfka_local.api.errors import Cause
    from kopfka_local.api.schemas import Node


def check(expression: str) -> str | None:
    """Return what is wrong with an expression."""
    return None


def evaluate(obj: dict[str, Any], live: dict[str, Any] | None, node: Node) -> list[Cause]:
    """Return the rules an object breaks."""
    return []
