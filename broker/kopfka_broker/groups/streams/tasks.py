"""Tasks in their three roles: active ones process, standby ones keep a copy of the state, warm-ups are on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Task = tuple[str, int]
    """Subtopology and partition."""


@dataclass(frozen=True, slots=True)
class Tasks:
    """Tasks of one member, by role."""

    active: frozenset[Task] = frozenset()
    standby: frozenset[Task] = frozenset()
    warmup: frozenset[Task] = frozenset()

    @property
    def by_role(self) -> tuple[frozenset[Task], frozenset[Task], frozenset[Task]]:
        """The three roles, in their order."""
        return self.active, self.standby, self.warmup

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return any(self.by_role)

    def overlaps(self, other: Tasks) -> bool:
        """Tell whether any task is in the same role in both."""
        return any(mine & theirs for mine, theirs in zip(self.by_role, other.by_role, strict=True))

    def is_within(self, other: Tasks) -> bool:
        """Tell whether all of these are in the same role in another."""
        return all(mine <= theirs for mine, theirs in zip(self.by_role, other.by_role, strict=True))


NO_TASKS = Tasks()


@dataclass(frozen=True, slots=True)
class Held:
    """Tasks a member has, and in which epoch the active ones were assigned."""

    tasks: Tasks = NO_TASKS
    epochs: Mapping[Task, int] = field(default_factory=dict)


NOTHING = Held()


def by_subtopology(tasks: Iterable[Task]) -> Iterator[tuple[str, list[int]]]:
    """Give the partitions of each subtopology, in order."""
    found: dict[str, list[int]] = {}
    for subtopology, partition in sorted(tasks):
        found.setdefault(subtopology, []).append(partition)
    yield from found.items()
