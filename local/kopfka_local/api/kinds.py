"""What depends on the kind of an object: versions, defaults, validation, what may change, how it is deleted."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kopfka_local.api import meta
from kopfka_local.api.errors import bad_request
from kopfka_local.api.resources import Resource, Resources

if TYPE_CHECKING:
    from kopfka_local.api.errors import Cause
    from kopfka_local.api.objects import Options

    Object = dict[str, Any]


class Kinds:
    """The kinds served now, built-in and custom."""

    def __init__(self) -> None:
        self.resources = Resources()

    def types(self, resource: Resource) -> object:
        """Return the types of a resource's objects."""
        return None

    def serve_definition(self, definition: Object) -> None:
        """Serve what a CustomResourceDefinition defines."""

    def withdraw_definition(self, group: str, plural: str) -> None:
        """Serve a custom resource no longer."""
        self.resources.replace(group, plural, [])

    def incoming(self, resource: Resource, obj: Object, options: Options) -> Object:
        """Return a client's object in the version it is stored in, without fields that do not exist."""
        return obj

    def outgoing(self, resource: Resource, obj: Object) -> Object:
        """Return a stored object in the version asked for."""
        return obj

    def prepare_create(self, resource: Resource, obj: Object) -> Object:
        """Return a new object with defaults, and without what a client may not set."""
        if "status" in resource.subresources:
            obj.pop("status", None)
        return obj

    def prepare_update(self, resource: Resource, obj: Object, live: Object, subresource: str) -> Object:
        """Return the object with what the request may not change taken from the live one."""
        if subresource == "status":
            return {**copy.deepcopy(live), "status": obj.get("status", {})}
        if "status" in resource.subresources:
            obj.pop("status", None)
            if "status" in live:
                obj["status"] = live["status"]
        return obj

    def validate(self, resource: Resource, obj: Object, live: Object | None, subresource: str = "") -> list[Cause]:
        """Return what is wrong with an object, or with the change from the live one."""
        return []

    def differs(self, resource: Resource, obj: Object, live: Object) -> bool:
        """Tell whether the desired state changed, so that the generation does."""
        return any(obj.get(k) != live.get(k) for k in {*obj, *live} - {"metadata", "status"})

    def check_deletion(self, resource: Resource, live: Object) -> None:
        """Raise where an object must not be deleted."""

    def grace_seconds(self, resource: Resource, live: Object, wanted: int | None) -> int:
        """Return how long an object may take to end; only pods that run need time."""
        if resource.storage != "pods" or not live.get("spec", {}).get("nodeName"):
            return 0
        if live.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return 0
        given = live["spec"].get("terminationGracePeriodSeconds", 30)
        return given if wanted is None else max(wanted, 0)

    def has_own_finalizers(self, resource: Resource, live: Object) -> bool:
        """Tell whether the kind has something to do before an object may go (a namespace: empty itself)."""
        return resource.storage == "namespaces" and bool(live.get("spec", {}).get("finalizers"))

    def mark_deleted(self, resource: Resource, live: Object, grace: int) -> None:
        """Set the marks of an object that is being deleted but not yet gone; a later deletion can only shorten the grace."""
        metadata = live["metadata"]
        if "deletionTimestamp" not in metadata:
            if "generation" in metadata:
                metadata["generation"] += 1
            due = datetime.now(UTC) + timedelta(seconds=grace)
        elif grace < metadata.get("deletionGracePeriodSeconds", 0):
            due = datetime.now(UTC) + timedelta(seconds=grace)
        else:
            return
        metadata["deletionTimestamp"] = due.strftime("%Y-%m-%dT%H:%M:%SZ")
        metadata["deletionGracePeriodSeconds"] = grace
        if resource.storage == "namespaces":
            live.setdefault("status", {})["phase"] = "Terminating"


def check_type(resource: Resource, obj: Object) -> None:
    """Set or check `apiVersion` and `kind`.

    Raises:
        ApiError: 400, the object is of another kind or version.
    """
    version, kind = obj.get("apiVersion") or "", obj.get("kind") or ""
    if (version or resource.gvr.api_version, kind or resource.kind) != (resource.gvr.api_version, resource.kind):
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): "
            f"it is {kind or 'of no kind'} in {version or 'no version'}, not {resource.kind} in {resource.gvr.api_version}"
        )
    obj["apiVersion"], obj["kind"] = resource.gvr.api_version, resource.kind


__all__ = ["Kinds", "check_type", "meta"]
