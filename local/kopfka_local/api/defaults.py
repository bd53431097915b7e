"""Defaults of built-in kinds, which Kubernetes has in code and not in its OpenAPI documents."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def fill(storage: str, obj: Object, live: Object | None) -> None:
    """Fill in the defaults of an object, in place."""
