"""`/subjects`: what stands under a subject, and its registration and deletion."""

# ruff: noqa: TC001, TC002 - FastAPI reads annotations

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from kopfka_registry.api.answers import answer, bare, registered_fields, schema_fields
from kopfka_registry.api.instance import Instance, instance_of
from kopfka_registry.api.requests import (
    Deleted,
    DeletedOnly,
    Form,
    Limit,
    Normalize,
    Offset,
    SchemaRequest,
    SubjectPath,
    VersionPath,
    page,
    read_body,
)
from kopfka_registry.errors import SchemaNotFoundError, SubjectNotFoundError
from kopfka_registry.names import WILDCARD, Subject, context_of
from kopfka_registry.store.content import Registered

router = APIRouter(tags=["subjects"])


@router.get("/subjects")
async def list_subjects(
    request: Request,
    *,
    prefix: Annotated[str, Query(alias="subjectPrefix", description="Beginning of their names.")] = WILDCARD,
    deleted: Deleted = False,
    deleted_only: DeletedOnly = False,
    offset: Offset = 0,
    limit: Limit = -1,
) -> Response:
    """List the subjects."""
    state = instance_of(request).registry.state
    found = []
    for subject in subjects_with(instance_of(request), prefix):
        living = bool(state.versions(subject))
        if (not living and deleted_only) or (not deleted_only and (living or deleted)):
            found.append(subject)
    return answer(request, page(found, offset, limit))


@router.post("/subjects/{subject:path}/versions")
async def register(request: Request, subject: SubjectPath, normalize: Normalize = False) -> Response:
    """Register a schema; one that is there already keeps its id."""
    body = await read_body(request, SchemaRequest)
    instance = instance_of(request)
    subject, wanted = instance.registry.resolved(subject), body.wanted()

    async def make() -> tuple[Any, int | None]:
        registered, offset = await instance.registry.register(subject, wanted, normalize=normalize)
        return _registration(registered), offset

    if not instance.registry.leads and wanted.id is None:
        known = await instance.registry.known_already(subject, wanted, normalize=normalize)
        if known is not None:
            return answer(request, _registration(known))
    return await instance.change(request, make)


@router.post("/subjects/{subject:path}")
async def look_up(
    request: Request, *, subject: SubjectPath, normalize: Normalize = False, deleted: Deleted = False, form: Form = ""
) -> Response:
    """Say under which version of the subject a schema stands."""
    body = await read_body(request, SchemaRequest)
    instance = instance_of(request)
    subject, wanted = instance.registry.resolved(subject), body.wanted()
    try:
        found = await instance.registry.look_up(subject, wanted, normalize=normalize, deleted=deleted)
    except (SubjectNotFoundError, SchemaNotFoundError):
        await instance.store.catch_up()  # another instance may have registered it a moment ago
        found = await instance.registry.look_up(subject, wanted, normalize=normalize, deleted=deleted)
    return answer(request, registered_fields(found, await _text(instance, found, form)))


@router.delete("/subjects/{subject:path}/versions/{version}")
async def delete_version(
    request: Request, *, subject: SubjectPath, version: VersionPath, permanent: bool = False
) -> Response:
    """Delete a version; for good, once it was deleted before."""
    instance = instance_of(request)
    return await instance.change(
        request, lambda: instance.registry.delete_version(subject, version, permanent=permanent)
    )


@router.delete("/subjects/{subject:path}")
async def delete_subject(request: Request, subject: SubjectPath, permanent: bool = False) -> Response:
    """Delete a subject; for good, once it was deleted before."""
    instance = instance_of(request)
    return await instance.change(request, lambda: instance.registry.delete_subject(subject, permanent=permanent))


@router.get("/subjects/{subject:path}/versions/{version}/schema")
async def schema_of_version(
    request: Request, *, subject: SubjectPath, version: VersionPath, deleted: Deleted = False, form: Form = ""
) -> Response:
    """Give the schema of a version, and nothing else."""
    instance = instance_of(request)
    found = await _version(instance, subject, version, deleted=deleted)
    text = await _text(instance, found, form)
    return bare(request, found.content.text if text is None else text)


@router.get("/subjects/{subject:path}/versions/{version}/referencedby")
async def referenced_by(request: Request, subject: SubjectPath, version: VersionPath) -> Response:
    """List the ids of the schemas that refer to this one."""
    instance = instance_of(request)
    found = await _version(instance, subject, version, deleted=True)
    return answer(
        request, sorted({each.id for each in instance.registry.state.referrers(found.subject, found.version)})
    )


@router.get("/subjects/{subject:path}/versions/{version}")
async def get_version(
    request: Request,
    *,
    subject: SubjectPath,
    version: VersionPath,
    deleted: Deleted = False,
    form: Form = "",
    find_tags: Annotated[list[str] | None, Query(alias="findTags")] = None,
) -> Response:
    """Give a version of a subject."""
    instance = instance_of(request)
    found = await _version(instance, subject, version, deleted=deleted)
    said = registered_fields(found, await _text(instance, found, form))
    if find_tags:
        said["schemaTags"] = await instance.registry.tags(found, find_tags)
    return answer(request, said)


@router.get("/subjects/{subject:path}/versions")
async def list_versions(
    request: Request,
    *,
    subject: SubjectPath,
    deleted: Deleted = False,
    deleted_only: DeletedOnly = False,
    negative: Annotated[bool, Query(alias="deletedAsNegative", description="Deleted ones as -VERSION.")] = False,
    offset: Offset = 0,
    limit: Limit = -1,
) -> Response:
    """List the versions of a subject."""
    instance = instance_of(request)
    subject = instance.registry.resolved(subject)
    every = instance.registry.state.versions(subject, deleted=deleted or deleted_only or negative)
    found = [-each.version if negative and each.deleted else each.version for each in every if
             each.deleted or not deleted_only]  # fmt: skip
    if not found:
        raise SubjectNotFoundError(subject)
    return answer(request, page(found, offset, limit))


@router.get("/subjects/{subject:path}/metadata")
async def latest_with_metadata(
    request: Request,
    *,
    subject: SubjectPath,
    key: Annotated[list[str] | None, Query()] = None,
    value: Annotated[list[str] | None, Query()] = None,
    deleted: Deleted = False,
    form: Form = "",
) -> Response:
    """Give the latest version whose metadata has these properties."""
    instance = instance_of(request)
    subject = instance.registry.resolved(subject)
    every = instance.registry.state.versions(subject, deleted=deleted)
    if not every:
        raise SubjectNotFoundError(subject)
    wanted = dict(zip(key or (), value or (), strict=False)).items()
    for each in reversed(every):
        metadata = each.content.metadata
        if wanted <= ((metadata.properties or {}) if metadata else {}).items():
            return answer(request, registered_fields(each, await _text(instance, each, form)))
    raise SchemaNotFoundError


def subjects_with(instance: Instance, prefix: str) -> list[str]:
    """Return the subjects whose name begins with `prefix`; `:*:PREFIX` means in every context."""
    state = instance.registry.state
    if not prefix.startswith(WILDCARD):
        return list(state.subjects(prefix))
    bare = prefix.removeprefix(WILDCARD)
    if not bare:
        return list(state.subjects())
    return sorted(each for context in state.contexts() for each in state.subjects(str(Subject(context, bare)))
                  if context_of(each) == context)  # fmt: skip


async def _version(instance: Instance, subject: str, version: int, *, deleted: bool) -> Registered:
    subject = instance.registry.resolved(subject)
    try:
        return instance.registry.version(subject, version, deleted=deleted)
    except (SubjectNotFoundError, SchemaNotFoundError):
        await instance.store.catch_up()
        return instance.registry.version(subject, version, deleted=deleted)


async def _text(instance: Instance, registered: Registered, form: str) -> str | None:
    if not form:
        return None
    parsed = await instance.registry.parser.parse(context_of(registered.subject), registered.content)
    return parsed.formatted(form)


def _registration(registered: Registered) -> dict[str, Any]:
    content = registered.content
    return {"id": registered.id, "version": registered.version, **schema_fields(content), "schema": content.text}
