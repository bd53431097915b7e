"""Which manager owns which field of an object: `metadata.managedFields`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kopfka_local.api.objects import Options


def record(
    types: object, live: dict[str, Any], obj: dict[str, Any], options: Options, subresource: str, given: object = None
) -> None:
    """Write into `obj` who owns what after an update from `live`."""
