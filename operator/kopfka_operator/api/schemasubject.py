"""`SchemaSubject`: one subject of a `SchemaRegistry`, with the schema it is to have now."""

# ruff: noqa: TC001 - pydantic reads annotations

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from kopfka_operator.api.conditions import CONDITIONS, OBSERVED_GENERATION, Condition
from kopfka_operator.api.meta import ApiModel, Column, Kind, StatusModel, field_rules, rules
from kopfka_operator.api.schemas import CompatibilityLevel, Mode
from kopfka_operator.api.values import ReclaimPolicy

LONGEST_SUBJECT = 1024
LONGEST_SCHEMA = 1_000_000
"""Characters; a whole resource has to fit into 1.5 MB."""

REGISTRY_RULE = (
    "self == oldSelf",
    "a subject stays in its registry: write the former registry, or make a second SchemaSubject for the other one",
)
SUBJECT_RULE = (
    "has(self.subject) == has(oldSelf.subject) && (!has(self.subject) || self.subject == oldSelf.subject)",
    "a subject keeps its name: write the former subject, or make a second SchemaSubject",
)
SCHEMA_RULE = (
    "has(self.schema) != has(self.schemaFrom)",
    "a subject has one schema: write either schema, with its text, or schemaFrom, with the ConfigMap that has it",
)

SubjectName = Annotated[str, Field(min_length=1, max_length=LONGEST_SUBJECT)]


class ConfigMapKey(ApiModel):
    """One entry of a ConfigMap."""

    name: str = Field(min_length=1, max_length=253, description="Name of the ConfigMap, in the same namespace.")
    key: str = Field(min_length=1, max_length=253, description="The entry that holds the schema's text.")


class SchemaSource(ApiModel):
    """Where the schema's text is."""

    config_map_key_ref: ConfigMapKey = Field(description="An entry of a ConfigMap; a change of it counts at once.")


class SchemaReference(ApiModel):
    """A schema of the same registry that this one refers to."""

    name: str = Field(
        min_length=1,
        max_length=LONGEST_SUBJECT,
        description="What the schema calls it: a full name (Avro), the path of an import (Protobuf), "
        "a $ref (JSON Schema).",
    )
    subject: SubjectName = Field(description="The subject it is in.")
    version: int | None = Field(
        default=None,
        ge=1,
        description="Its version there. If omitted the newest; when that changes, this schema is registered anew "
        "with it, if it is compatible.",
    )


class SchemaMetadata(ApiModel):
    """What is told of a schema beside its text (data contracts)."""

    tags: dict[str, tuple[Annotated[str, Field(max_length=253)], ...]] | None = Field(
        default=None, max_length=1024, description="Tags by the path of the field they are for."
    )
    properties: dict[str, str] | None = Field(default=None, max_length=1024, description="Free properties.")
    sensitive: tuple[str, ...] | None = Field(
        default=None, max_length=1024, description="Names of properties that are secret."
    )


class SchemaSubjectSpec(ApiModel):
    """The subject as it is wanted."""

    model_config = rules(SUBJECT_RULE, SCHEMA_RULE)

    registry: str = Field(
        min_length=1,
        max_length=253,
        description="Name of the SchemaRegistry, in the same namespace. It cannot change.",
        json_schema_extra=field_rules(REGISTRY_RULE),
    )
    subject: SubjectName | None = Field(
        default=None, description="Name of the subject in the registry; metadata.name if omitted. It cannot change."
    )
    type: Literal["AVRO", "PROTOBUF", "JSON"] = Field(default="AVRO", description="Language of the schema.")
    # the model cannot have a field of that name: pydantic's own class has one
    text: Annotated[str, Field(min_length=1, max_length=LONGEST_SCHEMA)] | None = Field(
        default=None, alias="schema", description="The schema's text."
    )
    schema_from: SchemaSource | None = Field(default=None, description="Where the schema's text is.")
    references: tuple[SchemaReference, ...] | None = Field(
        default=None, max_length=256, description="Schemas that this one refers to; they are registered first."
    )
    compatibility: CompatibilityLevel | None = Field(
        default=None,
        description="Compatibility that a new schema has to keep with those before; the registry's if omitted.",
    )
    mode: Mode | None = Field(default=None, description="Mode of the subject; the registry's if omitted.")
    normalize: bool = Field(
        default=False, description="Whether spellings of the same schema count as one (normalize of the API)."
    )
    metadata: SchemaMetadata | None = Field(
        default=None, description="What is told of the schema beside its text (data contracts)."
    )
    rule_set: dict[str, Any] | None = Field(
        default=None,
        description="Rules that clients carry out, as the API's ruleSet has them (data contracts).",
        json_schema_extra={"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    )
    reclaim_policy: ReclaimPolicy = Field(
        default="Retain",
        description="What becomes of the subject when this resource is deleted. Retain: it stays. Delete: all its "
        "versions are deleted for good.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if (self.text is None) == (self.schema_from is None):
            raise ValueError(SCHEMA_RULE[1])
        return self


class SchemaSubjectStatus(StatusModel):
    """The subject as it is."""

    observed_generation: int | None = OBSERVED_GENERATION
    conditions: tuple[Condition, ...] = CONDITIONS
    subject: str | None = Field(default=None, description="Name of the subject in the registry.")
    id: int | None = Field(
        default=None, description="The registry's id of the schema that was registered last for this resource."
    )
    version: int | None = Field(default=None, description="Its version in the subject.")
    guid: str | None = Field(default=None, description="Its GUID, where the registry gives one.")
    latest_version: int | None = Field(default=None, description="The newest version in the subject.")


KIND = Kind(
    kind="SchemaSubject",
    plural="schemasubjects",
    short_names=("ss",),
    description="A subject of a SchemaRegistry, with its schema.",
    spec=SchemaSubjectSpec,
    status=SchemaSubjectStatus,
    columns=(
        Column("Registry", ".spec.registry", description="The SchemaRegistry it is in"),
        Column("Type", ".spec.type", description="Language of the schema"),
        Column("Version", ".status.version", "integer", description="Version that was registered last"),
        Column("ID", ".status.id", "integer", description="Id of that schema"),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', description="Whether it is as specified"),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', description="Why it is, or is not"),
        Column("Subject", ".status.subject", priority=1),
        Column("Message", '.status.conditions[?(@.type=="Ready")].message', priority=1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
    example="""\
apiVersion: kopfka.io/v1alpha1
kind: SchemaSubject
metadata:
  name: orders-value
spec:
  registry: schemas
  compatibility: BACKWARD
  schema: |
    {"type": "record", "name": "Order", "namespace": "shop", "fields": [
      {"name": "id", "type": "string"},
      {"name": "amount", "type": "double", "default": 0}
    ]}
""",
)
