"""The OpenAPI documents of what is served: v3, one a group and version, and v2 in one piece.

Types of built-in kinds come with their descriptions from the data file; those of custom kinds from their CRDs. Paths
are written from the resources themselves; they name the parameters clients look for (`fieldValidation`), not all there
are.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import Response

from kopfka_local.api import discovery
from kopfka_local.api.errors import ApiError, no_such_resource
from kopfka_local.api.schemas import LIST_META, OBJECT_META, PREFIX

if TYPE_CHECKING:
    from starlette.requests import Request

    from kopfka_local.api.kinds import Kinds
    from kopfka_local.api.resources import Resource

    Object = dict[str, Any]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_ALSO = (f"{_META}Status", f"{_META}DeleteOptions", f"{_META}WatchEvent", f"{_META}Patch")
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
_INFO = {"title": "Kubernetes", "version": f"v{discovery.KUBERNETES}.0"}


class OpenApi:
    """The documents, written when first asked for and kept until a CRD changes; only hashes and bytes are kept."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._documents: dict[str, tuple[int, bytes]] = {}

    def answer(self, request: Request, rest: str) -> Response:
        """Answer under `/openapi/`.

        Raises:
            ApiError: 404; 406, only protobuf is wanted.
        """
        accept = request.headers.get("accept", "*/*")
        if "json" not in accept and "*/*" not in accept:
            raise ApiError(406, "NotAcceptable", "only the following media types are accepted: application/json")
        version, _, path = rest.partition("/")
        if version == "v2" and not path:
            body = self._cached("v2", self._v2)
        elif version == "v3" and not path:
            body = self._cached("v3", self._index)
        elif version == "v3":
            group, _, name = path.removeprefix("apis/").removeprefix("api/").rpartition("/")
            if not any(r.gvr.api_version == (f"{group}/{name}" if group else name) for r in self._kinds.resources):
                raise no_such_resource()
            body = self._cached(path, lambda: self._document(group, name))
        else:
            raise no_such_resource()
        tag = f'"{_hash(body)}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        return Response(body, media_type="application/json", headers={"etag": tag})

    def _cached(self, name: str, make: Any) -> bytes:
        generation = self._kinds.resources.generation
        kept = self._documents.get(name)
        if kept is None or kept[0] != generation:
            kept = self._documents[name] = (generation, make())
        return kept[1]

    def _index(self) -> bytes:
        paths: Object = {}
        for group, versions in discovery.groups(self._kinds.resources).items():
            for version, resources in versions.items():
                path = f"apis/{group}/{version}" if group else f"api/{version}"
                custom = any(resource.custom for resource in resources)
                digest = _hash(self._document(group, version)) if custom else f"{discovery.KUBERNETES}"
                paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
        return orjson.dumps({"paths": paths})

    def _document(self, group: str, version: str) -> bytes:
        resources = discovery.groups(self._kinds.resources)[group][version]
        names = [name for r in resources if r.definition for name in (r.definition, f"{r.definition}List")]
        custom = {name: orjson.dumps(schema) for r in resources if r.custom for name, schema in _custom_schemas(r)}
        schemas = self._kinds.definitions.closure([*names, *_ALSO, OBJECT_META, LIST_META]) | custom
        paths: Object = {}
        for resource in resources:
            paths.update(_paths(resource))
        body = b",".join(orjson.dumps(name) + b":" + schemas[name] for name in sorted(schemas))
        head = orjson.dumps({"openapi": "3.0.0", "info": _INFO, "paths": paths})[:-1]
        return head + b',"components":{"schemas":{' + body + b"}}}"

    def _v2(self) -> bytes:
        names = [name for r in self._kinds.resources for name in (r.definition, f"{r.definition}List") if name]
        schemas = self._kinds.definitions.closure([*names, *_ALSO])
        custom = {name: orjson.dumps(s) for r in self._kinds.resources if r.custom for name, s in _custom_schemas(r)}
        schemas |= custom
        body = b",".join(orjson.dumps(name) + b":" + schemas[name] for name in sorted(schemas))
        paths: Object = {}
        for resource in self._kinds.resources:
            paths.update(_paths(resource, v2=True))
        head = orjson.dumps({"swagger": "2.0", "info": _INFO, "paths": paths})[:-1]
        return (head + b',"definitions":{' + body + b"}}").replace(PREFIX.encode(), b"#/definitions/")


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32].upper()


def custom_name(resource: Resource, suffix: str = "") -> str:
    """Return the name of a custom kind's type: `io.kopfka.v1alpha1.KafkaCluster`."""
    return ".".join([*reversed(resource.group.split(".")), resource.gvr.version, resource.kind + suffix])


def _gvk(resource: Resource, suffix: str = "") -> Object:
    return {"group": resource.group, "kind": resource.kind + suffix, "version": resource.gvr.version}


def _custom_schemas(resource: Resource) -> list[tuple[str, Object]]:
    assert resource.custom is not None
    schema = resource.custom["schema"]["openAPIV3Schema"]
    api_version = {
        "type": "string",
        "description": "APIVersion defines the versioned schema of this representation of an object.",
    }
    kind = {
        "type": "string",
        "description": "Kind is a string value representing the REST resource this object represents.",
    }
    metadata = {"description": "Standard object's metadata.", "allOf": [{"$ref": PREFIX + OBJECT_META}]}
    fields = {**schema.get("properties", {}), "apiVersion": api_version, "kind": kind, "metadata": metadata}
    one = {**schema, "properties": fields, "x-kubernetes-group-version-kind": [_gvk(resource)]}
    items = {"type": "array", "items": {"$ref": PREFIX + custom_name(resource)}}
    several = {
        "description": f"{resource.kind}List is a list of {resource.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": api_version,
            "kind": kind,
            "items": items,
            "metadata": {"$ref": PREFIX + LIST_META},
        },
        "x-kubernetes-group-version-kind": [_gvk(resource, "List")],
    }
    return [(custom_name(resource), one), (custom_name(resource, "List"), several)]


def _paths(resource: Resource, *, v2: bool = False) -> Object:
    group, version = resource.group, resource.gvr.version
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    below = f"{root}/namespaces/{{namespace}}" if resource.namespaced else root
    name = resource.definition or custom_name(resource)

    def one(*verbs: str) -> Object:
        return {verb: _operation(resource, name, verb, v2=v2) for verb in verbs}

    if resource.verbs == ("create",):
        return {f"{below}/{resource.plural}": one("post")}
    paths = {
        f"{below}/{resource.plural}": one("get", "post", "delete"),
        f"{below}/{resource.plural}/{{name}}": one("get", "put", "patch", "delete"),
    }
    if resource.namespaced:
        paths[f"{root}/{resource.plural}"] = one("get")
    if "status" in resource.subresources:
        paths[f"{below}/{resource.plural}/{{name}}/status"] = one("get", "put", "patch")
    return paths


def _operation(resource: Resource, name: str, verb: str, *, v2: bool) -> Object:
    schema = {"$ref": PREFIX + name}
    parameters = []
    if verb in ("post", "put", "patch"):
        names = ["dryRun", "fieldManager", "fieldValidation"] + (["force"] if verb == "patch" else [])
        types = {field: {"type": "boolean" if field == "force" else "string", "uniqueItems": True} for field in names}
        parameters = [
            {"name": f, "in": "query", **t} if v2 else {"name": f, "in": "query", "schema": t} for f, t in types.items()
        ]
    action = {"get": "get", "post": "post", "put": "put", "patch": "patch", "delete": "delete"}[verb]
    operation: Object = {
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(resource),
        "parameters": parameters,
    }
    if v2:
        return operation | {"responses": {"200": {"description": "OK", "schema": schema}}}
    if verb in ("post", "put"):
        operation["requestBody"] = {"content": {"*/*": {"schema": schema}}, "required": True}
    elif verb == "patch":
        patch = {"schema": {"$ref": f"{PREFIX}{_META}Patch"}}
        # clients read from here whether a kind can be merged strategically
        kinds = [media for media in _PATCHES if resource.custom is None or "strategic" not in media]
        operation["requestBody"] = {"content": dict.fromkeys(kinds, patch), "required": True}
    answer = {"description": "OK", "content": {"application/json": {"schema": schema}}}
    return operation | {"responses": {"200": answer}}
