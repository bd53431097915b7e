"""Brings one member from the tasks it has to those it is to have: it gives up first, and gets only what is free.

A pure step. An active task is free when no process has it as such; and a process has a task in one role at a time, as
the state on its disk has one owner.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.errors import GroupError
from kopfka_broker.groups.streams.members import Member, MemberState
from kopfka_broker.groups.streams.tasks import Held, Tasks

if TYPE_CHECKING:
    from kopfka_broker.groups.streams.group import StreamsGroup
    from kopfka_broker.groups.streams.tasks import Task


@dataclass(slots=True)
class _Owners:
    """Which process has which task."""

    active: dict[Task, str] = field(default_factory=dict)
    other: defaultdict[Task, set[str]] = field(default_factory=lambda: defaultdict(set))

    @classmethod
    def of(cls, group: StreamsGroup) -> _Owners:
        owners = cls()
        for member, tasks in group.held():
            owners.active.update(dict.fromkeys(tasks.active, member.process_id))
            for task in tasks.standby | tasks.warmup:
                owners.other[task].add(member.process_id)
        return owners


def reconcile(member: Member, epoch: int, target: Tasks, owned: Tasks | None, group: StreamsGroup) -> Member:
    """Return the member as far on the way to its target of this epoch as it can be now.

    Raises:
        GroupError: FENCED_MEMBER_EPOCH, where a later version of Kafka left a member in a state not known here.
    """
    stays_at = member.epoch
    if member.state is MemberState.STABLE and member.epoch == epoch:
        return member
    if member.state is MemberState.UNREVOKED_TASKS:
        if owned is None or owned.overlaps(member.revoking.tasks):
            return member
        stays_at += 1
    if member.state is MemberState.UNKNOWN and (owned is None or owned):
        message = "The streams group member is in a unknown state. The member must abandon all its tasks and rejoin."
        raise GroupError(ErrorCode.fenced_member_epoch, message)
    return _next(member, (stays_at, epoch), target, owned, _Owners.of(group))


def _next(member: Member, epochs: tuple[int, int], target: Tasks, owned: Tasks | None, owners: _Owners) -> Member:
    stays_at, epoch = epochs
    has, had = member.assigned.tasks, member.assigned.epochs
    kept = [mine & wanted for mine, wanted in zip(has.by_role, target.by_role, strict=True)]
    gone = Tasks(*(mine - wanted for mine, wanted in zip(has.by_role, target.by_role, strict=True)))
    coming = [wanted - mine for mine, wanted in zip(has.by_role, target.by_role, strict=True)]
    # what the member itself has just been seen without is free for it
    free = [
        {task for task in wanted if _is_free(task, index == 0, member, owners)} for index, wanted in enumerate(coming)
    ]
    if gone and (owned is None or owned.overlaps(gone)):
        return replace(
            member.at_epoch(stays_at),
            state=MemberState.UNREVOKED_TASKS,
            assigned=Held(Tasks(*kept), {task: had[task] for task in kept[0]}),
            revoking=Held(gone, {task: had[task] for task in gone.active}),
        )
    waiting = any(wanted - got for wanted, got in zip(coming, free, strict=True))
    tasks = Tasks(*(mine | got for mine, got in zip(kept, free, strict=True)))
    return replace(
        member.at_epoch(epoch),
        state=MemberState.UNRELEASED_TASKS if waiting else MemberState.STABLE,
        assigned=Held(tasks, {task: had[task] if task in kept[0] else epoch for task in tasks.active}),
        revoking=Held(),
    )


def _is_free(task: Task, active: bool, member: Member, owners: _Owners) -> bool:
    process = member.process_id
    own = member.revoking.tasks
    holder = None if task in own.active else owners.active.get(task)
    if (holder is not None) if active else (holder == process):
        return False
    return task in own.standby | own.warmup or process not in owners.other.get(task, ())
