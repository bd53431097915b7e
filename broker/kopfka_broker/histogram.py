"""How long something took, counted so cheaply that every request can be: one list item a call, no lock, no sorting.

A bucket is a quarter of an octave of microseconds wide, so a quantile is told to within an eighth of its value.
Quantiles are of the time since some earlier moment (`since`), as dashboards want those of the last minutes and not of
ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_BUCKETS: Final = 256  # what 64 bits of microseconds need
_EXACT = 4  # below, each microsecond has a bucket of its own


class Histogram:
    """Counts of durations."""

    __slots__ = ("_counts", "seconds")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self.seconds = 0.0
        """All of them together."""

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self._counts)

    def add(self, seconds: float) -> None:
        """Count one."""
        self.seconds += seconds
        micros = int(seconds * 1_000_000)
        if micros >= _EXACT:
            bits = micros.bit_length()
            micros = (bits - 2 << 2) | (micros >> (bits - 3) & 3)
        self._counts[micros] += 1

    def counts(self) -> tuple[int, ...]:
        """Return what was counted until now, to be given to `quantiles` later."""
        return tuple(self._counts)

    def quantiles(self, wanted: Sequence[float], since: Sequence[int] = ()) -> list[float]:
        """Return the durations, in seconds, that these shares of all did not exceed; zeros where there were none.

        Args:
            wanted: shares from 0 to 1, rising.
            since: `counts` of an earlier moment, which are left out.
        """
        counts = [now - before for now, before in zip(self._counts, since or (0,) * _BUCKETS, strict=True)]
        total = sum(counts)
        found: list[float] = []
        below, bucket = 0, 0
        for share in wanted:
            rank = share * total
            while bucket < _BUCKETS - 1 and below + counts[bucket] < rank:
                below += counts[bucket]
                bucket += 1
            low, high = _bounds(bucket), _bounds(bucket + 1)
            part = (rank - below) / counts[bucket] if counts[bucket] else 0.0
            found.append((low + (high - low) * part) / 1_000_000 if total else 0.0)
        return found


def _bounds(bucket: int) -> int:
    """Return the first number of microseconds that is counted in a bucket."""
    if bucket < _EXACT:
        return bucket
    octave, quarter = bucket >> 2, bucket & 3
    return (4 | quarter) << (octave - 1)
