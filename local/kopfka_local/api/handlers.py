"""The verbs of resources over HTTP: list, watch, get, create, update, patch, delete, and subresources."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import Response

from kopfka_local.api import patching, reviews, scale, tables
from kopfka_local.api.errors import (
    ApiError,
    bad_request,
    expired,
    invalid,
    method_not_allowed,
    no_such_resource,
    required,
)
from kopfka_local.api.logs import log_request, read_log
from kopfka_local.api.objects import Deletion, Options
from kopfka_local.api.openapi import OpenApi
from kopfka_local.api.requests import accepted, content_type, decode, dry_run, field_manager, flag, number, read_body
from kopfka_local.api.responses import LogStream, WatchStream, json_response
from kopfka_local.api.selectors import parse_field_selector, parse_label_selector
from kopfka_local.api.watching import Wanted, Watching

if TYPE_CHECKING:
    from starlette.requests import Request

    from kopfka_local.api.cluster import Cluster
    from kopfka_local.api.logs import LogReader
    from kopfka_local.api.requests import Target
    from kopfka_local.api.resources import Resource

    Object = dict[str, Any]

_FORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


class Handlers:
    """What the API does with a request for a resource."""

    def __init__(self, cluster: Cluster, token: str, log_reader: LogReader | None) -> None:
        self.cluster = cluster
        self._objects = cluster.objects
        self._token = token
        self._log_reader = log_reader
        self._openapi = OpenApi(cluster.objects.kinds)

    def openapi(self, request: Request, rest: str) -> Response:
        """Answer under `/openapi/`."""
        return self._openapi.answer(request, rest)

    async def resource(self, request: Request, target: Target) -> Response:  # noqa: PLR0911
        """Answer a request for a resource, one of its objects, or a subresource."""
        if not self._objects.resources.serves(target.gvr.group, target.gvr.version):
            return Response("404 page not found\n", 404, media_type="text/plain")
        resource = self._objects.resources.get(target.gvr)
        if target.subresource and target.subresource not in resource.subresources:
            raise no_such_resource()
        if target.namespace is not None and not resource.namespaced:
            raise no_such_resource()
        method = request.method
        if resource.kind.endswith("Review"):
            if method != "POST":
                raise method_not_allowed(resource.group, resource.plural, method.lower())
            obj = decode(await read_body(request), content_type(request))
            return json_response(reviews.answer(resource, obj), 201)
        if target.subresource not in ("", "status", "finalize"):
            return await self._below(request, resource, target)
        if method in ("GET", "HEAD"):
            return self._read(request, resource, target)
        if method == "POST" and not target.name:
            return await self._create(request, resource, target)
        if method == "PUT" and target.name:
            return await self._update(request, resource, target)
        if method == "PATCH" and target.name:
            return await self._patch(request, resource, target)
        if method == "DELETE" and not target.subresource:
            return await self._delete(request, resource, target)
        raise method_not_allowed(resource.group, resource.plural, method.lower())

    # -- reading

    def _read(self, request: Request, resource: Resource, target: Target) -> Response:
        query = request.query_params
        if target.name and not flag(query.get("watch")):
            return self._shown(request, resource, self._objects.get(target.gvr, target.namespace, target.name))
        if resource.namespaced and target.name and target.namespace is None:
            raise no_such_resource()
        if flag(query.get("watch")):
            return self._watch(request, resource, target)
        return self._list(request, resource, target)

    def _shown(
        self, request: Request, resource: Resource, obj: Object, status: int = 200, warnings: list[str] | None = None
    ) -> Response:
        form = accepted(request.headers.get("accept", ""), _FORMS)
        if form.kind == "Table":
            version = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            obj = tables.table(resource, [obj], version, request.query_params.get("includeObject", "Metadata"))
        elif form.kind:
            obj = tables.partial(obj)
        return json_response(obj, status, warnings=warnings)

    def _list(self, request: Request, resource: Resource, target: Target) -> Response:
        query = request.query_params
        labels = parse_label_selector(query.get("labelSelector", ""))
        fields = parse_field_selector(query.get("fieldSelector", ""), self._objects.kinds.selectable(resource))
        form = accepted(request.headers.get("accept", ""), _FORMS)
        storage = self._objects.storage
        limit = number(query.get("limit"), "limit") or 0
        start = _read_continue(query.get("continue", ""))
        metadata: Object = {"resourceVersion": str(storage.revision)}
        plain = not (labels or fields or form.kind) and self._objects.kinds.stored_as_is(resource)
        bodies: list[bytes] = []
        found: list[Object] = []
        last = ("", "")
        for key, body in storage.items(resource.storage, target.namespace):
            place = (key.namespace, key.name)
            if start and place <= start:
                continue
            if limit and len(bodies) + len(found) >= limit:
                metadata["continue"] = _write_continue(last)
                break
            last = place
            if plain:
                bodies.append(body)
                continue
            obj = self._objects.kinds.outgoing(resource, orjson.loads(body))
            if labels.matches(obj["metadata"].get("labels") or {}) and fields.matches(obj):
                found.append(obj)
        if form.kind == "Table":
            return json_response(tables.table(resource, found, metadata, query.get("includeObject", "Metadata")))
        kind = resource.kind
        api_version = resource.gvr.api_version
        if form.kind:
            found = [tables.partial(obj) for obj in found]
            kind, api_version = "PartialObjectMetadata", "meta.k8s.io/v1"
        head = orjson.dumps({"kind": f"{kind}List", "apiVersion": api_version, "metadata": metadata})[:-1]
        items = b",".join(bodies) if plain else b",".join(orjson.dumps(obj) for obj in found)
        return json_response(head + b',"items":[' + items + b"]}")

    def _watch(self, request: Request, resource: Resource, target: Target) -> Response:
        query = request.query_params
        fields = query.get("fieldSelector", "")
        if target.name:
            fields = f"metadata.name={target.name}," + fields
        form = accepted(request.headers.get("accept", ""), _FORMS)
        wanted = Wanted(
            resource,
            target.namespace,
            parse_label_selector(query.get("labelSelector", "")),
            parse_field_selector(fields, self._objects.kinds.selectable(resource)),
            query.get("resourceVersion", ""),
            number(query.get("timeoutSeconds"), "timeoutSeconds"),
            bookmarks=flag(query.get("allowWatchBookmarks")),
            initial_events=flag(query.get("sendInitialEvents")),
            form=form.kind,
            include_object=query.get("includeObject", "Metadata"),
        )
        return WatchStream(Watching(self._objects, wanted))

    # -- writing

    def _options(self, request: Request, *, operation: str = "Update") -> Options:
        query = request.query_params
        validation = query.get("fieldValidation") or "Warn"
        if validation not in ("Ignore", "Warn", "Strict"):
            raise bad_request(
                f'fieldValidation: Unsupported value: "{validation}": supported values: "Ignore", "Strict", "Warn"'
            )
        return Options(
            field_manager(request), operation, dry_run(query.getlist("dryRun")), flag(query.get("force")), validation
        )

    async def _create(self, request: Request, resource: Resource, target: Target) -> Response:
        obj = decode(await read_body(request), content_type(request))
        options = self._options(request)
        namespace = target.namespace
        if resource.namespaced and namespace is None:
            raise bad_request("an empty namespace may not be set during creation")
        created = self._objects.create(target.gvr, namespace, obj, options)
        return self._shown(request, resource, created, 201, options.warnings)

    async def _update(self, request: Request, resource: Resource, target: Target) -> Response:
        obj = decode(await read_body(request), content_type(request))
        options = self._options(request)
        name = (obj.get("metadata") or {}).get("name") if isinstance(obj, dict) else None
        if not name:
            raise bad_request("name must be provided")
        updated = self._objects.update(target.gvr, target.namespace, target.name, obj, options, target.subresource)
        return self._shown(request, resource, updated, 200, options.warnings)

    async def _patch(self, request: Request, resource: Resource, target: Target) -> Response:
        media = content_type(request)
        body = await read_body(request)
        kind = patching.kind_of(media)
        options = self._options(request, operation="Apply" if kind == "apply" else "Update")
        if kind == "apply" and not request.query_params.get("fieldManager"):
            causes = [required("fieldManager", "is required for apply patch")]
            raise invalid("meta.k8s.io", "PatchOptions", "", causes)
        patched, created = patching.patch(
            self._objects,
            target.gvr,
            target.namespace,
            target.name,
            kind,
            decode(body, media),
            options,
            target.subresource,
        )
        return self._shown(request, resource, patched, 201 if created else 200, options.warnings)

    async def _delete(self, request: Request, resource: Resource, target: Target) -> Response:
        body = await read_body(request)
        given = decode(body, content_type(request)) if body else {}
        deletion = _deletion(request, given if isinstance(given, dict) else {})
        if not target.name:
            return self._delete_all(request, resource, target, deletion)
        last, gone = self._objects.delete(target.gvr, target.namespace, target.name, deletion)
        if not gone or resource.storage in (
            "pods",
            "namespaces",
            "services",
            "persistentvolumeclaims",
            "persistentvolumes",
            "serviceaccounts",
        ):
            return json_response(last)
        details = {
            "name": target.name,
            "group": resource.group,
            "kind": resource.plural,
            "uid": last["metadata"]["uid"],
        }
        details = {key: value for key, value in details.items() if value}
        return json_response(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        )

    def _delete_all(self, request: Request, resource: Resource, target: Target, deletion: Deletion) -> Response:
        if "deletecollection" not in resource.verbs:
            raise method_not_allowed(resource.group, resource.plural, "delete")
        query = request.query_params
        labels = parse_label_selector(query.get("labelSelector", ""))
        fields = parse_field_selector(query.get("fieldSelector", ""), self._objects.kinds.selectable(resource))
        deleted = []
        for key, body in list(self._objects.storage.items(resource.storage, target.namespace)):
            obj = self._objects.kinds.outgoing(resource, orjson.loads(body))
            if labels.matches(obj["metadata"].get("labels") or {}) and fields.matches(obj):
                deleted.append(self._objects.delete(target.gvr, key.namespace, key.name, deletion)[0])
        metadata = {"resourceVersion": str(self._objects.storage.revision)}
        return json_response(
            {
                "kind": f"{resource.kind}List",
                "apiVersion": resource.gvr.api_version,
                "metadata": metadata,
                "items": deleted,
            }
        )

    # -- subresources that are not the object itself

    async def _below(self, request: Request, resource: Resource, target: Target) -> Response:
        method = request.method
        live = self._objects.get(target.gvr, target.namespace, target.name)
        if target.subresource == "log" and method == "GET":
            if self._log_reader is None:
                raise ApiError(503, "ServiceUnavailable", "no node runs here that could read logs")
            wanted = log_request(live, request.query_params)
            return await LogStream.open(read_log(self._log_reader, target.namespace or "", target.name, wanted))
        if target.subresource == "scale" and method in ("GET", "PUT", "PATCH"):
            if method == "GET":
                return json_response(scale.of(resource, live))
            media = content_type(request)
            given = decode(await read_body(request), media)
            kind = "" if method == "PUT" else patching.kind_of(media)
            return json_response(scale.change(self._objects, target, given, kind, self._options(request)))
        if method == "POST":
            obj = decode(await read_body(request), content_type(request))
            answer = reviews.act(self._objects, target, live, obj, self._token)
            return json_response(answer, 201)
        raise method_not_allowed(resource.group, resource.plural, method.lower())


def _deletion(request: Request, body: Object) -> Deletion:
    query = request.query_params
    wanted = body.get("preconditions") or {}
    orphan = body.get("orphanDependents", query.get("orphanDependents"))
    propagation = body.get("propagationPolicy") or query.get("propagationPolicy") or ""
    if propagation not in ("", "Background", "Foreground", "Orphan"):
        raise bad_request(
            f'propagationPolicy: Unsupported value: "{propagation}": '
            'supported values: "Background", "Foreground", "Orphan"'
        )
    if orphan in (True, "true"):
        propagation = "Orphan"
    grace = body.get("gracePeriodSeconds", number(query.get("gracePeriodSeconds"), "gracePeriodSeconds"))
    return Deletion(
        propagation,
        wanted.get("uid", ""),
        wanted.get("resourceVersion", ""),
        grace,
        dry_run(body.get("dryRun") or query.getlist("dryRun")),
    )


def _write_continue(place: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode()


def _read_continue(token: str) -> tuple[str, str] | None:
    """Read where a list goes on; it goes on with what is there now, not with the state of its first page."""
    if not token:
        return None
    try:
        namespace, name = orjson.loads(base64.urlsafe_b64decode(token))
    except ValueError:
        raise expired("continue key is not valid: list again without it") from None
    return str(namespace), str(name)
