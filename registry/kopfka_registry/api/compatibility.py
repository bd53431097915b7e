"""`/compatibility`: whether a schema could be registered, without registering it."""

# ruff: noqa: TC002 - FastAPI reads annotations

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from kopfka_registry.api.answers import answer
from kopfka_registry.api.instance import instance_of
from kopfka_registry.api.requests import Normalize, SchemaRequest, SubjectPath, VersionPath, read_body

router = APIRouter(tags=["compatibility"])

Verbose = Annotated[bool, Query(description="Say why not.")]


@router.post("/compatibility/subjects/{subject:path}/versions/{version}")
async def against_version(
    request: Request, subject: SubjectPath, version: VersionPath, normalize: Normalize = False, verbose: Verbose = False
) -> Response:
    """Test a schema against one version of a subject, at the subject's level."""
    return await _test(request, subject, version, normalize=normalize, verbose=verbose)


@router.post("/compatibility/subjects/{subject:path}/versions")
async def against_subject(
    request: Request, subject: SubjectPath, normalize: Normalize = False, verbose: Verbose = False
) -> Response:
    """Test a schema against the versions of a subject that its level names."""
    return await _test(request, subject, None, normalize=normalize, verbose=verbose)


async def _test(request: Request, subject: str, version: int | None, *, normalize: bool, verbose: bool) -> Response:
    body = await read_body(request, SchemaRequest)
    registry = instance_of(request).registry
    said = await registry.test(registry.resolved(subject), body.wanted(), normalize=normalize, version=version)
    verdict: dict[str, Any] = {"is_compatible": not said}
    return answer(request, {**verdict, "messages": said} if verbose else verdict)
