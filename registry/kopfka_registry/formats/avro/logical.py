"""Which logical types Avro's Java library knows and on what. An unknown or misplaced one is an attribute like others.

They count in one place: normalisation writes the attributes of a valid one before the others.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.avro.types import Fixed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_registry.formats.avro.types import Type

LOGICAL_TYPE: Final = "logicalType"
# attributes that say which Java class holds a value exclude a logical type
_JAVA_CLASSES: Final = ("avro.java.string", "java-class", "java-key-class", "java-element-class")
_ON: Final[Mapping[str, str]] = MappingProxyType(
    {
        "big-decimal": "bytes",
        "date": "int",
        "time-millis": "int",
        "time-micros": "long",
        "timestamp-millis": "long",
        "timestamp-micros": "long",
        "timestamp-nanos": "long",
        "local-timestamp-millis": "long",
        "local-timestamp-micros": "long",
        "local-timestamp-nanos": "long",
    }
)
_LARGEST_INT: Final = 2**31 - 1
_UUID_BYTES: Final = 16
_DURATION_BYTES: Final = 12


def leading(of: Type) -> tuple[str, ...]:
    """Return the attributes of a type's logical type that stand first when normalised; none if it has no valid one."""
    name = of.props.get(LOGICAL_TYPE)
    if not isinstance(name, str) or any(isinstance(of.props.get(each), str) for each in _JAVA_CLASSES):
        return ()
    if name == "decimal":
        if not _is_decimal(of):
            return ()
        return (LOGICAL_TYPE, "precision", "scale") if of.props.get("scale") else (LOGICAL_TYPE, "precision")
    if name == "uuid":
        valid = of.kind == "string" or (isinstance(of, Fixed) and of.size == _UUID_BYTES)
    elif name == "duration":
        valid = isinstance(of, Fixed) and of.size == _DURATION_BYTES
    else:
        valid = _ON.get(name) == of.kind
    return (LOGICAL_TYPE,) if valid else ()


def _is_decimal(of: Type) -> bool:
    precision, scale = of.props.get("precision"), of.props.get("scale", 0)
    if not isinstance(precision, int) or not isinstance(scale, int) or isinstance(precision, bool):
        return False
    if of.kind == "bytes":
        most = _LARGEST_INT
    elif isinstance(of, Fixed):
        most = math.floor(math.log10(2) * (8 * of.size - 1))
    else:
        return False
    return 0 < precision <= most and 0 <= scale <= precision and not isinstance(scale, bool)
