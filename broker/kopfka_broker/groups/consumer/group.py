"""One consumer group: its members, epochs, target assignment and resolved regular expressions, and who owns what.

It is data with questions about it. What happens to it is decided elsewhere (`heartbeats`, `classic`), and done by the
changes in `changes`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.errors import GroupError
from kopfka_broker.groups.group import CONSUMER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from kopfka_broker.groups.consumer.members import Member
    from kopfka_broker.groups.modern.topics import Partitions

_NEW_COMMIT_VERSION = 9
"""The first version of OffsetCommit that members of this protocol may use: it knows their errors."""


@dataclass(frozen=True, slots=True)
class ResolvedRegex:
    """What a regular expression matched at some time, and in which version of the cluster's topics."""

    topics: frozenset[str]
    version: int = -1
    timestamp: int = -1


class ConsumerGroup:
    """A consumer group; `kopfka_broker.groups.modern.ModernGroup`."""

    group_type = "consumer"
    protocol_type = CONSUMER
    expires = True

    def __init__(self, group_id: str) -> None:
        """Make a group without members, in epoch 1, for which there is nothing to assign."""
        self.group_id = group_id
        self.epoch = 1
        self.metadata_hash = 0
        self.assignment_epoch = 1
        self.assignment_timestamp = 0
        self.members: dict[str, Member] = {}
        self.static_members: dict[str, str] = {}
        """Member ids by instance id."""
        self.targets: dict[str, Partitions] = {}
        """What each member is to have."""
        self.regexes: dict[str, ResolvedRegex] = {}
        self.has_old_metadata = False
        self.stale = True
        """The topics it reads may have changed since its epoch was last looked at."""
        self._owners: dict[tuple[UUID, int], str] = {}

    # ---- what it is

    @property
    def is_empty(self) -> bool:
        """Whether it has no members."""
        return not self.members

    @property
    def state(self) -> str:
        """What the group is doing, in the word that clients see."""
        if not self.members:
            return "Empty"
        if self.epoch > self.assignment_epoch:
            return "Assigning"
        reconciled = all(member.is_reconciled_to(self.assignment_epoch) for member in self.members.values())
        return "Stable" if reconciled else "Reconciling"

    def owner(self, topic: UUID, partition: int) -> str | None:
        """Return the member that has a partition, or has yet to give it up."""
        return self._owners.get((topic, partition))

    def static_member(self, instance_id: str | None) -> Member | None:
        """Return the member of an instance id."""
        return self.members.get(self.static_members.get(instance_id or "", ""))

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

    def target(self, member: Member) -> Partitions:
        """Return what a member is to have; one that takes a static member's place, what that one was to have."""
        found = self.targets.get(member.member_id)
        if found is None and member.instance_id is not None:
            found = self.targets.get(self.static_members.get(member.instance_id, ""))
        return found or {}

    def assignor(self, members: Iterable[Member] | None = None) -> str | None:
        """Return the assignor most members ask for, None where nobody asks for one."""
        votes = Counter(each.assignor for each in (self.members.values() if members is None else members))
        del votes[None]
        return max(votes, key=lambda name: votes[name]) if votes else None

    def subscribed_topics(self, members: Iterable[Member] | None = None) -> set[str]:
        """Return the names that members subscribe to, themselves or by what their regular expressions matched."""
        names: set[str] = set()
        for member in self.members.values() if members is None else members:
            names |= self.topics_of(member)
        return names

    def topics_of(self, member: Member) -> frozenset[str]:
        """Return the names a member subscribes to; an expression that was not resolved yet matches nothing."""
        resolved = self.regexes.get(member.regex) if member.regex else None
        return member.topics if resolved is None else member.topics | resolved.topics

    def subscribers(self, regex: str) -> int:
        """Return how many members subscribe to a regular expression."""
        return sum(member.regex == regex for member in self.members.values())

    def waits_for_others(self, member: Member) -> bool:
        """Tell whether anything a member is to have is still with another member."""
        for topic, numbers in self.targets.get(member.member_id, {}).items():
            for number in numbers - member.assigned.get(topic, {}).keys():
                if self.owner(topic, number) is not None:
                    return True
        return False

    def with_member(self, member: Member) -> dict[str, Member]:
        """Return the members as they will be with this one, who takes the place of a static member of its name."""
        members = dict(self.members)
        if member.instance_id is not None:
            members.pop(self.static_members.get(member.instance_id, ""), None)
        members[member.member_id] = member
        return members

    # ---- offsets

    def subscribes_to(self, topic: str) -> bool:
        """Tell whether members read the topic."""
        return topic in self.subscribed_topics()

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
        if not transactional and member.classic is None and version < _NEW_COMMIT_VERSION:
            raise GroupError(ErrorCode.unsupported_version)
        if epoch > member.epoch:
            raise _stale(member)
        return None if epoch == member.epoch else partial(_check_assigned, member, epoch)

    def validate_fetch(self, member_id: str | None, epoch: int) -> None:
        """Check that a member that names itself is one, in its epoch.

        Raises:
            GroupError: it is not.
        """
        if member_id is None and epoch < 0:
            return
        member = self.member(member_id or "")
        if epoch != member.epoch:
            raise _stale(member)

    # ---- what changes do

    def put(self, member: Member) -> None:
        """Add a member, or replace what is known of one."""
        old = self.members.get(member.member_id)
        if old is not None:
            self._disown(old)
            if old.instance_id is not None and old.instance_id != member.instance_id:
                self._forget_instance(old)
        self.members[member.member_id] = member
        if member.instance_id is not None:
            self.static_members[member.instance_id] = member.member_id
        for held in (member.assigned, member.revoking):
            for topic, numbers in held.items():
                for number in numbers:
                    self._owners[topic, number] = member.member_id

    def remove(self, member_id: str) -> None:
        """Forget a member."""
        member = self.members.pop(member_id, None)
        if member is not None:
            self._disown(member)
            self._forget_instance(member)

    def _disown(self, member: Member) -> None:
        for held in (member.assigned, member.revoking):
            for topic, numbers in held.items():
                for number in numbers:
                    if self._owners.get((topic, number)) == member.member_id:
                        del self._owners[topic, number]

    def _forget_instance(self, member: Member) -> None:
        instance_id = member.instance_id
        if instance_id is not None and self.static_members.get(instance_id) == member.member_id:
            del self.static_members[instance_id]


def _check_assigned(member: Member, epoch: int, topic: UUID, partition: int) -> None:
    """Let a member commit in an earlier epoch for what it had by then, and has still or is about to give up."""
    assigned = member.assigned.get(topic, {}).get(partition)
    if assigned is None:
        assigned = member.revoking.get(topic, {}).get(partition)
    if assigned is None or epoch < assigned:
        raise _stale(member)


def _stale(member: Member) -> GroupError:
    return GroupError(ErrorCode.stale_member_epoch if member.classic is None else ErrorCode.illegal_generation)
