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
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {-3: "n", -2: "u", -1: "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T", 5: "P", 6: "E"}
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


def canonical(text: str) -> str:
    """Return the same amount as Kubernetes writes it: the largest unit without a fraction, in the family it was given
    in.

    Raises:
        ValueError: it is not an amount.
    """
    value = parse(text)
    suffix = text.lstrip("+-.0123456789")
    if suffix.endswith("i") and abs(value) >= 1024:
        number, power = int(value.to_integral_value(ROUND_UP)), 0
        while number % 1024 == 0 and power < len(_BINARY) - 1:
            number, power = number // 1024, power + 1
        return f"{number}{_BINARY[power]}"
    if not value:
        return "0"
    power = 0
    while value % 1 and power > -3:
        value, power = value * 1000, power - 1
    while value % 1000 == 0 and power < 6:
        value, power = value / 1000, power + 1
    unit = f"e{power * 3}" if suffix[:1] in ("e", "E") and suffix[1:] and power else _DECIMAL[power]
    return f"{int(value)}{unit}"


def is_valid(text: object) -> bool:
    """Tell whether a value is an amount."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return True
    return isinstance(text, str) and _QUANTITY.fullmatch(text) is not None
