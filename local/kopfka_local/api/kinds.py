"""What depends on the kind of an object: versions, types, defaults, validation, what may change, how it is deleted."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from kopfka_local.api import crds, defaults, events, rules, values
from kopfka_local.api.errors import ApiError, bad_request, forbidden, invalid_value
from kopfka_local.api.resources import Resource, Resources
from kopfka_local.api.schemas import OBJECT_META, PREFIX, Definitions, Node
from kopfka_local.api.storage import Key
from kopfka_local.api.validation import validate

if TYPE_CHECKING:
    from kopfka_local.api.errors import Cause
    from kopfka_local.api.objects import Options
    from kopfka_local.api.storage import Storage

    Object = dict[str, Any]

_METADATA_FREE = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
_PROTECTED_NAMESPACES = ("default", "kube-system", "kube-public")
#: Fields beside spec whose change is a change of the desired state too, for kinds without a spec this is everything.
_NO_GENERATION = frozenset({
    "configmaps", "secrets", "events", "endpoints", "serviceaccounts", "namespaces", "nodes", "services",
    "persistentvolumes",
    "persistentvolumeclaims", "leases.coordination.k8s.io", "controllerrevisions.apps", "storageclasses.storage.k8s.io",
    "roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
})  # fmt: skip

#: What makes it pointless to evaluate rules.
_BLOCKING = frozenset({
    "FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid",
})  # fmt: skip
_UNCHECKED = invalid_value(
    "<nil>",
    None,
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation",
)
_VERSION_NEEDED = frozenset({
    crds.STORAGE, "leases.coordination.k8s.io", "poddisruptionbudgets.policy",
})  # fmt: skip


class Kinds:
    """The kinds served now, built-in and custom."""

    def __init__(self) -> None:
        self.resources = Resources()
        self.definitions = Definitions()
        self._custom_types: dict[Resource, Node] = {}

    # -- types

    def types(self, resource: Resource) -> Node:
        """Return the type of a resource's objects."""
        if resource.custom is None:
            return self.definitions.node(resource.definition)
        if resource not in self._custom_types:
            schema = resource.custom["schema"]["openAPIV3Schema"]
            fields = {**schema.get("properties", {}), **_METADATA_FREE, "metadata": {"$ref": PREFIX + OBJECT_META}}
            self._custom_types[resource] = Node({**schema, "properties": fields}, self.definitions)
        return self._custom_types[resource]

    def stored_types(self, resource: Resource) -> Node:
        """Return the type of a resource's objects in the version they are stored in."""
        version = resource.stored_api_version
        stored = self.resources.of_kind(version, resource.kind) if version != resource.gvr.api_version else None
        return self.types(stored or resource)

    def serve_definition(self, definition: Object) -> None:
        """Serve what a CustomResourceDefinition defines."""
        if crds.is_established(definition):
            spec = definition["spec"]
            self._custom_types.clear()
            self.resources.replace(spec["group"], spec["names"]["plural"], crds.resources_of(definition))

    def withdraw_definition(self, definition: Object) -> None:
        """Serve what a CustomResourceDefinition defined no longer."""
        spec = definition["spec"]
        self.resources.replace(spec["group"], spec["names"]["plural"], [])
        self._custom_types.clear()

    def selectable(self, resource: Resource) -> tuple[str, ...]:
        """Return the fields, beside name and namespace, that objects can be selected by."""
        if resource.custom is not None:
            return tuple(f["jsonPath"].strip(".") for f in resource.custom.get("selectableFields") or ())
        return _SELECTABLE.get(resource.gvr.storage, ())

    # -- versions

    def incoming(self, resource: Resource, obj: Object, options: Options) -> Object:
        """Return a client's object in the version it is stored in, without fields that do not exist.

        Raises:
            ApiError: 400, it has such fields and the client asked to be strict about it, or a field has another type.
        """
        node = self.types(resource)
        self.check_types(resource, obj)
        self.check_known_fields(resource, obj, options)
        if resource.custom is not None:
            values.fill_defaults(obj, node)
        elif resource.stored_as == "events" and resource.group:
            obj = events.to_core(obj)
        obj["apiVersion"] = resource.stored_api_version
        return obj

    def check_types(self, resource: Resource, obj: Object) -> None:
        """Drop what says nothing, in place, and refuse what cannot be read: all of a built-in kind, metadata of others.

        Raises:
            ApiError: 400, a field has another type.
        """
        if resource.custom is None:
            checked, node, path = obj, self.types(resource), ""
        else:
            checked, node, path = obj["metadata"], self.definitions.node(OBJECT_META), "metadata"
        values.drop_nothings(checked, node)
        mistyped = [cause for cause in validate(checked, node, path) if cause.reason == "FieldValueTypeInvalid"]
        if mistyped:
            raise _undecodable(resource, "; ".join(str(cause) for cause in mistyped))
        if resource.custom is None:
            values.settle_quantities(obj, node)

    def check_known_fields(self, resource: Resource, obj: Object, options: Options) -> None:
        """Drop fields that do not exist, in place, and warn about them.

        Raises:
            ApiError: 400, there are such fields and the client asked to be strict about it.
        """
        unknown = values.prune(obj, self.types(resource))
        if unknown and options.field_validation == "Strict":
            raise _undecodable(resource, "strict decoding error: " + ", ".join(f'unknown field "{f}"' for f in unknown))
        if options.field_validation == "Warn":
            options.warnings += [f'unknown field "{field}"' for field in unknown]

    def outgoing(self, resource: Resource, obj: Object) -> Object:
        """Return a stored object in the version asked for; the object given is used up."""
        if resource.custom is not None:
            obj["apiVersion"] = resource.gvr.api_version
            # a default may be younger than the object
            values.fill_defaults(obj, self.types(resource))
        elif resource.stored_as == "events" and resource.group:
            return events.from_core(obj)
        return obj

    def stored_as_is(self, resource: Resource) -> bool:
        """Tell whether objects are stored exactly as they are shown."""
        return resource.custom is None and not (resource.stored_as and resource.group)

    # -- writes

    def prepare_create(self, resource: Resource, obj: Object) -> Object:
        """Return a new object with defaults, and without what a client may not set."""
        if "status" in resource.subresources and resource.storage not in ("pods", "nodes", "persistentvolumes"):
            obj.pop("status", None)
        if resource.storage not in _NO_GENERATION:
            obj["metadata"]["generation"] = 1
        if resource.storage == crds.STORAGE:
            obj["metadata"]["finalizers"] = [*(obj["metadata"].get("finalizers") or []), crds.CLEANUP]
        self._complete(resource, obj, None)
        if resource.custom is not None:
            values.fill_defaults(obj, self.stored_types(resource))
        return obj

    def prepare_update(self, resource: Resource, obj: Object, live: Object, subresource: str) -> Object:
        """Return the object with what the request may not change taken from the live one."""
        if subresource == "status":
            metadata = {**copy.deepcopy(live["metadata"])}
            if resource.custom is None:
                for field in ("labels", "annotations"):
                    metadata.pop(field, None)
                    if field in obj["metadata"]:
                        metadata[field] = obj["metadata"][field]
            else:
                metadata["resourceVersion"] = obj["metadata"].get("resourceVersion", metadata["resourceVersion"])
            changed = {**copy.deepcopy(live), "metadata": metadata}
            changed.pop("status", None)
            if "status" in obj:
                changed["status"] = obj["status"]
            return changed
        if "status" in resource.subresources:
            obj.pop("status", None)
            if "status" in live:
                obj["status"] = copy.deepcopy(live["status"])
        if subresource == "finalize":
            return {**copy.deepcopy(live), "spec": obj.get("spec", {})}
        if resource.storage == "namespaces":
            obj["spec"] = copy.deepcopy(live.get("spec", {}))
        self._complete(resource, obj, live)
        return obj

    def _complete(self, resource: Resource, obj: Object, live: Object | None) -> None:
        if resource.storage == crds.STORAGE:
            crds.complete(obj)
        elif resource.custom is None:
            values.fill_zeros(obj, self.stored_types(resource))
            defaults.fill(resource.storage, obj, live)

    def establish(self, resource: Resource, obj: Object) -> None:
        """Write the status that says a definition is served."""
        if resource.storage == crds.STORAGE:
            crds.establish(obj, self.resources)

    def validate(self, resource: Resource, obj: Object, live: Object | None, subresource: str = "") -> list[Cause]:
        """Return what is wrong with an object, or with the change from the live one."""
        if resource.storage == crds.STORAGE:
            return crds.check(obj, live)
        node = self.stored_types(resource)
        if resource.custom is None:
            causes = validate({k: v if k != "metadata" else {} for k, v in obj.items() if k != "status"}, node)
            if any(cause.reason == "FieldValueTypeInvalid" for cause in causes):
                return causes
            return causes + rules.check(resource.storage, obj, live)
        checked = {key: value for key, value in obj.items() if key not in ("metadata", "apiVersion", "kind")}
        causes = [c for c in validate(checked, node) if c.field not in ("metadata", "apiVersion", "kind")]
        from kopfka_local.api import celrules  # noqa: PLC0415 - CEL is loaded at the first custom resource

        if not celrules.has_rules(node):
            return causes
        if any(cause.reason in _BLOCKING for cause in causes):
            return [*causes, _UNCHECKED]
        return causes + celrules.evaluate(obj, live, node)

    def differs(self, resource: Resource, obj: Object, live: Object) -> bool:
        """Tell whether the desired state changed, so that the generation does."""
        if resource.storage in _NO_GENERATION:
            return False
        if resource.custom is not None and "status" not in resource.subresources:
            return any(obj.get(k) != live.get(k) for k in {*obj, *live} - {"metadata"})
        return any(obj.get(k) != live.get(k) for k in {*obj, *live} - {"metadata", "status"})

    def blank(self, resource: Resource) -> Object:
        """Return what an object is before anything is said of it: what typed clients send without meaning it."""
        return values.blank(self.stored_types(resource)) if resource.custom is None else {}

    def finish(self, resource: Resource, obj: Object) -> None:
        """Set what belongs to no manager, because the server itself decides it."""
        if resource.storage == "services":
            defaults.settle_addresses(obj)
        elif resource.storage == "persistentvolumeclaims":
            obj.setdefault("status", {}).setdefault("phase", "Pending")

    @staticmethod
    def needs_version(resource: Resource) -> bool:
        """Tell whether an update must say which resourceVersion it is based on."""
        return resource.custom is not None or resource.storage in _VERSION_NEEDED

    # -- deletion

    @staticmethod
    def check_creation(resource: Resource, storage: Storage) -> None:
        """Refuse new objects of a custom resource that is being withdrawn.

        Raises:
            ApiError: 405.
        """
        body = storage.get(Key(crds.STORAGE, "", resource.storage)) if resource.custom is not None else None
        if (
            body is not None
            and b'"deletionTimestamp":' in body
            and orjson.loads(body)["metadata"].get("deletionTimestamp")
        ):
            why = "create not allowed while custom resource definition is terminating"
            raise ApiError(405, "MethodNotAllowed", why, {"group": resource.group, "kind": resource.plural})

    def check_deletion(self, resource: Resource, live: Object) -> None:
        """Refuse to delete what a cluster cannot be without.

        Raises:
            ApiError: 403.
        """
        name = live["metadata"]["name"]
        if resource.storage == "namespaces" and name in _PROTECTED_NAMESPACES:
            raise forbidden("", "namespaces", name, "this namespace may not be deleted")

    def grace_seconds(self, resource: Resource, live: Object, wanted: int | None) -> int:
        """Return how long an object may take to end; only pods that run need time."""
        if resource.storage != "pods" or not live.get("spec", {}).get("nodeName"):
            return 0
        if live.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return 0
        given: int = live["spec"].get("terminationGracePeriodSeconds", 30)
        return given if wanted is None else max(wanted, 0)

    def has_own_finalizers(self, resource: Resource, live: Object) -> bool:
        """Tell whether the kind has something to do before an object may go (a namespace: empty itself)."""
        return resource.storage == "namespaces" and bool(live.get("spec", {}).get("finalizers"))

    def mark_deleted(self, resource: Resource, live: Object, grace: int) -> None:
        """Set the marks of an object that is being deleted but not yet gone; a later deletion can only shorten the
        grace.
        """
        metadata = live["metadata"]
        if "deletionTimestamp" not in metadata:
            if "generation" in metadata:
                metadata["generation"] += 1
        elif grace >= metadata.get("deletionGracePeriodSeconds", 0):
            return
        due = datetime.now(UTC) + timedelta(seconds=grace)
        metadata["deletionTimestamp"] = due.strftime("%Y-%m-%dT%H:%M:%SZ")
        metadata["deletionGracePeriodSeconds"] = grace
        if resource.storage == "namespaces":
            live.setdefault("status", {})["phase"] = "Terminating"


def check_type(resource: Resource, obj: Object) -> None:
    """Set or check `apiVersion` and `kind`.

    Raises:
        ApiError: 400, the object is of another kind or version.
    """
    version, kind = obj.get("apiVersion") or resource.gvr.api_version, obj.get("kind") or resource.kind
    if (version, kind) != (resource.gvr.api_version, resource.kind):
        given, expected = f"{_gvk(str(version), str(kind))}", _gvk(resource.gvr.api_version, resource.kind)
        raise bad_request(f"{kind} in version {version!r} cannot be handled here: {given} is not {expected}")
    obj["apiVersion"], obj["kind"] = resource.gvr.api_version, resource.kind


def _gvk(api_version: str, kind: str) -> str:
    return f"{api_version}, Kind={kind}"


def _undecodable(resource: Resource, why: str) -> ApiError:
    kind, version = resource.kind, resource.gvr.version
    return bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')


_SELECTABLE = {
    "pods": ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
             "status.phase", "status.podIP", "status.nominatedNodeName"),
    "events": ("involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
               "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
               "reportingComponent", "source", "type"),
    "events.events.k8s.io": ("regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid",
                             "regarding.apiVersion", "regarding.fieldPath", "reason", "reportingController", "type"),
    "secrets": ("type",),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "services": ("spec.clusterIP", "spec.type"),
    "replicasets.apps": ("status.replicas",),
    "jobs.batch": ("status.successful",),
}  # fmt: skip
