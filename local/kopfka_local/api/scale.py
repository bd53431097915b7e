"""The `scale` subresource: the replicas of a workload, in a form that is the same for all kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kopfka_local.api import patches
from kopfka_local.api.errors import ApiError, Cause, invalid, invalid_value

if TYPE_CHECKING:
    from kopfka_local.api.objects import Objects, Options
    from kopfka_local.api.requests import Target
    from kopfka_local.api.resources import Resource

    Object = dict[str, Any]

_SPEC, _STATUS, _SELECTOR = ".spec.replicas", ".status.replicas", ".status.labelSelector"


def of(resource: Resource, obj: Object) -> Object:
    """Return the Scale of an object."""
    metadata = {
        name: obj["metadata"][name]
        for name in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        if name in obj["metadata"]
    }
    spec_path, status_path, selector_path = paths(resource)
    status: Object = {"replicas": read(obj, status_path) or 0}
    selector = read(obj, selector_path) if resource.custom else _text(obj.get("spec", {}).get("selector") or {})
    if selector:
        status["selector"] = selector
    replicas = read(obj, spec_path)
    spec = {"replicas": replicas} if replicas else {}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


def change(objects: Objects, target: Target, given: Any, patch_kind: str, options: Options) -> Object:
    """Set the replicas from a Scale, or from a patch to one, and return the Scale as it is now.

    Raises:
        ApiError: 409, 415, 422.
    """
    resource = objects.resources.get(target.gvr)

    def scaled(live: Object) -> Object:
        wanted = given
        if patch_kind:
            if patch_kind == "json":
                wanted = patches.json_patch(of(resource, live), given)
            elif patch_kind == "apply":
                raise ApiError(415, "UnsupportedMediaType", "apply patches of scale are not served: use a merge patch")
            else:
                wanted = patches.merge(of(resource, live), given)
        version = (wanted.get("metadata") or {}).get("resourceVersion")
        replicas = (wanted.get("spec") or {}).get("replicas", 0)
        problem = _problem(replicas)
        if problem:
            raise invalid("autoscaling", "Scale", target.name, [problem])
        write(live, paths(resource)[0], replicas)
        live["metadata"]["resourceVersion"] = version or live["metadata"]["resourceVersion"]
        return live

    return of(resource, objects.update(target.gvr, target.namespace, target.name, scaled, options, "scale"))


def _problem(replicas: object) -> Cause | None:
    if isinstance(replicas, int) and not isinstance(replicas, bool) and replicas >= 0:
        return None
    return invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")


def paths(resource: Resource) -> tuple[str, str, str]:
    """Return where a resource keeps wanted replicas, actual replicas and the selector."""
    below = ((resource.custom or {}).get("subresources") or {}).get("scale") or {}
    return (
        below.get("specReplicasPath", _SPEC),
        below.get("statusReplicasPath", _STATUS),
        below.get("labelSelectorPath", _SELECTOR),
    )


def read(obj: Object, path: str) -> Any:
    """Return what is at a path of plain field names (`.spec.replicas`)."""
    value: Any = obj
    for name in path.strip(".").split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def write(obj: Object, path: str, value: Any) -> None:
    """Set what is at a path of plain field names."""
    *parents, last = path.strip(".").split(".")
    for name in parents:
        obj = obj.setdefault(name, {})
    obj[last] = value


def _text(selector: Object) -> str:
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        key, values = expression["key"], ",".join(sorted(expression.get("values") or []))
        operator = expression.get("operator")
        terms.append(
            {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}.get(operator, f"!{key}")
        )
    return ",".join(terms)
