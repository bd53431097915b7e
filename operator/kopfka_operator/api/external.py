"""The part of specs that says how clients outside Kubernetes get in; several kinds have it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from kopfka_operator.api.meta import ApiModel

PORT_RULES = (
    (
        "self.type == 'NodePort' || !has(self.nodePort)",
        "nodePort belongs to type: NodePort: remove it, or write type: NodePort",
    ),
    ("self.type == 'LoadBalancer' || !has(self.port)", "port belongs to type: LoadBalancer: write nodePort instead"),
)
"""What every kind's rules include."""


class ExternalAccess(ApiModel):
    """How clients outside Kubernetes reach the pods."""

    type: Literal["NodePort", "LoadBalancer"] = Field(description="Type of the Service that leads to the pods.")
    node_port: int | None = Field(
        default=None, ge=1, le=65535, description="Port on every node; chosen by Kubernetes if omitted. NodePort only."
    )
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port of the load balancer; that of the pods if omitted (9094 of a KafkaCluster, 8081 of a "
        "SchemaRegistry). LoadBalancer only.",
    )
    advertised_host: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        pattern=r"^[a-zA-Z0-9._:-]+$",
        description="Host name or address that clients are told to connect to. Required with NodePort; "
        "with LoadBalancer the balancer's own address if omitted.",
    )

    @model_validator(mode="after")
    def _ports_agree(self) -> Self:
        if self.type != "NodePort" and self.node_port is not None:
            raise ValueError(PORT_RULES[0][1])
        if self.type != "LoadBalancer" and self.port is not None:
            raise ValueError(PORT_RULES[1][1])
        return self
