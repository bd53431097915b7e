"""The hottest functions in C, where the distribution `kopfka-native` is installed (`make native`, the container image).

Each has a twin in Python that does the same, under the same tests, and stands in where there is no such module, or one
of another version than these functions ask for, or where `KOPFKA_NATIVE=off` says so.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION: Final = 1
"""Raised when what a function takes or returns changes, here and in `native/kopfka_native.c`."""

F = TypeVar("F", bound="Callable[..., Any]")


def native(name: str, twin: F) -> F:
    """Return the extension module's function of that name, or its twin."""
    module = _module()
    found: F = getattr(module, name, twin)
    return found


def _module() -> object:
    if os.environ.get("KOPFKA_NATIVE") == "off":
        return None
    try:
        import kopfka_native  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415
    except ImportError:
        return None
    return kopfka_native if getattr(kopfka_native, "VERSION", 0) == VERSION else None
