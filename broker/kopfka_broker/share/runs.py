"""The records in flight of a share partition, as an ordered list of runs of offsets that share one state.

Most consumers take and acknowledge whole batches, so thousands of records are a few runs; a run is split where a part
of it changes. Offsets between two runs are records nobody was given since the partition was loaded.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING

from kopfka_broker.share.states import DeliveryState

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST = attrgetter("first")


@dataclass(frozen=True, slots=True)
class Span:
    """The offsets that became known together: what one consumer was given at once, or one stored batch of states."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many offsets there are."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Held:
    """What a run was before a change that is not durable yet."""

    state: DeliveryState
    member: str


class Change:
    """States that were changed and wait to become durable."""

    __slots__ = ()


@dataclass(slots=True, eq=False)
class Run:
    """Neighbouring offsets of one span and one state, first and last included."""

    first: int
    last: int
    span: Span
    state: DeliveryState
    count: int
    member: str = ""
    """Who holds the records, while they are acquired."""
    locked_until: int = 0
    """When they are taken from the member again, in milliseconds of the monotonic clock."""
    change: Change | None = None
    """The change that is on its way to the disk; until it is there nobody else may change the state."""
    before: Held | None = None

    @property
    def size(self) -> int:
        """How many offsets there are."""
        return self.last - self.first + 1

    @property
    def whole(self) -> bool:
        """Whether no part of its span has gone another way."""
        return self.first == self.span.first and self.last == self.span.last

    @property
    def settled(self) -> bool:
        """Whether no change of it waits for the disk."""
        return self.change is None

    @property
    def free(self) -> bool:
        """Whether it can be given to a consumer."""
        return self.state is DeliveryState.AVAILABLE and self.change is None


class Runs:
    """Runs in the order of their offsets, none overlapping another."""

    __slots__ = ("_runs",)

    def __init__(self) -> None:
        self._runs: list[Run] = []

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def __bool__(self) -> bool:
        return bool(self._runs)

    def add(self, run: Run) -> None:
        """Put a run where no other one is."""
        runs = self._runs
        if not runs or runs[-1].last < run.first:
            runs.append(run)
        else:
            runs.insert(bisect_right(runs, run.first, key=_FIRST), run)

    def floor(self, offset: int) -> int:
        """Return the place of the last run that begins at or before `offset`, -1 where there is none."""
        return bisect_right(self._runs, offset, key=_FIRST) - 1

    def starting_at(self, place: int, last: int) -> list[Run]:
        """Return the run at `place` and those after it that begin at or before `last`."""
        return self._runs[place : bisect_right(self._runs, last, key=_FIRST)]

    def within(self, first: int, last: int) -> list[Run]:
        """Return the runs that have an offset from `first` to `last`, both included."""
        place = self.floor(first)
        if place < 0 or self._runs[place].last < first:
            place += 1
        return self.starting_at(place, last)

    def cut(self, run: Run, first: int, last: int) -> Run:
        """Return the part of a run from `first` to `last` as a run of its own; what is outside stays in others."""
        first, last = max(first, run.first), min(last, run.last)
        place = self.floor(run.first)
        if run.last > last:
            self._runs.insert(place + 1, replace(run, first=last + 1))
            run.last = last
        if run.first < first:
            self._runs.insert(place, replace(run, last=first - 1))
            run.first = first
        return run

    def replace_head(self, count: int, runs: list[Run]) -> None:
        """Put these runs in the place of the first `count`."""
        self._runs[:count] = runs
