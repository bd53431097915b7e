"""What a schema carries beside its text, as it stands in requests, in answers and in the topic.

Names of fields are Confluent's, and so are those left out when empty. Rules are stored, merged and given back; clients
carry them out.
"""

from __future__ import annotations

from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

VERSION_PROPERTY: Final = "confluent:version"
"""Property of the metadata that holds the version a schema was registered as, where a client asks for that."""


class Model(BaseModel):
    """A part of the API: fields in camel case, unknown ones dropped."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it, without what is not set."""
        return self.model_dump(by_alias=True, exclude_none=True)


class Reference(Model):
    """A schema that another one refers to by `name`."""

    name: str
    subject: str
    version: int


class Metadata(Model):
    """Free properties of a schema, tags of its fields, and which properties are secret."""

    tags: dict[str, tuple[str, ...]] | None = None
    properties: dict[str, str] | None = None
    sensitive: tuple[str, ...] | None = None

    def with_version(self, version: int) -> Self:
        """Return the metadata with the version a schema is registered as."""
        return self.model_copy(update={"properties": {**(self.properties or {}), VERSION_PROPERTY: str(version)}})

    def without_version(self) -> Self | None:
        """Return the metadata without that version; None where nothing else is in it."""
        kept = {key: value for key, value in (self.properties or {}).items() if key != VERSION_PROPERTY}
        bare = self.model_copy(update={"properties": kept or None})
        return bare if bare.plain() else None

    @property
    def version(self) -> str | None:
        """The version it holds, if any."""
        return (self.properties or {}).get(VERSION_PROPERTY)


class Rule(Model):
    """A transformation or a condition that clients apply to data of a schema."""

    name: str
    doc: str | None = None
    kind: str | None = None
    mode: str | None = None
    type: str | None = None
    tags: tuple[str, ...] | None = None
    params: dict[str, str] | None = None
    expr: str | None = None
    on_success: str | None = None
    on_failure: str | None = None
    disabled: bool = False


class RuleSet(Model):
    """The rules of a schema: for moving between versions, for its data, and for the bytes of it."""

    migration_rules: tuple[Rule, ...] | None = None
    domain_rules: tuple[Rule, ...] | None = None
    encoding_rules: tuple[Rule, ...] | None = None
    enable_at: str | None = None


class Config(Model):
    """Settings of one subject, of a context, or of all: None where another level decides."""

    compatibility_level: str | None = None
    compatibility_policy: str | None = None
    compatibility_group: str | None = None
    normalize: bool | None = None
    validate_fields: bool | None = None
    validate_names: bool | None = None
    validate_rules: bool | None = None
    alias: str | None = None
    default_metadata: Metadata | None = None
    override_metadata: Metadata | None = None
    default_rule_set: RuleSet | None = None
    override_rule_set: RuleSet | None = None

    def over(self, lower: Config) -> Config:
        """Return these settings, with those of `lower` where nothing is set here."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return Config(**{n: getattr(lower, n) if v is None else v for n, v in values.items()})


def merge_metadata(lower: Metadata | None, upper: Metadata | None) -> Metadata | None:
    """Return both in one; where both name a tag's path or a property, `upper` decides."""
    if lower is None or upper is None:
        return lower or upper
    sensitive = tuple(sorted({*(lower.sensitive or ()), *(upper.sensitive or ())}))
    return Metadata(
        tags={**(lower.tags or {}), **(upper.tags or {})} or None,
        properties={**(lower.properties or {}), **(upper.properties or {})} or None,
        sensitive=sensitive or None,
    )


def merge_rule_sets(lower: RuleSet | None, upper: RuleSet | None) -> RuleSet | None:
    """Return both in one; a rule of `upper` stands for one of the same name in `lower`."""
    if lower is None or upper is None:
        return lower or upper
    return RuleSet(
        migration_rules=_merge_rules(lower.migration_rules, upper.migration_rules),
        domain_rules=_merge_rules(lower.domain_rules, upper.domain_rules),
        encoding_rules=_merge_rules(lower.encoding_rules, upper.encoding_rules),
        enable_at=upper.enable_at or lower.enable_at,
    )


def _merge_rules(lower: tuple[Rule, ...] | None, upper: tuple[Rule, ...] | None) -> tuple[Rule, ...] | None:
    if not lower or not upper:
        return lower or upper
    named = {rule.name for rule in upper}
    return (*(rule for rule in lower if rule.name not in named), *upper)
