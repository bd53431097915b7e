"""PATCH: which kind of patch a body is, and what it makes of a live object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kopfka_local.api import apply, patches, strategic
from kopfka_local.api.errors import ApiError, bad_request

if TYPE_CHECKING:
    from kopfka_local.api.objects import Objects, Options
    from kopfka_local.api.resources import Gvr

    Object = dict[str, Any]

_KINDS = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}


def kind_of(media: str) -> str:
    """Return the kind of patch that a media type stands for.

    Raises:
        ApiError: 415.
    """
    if media not in _KINDS:
        served = ", ".join(_KINDS)
        message = f"the body of the request was in an unknown format - accepted media types include: {served}"
        raise ApiError(415, "UnsupportedMediaType", message)
    return _KINDS[media]


def patch(  # noqa: PLR0917
    objects: Objects,
    gvr: Gvr,
    namespace: str | None,
    name: str,
    kind: str,
    body: Any,
    options: Options,
    subresource: str = "",
) -> tuple[Object, bool]:
    """Patch an object; return it as stored and whether it is new, as only an apply patch can make it.

    Raises:
        ApiError: 400, 404, 409, 415, 422.
    """
    resource = objects.resources.get(gvr)
    if kind == "apply":
        return apply.apply(objects, gvr, namespace, name, body, options, subresource)
    if kind == "strategic" and resource.custom is not None:
        served = ", ".join(media for media, each in _KINDS.items() if each != "strategic")
        message = f"the body of the request was in an unknown format - accepted media types include: {served}"
        raise ApiError(415, "UnsupportedMediaType", message)
    if kind == "json":
        if not isinstance(body, list):
            raise bad_request("a JSON patch is a list of operations")
    elif not isinstance(body, dict):
        raise bad_request("a merge patch is an object")

    def patched(live: Object) -> Object:
        if kind == "json":
            result = patches.json_patch(live, body)
        elif kind == "strategic":
            result = strategic.merge(live, body, objects.kinds.types(resource))
        else:
            result = patches.merge(live, body)
        if not isinstance(result, dict):
            raise bad_request("the patch leaves no object")
        return result

    return objects.update(gvr, namespace, name, patched, options, subresource), False
