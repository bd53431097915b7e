"""`KafkaCluster`: one Kafka cluster, run by Kopfka's bundled broker."""

# ruff: noqa: TC001 - pydantic reads annotations

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from kopfka_operator.api.conditions import CONDITIONS, OBSERVED_GENERATION, Condition
from kopfka_operator.api.external import PORT_RULES, ExternalAccess
from kopfka_operator.api.meta import NAME_RULE, ApiModel, Column, Kind, StatusModel, rules
from kopfka_operator.api.pods import PULL_POLICY, ImageName, PullPolicy, Resources, Template
from kopfka_operator.api.values import ReclaimPolicy, Settings
from kopfka_operator.quantities import PATTERN as QUANTITY_PATTERN
from kopfka_operator.quantities import parse_quantity

OWN_SETTINGS = ("listeners", "advertised.listeners", "listener.security.protocol.map", "log.dirs", "log.dir", "node.id")
"""Broker settings that follow from the rest of the spec and so cannot be set in `config`."""

ENGINE_RULE = (
    "self.engine == 'bundled'",
    "this version runs engine: bundled only: write engine: bundled, or leave engine out",
)
ONE_BROKER_RULE = (
    "self.engine != 'bundled' || self.replicas == 1",
    "engine: bundled is one broker: write replicas: 1, or (with a later version) engine: apache-kafka to have several",
)
SHRINK_RULE = (
    "quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0",
    "storage grows and never shrinks: write the former size or a larger one",
)
SIZE_RULE = (
    "quantity(self.size).compareTo(quantity('0')) > 0",
    "a broker needs room: write a size above zero, such as 10Gi",
)
CLASS_RULE = (
    "has(self.storageClassName) == has(oldSelf.storageClassName)"
    " && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
    "a claim keeps its storage class: write the former storageClassName; to move, mirror to a new KafkaCluster",
)
NODE_PORT_RULE = (
    "self.type != 'NodePort' || has(self.advertisedHost)",
    "clients have to be told which node to connect to: write advertisedHost, a name or address of a node",
)
# no CEL: the API server knows nothing of maps whose values are strings, numbers or booleans
CONFIG_MESSAGE = (
    f"{', '.join(OWN_SETTINGS)} follow from the spec: use listeners and storage, and remove them from config"
)


class Storage(ApiModel):
    """The broker's disk."""

    model_config = rules(SIZE_RULE, SHRINK_RULE, CLASS_RULE)

    size: Annotated[str, Field(pattern=QUANTITY_PATTERN, max_length=32)] = Field(
        default="10Gi",
        description="Size of the volume claim. It can grow where the storage class allows it, never shrink.",
    )
    storage_class_name: str | None = Field(
        default=None, max_length=253, description="Storage class of the claim; the cluster's default class if omitted."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if parse_quantity(self.size) <= 0:
            raise ValueError(SIZE_RULE[1])
        return self


class ExternalListener(ExternalAccess):
    """How clients outside Kubernetes reach the broker."""

    model_config = rules(NODE_PORT_RULE, *PORT_RULES)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.type == "NodePort" and self.advertised_host is None:
            raise ValueError(NODE_PORT_RULE[1])
        return self


class Listeners(ApiModel):
    """Where the broker listens beside the plain listener on 9092, which is always there."""

    external: ExternalListener | None = Field(
        default=None, description="A listener for clients outside Kubernetes; none if omitted."
    )


class KafkaClusterSpec(ApiModel):
    """The cluster as it is wanted."""

    model_config = rules(ENGINE_RULE, ONE_BROKER_RULE)

    engine: Literal["bundled", "apache-kafka", "external"] = Field(
        default="bundled",
        description="What runs the cluster. bundled: Kopfka's own broker, one durable node; "
        "this version runs no other.",
    )
    replicas: int = Field(default=1, ge=1, le=1000, description="Number of brokers; the bundled engine has one.")
    storage: Storage = Field(
        default_factory=Storage, description="The broker's disk.", json_schema_extra={"default": {"size": "10Gi"}}
    )
    reclaim_policy: ReclaimPolicy = Field(
        default="Retain",
        description="What becomes of the data when this resource is deleted. Retain: the claim stays, and a "
        "KafkaCluster of the same name finds it again. Delete: the claim is deleted too.",
    )
    listeners: Listeners | None = Field(
        default=None,
        description="Listeners beside the plain one on 9092, which is always there for clients inside Kubernetes.",
    )
    config: Settings | None = Field(
        default=None,
        description="Broker settings by Kafka's own names, for instance num.partitions: 3. Values are strings, "
        "numbers, true or false. A change restarts the broker. Not here: "
        + ", ".join(OWN_SETTINGS)
        + ", which follow from the spec.",
    )
    resources: Resources | None = Field(default=None, description="Compute resources of the broker's container.")
    image: ImageName | None = Field(
        default=None, description="Image of the broker; the operator's own image if omitted."
    )
    image_pull_policy: PullPolicy | None = Field(default=None, description=PULL_POLICY)
    template: Template | None = Field(default=None, description="What to add to the resources that Kopfka makes.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.engine == "bundled" and self.replicas != 1:
            raise ValueError(ONE_BROKER_RULE[1])
        if self.engine != "bundled":
            raise ValueError(ENGINE_RULE[1])
        own = [name for name in OWN_SETTINGS if name in (self.config or {})]
        if own:
            raise ValueError(f"config sets {', '.join(own)}: {CONFIG_MESSAGE}")
        return self


class ListenerStatus(StatusModel):
    """One address of the cluster."""

    name: str = Field(description="plain, or external.")
    type: Literal["internal", "external"] = Field(description="Whether it is for clients inside or outside Kubernetes.")
    bootstrap_servers: str = Field(description="Value of bootstrap.servers for clients.")


class KafkaClusterStatus(StatusModel):
    """The cluster as it is."""

    observed_generation: int | None = OBSERVED_GENERATION
    conditions: tuple[Condition, ...] = CONDITIONS
    replicas: int | None = Field(default=None, description="Number of brokers that exist.")
    ready_replicas: int | None = Field(default=None, description="Number of brokers that serve clients.")
    cluster_id: str | None = Field(default=None, description="The Kafka cluster's own id.")
    version: str | None = Field(default=None, description="Version of Kopfka that the brokers are made for.")
    listeners: tuple[ListenerStatus, ...] | None = Field(
        default=None,
        description="Where clients connect.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )


KIND = Kind(
    kind="KafkaCluster",
    plural="kafkaclusters",
    short_names=("kc",),
    description="A Kafka cluster.",
    spec=KafkaClusterSpec,
    status=KafkaClusterStatus,
    columns=(
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', description="Whether clients are served"),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', description="Why it is, or is not"),
        Column("Brokers", ".status.readyReplicas", "integer", description="Brokers that serve clients"),
        Column(
            "Bootstrap", '.status.listeners[?(@.name=="plain")].bootstrapServers', description="Where clients connect"
        ),
        Column("External", '.status.listeners[?(@.name=="external")].bootstrapServers', priority=1),
        Column("Storage", ".spec.storage.size", priority=1),
        Column("Version", ".status.version", priority=1),
        Column("Message", '.status.conditions[?(@.type=="Ready")].message', priority=1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
    rules=(NAME_RULE,),
    example="""\
apiVersion: kopfka.io/v1alpha1
kind: KafkaCluster
metadata:
  name: events
spec:
  storage:
    size: 20Gi
  config:
    num.partitions: 6
    log.retention.hours: 72
""",
)
