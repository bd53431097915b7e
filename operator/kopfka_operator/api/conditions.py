"""Models of the conditions that every kind's status has."""

# ruff: noqa: TC001 - pydantic reads annotations

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from kopfka_operator.api.meta import StatusModel
from kopfka_operator.api.reasons import ConditionType, Reason


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
