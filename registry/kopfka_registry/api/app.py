"""The application: routes, errors as the API has them, and what is asked of every request."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from kopfka_registry.api import compatibility, config, mode, schemas, server, subjects
from kopfka_registry.api.answers import media_type
from kopfka_registry.api.bodies import Bodies
from kopfka_registry.api.paths import Paths
from kopfka_registry.api.repeated import Repeated
from kopfka_registry.errors import RegistryError
from kopfka_registry.security.middleware import Security
from kopfka_registry.security.settings import SecuritySettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from kopfka_registry.api.instance import Instance
    from kopfka_registry.security.authentication import Authentication

log = logging.getLogger(__name__)

_WORDS: Final = {404: "HTTP 404 Not Found", 405: "HTTP 405 Method Not Allowed"}


def make_app(
    instance: Instance,
    *,
    allowed_origins: Sequence[str] = (),
    security: SecuritySettings | None = None,
    authentication: Authentication | None = None,
) -> FastAPI:
    """Return the application that serves one instance; without `authentication`, it asks nobody who he is."""
    app = FastAPI(
        title="Kopfka Schema Registry",
        version=server.VERSION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.instance = instance
    for module in (schemas, subjects, compatibility, config, mode, server):
        app.include_router(module.router)
    app.add_exception_handler(RegistryError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(Exception, _broken)
    # the last one added is the first a request comes to: answers from memory are behind the look at rights
    app.add_middleware(Repeated, registry=instance.registry)
    app.add_middleware(Bodies)
    app.add_middleware(Security, settings=security or SecuritySettings(), authentication=authentication)
    if allowed_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(allowed_origins), allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(Paths)
    return app


def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, RegistryError):
        raise error
    if error.status >= 500:
        log.warning("%s %s: %s", request.method, request.url.path, error)
    return error_answer(request.headers.get("accept"), error.status, error.code, str(error))


def _malformed(request: Request, error: Exception) -> Response:
    """Answer to a parameter that is not what it has to be: a path that names none such, or a query nobody can read."""
    first: dict[str, Any] = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    where, name = (*first.get("loc", ()), "", "")[:2]
    accept = request.headers.get("accept")
    if where == "path":
        return error_answer(accept, 404, 404, _WORDS[404])
    return error_answer(accept, 400, 400, f"{name}: {first.get('msg', 'malformed')}")


def _no_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return error_answer(request.headers.get("accept"), status, status, _WORDS.get(status, f"HTTP {status}"))


def _broken(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return error_answer(request.headers.get("accept"), 500, 50001, "Internal error; the server's log says more")


def error_answer(accept: str | None, status: int, code: int, message: str) -> Response:
    """Return an error as the API has it."""
    return Response(orjson.dumps({"error_code": code, "message": message}), status, media_type=media_type(accept))
