"""`/schemas`: schemas by their ids and GUIDs, whatever subject they stand under."""

# ruff: noqa: TC001, TC002 - FastAPI reads annotations

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from kopfka_registry.api.answers import answer, bare, registered_fields, schema_fields
from kopfka_registry.api.instance import Instance, instance_of
from kopfka_registry.api.requests import Deleted, Form, Limit, Offset, page
from kopfka_registry.api.subjects import subjects_with
from kopfka_registry.errors import SchemaNotFoundError
from kopfka_registry.names import WILDCARD, qualified
from kopfka_registry.service.languages import NAMES
from kopfka_registry.store.content import Content, Registered

router = APIRouter(tags=["schemas"])

SubjectQuery = Annotated[str | None, Query(description="Subject, or :.CONTEXT:, in whose context the id is.")]


@router.get("/schemas")
async def list_schemas(
    request: Request,
    *,
    prefix: Annotated[str, Query(alias="subjectPrefix", description="Beginning of their subjects.")] = WILDCARD,
    deleted: Deleted = False,
    latest_only: Annotated[bool, Query(alias="latestOnly", description="The latest version of each subject.")] = False,
    aliases: bool = False,
    rule_types: Annotated[list[str] | None, Query(alias="ruleType", description="Those with such a rule.")] = None,
    offset: Offset = 0,
    limit: Limit = -1,
) -> Response:
    """List schemas."""
    instance = instance_of(request)
    state = instance.registry.state
    found: list[Registered] = []
    for subject in subjects_with(instance, prefix):
        versions = [each for each in state.versions(subject, deleted=deleted) if _has_rule(each.content, rule_types)]
        found += versions[-1:] if latest_only else versions
    part = page(found, offset, limit, instance.most_listed)
    said = [registered_fields(each) for each in part]
    if aliases:
        for each in said:
            named = [subject for subject, config in state.configs() if config.alias == each["subject"]]
            if named:
                each["aliases"] = sorted(named)
    return answer(request, said)


@router.get("/schemas/types")
async def list_types(request: Request) -> Response:
    """List the schema languages."""
    return answer(request, NAMES)


@router.get("/schemas/ids/{schema_id}")
async def get_by_id(
    request: Request,
    *,
    schema_id: int,
    subject: SubjectQuery = None,
    form: Form = "",
    fetch_max_id: Annotated[bool, Query(alias="fetchMaxId", description="Say the highest id, too.")] = False,
    find_tags: Annotated[list[str] | None, Query(alias="findTags")] = None,
) -> Response:
    """Give the schema with an id."""
    instance = instance_of(request)
    context, content = await _by_id(instance, schema_id, subject)
    text = await _text(instance, context, content, form)
    # the id is not in Confluent's answer, and its client for Python takes it from there (`use.schema.id`)
    said = {"id": schema_id, **schema_fields(content), "schema": text}
    state = instance.registry.state
    if fetch_max_id:
        said["maxId"] = state.last_ids()[context]
    place = _place(instance, context, schema_id, subject)
    if place is not None:
        said |= {"subject": place.subject, "version": place.version}
    if find_tags:
        at = place or state.version(*_first_place(instance, context, schema_id), deleted=True)
        said["schemaTags"] = await instance.registry.tags(at, find_tags) if at else []
    return answer(request, said)


@router.get("/schemas/ids/{schema_id}/schema")
async def schema_of_id(request: Request, schema_id: int, subject: SubjectQuery = None, form: Form = "") -> Response:
    """Give the schema with an id, and nothing else."""
    instance = instance_of(request)
    context, content = await _by_id(instance, schema_id, subject)
    return bare(request, await _text(instance, context, content, form))


@router.get("/schemas/ids/{schema_id}/subjects")
async def subjects_of_id(
    request: Request,
    *,
    schema_id: int,
    subject: SubjectQuery = None,
    deleted: Deleted = False,
    offset: Offset = 0,
    limit: Limit = -1,
) -> Response:
    """List the subjects a schema stands under."""
    found = await _places(instance_of(request), schema_id, subject, deleted=deleted)
    return answer(request, page(list(dict.fromkeys(each.subject for each in found)), offset, limit))


@router.get("/schemas/ids/{schema_id}/versions")
async def versions_of_id(
    request: Request,
    *,
    schema_id: int,
    subject: SubjectQuery = None,
    deleted: Deleted = False,
    offset: Offset = 0,
    limit: Limit = -1,
) -> Response:
    """List the subjects a schema stands under, with its version there."""
    found = page(await _places(instance_of(request), schema_id, subject, deleted=deleted), offset, limit)
    return answer(request, [{"subject": each.subject, "version": each.version} for each in found])


@router.get("/schemas/guids/{guid}")
async def get_by_guid(request: Request, guid: str, form: Form = "") -> Response:
    """Give the schema with a GUID."""
    instance = instance_of(request)
    context, schema_id = (await _ids_of_guid(instance, guid))[0]
    known = instance.registry.state.known(context, schema_id)
    if known is None:
        raise SchemaNotFoundError(guid)
    text = await _text(instance, context, known.content, form)
    return answer(request, {**schema_fields(known.content), "schema": text})


@router.get("/schemas/guids/{guid}/ids")
async def ids_of_guid(request: Request, guid: str) -> Response:
    """List the contexts a schema is in, with its id there."""
    found = await _ids_of_guid(instance_of(request), guid)
    return answer(request, [{"context": context, "id": schema_id} for context, schema_id in found])


async def _by_id(instance: Instance, schema_id: int, subject: str | None) -> tuple[str, Content]:
    subject = qualified(subject) if subject else None
    place = instance.registry.place_of_id(schema_id, subject)
    if place is None:
        await instance.store.catch_up()  # who wrote data with it may have registered it a moment ago, elsewhere
        place = instance.registry.place_of_id(schema_id, subject)
    known = instance.registry.state.known(*place) if place else None
    if place is None or known is None:
        raise SchemaNotFoundError(schema_id)
    return place[0], known.content


async def _places(instance: Instance, schema_id: int, subject: str | None, *, deleted: bool) -> list[Registered]:
    context, _ = await _by_id(instance, schema_id, subject)
    state = instance.registry.state
    known = state.known(context, schema_id)
    found = [state.version(name, version, deleted=deleted) for name, version in (known.places if known else ())]
    return sorted((each for each in found if each is not None), key=lambda each: (each.subject, each.version))


def _place(instance: Instance, context: str, schema_id: int, subject: str | None) -> Registered | None:
    """Return the version of `subject` that has this id, where a subject was named."""
    known = instance.registry.state.known(context, schema_id)
    wanted = qualified(subject) if subject else None
    for name, version in reversed(known.places if known and wanted else ()):
        if name == wanted:
            return instance.registry.state.version(name, version, deleted=True)
    return None


def _first_place(instance: Instance, context: str, schema_id: int) -> tuple[str, int]:
    known = instance.registry.state.known(context, schema_id)
    return known.places[0] if known else ("", 0)


async def _ids_of_guid(instance: Instance, guid: str) -> list[tuple[str, int]]:
    try:
        fingerprint = uuid.UUID(guid).bytes
    except ValueError:
        raise SchemaNotFoundError(guid) from None
    found = instance.registry.state.ids_of_guid(fingerprint)
    if not found:
        await instance.store.catch_up()
        found = instance.registry.state.ids_of_guid(fingerprint)
    if not found:
        raise SchemaNotFoundError(guid)
    return list(found)


async def _text(instance: Instance, context: str, content: Content, form: str) -> str:
    if not form:
        return content.text
    return (await instance.registry.parser.parse(context, content)).formatted(form)


def _has_rule(content: Content, types: list[str] | None) -> bool:
    if not types:
        return True
    rules = content.rule_set
    groups = (rules.migration_rules, rules.domain_rules, rules.encoding_rules) if rules else ()
    return any(rule.type in types for group in groups for rule in group or ())
