"""Parts of specs that say something of the pods Kopfka makes; several kinds have them."""

# ruff: noqa: TC001 - pydantic reads annotations

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from kopfka_operator.api.meta import ApiModel
from kopfka_operator.api.values import Quantity

ImageName = Annotated[str, Field(min_length=1, max_length=1024)]
PullPolicy = Literal["Always", "IfNotPresent", "Never"]

PULL_POLICY = "When the image is pulled; as Kubernetes decides by the image's tag if omitted."


class Resources(ApiModel):
    """Compute resources of the container."""

    requests: dict[str, Quantity] | None = Field(
        default=None, max_length=16, description="What the scheduler reserves, for instance cpu: 500m, memory: 256Mi."
    )
    limits: dict[str, Quantity] | None = Field(
        default=None, max_length=16, description="What the container may use at most."
    )


class Toleration(ApiModel):
    """A taint that the pods tolerate."""

    key: str | None = Field(
        default=None, max_length=317, description="Key of the taint; every taint if omitted with Exists."
    )
    operator: Literal["Exists", "Equal"] | None = Field(
        default=None, description="How value is compared; Equal if omitted."
    )
    value: str | None = Field(default=None, max_length=63, description="Value of the taint.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint; every effect if omitted."
    )
    toleration_seconds: int | None = Field(
        default=None, description="How long NoExecute is tolerated; for ever if omitted."
    )


class PodTemplate(ApiModel):
    """What to add to the pods."""

    labels: dict[str, Annotated[str, Field(max_length=63)]] | None = Field(
        default=None, max_length=64, description="More labels of the pods."
    )
    annotations: dict[str, str] | None = Field(default=None, max_length=64, description="More annotations of the pods.")
    node_selector: dict[str, Annotated[str, Field(max_length=63)]] | None = Field(
        default=None, max_length=64, description="Labels a node must have to run the pods."
    )
    tolerations: tuple[Toleration, ...] | None = Field(
        default=None, max_length=64, description="Taints of nodes that the pods tolerate."
    )
    affinity: dict[str, Any] | None = Field(
        default=None,
        description="The pods' scheduling constraints, as in a pod's spec.affinity.",
        json_schema_extra={"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    )


class Template(ApiModel):
    """What to add to the resources that Kopfka makes."""

    pod: PodTemplate | None = Field(default=None, description="What to add to the pods.")
