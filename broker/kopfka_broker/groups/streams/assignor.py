"""The sticky task assignor: tasks stay where their state is, and processes get tasks by their number of threads.

A pure function. Active tasks go back to who had them, else to who had a standby of them, else to the least loaded;
standby tasks of subtopologies with state go to other processes than their task's, to who had them before where that is
possible.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kopfka_broker.groups.streams.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_broker.groups.streams.tasks import Task


@dataclass(frozen=True, slots=True)
class MemberSpec:
    """What the assignor knows of a member."""

    process_id: str
    target: Tasks
    """What it was to have so far."""


@dataclass(slots=True)
class _Load:
    """What was given out so far."""

    members: Mapping[str, MemberSpec]
    active: dict[str, set[Task]] = field(default_factory=dict)
    standby: dict[str, set[Task]] = field(default_factory=dict)
    of_process: Counter[str] = field(default_factory=Counter)
    threads: Counter[str] = field(default_factory=Counter)
    holders: dict[Task, set[str]] = field(default_factory=dict)
    """The processes that have a task, in whatever role."""

    def __post_init__(self) -> None:
        for member_id, member in self.members.items():
            self.active[member_id], self.standby[member_id] = set(), set()
            self.threads[member.process_id] += 1

    def give(self, task: Task, member_id: str, role: dict[str, set[Task]]) -> None:
        process = self.members[member_id].process_id
        role[member_id].add(task)
        self.of_process[process] += 1
        self.holders.setdefault(task, set()).add(process)

    def weight(self, member_id: str) -> tuple[float, int, str]:
        """Return the order in which members are to get one more task."""
        process = self.members[member_id].process_id
        own = len(self.active[member_id]) + len(self.standby[member_id])
        return self.of_process[process] / self.threads[process], own, member_id


def assign(
    members: Mapping[str, MemberSpec], tasks: Mapping[str, int], stateful: frozenset[str], standby_replicas: int
) -> dict[str, Tasks]:
    """Return the tasks of each member; `tasks` is their number in each subtopology, `stateful` those with state."""
    load = _Load(members)
    if members:
        everything = [(name, number) for name in sorted(tasks) for number in range(tasks[name])]
        _assign_active(load, everything)
        for _ in range(standby_replicas):
            _assign_standby(load, [task for task in everything if task[0] in stateful])
    return {
        member_id: Tasks(frozenset(load.active[member_id]), frozenset(load.standby[member_id])) for member_id in members
    }


def _assign_active(load: _Load, tasks: list[Task]) -> None:
    members = load.members
    quota = -(-len(tasks) // len(members))
    # so many members may have as many as that; the others have one less
    full = len(tasks) - (quota - 1) * len(members)
    rest = set(tasks)
    for had in ("active", "standby"):
        for member_id in sorted(members, key=lambda one: (-len(getattr(members[one].target, had)), one)):
            for task in sorted(getattr(members[member_id].target, had) & rest):
                number = len(load.active[member_id])
                if number < quota - 1 or (number == quota - 1 and full > 0):
                    full -= number == quota - 1
                    load.give(task, member_id, load.active)
                    rest.discard(task)
    for task in sorted(rest):  # by subtopology, so that each is spread over all members
        open_ones = [one for one in members if len(load.active[one]) < quota - (full <= 0)]
        chosen = min(open_ones, key=lambda one: (len(load.active[one]), *load.weight(one)))
        full -= len(load.active[chosen]) == quota - 1
        load.give(task, chosen, load.active)


def _assign_standby(load: _Load, tasks: list[Task]) -> None:
    members = load.members
    for task in tasks:
        able = [one for one, member in members.items() if member.process_id not in load.holders[task]]
        if not able:
            continue  # every process has it already
        had = [one for one in able if task in members[one].target.standby or task in members[one].target.active]
        lightest = min(able, key=load.weight)
        kept = min(had, key=load.weight) if had else lightest
        close = load.weight(kept)[0] - load.weight(lightest)[0] <= 1
        load.give(task, kept if close else lightest, load.standby)
