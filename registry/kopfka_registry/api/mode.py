"""`/mode`: what may be done with all subjects, with those of a context, or with one."""

# ruff: noqa: TC002 - FastAPI reads annotations

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from kopfka_registry.api.answers import answer
from kopfka_registry.api.instance import instance_of
from kopfka_registry.api.requests import ModeRequest, SubjectPath, read_body
from kopfka_registry.errors import InvalidModeError, ModeNotConfiguredError
from kopfka_registry.names import WHOLE
from kopfka_registry.service.modes import Mode

router = APIRouter(tags=["mode"])

Force = Annotated[bool, Query(description="Also where there are schemas already.")]


@router.get("/mode")
async def get_mode(request: Request) -> Response:
    """Give the mode of all."""
    return answer(request, {"mode": instance_of(request).registry.modes.of(None).value})


@router.put("/mode")
async def put_mode(request: Request, force: Force = False) -> Response:
    """Set the mode of all."""
    return await _put(request, None, force=force)


@router.delete("/mode")
async def delete_mode(request: Request, recursive: bool = False) -> Response:
    """Forget the mode of all: READWRITE again."""
    return await _delete(request, None, recursive=recursive)


@router.get("/mode/{subject:path}")
async def get_subject_mode(
    request: Request,
    subject: SubjectPath,
    default_to_global: Annotated[bool, Query(alias="defaultToGlobal")] = False,
) -> Response:
    """Give the mode of a subject."""
    registry = instance_of(request).registry
    scope = WHOLE.get(subject, subject)
    found = registry.state.mode(scope)
    if found is None and not default_to_global and scope is not None:
        raise ModeNotConfiguredError(subject)
    return answer(request, {"mode": found or registry.modes.of(scope).value})


@router.put("/mode/{subject:path}")
async def put_subject_mode(request: Request, subject: SubjectPath, force: Force = False) -> Response:
    """Set the mode of a subject."""
    return await _put(request, WHOLE.get(subject, subject), force=force)


@router.delete("/mode/{subject:path}")
async def delete_subject_mode(request: Request, subject: SubjectPath, recursive: bool = False) -> Response:
    """Forget the mode of a subject."""
    return await _delete(request, WHOLE.get(subject, subject), recursive=recursive)


async def _put(request: Request, scope: str | None, *, force: bool) -> Response:
    body = await read_body(request, ModeRequest, InvalidModeError)
    mode, instance = Mode.named(body.mode), instance_of(request)

    async def make() -> tuple[Any, int | None]:
        return {"mode": mode.value}, await instance.registry.put_mode(scope, mode, force=force)

    return await instance.change(request, make)


async def _delete(request: Request, scope: str | None, *, recursive: bool) -> Response:
    instance = instance_of(request)

    async def make() -> tuple[Any, int | None]:
        former, offset = await instance.registry.delete_mode(scope, recursive=recursive)
        return {"mode": former}, offset

    return await instance.change(request, make)
