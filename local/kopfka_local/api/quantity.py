"""Amounts as Kubernetes writes them: `500m`, `10Gi`, `1e3`."""

from __future__ import annotations

import re
from decimal import ROUND_UP, Decimal

_QUANTITY = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d+)?")
_SUFFIXES = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{name: Decimal(1000) ** power for power, name in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{name: Decimal(1024) ** power for power, name in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}
RULE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_EXACT = Decimal("1e-9")
_LARGEST = Decimal(2) ** 63


def parse(text: str) -> Decimal:
    """Return an amount as a number; finer than nano is rounded up.

    Raises:
        ValueError: it is not an amount.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(RULE)
    number, suffix = Decimal(found[1]), found[2] or ""
    factor = _SUFFIXES.get(suffix)
    try:
        value = number * factor if factor is not None else number.scaleb(int(suffix[1:]))
        if value < _LARGEST and value % _EXACT:
            value = value.quantize(_EXACT, rounding=ROUND_UP)
    except ArithmeticError:
        raise ValueError(RULE) from None
    return value.normalize() if value else Decimal(0)


def is_valid(text: object) -> bool:
    """Tell whether a value is an amount."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return True
    return isinstance(text, str) and _QUANTITY.fullmatch(text) is not None
