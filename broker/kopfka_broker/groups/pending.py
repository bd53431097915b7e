"""Offsets committed in transactions that are open: what each producer has in wait. No I/O, no clock.

A group's offset for a partition may be in wait in several transactions, and be committed outside of any meanwhile: what
was written last to the log counts, whichever transaction ends first.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kopfka_broker.groups.records import CommittedOffset

    Place = tuple[str, str, int]
    """Group, topic and partition."""


class _Waiting(NamedTuple):
    order: int
    value: CommittedOffset


class PendingOffsets:
    """The transactional commits of every producer that no marker has decided about."""

    def __init__(self) -> None:
        self._producers: dict[tuple[int, int], dict[Place, _Waiting]] = {}
        """By partition of `__consumer_offsets` and producer id: a marker ends one transaction in one partition."""
        self._places: dict[str, dict[tuple[str, int], set[tuple[int, int]]]] = {}
        """Which of these have something in wait, by group, topic and partition."""
        self._newest: dict[Place, int] = {}
        """What was written last of that which counts already, where something is in wait."""
        self._order = itertools.count()

    def put(self, log: int, producer_id: int, place: Place, value: CommittedOffset) -> None:
        """Have a commit wait for the end of its transaction, in the partition `log` of `__consumer_offsets`."""
        group, topic, partition = place
        self._producers.setdefault((log, producer_id), {})[place] = _Waiting(next(self._order), value)
        self._places.setdefault(group, {}).setdefault((topic, partition), set()).add((log, producer_id))

    def committed(self, place: Place) -> None:
        """Take note of a commit outside of transactions: it is newer than all that is in wait now."""
        group, topic, partition = place
        if (topic, partition) in self._places.get(group, {}):
            self._newest[place] = next(self._order)

    def end(self, log: int, producer_id: int, *, commit: bool) -> list[tuple[Place, CommittedOffset]]:
        """End a producer's transaction in a partition; return what counts from now on."""
        taken: list[tuple[Place, CommittedOffset]] = []
        for place, (order, value) in self._producers.pop((log, producer_id), {}).items():
            if commit and order > self._newest.get(place, -1):
                taken.append((place, value))
                self._newest[place] = order
            self._forget(place, (log, producer_id))
        return taken

    def drop(self, place: Place) -> None:
        """Forget everything in wait for a partition: its offset was deleted."""
        group, topic, partition = place
        for producer in list(self._places.get(group, {}).get((topic, partition), ())):
            del self._producers[producer][place]
            if not self._producers[producer]:
                del self._producers[producer]
            self._forget(place, producer)

    def of_group(self, group: str) -> set[tuple[str, int]]:
        """Return topic and partition of everything a group has in wait."""
        return set(self._places.get(group, ()))

    def waits(self, group: str, topic: str, partition: int) -> bool:
        """Tell whether a commit for a partition is in wait."""
        return (topic, partition) in self._places.get(group, {})

    def groups(self) -> set[str]:
        """Return the groups that have something in wait."""
        return set(self._places)

    def open_in(self, log: int) -> bool:
        """Tell whether a transaction is open in a partition of `__consumer_offsets`."""
        return any(partition == log for partition, _ in self._producers)

    def _forget(self, place: Place, producer: tuple[int, int]) -> None:
        group, topic, partition = place
        places = self._places[group]
        producers = places[topic, partition]
        producers.discard(producer)
        if not producers:
            del places[topic, partition]
            self._newest.pop(place, None)
        if not places:
            del self._places[group]
