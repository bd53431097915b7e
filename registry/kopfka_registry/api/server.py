"""What the API says of the server itself: contexts, cluster, version."""

# ruff: noqa: TC002 - FastAPI reads annotations

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from kopfka_registry.api.answers import answer
from kopfka_registry.api.instance import instance_of
from kopfka_registry.api.requests import Limit, Offset, page

VERSION: Final = "8.0.0"
"""The release of Confluent's registry whose API this is."""

router = APIRouter(tags=["server"])


@router.get("/")
async def root(request: Request) -> Response:
    """Say that the server is there."""
    return answer(request, {})


@router.get("/contexts")
async def list_contexts(
    request: Request,
    *,
    prefix: Annotated[str, Query(alias="contextPrefix", description="Beginning of their names.")] = "",
    offset: Offset = 0,
    limit: Limit = -1,
) -> Response:
    """List the contexts."""
    found = [each for each in instance_of(request).registry.state.contexts() if each.startswith(prefix)]
    return answer(request, page(found, offset, limit))


@router.get("/v1/metadata/id")
async def server_id(request: Request) -> Response:
    """Say which clusters this is."""
    instance = instance_of(request)
    clusters = {"kafka-cluster": instance.cluster_id, "schema-registry-cluster": instance.group}
    return answer(request, {"scope": {"path": [], "clusters": clusters}, "id": ""})


@router.get("/v1/metadata/version")
async def server_version(request: Request) -> Response:
    """Say which version of the API this is."""
    return answer(request, {"version": VERSION, "commitId": ""})
