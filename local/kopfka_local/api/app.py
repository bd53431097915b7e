"""The API over HTTP: who may ask, where a path leads, and how every answer and every error looks.

Only `ApiError`s are answered in detail; anything else is a defect, logged here and answered with a bare 500.
"""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from kopfka_local.api import discovery
from kopfka_local.api.errors import ApiError, bad_request, no_such_resource
from kopfka_local.api.handlers import Handlers
from kopfka_local.api.requests import accepted, parse_path
from kopfka_local.api.responses import json_response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from kopfka_local.api.cluster import Cluster
    from kopfka_local.api.logs import LogReader

log = logging.getLogger(__name__)

_PUBLIC = ("/version", "/healthz", "/livez", "/readyz")
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def application(cluster: Cluster, token: str, log_reader: LogReader | None = None) -> ASGIApp:
    """Return the ASGI application that serves `cluster` to who shows `token`."""
    handlers = Handlers(cluster, token, log_reader)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            _authenticate(request, token)
            response = await _route(request, handlers)
        except ApiError as error:
            response = json_response(error.body(), error.status)
        except RecursionError:
            response = json_response(bad_request("the request is nested too deep").body(), 400)
        except ClientDisconnect:
            return
        except Exception:
            log.exception("%s %s failed", request.method, request.url.path)
            response = json_response(
                ApiError(500, "InternalError", "Internal error occurred; the log says more").body(), 500
            )
        await response(scope, receive, send)

    return app


def _authenticate(request: Request, token: str) -> None:
    if request.url.path.startswith(_PUBLIC):
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise ApiError(401, "Unauthorized", "Unauthorized")


async def _route(request: Request, handlers: Handlers) -> Response:
    path = request.url.path
    first, _, rest = path.strip("/").partition("/")
    if first == "api" and rest.partition("/")[0] == "v1" and rest.partition("/")[2]:
        return await handlers.resource(request, parse_path("", "v1", rest.partition("/")[2]))
    if first == "apis" and rest.count("/") >= 2:
        group, version, below = rest.split("/", 2)
        return await handlers.resource(request, parse_path(group, version, below))
    if request.method not in ("GET", "HEAD"):
        raise ApiError(405, "MethodNotAllowed", f"the server does not allow {request.method} on {path}")
    if first in ("api", "apis"):
        return _discover(request, handlers, first, rest)
    if first == "openapi":
        return handlers.openapi(request, rest)
    if first == "version":
        return json_response(discovery.version())
    if first in ("healthz", "livez", "readyz"):
        return Response("ok", media_type="text/plain")
    raise no_such_resource()


def _discover(request: Request, handlers: Handlers, first: str, rest: str) -> Response:
    resources = handlers.cluster.objects.resources
    if not rest:
        wanted = accepted(request.headers.get("accept", ""), ("APIGroupDiscoveryList",))
        if wanted.kind and wanted.version == "v2":
            return json_response(discovery.aggregated(resources, core=first == "api"), media_type=_AGGREGATED)
        if first == "api":
            return json_response(discovery.api_versions(request.url.netloc))
        return json_response(discovery.api_groups(resources))
    group, slash, version = rest.partition("/") if first == "apis" else ("", "/", rest)
    if slash:
        found = discovery.api_resources(resources, group, version)
    elif (entry := discovery.api_group(resources, group)) is not None:
        found = {"kind": "APIGroup", "apiVersion": "v1"} | entry
    else:
        found = None
    if found is None:
        raise no_such_resource()
    return json_response(found)
