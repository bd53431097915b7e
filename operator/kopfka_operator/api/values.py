"""Value types that several kinds share: Kafka settings, Kubernetes quantities and names."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from kopfka_operator.quantities import PATTERN as QUANTITY_PATTERN
from kopfka_operator.quantities import parse_quantity


def _check_quantity(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"{value!r} is not a quantity: write a number with a suffix, such as 500m, 2 or 10Gi")
    parse_quantity(value)
    return str(value)


Quantity = Annotated[
    str,
    BeforeValidator(_check_quantity),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "pattern": QUANTITY_PATTERN, "maxLength": 32}),
]


def setting_text(value: str | float | bool) -> str:
    """Return a setting's value as Kafka writes it: `true`, `0.5`, `604800000`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _check_setting(value: Any) -> str:
    if not isinstance(value, (str, int, float, bool)):
        raise ValueError("a setting is a string, a number, true or false")
    return setting_text(value)


# structural schemas know no "string, number or boolean"; the operator checks what the API server cannot
SettingValue = Annotated[
    str, BeforeValidator(_check_setting), WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True})
]
Settings = Annotated[dict[str, SettingValue], Field(max_length=512)]

ReclaimPolicy = Literal["Retain", "Delete"]
