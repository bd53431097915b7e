"""What a request asks for: its target from the path, its parameters, its body, the form of the answer it accepts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from kopfka_local.api import protobuf
from kopfka_local.api.errors import ApiError, bad_request, no_such_resource
from kopfka_local.api.resources import Gvr

if TYPE_CHECKING:
    from starlette.requests import Request

LARGEST_BODY = 3 * 1024 * 1024
_LARGEST_YAML = 500_000  # values
_YAML_TYPES = ("application/yaml", "application/apply-patch+yaml")
_JSON_TYPES = (
    "application/json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
)


@dataclass(frozen=True, slots=True)
class Target:
    """A resource, or one of its objects, or something below one."""

    gvr: Gvr
    namespace: str | None = None
    name: str = ""
    subresource: str = ""


def parse_path(group: str, version: str, rest: str) -> Target:
    """Read what follows `/api/v1/` or `/apis/GROUP/VERSION/`.

    Raises:
        ApiError: 404, no resource can be at this path.
    """
    parts = rest.strip("/").split("/")
    namespace = None
    if parts[0] == "namespaces" and len(parts) > 2 and not (not group and parts[2] in ("status", "finalize")):
        namespace, parts = parts[1], parts[2:]
    if len(parts) > 3 or not all(parts):
        raise no_such_resource()
    resource, name, subresource = (*parts, "", "")[:3]
    return Target(Gvr(group, version, resource), namespace, name, subresource)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The form of an answer: `kind` is empty for the object itself, or `Table`, `PartialObjectMetadata`, …"""

    kind: str = ""
    group: str = ""
    version: str = ""


def accepted(header: str, kinds: tuple[str, ...]) -> Accepted:
    """Return the first form of the Accept header that is among `kinds`, or plain JSON.

    Raises:
        ApiError: 406, neither is acceptable.
    """
    for part in (header or "*/*").split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        values = dict(piece.partition("=")[::2] for piece in parameters)
        if media not in ("application/json", "*/*", "application/*"):
            continue
        kind = values.get("as", "")
        if not kind:
            return Accepted()
        if kind in kinds:
            return Accepted(kind, values.get("g", ""), values.get("v", ""))
    raise ApiError(406, "NotAcceptable", "only the following media types are accepted: application/json", {})


async def read_body(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        ApiError: 413, it is larger than Kubernetes accepts.
    """
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {LARGEST_BODY}", {})
        chunks.append(chunk)
    return b"".join(chunks)


def content_type(request: Request) -> str:
    """Return the media type of the body, JSON where none is given."""
    return str(request.headers.get("content-type", "application/json")).partition(";")[0].strip().lower()


def decode(body: bytes, media: str) -> Any:
    """Read a body of a JSON or YAML type.

    Raises:
        ApiError: 400, malformed; 415, of another type.
    """
    if media in _JSON_TYPES:
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise bad_request(f"error decoding the body as JSON: {error}") from None
    if media in _YAML_TYPES:
        import yaml  # noqa: PLC0415 - only who sends YAML pays for it

        try:
            loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            return _plain(yaml.load(body, loader), [_LARGEST_YAML])
        except (yaml.YAMLError, ValueError) as error:
            raise bad_request("error decoding the body as YAML: " + " ".join(str(error).split())) from None
    if media == protobuf.MEDIA_TYPE:
        return protobuf.decode(body)
    raise ApiError(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml",
    )


def _plain(value: Any, left: list[int]) -> Any:
    """Return YAML's value as JSON would have it: text keys, no dates. An alias counts as often as it is used."""
    left[0] -= 1
    if left[0] < 0:
        raise ValueError("it is too large when its aliases are written out")
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key).lower(): _plain(item, left) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, left) for item in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if hasattr(value, "isoformat"):
        return str(value.isoformat()).replace("+00:00", "Z")
    raise ValueError(f"{type(value).__name__} has no counterpart in JSON")


def field_manager(request: Request) -> str:
    """Return the name under which this client owns fields.

    Raises:
        ApiError: 400, it is longer than 128 characters or not printable.
    """
    name = request.query_params.get("fieldManager") or request.headers.get("user-agent", "unknown").partition("/")[0]
    if len(name) > 128 or not name.isprintable():
        raise bad_request(f"fieldManager {name[:128]!r} must be at most 128 printable characters")
    return str(name) or "unknown"


def dry_run(values: list[str]) -> bool:
    """Read the `dryRun` parameter.

    Raises:
        ApiError: 400, it is not `All`.
    """
    for value in values:
        if value and value != "All":
            raise bad_request(f'dryRun: Unsupported value: "{value}": supported values: "All"')
    return any(values)


def number(text: str | None, name: str) -> int | None:
    """Read a parameter that is a whole number, None where it is not given.

    Raises:
        ApiError: 400, it is not a number.
    """
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise bad_request(f"{name}: {text!r} is not a whole number") from None


def flag(text: str | None) -> bool:
    """Read a parameter that is a boolean."""
    return (text or "").lower() in ("1", "true", "t")
