"""Server-side apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kopfka_local.api import patches
from kopfka_local.api.errors import is_not_found, ApiError

if TYPE_CHECKING:
    from kopfka_local.api.objects import Objects, Options
    from kopfka_local.api.resources import Gvr

    Object = dict[str, Any]


def apply(
    objects: Objects, gvr: Gvr, namespace: str | None, name: str, body: Any, options: Options, subresource: str
) -> tuple[Object, bool]:
    """Apply a configuration."""
    try:
        return objects.update(gvr, namespace, name, lambda live: patches.merge(live, body), options, subresource), False
    except ApiError as error:
        if not is_not_found(error):
            raise
    return objects.create(gvr, namespace, body, options), True
