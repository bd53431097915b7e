"""How long something took, counted so cheaply that every request can be: a call is one item of a list.

From there they go into buckets some hundred at a time, sorted. A bucket is a quarter of an octave of microseconds wide,
so a quantile is told to within an eighth of its value. Quantiles are of the time since some earlier moment (`since`),
as dashboards want those of the last minutes and not of ever.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_BUCKETS: Final = 256  # what 64 bits of microseconds need
_EXACT = 4  # below, each microsecond has a bucket of its own
_AT_ONCE: Final = 512


def _bounds(bucket: int) -> int:
    """Return the first number of microseconds that is counted in a bucket."""
    if bucket < _EXACT:
        return bucket
    octave, quarter = bucket >> 2, bucket & 3
    return (4 | quarter) << (octave - 1)


_ENDS: Final = [_bounds(bucket + 1) / 1_000_000 for bucket in range(_BUCKETS)]
"""Of each bucket, in seconds."""


class Histogram:
    """Counts of durations."""

    __slots__ = ("_counts", "_new", "_seconds")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._seconds = 0.0
        self._new: list[float] = []

    def add(self, seconds: float) -> None:
        """Count one."""
        self._new.append(seconds)
        if len(self._new) >= _AT_ONCE:
            self._sort_in()

    def __add__(self, other: Histogram) -> Histogram:
        """Return a histogram of what both have counted until now."""
        both = Histogram()
        both._counts = [mine + theirs for mine, theirs in zip(self.counts(), other.counts(), strict=True)]
        both._seconds = self._seconds + other._seconds
        return both

    def _sort_in(self) -> None:
        new = self._new
        if not new:
            return
        new.sort()
        self._seconds += sum(new)
        done, bucket = 0, max(0, bisect_left(_ENDS, new[0]) - 1)
        while done < len(new):
            upto = bisect_left(new, _ENDS[bucket], done) if bucket < _BUCKETS - 1 else len(new)
            self._counts[bucket] += upto - done
            done, bucket = upto, bucket + 1
        new.clear()

    @property
    def count(self) -> int:
        """How many there were."""
        self._sort_in()
        return sum(self._counts)

    @property
    def seconds(self) -> float:
        """All of them together."""
        self._sort_in()
        return self._seconds

    def counts(self) -> tuple[int, ...]:
        """Return what was counted until now, to be given to `quantiles` later."""
        self._sort_in()
        return tuple(self._counts)

    def quantiles(self, wanted: Sequence[float], since: Sequence[int] = ()) -> list[float]:
        """Return the durations, in seconds, that these shares of all did not exceed; zeros where there were none.

        Args:
            wanted: shares from 0 to 1, rising.
            since: `counts` of an earlier moment, which are left out.
        """
        counts = [now - before for now, before in zip(self.counts(), since or (0,) * _BUCKETS, strict=True)]
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
