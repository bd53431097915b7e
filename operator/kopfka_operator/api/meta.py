"""What every kind's model shares: camelCase in YAML, CEL rules beside their fields, and the kind's own facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_NAME = 40
"""Leaves room in 63-character labels for what Kubernetes and Kopfka append to the name of a resource with pods."""

NAME_RULE = (
    f"self.metadata.name.size() <= {LONGEST_NAME} && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    f"services are named after it: write a name of at most {LONGEST_NAME} characters of a-z, 0-9 and -, "
    "that starts with a letter and ends with a letter or digit",
)


class ApiModel(BaseModel):
    """A part of a resource: camelCase in YAML, unknown fields refused (the API server has dropped them before)."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class StatusModel(BaseModel):
    """A part of a status: camelCase in YAML; it describes the schema and is never read back."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


def rules(*rule: tuple[str, str]) -> ConfigDict:
    """Return the model configuration that puts (CEL expression, what to write instead) pairs into the CRD."""
    return ConfigDict(json_schema_extra=field_rules(*rule))


def field_rules(*rule: tuple[str, str], **more: Any) -> dict[str, Any]:
    """Return the same for one field, as its `json_schema_extra`."""
    return {"x-kubernetes-validations": [_rule(*each) for each in rule], **more}


def _rule(expression: str, message: str) -> dict[str, str]:
    return {"rule": expression, "message": message}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; `priority` 1 shows it with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """All that a CRD says about a kind beyond the schema of its spec and status."""

    kind: str
    plural: str
    short_names: Sequence[str]
    description: str
    spec: type[ApiModel]
    status: type[StatusModel]
    columns: Sequence[Column]
    rules: Sequence[tuple[str, str]] = ()
    example: str = ""

    @property
    def singular(self) -> str:
        """The name `kubectl` takes for one of them."""
        return self.kind.lower()
