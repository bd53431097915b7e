"""One streams group: its topology, members, epochs and target assignment, and which process has which task.

It is data with questions about it. What happens to it is decided in `heartbeats`, and done by the changes in `changes`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.errors import GroupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from kopfka_broker.groups.streams.configuring import Configured
    from kopfka_broker.groups.streams.members import Member
    from kopfka_broker.groups.streams.tasks import Task, Tasks
    from kopfka_broker.groups.streams.topology import Topology

_NEW_COMMIT_VERSION = 9
"""The first version of OffsetCommit that members of this protocol may use: it knows their errors."""


class StreamsGroup:
    """A streams group; `kopfka_broker.groups.modern.ModernGroup`."""

    group_type = "streams"
    protocol_type = "streams"
    expires = True

    def __init__(self, group_id: str, topic_name: Callable[[UUID], str | None]) -> None:
        """Make a group without members, in epoch 1, for which there is nothing to assign."""
        self.group_id = group_id
        self.epoch = 1
        self.metadata_hash = 0
        self.validated_topology_epoch = -1
        self.assignment_configs: dict[str, str] = {}
        """What the last epoch was made with."""
        self.assignment_epoch = 1
        self.assignment_timestamp = 0
        self.topology: Topology | None = None
        self.members: dict[str, Member] = {}
        self.targets: dict[str, Tasks] = {}
        self.configured: Configured | None = None
        """The topology over the topics there are; None where it is to be worked out (again)."""
        self.stale = True
        """The topics it needs may have changed since they were last looked at."""
        self.shutdown_member: str | None = None
        """Who asked for the whole application to stop."""
        self.endpoint_epoch = 0
        """Grows when tasks move that can be queried; it is not stored."""
        self._topic_name = topic_name

    @property
    def is_empty(self) -> bool:
        """Whether it has no members."""
        return not self.members

    @property
    def state(self) -> str:
        """What the group is doing, in the word that clients see."""
        if not self.members:
            return "Empty"
        if self.topology is None or self.configured is None or not self.configured.is_ready:
            return "NotReady"
        if self.epoch > self.assignment_epoch:
            return "Assigning"
        reconciled = all(member.is_reconciled_to(self.assignment_epoch) for member in self.members.values())
        return "Stable" if reconciled else "Reconciling"

    def member(self, member_id: str) -> Member:
        """Return a member.

        Raises:
            GroupError: UNKNOWN_MEMBER_ID.
        """
        found = self.members.get(member_id)
        if found is None:
            message = f"Member {member_id} is not a member of group {self.group_id}."
            raise GroupError(ErrorCode.unknown_member_id, message)
        return found

    def held(self) -> Iterator[tuple[Member, Tasks]]:
        """Give what members have, or have yet to give up."""
        for member in self.members.values():
            yield member, member.assigned.tasks
            yield member, member.revoking.tasks

    # ---- offsets

    def subscribes_to(self, topic: str) -> bool:
        """Tell whether members read the topic."""
        return bool(self.members) and self.topology is not None and topic in self.topology.source_topics

    def validate_commit(
        self, member_id: str, instance_id: str | None, epoch: int, version: int, *, transactional: bool
    ) -> Callable[[UUID, int], None] | None:
        """Check that offsets may be committed: by a member in its epoch, or by anyone where nobody is a member.

        Returns:
            A check of each topic id and partition, where an earlier epoch of the member may do for some (KIP-1251).

        Raises:
            GroupError: they may not.
        """
        if epoch < 0 and not self.members:
            return None
        if transactional and epoch == -1 and not member_id and instance_id is None:
            return None
        member = self.member(member_id)
        if not transactional and version < _NEW_COMMIT_VERSION:
            raise GroupError(ErrorCode.unsupported_version)
        if epoch > member.epoch:
            raise GroupError(ErrorCode.stale_member_epoch)
        return None if epoch == member.epoch else partial(self._check_assigned, member, epoch)

    def _check_assigned(self, member: Member, epoch: int, topic_id: UUID, partition: int) -> None:
        """Let a member commit in an earlier epoch for tasks it had by then, and has still or is about to give up."""
        topic = self._topic_name(topic_id)
        for each in self.topology.subtopologies if self.topology is not None else ():
            task: Task = (each.subtopology_id, partition)
            assigned = member.assigned.epochs.get(task, member.revoking.epochs.get(task))
            if topic in each.sources and assigned is not None and epoch >= assigned:
                return
        raise GroupError(ErrorCode.stale_member_epoch)

    def validate_fetch(self, member_id: str | None, epoch: int) -> None:
        """Check that a member that names itself is one, in its epoch.

        Raises:
            GroupError: it is not.
        """
        if (member_id is not None or epoch >= 0) and self.member(member_id or "").epoch != epoch:
            raise GroupError(ErrorCode.stale_member_epoch)
