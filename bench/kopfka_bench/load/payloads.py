"""Values of records: random bytes, and text that compresses to about a quarter, as events in JSON do."""

from __future__ import annotations

import os
import random

_DISTINCT = 500
_WORDS = (
    "order", "customer", "created", "shipped", "amount", "currency", "address", "street", "country", "invoice", "paid",
    "true", "false", "null", "pending", "quantity", "product", "reference", "timestamp", "status",
)  # fmt: skip


def values(size: int, *, text: bool) -> list[bytes]:
    """Return values of that many bytes, to be used in turn; text is the same in every run."""
    if not text:
        return [os.urandom(size) for _ in range(_DISTINCT)]
    chosen = random.Random(1)
    return [_text(size, chosen) for _ in range(_DISTINCT)]


def _text(size: int, chosen: random.Random) -> bytes:
    parts, length = [], 0
    while length < size:
        part = f'"{chosen.choice(_WORDS)}":"{chosen.choice(_WORDS)}-{chosen.getrandbits(32):x}",'
        parts.append(part)
        length += len(part)
    return "".join(parts).encode()[:size]
