"""Kubernetes quantities: `500m`, `2`, `10Gi`."""

from __future__ import annotations

import re
from decimal import Decimal

PATTERN = r"^([0-9]+(\.[0-9]+)?)(Ki|Mi|Gi|Ti|Pi|Ei|m|k|M|G|T|P|E)?$"
_QUANTITY = re.compile(PATTERN)
_SUFFIXES = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}


def parse_quantity(text: str | int) -> Decimal:
    """Return the number a Kubernetes quantity stands for (`1Gi` is 1073741824).

    Raises:
        ValueError: it is not a quantity.
    """
    match = _QUANTITY.match(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a quantity: write a number with a suffix, such as 500m, 2 or 10Gi")
    return Decimal(match[1]) * _SUFFIXES[match[3] or ""]
