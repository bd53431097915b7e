"""Kubernetes quantities (`10Gi`, `500m`, `1e3`). Pure."""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([KMGTPE]i)|([numkMGTPE]))?$")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def parse_quantity(text: str | float) -> Decimal:
    """Return the amount a quantity stands for.

    Raises:
        ValueError: it is not a quantity.
    """
    match = _QUANTITY.match(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a quantity: write a number with an optional unit such as Mi, Gi or m")
    number, exponent, binary, unit = match.groups()
    amount = Decimal(number + (exponent or ""))
    if binary:
        return amount * Decimal(1024) ** ("KMGTPE".index(binary[0]) + 1)
    return amount.scaleb(_DECIMAL[unit]) if unit else amount
