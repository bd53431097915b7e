"""Reading and writing objects with Kubernetes' semantics; every way in (HTTP, the node, controllers) ends here.

All methods are synchronous: one event loop, one writer, so each is atomic. What depends on the kind of an object
(defaults, validation, what an update may change) is asked of `kinds`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from kopfka_local.api import kinds, meta, ownership
from kopfka_local.api.errors import (
    ApiError,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    invalid_value,
    modified,
    not_found,
)
from kopfka_local.api.housekeeping import Housekeeping
from kopfka_local.api.storage import Key, Storage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kopfka_local.api.resources import Gvr, Resource

    Object = dict[str, Any]

_ATTEMPTS_AT_A_NAME = 8


@dataclass(slots=True)
class Options:
    """What a request says beside the object; `warnings` collects what the client should hear."""

    field_manager: str = "kopfka"
    operation: str = "Update"
    dry_run: bool = False
    force: bool = False
    field_validation: str = "Warn"
    warnings: list[str] = field(default_factory=list)
    #: The `managedFields` an apply has worked out already.
    managed: list[Object] | None = None


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a DELETE asks for."""

    propagation: str = ""
    uid: str = ""
    resource_version: str = ""
    grace_seconds: int | None = None
    dry_run: bool = False


class Objects:
    """The objects of one cluster."""

    def __init__(self, state: Path) -> None:
        self.storage = Storage(state / "cluster.sqlite")
        self.kinds = kinds.Kinds()
        self.resources = self.kinds.resources
        for _, body in self.storage.items("customresourcedefinitions.apiextensions.k8s.io"):
            self.kinds.serve_definition(orjson.loads(body))
        self._housekeeping = Housekeeping(self)
        self._housekeeping.resume()

    def key(self, resource: Resource, namespace: str | None, name: str) -> Key:
        """Return where an object of a resource is stored."""
        return Key(resource.storage, (namespace or "") if resource.namespaced else "", name)

    def get(self, gvr: Gvr, namespace: str | None, name: str) -> Object:
        """Return an object in the version asked for.

        Raises:
            ApiError: 404, no such object or resource.
        """
        resource = self.resources.get(gvr)
        return self.kinds.outgoing(resource, self._live(resource, namespace, name))

    def _live(self, resource: Resource, namespace: str | None, name: str) -> Object:
        body = self.storage.get(self.key(resource, namespace, name))
        if body is None:
            raise not_found(resource.group, resource.plural, name)
        live: Object = orjson.loads(body)
        return live

    # -- create

    def create(self, gvr: Gvr, namespace: str | None, obj: Object, options: Options | None = None) -> Object:
        """Store a new object and return it as stored.

        Raises:
            ApiError: 400, 403, 404 (namespace), 409 (taken), 422.
        """
        options = options or Options()
        resource = self.resources.get(gvr)
        obj = self._incoming(resource, namespace, obj, options)
        metadata = obj["metadata"]
        self.kinds.check_creation(resource, self.storage)
        if metadata.pop("resourceVersion", ""):
            raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
        self._check_namespace(resource, metadata.get("namespace"))
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = self._free_name(resource, metadata)
        for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            metadata.pop(name, None)
        metadata |= {"uid": meta.new_uid(), "creationTimestamp": meta.now()}
        metadata.pop("generation", None)
        key = self.key(resource, metadata.get("namespace"), metadata.get("name") or "")
        if key.name and self.storage.get(key) is not None:
            raise already_exists(resource.group, resource.plural, key.name)
        obj = self.kinds.prepare_create(resource, obj)
        metadata = obj["metadata"]
        causes = meta.check(resource.storage, metadata) + self.kinds.validate(resource, obj, None)
        if causes:
            raise invalid(resource.group, resource.kind, key.name, causes)
        self.kinds.establish(resource, obj)
        self._own(resource, self.kinds.blank(resource), obj, options, "", metadata.get("managedFields"))
        self.kinds.finish(resource, obj)
        return self._put(resource, key, obj, options)

    def _free_name(self, resource: Resource, metadata: Object) -> str:
        for _ in range(_ATTEMPTS_AT_A_NAME):
            name = meta.generated_name(metadata["generateName"])
            if self.storage.get(self.key(resource, metadata.get("namespace"), name)) is None:
                return name
        raise already_exists(resource.group, resource.plural, name)

    def _check_namespace(self, resource: Resource, namespace: str | None) -> None:
        if not resource.namespaced:
            return
        body = self.storage.get(Key("namespaces", "", namespace or ""))
        if body is None:
            raise not_found("", "namespaces", namespace or "")
        if orjson.loads(body)["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise forbidden(resource.group, resource.plural, "", why)

    # -- update

    def update(  # noqa: PLR0917
        self,
        gvr: Gvr,
        namespace: str | None,
        name: str,
        change: Object | Callable[[Object], Object],
        options: Options | None = None,
        subresource: str = "",
    ) -> Object:
        """Replace an object, or what `change` makes of the live one, and return it as stored.

        Raises:
            ApiError: 400, 404, 409 (stale resourceVersion or other uid), 422.
        """
        options = options or Options()
        resource = self.resources.get(gvr)
        live = self._live(resource, namespace, name)
        shown = self.kinds.outgoing(resource, orjson.loads(orjson.dumps(live)))
        obj = self._incoming(resource, namespace, change(shown) if callable(change) else change, options)
        self._check_identity(resource, name, obj["metadata"], live["metadata"])
        managed = obj["metadata"].get("managedFields")
        self._keep_metadata(obj["metadata"], live["metadata"])
        obj = self.kinds.prepare_update(resource, obj, live, subresource)
        causes = meta.check(resource.storage, obj["metadata"]) + meta.check_update(obj["metadata"], live["metadata"])
        causes += self.kinds.validate(resource, obj, live, subresource)
        if causes:
            raise invalid(resource.group, resource.kind, name, causes)
        self.kinds.establish(resource, obj)
        if self.kinds.differs(resource, obj, live):
            obj["metadata"]["generation"] = live["metadata"].get("generation", 0) + 1
        self._own(resource, live, obj, options, subresource, managed)
        self.kinds.finish(resource, obj)
        key = self.key(resource, namespace, name)
        if obj == live:
            return self.kinds.outgoing(resource, live)
        if self._is_gone(resource, obj):
            return self._remove(resource, key, obj, options)
        return self._put(resource, key, obj, options)

    def _own(  # noqa: PLR0917
        self, resource: Resource, live: Object, obj: Object, options: Options, subresource: str, given: Any
    ) -> None:
        if options.managed is not None:
            obj["metadata"]["managedFields"] = options.managed
        elif options.operation == "Update":
            node, name = self.kinds.stored_types(resource), options.field_manager
            obj["metadata"]["managedFields"] = ownership.updated(node, live, obj, name, subresource, given)
        if not obj["metadata"].get("managedFields"):
            obj["metadata"].pop("managedFields", None)

    def exists(self, resource: Resource, namespace: str | None, name: str) -> bool:
        """Tell whether there is such an object."""
        return self.storage.get(self.key(resource, namespace, name)) is not None

    @staticmethod
    def not_there(resource: Resource, name: str) -> ApiError:
        """Return the 404 for an object."""
        return not_found(resource.group, resource.plural, name)

    def _check_identity(self, resource: Resource, name: str, new: Object, live: Object) -> None:
        if new.get("name") not in (None, "", name):
            raise bad_request(f"the name of the object ({new['name']}) does not match the name on the URL ({name})")
        new["name"] = name
        version = new.get("resourceVersion") or ""
        if not version and self.kinds.needs_version(resource):
            causes = [invalid_value("metadata.resourceVersion", 0, "must be specified for an update")]
            raise invalid(resource.group, resource.plural, name, causes)
        if version not in ("", "0", live["resourceVersion"]):
            raise modified(resource.group, resource.plural, name)
        uid = new.get("uid") or live["uid"]
        if uid != live["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {live['uid']}"
            raise conflict(resource.group, resource.plural, name, why)

    @staticmethod
    def _keep_metadata(new: Object, live: Object) -> None:
        for field_name in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation",
                           "resourceVersion", "generateName", "managedFields"):  # fmt: skip
            if field_name in live:
                new[field_name] = live[field_name]
            else:
                new.pop(field_name, None)

    # -- delete

    def delete(
        self, gvr: Gvr, namespace: str | None, name: str, deletion: Deletion | None = None
    ) -> tuple[Object, bool]:
        """Delete an object, or mark it as being deleted; return its last state and whether it is gone.

        Raises:
            ApiError: 404; 409, a precondition does not hold.
        """
        deletion = deletion or Deletion()
        resource = self.resources.get(gvr)
        live = self._live(resource, namespace, name)
        metadata = live["metadata"]
        self._check_preconditions(resource, name, deletion, metadata)
        before = orjson.dumps(live)
        options = Options(dry_run=deletion.dry_run)
        self.kinds.check_deletion(resource, live)
        self._set_propagation(metadata, deletion.propagation)
        grace = self.kinds.grace_seconds(resource, live, deletion.grace_seconds)
        key = self.key(resource, namespace, name)
        if not grace and not metadata.get("finalizers") and not self.kinds.has_own_finalizers(resource, live):
            if metadata.get("deletionTimestamp"):
                metadata["deletionGracePeriodSeconds"] = 0
            return self._remove(resource, key, live, options), True
        self.kinds.mark_deleted(resource, live, grace)
        if orjson.dumps(live) == before:
            return self.kinds.outgoing(resource, live), False
        return self._put(resource, key, live, options), False

    def _check_preconditions(self, resource: Resource, name: str, deletion: Deletion, live: Object) -> None:
        if deletion.uid and deletion.uid != live["uid"]:
            why = f"Precondition failed: UID in precondition: {deletion.uid}, UID in object meta: {live['uid']}"
            raise conflict(resource.group, resource.plural, name, why)
        version = deletion.resource_version
        if version and version != live["resourceVersion"]:
            why = (
                f"Precondition failed: ResourceVersion in precondition: {version}, "
                f"ResourceVersion in object meta: {live['resourceVersion']}"
            )
            raise conflict(resource.group, resource.plural, name, why)

    @staticmethod
    def _set_propagation(metadata: Object, propagation: str) -> None:
        if metadata.get("deletionTimestamp") and not propagation:
            return
        wanted = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(propagation)
        finalizers = [f for f in metadata.get("finalizers") or [] if f not in ("foregroundDeletion", "orphan")]
        if wanted:
            finalizers.append(wanted)
        if finalizers:
            metadata["finalizers"] = finalizers
        else:
            metadata.pop("finalizers", None)

    # -- shared

    def _incoming(self, resource: Resource, namespace: str | None, obj: Object, options: Options) -> Object:
        """Return a private copy in the stored version, of the right kind and namespace."""
        if not isinstance(obj, dict) or not isinstance(obj.get("metadata", {}), (dict, type(None))):
            raise bad_request(f"{resource.kind} must be an object with metadata")
        obj = orjson.loads(orjson.dumps(obj))
        kinds.check_type(resource, obj)
        metadata = obj["metadata"] = obj.get("metadata") or {}
        if resource.namespaced:
            given = metadata.get("namespace") or namespace
            if given != namespace:
                raise bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
            metadata["namespace"] = namespace
        else:
            metadata.pop("namespace", None)
        return self.kinds.incoming(resource, obj, options)

    def _is_gone(self, resource: Resource, obj: Object) -> bool:
        metadata = obj["metadata"]
        return bool(
            metadata.get("deletionTimestamp")
            and not metadata.get("finalizers")
            and not metadata.get("deletionGracePeriodSeconds")
            and not self.kinds.has_own_finalizers(resource, obj)
        )

    def _put(self, resource: Resource, key: Key, obj: Object, options: Options) -> Object:
        if not options.dry_run:
            self.storage.put(key, obj)
            self._housekeeping.written(resource, obj)
        return self.kinds.outgoing(resource, obj)

    def _remove(self, resource: Resource, key: Key, obj: Object, options: Options) -> Object:
        if not options.dry_run:
            self.storage.delete(key)
            self._housekeeping.removed(resource, obj)
        return self.kinds.outgoing(resource, obj)
