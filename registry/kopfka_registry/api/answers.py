"""Bodies of answers, as Confluent's registry makes them: what is not set is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.responses import Response

from kopfka_registry.store.content import AVRO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from kopfka_registry.store.content import Content, Registered

MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_JSON: Final = "application/json"


def answer(request: Request, said: Any, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """Return an answer in JSON, of the media type the client prefers."""
    return Response(orjson.dumps(said), status, headers, media_type(request.headers.get("accept")))


def bare(request: Request, text: str) -> Response:
    """Return a schema's text as the whole answer."""
    return Response(text, media_type=media_type(request.headers.get("accept")))


def media_type(accept: str | None) -> str:
    """Return the media type of answers for an Accept header: plain JSON only for who wants nothing else of ours."""
    if accept is None or "schemaregistry" in accept or "*" in accept or _JSON not in accept:
        return MEDIA_TYPE
    return _JSON


def schema_fields(content: Content) -> dict[str, Any]:
    """Return what every answer says of a content, but for its text."""
    said: dict[str, Any] = {"guid": content.guid}
    if content.type != AVRO:
        said["schemaType"] = content.type
    if content.references:
        said["references"] = [each.plain() for each in content.references]
    if content.metadata:
        said["metadata"] = content.metadata.plain()
    if content.rule_set:
        said["ruleSet"] = content.rule_set.plain()
    return said


def registered_fields(registered: Registered, text: str | None = None) -> dict[str, Any]:
    """Return a version of a subject; `text` is its schema in another form."""
    content = registered.content
    said = {
        "subject": registered.subject,
        "id": registered.id,
        "version": registered.version,
        **schema_fields(content),
        "schema": content.text if text is None else text,
    }
    return {**said, "deleted": True} if registered.deleted else said
