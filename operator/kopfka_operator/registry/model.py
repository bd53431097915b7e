"""What is said to a registry and heard of it, as values."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a field of a dataclass
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reference:
    """A schema that another one refers to by `name`."""

    name: str
    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema with all that belongs to it."""

    type: str
    text: str
    references: tuple[Reference, ...] = ()
    metadata: Mapping[str, Any] | None = None
    rule_set: Mapping[str, Any] | None = None

    def body(self) -> dict[str, Any]:
        """Return it as requests have it."""
        out: dict[str, Any] = {"schemaType": self.type, "schema": self.text}
        if self.references:
            out["references"] = [
                {"name": each.name, "subject": each.subject, "version": each.version} for each in self.references
            ]
        if self.metadata is not None:
            out["metadata"] = dict(self.metadata)
        if self.rule_set is not None:
            out["ruleSet"] = dict(self.rule_set)
        return out


@dataclass(frozen=True, slots=True)
class Registered:
    """Where a schema is in its subject."""

    id: int
    version: int
    guid: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a registry says of a schema that is not registered yet."""

    compatible: bool
    messages: tuple[str, ...] = ()
    """Why not, in the registry's words."""


@dataclass(frozen=True, slots=True)
class Level:
    """Compatibility that a subject has of its own."""

    name: str
    alone: bool = True
    """Whether the subject has no other settings of its own, which would go with it."""
