"""Conditions every kind reports: their types, and the one declared list of reasons."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from kopfka_operator.api.meta import StatusModel


class ConditionType(StrEnum):
    """What a condition is about. Argo CD and Flux read `Ready` (kstatus)."""

    READY = "Ready"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"


class Reason(StrEnum):
    """Why a condition is what it is. No other reasons are written."""

    # all is well
    READY = "Ready"
    RECONCILED = "Reconciled"
    AS_EXPECTED = "AsExpected"
    # on the way
    RECONCILING = "Reconciling"
    STARTING = "Starting"
    ROLLING_OUT = "RollingOut"
    RESIZING = "Resizing"
    DELETING = "Deleting"
    ADDRESS_PENDING = "AddressPending"
    # waiting for something else
    CLUSTER_NOT_FOUND = "ClusterNotFound"
    CLUSTER_NOT_READY = "ClusterNotReady"
    BROKER_UNREACHABLE = "BrokerUnreachable"
    PAUSED = "Paused"
    # somebody has to act
    INVALID_SPEC = "InvalidSpec"
    NOT_SUPPORTED = "NotSupported"
    CONFLICT = "Conflict"
    NAME_TAKEN = "NameTaken"
    STORAGE_CANNOT_SHRINK = "StorageCannotShrink"
    STORAGE_CANNOT_GROW = "StorageCannotGrow"
    STORAGE_CLASS_IMMUTABLE = "StorageClassImmutable"
    POD_FAILING = "PodFailing"
    PARTITIONS_CANNOT_SHRINK = "PartitionsCannotShrink"
    REPLICAS_CANNOT_CHANGE = "ReplicasCannotChange"
    REFUSED_BY_BROKER = "RefusedByBroker"
    REFUSED_BY_API_SERVER = "RefusedByApiServer"
    INTERNAL_ERROR = "InternalError"
    # reported in events
    DRIFT_CORRECTED = "DriftCorrected"


class Condition(StatusModel):
    """One observed fact about the resource."""

    type: Annotated[ConditionType, WithJsonSchema({"type": "string", "maxLength": 128})] = Field(
        description="What the condition is about."
    )
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it is so.")
    observed_generation: int | None = Field(
        default=None,
        description="The metadata.generation the condition was written for.",
        json_schema_extra={"format": "int64"},
    )
    last_transition_time: str = Field(
        description="When status last changed.", json_schema_extra={"format": "date-time"}
    )
    # not an enum in the schema: an operator newer than the CRDs must still be able to report
    reason: Annotated[Reason, WithJsonSchema({"type": "string", "maxLength": 128})] = Field(
        description="Why, in one word of a declared list."
    )
    message: str = Field(max_length=32768, description="The same for people, with what to do about it.")


CONDITIONS: Any = Field(
    default_factory=tuple,
    description="Ready: the resource does what its spec says. Progressing: the operator is at work, or waits. "
    "Degraded: something needs attention, though the rest may work.",
    json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
)
OBSERVED_GENERATION: Any = Field(
    default=None,
    description="The metadata.generation that this status is about.",
    json_schema_extra={"format": "int64"},
)
