"""One share group: its members, epochs, target assignment, and the partitions that have a state."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NoReturn, Self

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.errors import GroupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from kopfka_broker.groups.modern.topics import Partitions

JOINING = 0
LEAVING = -1
_FIRST_EPOCH = 1


@dataclass(frozen=True, slots=True)
class ShareMember:
    """One member; a change of it is another value."""

    member_id: str
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    topics: frozenset[str] = frozenset()
    """Names it subscribes to."""
    epoch: int = 0
    previous_epoch: int = 0
    assigned: Partitions = field(default_factory=dict)

    def at_epoch(self, epoch: int) -> Self:
        """Return it in another epoch, with the one it was in as the previous one."""
        return replace(self, epoch=epoch, previous_epoch=self.epoch)


@dataclass(frozen=True, slots=True)
class TopicParts:
    """Partitions of a topic whose state is kept, or about to be."""

    name: str
    partitions: frozenset[int]
    since_ms: int = 0
    """When it was begun, by the wall clock; not stored."""


@dataclass(frozen=True, slots=True)
class StoredParts:
    """Which partitions have a state for the group: ShareGroupStatePartitionMetadata."""

    initializing: Mapping[UUID, TopicParts] = field(default_factory=dict)
    initialized: Mapping[UUID, TopicParts] = field(default_factory=dict)
    deleting: Mapping[UUID, str] = field(default_factory=dict)

    def beginning(self, topics: Mapping[UUID, TopicParts]) -> Self:
        """Return it with these being initialized, too."""
        deleting = {topic: name for topic, name in self.deleting.items() if topic not in topics}
        return replace(self, initializing=_joined(self.initializing, topics), deleting=deleting)

    def done(self, topics: Mapping[UUID, TopicParts]) -> Self:
        """Return it with these initialized."""
        left = self.gave_up(topics)
        return replace(left, initialized=_joined(self.initialized, topics))

    def gave_up(self, topics: Mapping[UUID, TopicParts]) -> Self:
        """Return it without these being initialized."""
        left = {}
        for topic, parts in self.initializing.items():
            gone = topics[topic].partitions if topic in topics else frozenset()
            if parts.partitions - gone:
                left[topic] = replace(parts, partitions=parts.partitions - gone)
        return replace(self, initializing=left)

    def without(self, topics: Iterable[UUID]) -> Self:
        """Return it without any word of these topics."""
        gone = set(topics)
        return replace(
            self,
            initializing={topic: parts for topic, parts in self.initializing.items() if topic not in gone},
            initialized={topic: parts for topic, parts in self.initialized.items() if topic not in gone},
            deleting={topic: name for topic, name in self.deleting.items() if topic not in gone},
        )

    def all(self) -> Mapping[UUID, TopicParts]:
        """Return every partition that has or may have a state."""
        return _joined(self.initialized, self.initializing)


class ShareGroup:
    """A share group; `kopfka_broker.groups.modern.ModernGroup`."""

    group_type = "share"
    protocol_type = "share"
    expires = False

    def __init__(self, group_id: str) -> None:
        """Make a group without members, in the epoch every group begins with: it is not stored yet."""
        self.group_id = group_id
        self.epoch = self.assignment_epoch = _FIRST_EPOCH
        self.metadata_hash = 0
        self.assignment_timestamp = 0
        self.members: dict[str, ShareMember] = {}
        self.targets: dict[str, Partitions] = {}
        self.stored = StoredParts()
        self.stale = True
        """The topics it reads may have changed since its epoch was last looked at."""

    @property
    def is_empty(self) -> bool:
        """Whether it has no members."""
        return not self.members

    @property
    def state(self) -> str:
        """What the group is doing, in the word that clients see."""
        return "Stable" if self.members else "Empty"

    def member(self, member_id: str) -> ShareMember:
        """Return a member.

        Raises:
            GroupError: UNKNOWN_MEMBER_ID.
        """
        found = self.members.get(member_id)
        if found is None:
            message = f"Member {member_id} is not a member of group {self.group_id}."
            raise GroupError(ErrorCode.unknown_member_id, message)
        return found

    def subscribed_topics(self, members: Iterable[ShareMember] | None = None) -> set[str]:
        """Return the names that members subscribe to."""
        return set().union(*(member.topics for member in (self.members.values() if members is None else members)))

    def assigns_less(self) -> bool:
        """Tell whether partitions have a state by now that no member was assigned, of topics that members read."""
        if not self.members:
            return False
        names = self.subscribed_topics()
        given: dict[UUID, set[int]] = {}
        for target in self.targets.values():
            for topic, partitions in target.items():
                given.setdefault(topic, set()).update(partitions)
        return any(
            parts.name in names and frozenset(given.get(topic, ())) != parts.partitions
            for topic, parts in self.stored.initialized.items()
        )

    # ---- offsets: a share group has none to commit

    def subscribes_to(self, topic: str) -> bool:
        """Tell whether members read the topic."""
        return topic in self.subscribed_topics()

    def validate_commit(
        self, member_id: str, instance_id: str | None, epoch: int, version: int, *, transactional: bool
    ) -> NoReturn:
        """Refuse to commit an offset.

        Raises:
            GroupError: GROUP_ID_NOT_FOUND.
        """
        raise self._no_consumer_group()

    def validate_fetch(self, member_id: str | None, epoch: int) -> NoReturn:
        """Refuse to fetch committed offsets.

        Raises:
            GroupError: GROUP_ID_NOT_FOUND.
        """
        raise self._no_consumer_group()

    def _no_consumer_group(self) -> GroupError:
        return GroupError(ErrorCode.group_id_not_found, f"Group {self.group_id} is not a consumer group.")


def _joined(one: Mapping[UUID, TopicParts], other: Mapping[UUID, TopicParts]) -> dict[UUID, TopicParts]:
    joined = dict(one)
    for topic, parts in other.items():
        known = joined.get(topic)
        before = known.partitions if known is not None else frozenset()
        joined[topic] = replace(parts, partitions=before | parts.partitions)
    return joined
