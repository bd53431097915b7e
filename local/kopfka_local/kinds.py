"""The kinds the controllers and the node work with, and small readers of their metadata."""

from __future__ import annotations

from typing import Any

from kopfka_local.api.resources import Gvr

Object = dict[str, Any]
Key = tuple[str, str]  # namespace ("" where the kind has none) and name

NAMESPACES = Gvr("", "v1", "namespaces")
NODES = Gvr("", "v1", "nodes")
PODS = Gvr("", "v1", "pods")
SERVICES = Gvr("", "v1", "services")
ENDPOINTS = Gvr("", "v1", "endpoints")
CONFIG_MAPS = Gvr("", "v1", "configmaps")
SECRETS = Gvr("", "v1", "secrets")
CLAIMS = Gvr("", "v1", "persistentvolumeclaims")
VOLUMES = Gvr("", "v1", "persistentvolumes")
SERVICE_ACCOUNTS = Gvr("", "v1", "serviceaccounts")
EVENTS = Gvr("", "v1", "events")
STATEFUL_SETS = Gvr("apps", "v1", "statefulsets")
DEPLOYMENTS = Gvr("apps", "v1", "deployments")
REPLICA_SETS = Gvr("apps", "v1", "replicasets")
REVISIONS = Gvr("apps", "v1", "controllerrevisions")
JOBS = Gvr("batch", "v1", "jobs")
SLICES = Gvr("discovery.k8s.io", "v1", "endpointslices")
BUDGETS = Gvr("policy", "v1", "poddisruptionbudgets")
LEASES = Gvr("coordination.k8s.io", "v1", "leases")
STORAGE_CLASSES = Gvr("storage.k8s.io", "v1", "storageclasses")
DEFINITIONS = Gvr("apiextensions.k8s.io", "v1", "customresourcedefinitions")


def key_of(obj: Object) -> Key:
    """Return namespace and name of an object."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def name_of(obj: Object) -> str:
    """Return the name of an object."""
    return str(obj["metadata"]["name"])


def uid_of(obj: Object) -> str:
    """Return the uid of an object."""
    return str(obj["metadata"]["uid"])


def deleting(obj: Object) -> bool:
    """Tell whether an object is on its way out."""
    return "deletionTimestamp" in obj["metadata"]


def controller_of(obj: Object) -> Object | None:
    """Return the owner reference of the object's controller."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return dict(reference)
    return None


def owner_reference(owner: Object, api_version: str, kind: str) -> Object:
    """Return the reference that makes `owner` the controller of an object."""
    return {
        "apiVersion": api_version, "kind": kind, "name": name_of(owner), "uid": uid_of(owner),
        "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip


def condition_of(obj: Object, kind: str) -> Object | None:
    """Return the condition of that type in the object's status."""
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == kind:
            return dict(condition)
    return None


def condition_is_true(obj: Object, kind: str) -> bool:
    """Tell whether the condition of that type is there and True."""
    condition = condition_of(obj, kind)
    return condition is not None and condition.get("status") == "True"


def matches_labels(selector: Object | None, labels: dict[str, str] | None) -> bool:
    """Evaluate a LabelSelector; an empty one matches everything, None nothing."""
    if selector is None:
        return False
    labels = labels or {}
    if any(labels.get(name) != value for name, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_matches_expression(expression, labels) for expression in selector.get("matchExpressions") or ())


def _matches_expression(expression: Object, labels: dict[str, str]) -> bool:
    name, operator, values = expression["key"], expression["operator"], expression.get("values") or ()
    if operator == "In":
        return labels.get(name) in values
    if operator == "NotIn":
        return labels.get(name) not in values
    return (name in labels) is (operator == "Exists")
