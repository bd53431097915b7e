"""Bodies and parameters of requests: read, and refused with the name of what is wrong."""

# ruff: noqa: TC002 - FastAPI reads annotations

from __future__ import annotations

from typing import Annotated, Any, TypeVar
from urllib.parse import unquote

import orjson
from fastapi import Depends, Path, Query
from pydantic import Field, ValidationError
from starlette.requests import Request

from kopfka_registry.errors import BadRequestError, InvalidSchemaError, RegistryError
from kopfka_registry.models import Config, Metadata, Model, Reference, RuleSet
from kopfka_registry.names import parse_version, qualified
from kopfka_registry.service.registering import Wanted

M = TypeVar("M", bound=Model)


class SchemaRequest(Model):
    """A schema to register, to look up or to test."""

    schema_: str | None = Field(default=None, alias="schema")
    schema_type: str | None = None
    references: tuple[Reference, ...] | None = None
    metadata: Metadata | None = None
    rule_set: RuleSet | None = None
    version: int | None = None
    id: int | None = None

    def wanted(self) -> Wanted:
        """Return what is asked for."""
        return Wanted(
            self.schema_ or "",
            self.schema_type,
            self.references or (),
            self.metadata,
            self.rule_set,
            self.version,
            None if self.id == -1 else self.id,
        )


class ConfigRequest(Config):
    """Settings to be set; the level has another name here than in answers."""

    compatibility: str | None = None

    def config(self) -> Config:
        """Return the settings."""
        values = {name: getattr(self, name) for name in Config.model_fields}
        values["compatibility_level"] = self.compatibility or self.compatibility_level
        return Config(**values)


class ModeRequest(Model):
    """A mode to be set."""

    mode: str | None = None


async def read_body(request: Request, kind: type[M], refusal: type[RegistryError] = InvalidSchemaError) -> M:
    """Read a request's body.

    Raises:
        BadRequestError: it is not JSON.
        RegistryError: of the class `refusal`: a field is not what it has to be.
    """
    try:
        said: Any = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"the body is not JSON: {error}") from None
    if not isinstance(said, dict):
        raise refusal("the body is not a JSON object")
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise refusal(f"{where}: {first['msg']}") from None


def _subject(subject: Annotated[str, Path(description="Subject; one of a context is written :.CONTEXT:NAME.")]) -> str:
    return qualified(unquote(subject))


def _version(version: Annotated[str, Path(description="Number of the version, or latest.")]) -> int:
    return parse_version(version)


SubjectPath = Annotated[str, Depends(_subject)]
VersionPath = Annotated[int, Depends(_version)]
Deleted = Annotated[bool, Query(description="Deleted ones too.")]
DeletedOnly = Annotated[bool, Query(alias="deletedOnly", description="Deleted ones only.")]
Normalize = Annotated[bool, Query(description="Compare and keep the schema in its normal form.")]
Form = Annotated[str, Query(alias="format", description="Form of the schema's text, of its language.")]
Offset = Annotated[int, Query(ge=0, description="How many to leave out.")]
Limit = Annotated[int, Query(description="How many to give; all where below 1.")]


def page(found: list[Any], offset: int, limit: int, most: int | None = None) -> list[Any]:
    """Return a part of a list."""
    if most is not None and not 0 < limit <= most:
        limit = most
    return found[offset : offset + limit] if limit > 0 else found[offset:]
