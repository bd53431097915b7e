"""`/config`: compatibility levels and the other settings, of all subjects, of a context, or of one subject."""

# ruff: noqa: TC002 - FastAPI reads annotations

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from kopfka_registry.api.answers import answer
from kopfka_registry.api.instance import instance_of
from kopfka_registry.api.requests import ConfigRequest, SubjectPath, read_body
from kopfka_registry.errors import CompatibilityNotConfiguredError, InvalidCompatibilityError
from kopfka_registry.names import WHOLE

router = APIRouter(tags=["config"])

DefaultToGlobal = Annotated[bool, Query(alias="defaultToGlobal", description="What holds for it, where it has none.")]


@router.get("/config")
async def get_config(request: Request) -> Response:
    """Give the settings of all."""
    return answer(request, instance_of(request).registry.config(None).plain())


@router.put("/config")
async def put_config(request: Request) -> Response:
    """Set settings of all."""
    return await _put(request, None)


@router.delete("/config")
async def delete_config(request: Request) -> Response:
    """Forget the settings of all: the server's default level holds again."""
    return await _delete(request, None)


@router.get("/config/{subject:path}")
async def get_subject_config(
    request: Request, subject: SubjectPath, default_to_global: DefaultToGlobal = False
) -> Response:
    """Give the settings of a subject."""
    registry = instance_of(request).registry
    scope = WHOLE.get(subject, subject)
    found = registry.state.config(scope)
    if found is None and not default_to_global and scope is not None:
        raise CompatibilityNotConfiguredError(subject)
    return answer(request, (registry.config(scope) if found is None or default_to_global else found).plain())


@router.put("/config/{subject:path}")
async def put_subject_config(request: Request, subject: SubjectPath) -> Response:
    """Set settings of a subject."""
    return await _put(request, WHOLE.get(subject, subject))


@router.delete("/config/{subject:path}")
async def delete_subject_config(request: Request, subject: SubjectPath) -> Response:
    """Forget the settings of a subject."""
    return await _delete(request, WHOLE.get(subject, subject))


async def _put(request: Request, scope: str | None) -> Response:
    body = await read_body(request, ConfigRequest, InvalidCompatibilityError)
    instance = instance_of(request)

    async def make() -> tuple[Any, int | None]:
        offset = await instance.registry.put_config(scope, body.config())
        said = body.config().plain()
        level = said.pop("compatibilityLevel", None)
        return ({"compatibility": level.upper(), **said} if level else said), offset

    return await instance.change(request, make)


async def _delete(request: Request, scope: str | None) -> Response:
    instance = instance_of(request)

    async def make() -> tuple[Any, int | None]:
        former, offset = await instance.registry.delete_config(scope)
        return (former.plain() or instance.registry.config(scope).plain()), offset

    return await instance.change(request, make)
