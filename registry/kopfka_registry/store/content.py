"""A schema as it is kept: what makes it this schema and no other, and where it stands."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from kopfka_registry.models import Metadata, Reference, RuleSet
    from kopfka_registry.names import SchemaId, Version

AVRO: Final = "AVRO"


@dataclass(frozen=True, slots=True)
class Content:
    """A schema's text with all that tells it from another one; subjects may share it."""

    type: str
    """`AVRO`, `PROTOBUF` or `JSON`."""
    text: str
    references: tuple[Reference, ...] = ()
    metadata: Metadata | None = None
    rule_set: RuleSet | None = None

    def fingerprint(self) -> bytes:
        """Return 16 bytes that equal contents have in common."""
        parts = [
            self.type,
            self.text,
            [[each.name, each.subject, each.version] for each in self.references],
            self.metadata.plain() if self.metadata else None,
            self.rule_set.plain() if self.rule_set else None,
        ]
        return hashlib.md5(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), usedforsecurity=False).digest()

    @property
    def guid(self) -> str:
        """The content's name in all contexts and registries."""
        return str(uuid.UUID(bytes=self.fingerprint()))

    def bare(self) -> Content:
        """Return the content without metadata and rules."""
        return replace(self, metadata=None, rule_set=None)


@dataclass(frozen=True, slots=True)
class Registered:
    """A content under a version of a subject."""

    subject: str
    version: Version
    id: SchemaId
    content: Content
    deleted: bool = False
    """Deleted, but not for good: found only by who asks for deleted ones, or by its id."""
