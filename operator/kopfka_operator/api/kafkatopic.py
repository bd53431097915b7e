"""`KafkaTopic`: one topic of a `KafkaCluster`."""

# ruff: noqa: TC001 - pydantic reads annotations

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from kopfka_operator.api.conditions import CONDITIONS, OBSERVED_GENERATION, Condition
from kopfka_operator.api.meta import ApiModel, Column, Kind, StatusModel, field_rules, rules
from kopfka_operator.api.values import ReclaimPolicy, Settings

TOPIC_NAME_PATTERN = r"^[a-zA-Z0-9._-]+$"
LONGEST_TOPIC_NAME = 249

CLUSTER_RULE = (
    "self == oldSelf",
    "a topic stays in its cluster: write the former cluster, or make a second KafkaTopic for the other cluster",
)
TOPIC_NAME_RULE = (
    "has(self.topicName) == has(oldSelf.topicName) && (!has(self.topicName) || self.topicName == oldSelf.topicName)",
    "a topic keeps its name: write the former topicName, or make a second KafkaTopic",
)
DOTS_RULE = ("self != '.' && self != '..'", "Kafka takes neither . nor .. as a topic's name: write another one")
NAME_RULE = (
    f"has(self.spec.topicName) || self.metadata.name.size() <= {LONGEST_TOPIC_NAME}",
    f"a topic's name has at most {LONGEST_TOPIC_NAME} characters: write a shorter metadata.name, or spec.topicName",
)


class KafkaTopicSpec(ApiModel):
    """The topic as it is wanted."""

    model_config = rules(TOPIC_NAME_RULE)

    cluster: str = Field(
        min_length=1,
        max_length=253,
        description="Name of the KafkaCluster, in the same namespace. It cannot change.",
        json_schema_extra=field_rules(CLUSTER_RULE),
    )
    topic_name: (
        Annotated[str, Field(pattern=TOPIC_NAME_PATTERN, min_length=1, max_length=LONGEST_TOPIC_NAME)] | None
    ) = Field(
        default=None,
        description="Name of the topic in Kafka; metadata.name if omitted. It cannot change.",
        json_schema_extra=field_rules(DOTS_RULE),
    )
    partitions: int | None = Field(
        default=None,
        ge=1,
        le=200_000,
        description="Number of partitions. It can grow, never shrink. If omitted the cluster's num.partitions when "
        "the topic is created, and as they are when it exists.",
    )
    replicas: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Number of copies of each partition; the cluster's default.replication.factor if omitted.",
    )
    config: Settings | None = Field(
        default=None,
        description="Topic settings by Kafka's own names, for instance retention.ms: 604800000. Values are strings, "
        "numbers, true or false. A setting not named here has the cluster's default.",
    )
    reclaim_policy: ReclaimPolicy = Field(
        default="Retain",
        description="What becomes of the topic when this resource is deleted. Retain: it stays. Delete: it is "
        "deleted, with its records.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.topic_name in (".", ".."):
            raise ValueError(DOTS_RULE[1])
        return self


class KafkaTopicStatus(StatusModel):
    """The topic as it is."""

    observed_generation: int | None = OBSERVED_GENERATION
    conditions: tuple[Condition, ...] = CONDITIONS
    topic_name: str | None = Field(default=None, description="Name of the topic in Kafka.")
    topic_id: str | None = Field(
        default=None, description="Kafka's id of the topic; another one means it was made anew."
    )
    partitions: int | None = Field(default=None, description="Number of partitions it has.")
    replicas: int | None = Field(default=None, description="Number of copies of each partition it has.")


KIND = Kind(
    kind="KafkaTopic",
    plural="kafkatopics",
    short_names=("kt",),
    description="A topic of a KafkaCluster.",
    spec=KafkaTopicSpec,
    status=KafkaTopicStatus,
    columns=(
        Column("Cluster", ".spec.cluster", description="The KafkaCluster it is in"),
        Column("Partitions", ".status.partitions", "integer", description="Partitions it has"),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', description="Whether it is as specified"),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', description="Why it is, or is not"),
        Column("Topic", ".status.topicName", priority=1),
        Column("Topic ID", ".status.topicId", priority=1),
        Column("Message", '.status.conditions[?(@.type=="Ready")].message', priority=1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
    rules=(NAME_RULE,),
    example="""\
apiVersion: kopfka.io/v1alpha1
kind: KafkaTopic
metadata:
  name: orders
spec:
  cluster: events
  partitions: 12
  config:
    retention.ms: 604800000
    cleanup.policy: delete
""",
)
