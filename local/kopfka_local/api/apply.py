"""Server-side apply: a configuration merged into the live object, or made the object where there is none."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from kopfka_local.api import kinds, ownership
from kopfka_local.api.errors import bad_request

if TYPE_CHECKING:
    from kopfka_local.api.objects import Objects, Options
    from kopfka_local.api.resources import Gvr

    Object = dict[str, Any]


def apply(  # noqa: PLR0917
    objects: Objects,
    gvr: Gvr,
    namespace: str | None,
    name: str,
    body: Any,
    options: Options,
    subresource: str = "",
) -> tuple[Object, bool]:
    """Apply a configuration; return the object as stored and whether it is new.

    Raises:
        ApiError: 400, 404 (a subresource of nothing), 409 (another manager owns a field), 422.
    """
    resource = objects.resources.get(gvr)
    if not isinstance(body, dict) or not isinstance(body.get("metadata", {}), dict):
        raise bad_request("an apply configuration is an object with metadata")
    if not body.get("apiVersion") or not body.get("kind"):
        raise bad_request("an apply configuration says its apiVersion and kind")
    config: Object = copy.deepcopy(body)
    kinds.check_type(resource, config)
    metadata = config.setdefault("metadata", {})
    if metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    if metadata.setdefault("name", name) != name:
        raise bad_request(f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})")
    node = objects.kinds.types(resource)
    objects.kinds.check_types(resource, config)
    objects.kinds.check_known_fields(resource, config, options)
    if subresource == "status":
        config = {key: config[key] for key in ("apiVersion", "kind", "metadata", "status") if key in config}
    elif "status" in resource.subresources:
        config.pop("status", None)

    def merged(live: Object) -> Object:
        mine = config if not subresource else {**config, "metadata": _identity(metadata)}
        result = ownership.applied(node, live, mine, options.field_manager, subresource, force=options.force)
        options.managed = result.managed
        return result.obj

    if objects.exists(resource, namespace, name) or subresource:
        return objects.update(gvr, namespace, name, merged, options, subresource), False
    if metadata.get("uid") or metadata.get("resourceVersion"):
        raise objects.not_there(resource, name)
    empty: Object = {"apiVersion": config["apiVersion"], "metadata": {}}
    options.managed = ownership.applied(node, empty, config, options.field_manager, subresource, force=True).managed
    return objects.create(gvr, namespace, config, options), True


def _identity(metadata: Object) -> Object:
    return {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion") if key in metadata}
