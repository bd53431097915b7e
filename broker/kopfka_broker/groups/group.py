"""One classic group: its members, their votes, its leader and its state. It knows neither time nor requests.

What happens to a group when, and what its members are told, is `membership`'s.
"""

from __future__ import annotations

import enum
import struct
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from kopfka_broker.coordinators.binary import Reader
from kopfka_broker.coordinators.partitions import java_hash
from kopfka_broker.groups.answers import NO_MEMBER, JoinResult, SyncResult
from kopfka_broker.groups.errors import GroupError
from kopfka_broker.groups.records import GroupMetadata, MemberMetadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

CONSUMER = "consumer"
"""The protocol type of consumers; others (Connect's, a schema registry's) are opaque."""


class State(enum.Enum):
    """What a group is doing; the values are what clients see."""

    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


_PREVIOUS = {
    State.EMPTY: {State.PREPARING_REBALANCE},
    State.PREPARING_REBALANCE: {State.STABLE, State.COMPLETING_REBALANCE, State.EMPTY},
    State.COMPLETING_REBALANCE: {State.PREPARING_REBALANCE},
    State.STABLE: {State.COMPLETING_REBALANCE},
    State.DEAD: set(State),
}

Protocols = tuple[tuple[str, bytes], ...]
"""Names and metadata of the assignment protocols a member supports, the one it likes best first."""


@dataclass(slots=True, eq=False)
class Member:
    """One member of a group."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    protocol_type: str
    protocols: Protocols
    assignment: bytes = b""
    is_new: bool = False
    """It has not got its first answer to JoinGroup, so it can send no heartbeat yet."""

    def metadata(self, protocol: str | None) -> bytes:
        """Return what the member says under an assignment protocol it supports."""
        return next(metadata for name, metadata in self.protocols if name == protocol)

    def vote(self, candidates: Iterable[str]) -> str:
        """Return the candidate this member likes best."""
        return next(name for name, _ in self.protocols if name in candidates)


class Group:
    """A classic group, from the first member or offset to its deletion."""

    def __init__(self, group_id: str, now_ms: int) -> None:
        """Make an empty group that never had a member."""
        self.group_id = group_id
        self.state = State.EMPTY
        self.previous_state = State.DEAD
        self.state_timestamp = now_ms
        self.generation = 0
        self.protocol_type: str | None = None
        self.protocol: str | None = None
        self.leader: str | None = None
        self.members: dict[str, Member] = {}
        self.static_members: dict[str, str] = {}
        """Member ids by group instance id."""
        self.awaiting_join: dict[str, Callable[[JoinResult], None]] = {}
        """Requests to join that wait for the end of the join phase, by member id."""
        self.awaiting_sync: dict[str, Callable[[SyncResult], None]] = {}
        """Requests to sync that wait for the leader's assignment, by member id."""
        self.pending_members: set[str] = set()
        """Ids given out to members that have yet to join with them."""
        self.pending_sync: set[str] = set()
        """Members of this generation that have yet to send SyncGroup."""
        self.subscribed_topics: frozenset[str] | None = None
        """Topics of a consumer group's members; None where they are not known."""
        self.new_member_added = False
        """A member joined during the initial delay, which prolongs it."""
        self._supporters: Counter[str] = Counter()

    @classmethod
    def loaded(cls, group_id: str, stored: GroupMetadata) -> Group:
        """Return the group of a stored generation, as it goes on after the coordinator's restart."""
        group = cls(group_id, stored.current_state_timestamp)
        group.generation = stored.generation
        group.protocol_type = stored.protocol_type or None
        group.protocol = stored.protocol
        group.leader = stored.leader
        for member in stored.members:
            timeout = member.session_timeout if member.rebalance_timeout == -1 else member.rebalance_timeout
            group.add(
                Member(
                    member.member_id, member.group_instance_id, member.client_id, member.client_host, timeout,
                    member.session_timeout, stored.protocol_type, ((stored.protocol or "", member.subscription),),
                    member.assignment,
                )
            )  # fmt: skip
        if group.members:
            group.resume()
        else:
            group.subscribed_topics = group._subscriptions()
        return group

    def resume(self) -> None:
        """Go on in the middle of a generation that was agreed on before."""
        self.state = State.STABLE
        self.subscribed_topics = self._subscriptions()

    def stored(self, assignments: Mapping[str, bytes]) -> GroupMetadata:
        """Return this generation with these assignments as it is written to the log."""
        members = tuple(
            MemberMetadata(
                member.member_id, member.group_instance_id, member.client_id, member.client_host,
                member.rebalance_timeout_ms, member.session_timeout_ms, member.metadata(self.protocol),
                assignments.get(member.member_id, b""),
            )
            for member in self.members.values()
        )  # fmt: skip
        return GroupMetadata(
            self.protocol_type or "", self.generation, self.protocol, self.leader, self.state_timestamp, members
        )

    def assignments(self) -> dict[str, bytes]:
        """Return each member's part of the current assignment."""
        return {member.member_id: member.assignment for member in self.members.values()}

    # ---- state

    @property
    def is_empty(self) -> bool:
        """Whether it has no members, and waits for none."""
        return self.state is State.EMPTY

    def is_in(self, *states: State) -> bool:
        """Tell whether the group is in one of these states."""
        return self.state in states

    def transition(self, state: State, now_ms: int) -> None:
        """Enter a state."""
        assert self.state in _PREVIOUS[state], f"group {self.group_id}: {self.state} cannot become {state}"
        self.previous_state, self.state, self.state_timestamp = self.state, state, now_ms

    def next_generation(self, now_ms: int) -> None:
        """End the join phase: with members the group waits for the leader's assignment, without it is empty."""
        self.generation += 1
        self.protocol = self.select_protocol() if self.members else None
        self.subscribed_topics = self._subscriptions()
        self.transition(State.COMPLETING_REBALANCE if self.members else State.EMPTY, now_ms)
        self.pending_sync.clear()

    @property
    def uses_consumer_protocol(self) -> bool:
        """Whether its members are consumers, whose subscriptions the coordinator can read."""
        return self.protocol_type == CONSUMER

    # ---- members

    def add(self, member: Member) -> None:
        """Add a member; the first one decides the protocol type, and leads."""
        if member.group_instance_id is not None:
            assert member.group_instance_id not in self.static_members
            self.static_members[member.group_instance_id] = member.member_id
        if not self.members:
            self.protocol_type = member.protocol_type or None
        if self.leader is None:
            self.leader = member.member_id
        self.members[member.member_id] = member
        self._supporters.update(_names(member.protocols))
        self.pending_members.discard(member.member_id)

    def update(self, member: Member, protocols: Protocols, rebalance_timeout_ms: int, session_timeout_ms: int) -> None:
        """Take over what a member says of itself when it joins again."""
        self._supporters.subtract(_names(member.protocols))
        self._supporters.update(_names(protocols))
        member.protocols = protocols
        member.rebalance_timeout_ms, member.session_timeout_ms = rebalance_timeout_ms, session_timeout_ms

    def remove(self, member_id: str) -> None:
        """Remove a member or a pending one; if it led, another member leads. A request it waits with is refused."""
        self.answer_join(member_id, JoinResult(NO_MEMBER, ErrorCode.unknown_member_id))
        self.answer_sync(member_id, SyncResult(ErrorCode.unknown_member_id))
        member = self.members.pop(member_id, None)
        if member is not None:
            self._supporters.subtract(_names(member.protocols))
            if member.group_instance_id is not None:
                self.static_members.pop(member.group_instance_id, None)
        if self.leader == member_id:
            self.leader = next(iter(self.members), None)
        self.pending_members.discard(member_id)
        self.pending_sync.discard(member_id)

    def replace_static(self, instance_id: str, old_member_id: str, new_member_id: str) -> Member:
        """Give a static member a new id; who comes with the old one is fenced, from the request it waits with on."""
        self.answer_join(old_member_id, JoinResult(old_member_id, ErrorCode.fenced_instance_id))
        self.answer_sync(old_member_id, SyncResult(ErrorCode.fenced_instance_id))
        old = self.members.pop(old_member_id)
        new = Member(
            new_member_id, instance_id, old.client_id, old.client_host, old.rebalance_timeout_ms,
            old.session_timeout_ms, old.protocol_type, old.protocols, old.assignment,
        )  # fmt: skip
        self.members[new_member_id] = new
        if self.leader == old_member_id:
            self.leader = new_member_id
        if old_member_id in self.pending_sync:
            self.pending_sync.remove(old_member_id)
            self.pending_sync.add(new_member_id)
        self.static_members[instance_id] = new_member_id
        return new

    def answer_join(self, member_id: str, result: JoinResult) -> bool:
        """Answer the request to join that a member waits with; False where it waits with none."""
        reply = self.awaiting_join.pop(member_id, None)
        if reply is not None:
            reply(result)
        return reply is not None

    def answer_sync(self, member_id: str, result: SyncResult) -> bool:
        """Answer the request to sync that a member waits with; False where it waits with none."""
        reply = self.awaiting_sync.pop(member_id, None)
        if reply is not None:
            reply(result)
        return reply is not None

    def validate_member(self, member_id: str, instance_id: str | None) -> None:
        """Check that a request comes from a member, and a static one from the last process that joined under its name.

        Raises:
            GroupError: UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID.
        """
        if instance_id is not None:
            existing = self.static_members.get(instance_id)
            if existing is None:
                raise GroupError(ErrorCode.unknown_member_id)
            if existing != member_id:
                raise GroupError(ErrorCode.fenced_instance_id)
        if member_id not in self.members:
            raise GroupError(ErrorCode.unknown_member_id)

    @property
    def all_joined(self) -> bool:
        """Whether every member, and everyone given an id, has joined."""
        return not self.pending_members and len(self.awaiting_join) == len(self.members)

    @property
    def rebalance_timeout_ms(self) -> int:
        """The longest of the members' rebalance timeouts."""
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    def elect_joined_leader(self) -> bool:
        """Let someone lead who has joined, rather the current leader; False where there is none."""
        if self.leader is None:
            return False
        if self.leader in self.awaiting_join:
            return True
        joined = next(iter(self.awaiting_join), None)
        if joined is not None:
            self.leader = joined
        return joined is not None

    # ---- protocols

    def supports(self, protocol_type: str, protocols: Protocols) -> bool:
        """Tell whether someone with these protocols can be a member: each member must support one of them."""
        if self.state is State.EMPTY:
            return bool(protocol_type and protocols)
        if protocol_type != self.protocol_type:
            return False
        return any(self._supporters[name] == len(self.members) for name, _ in protocols)

    def select_protocol(self) -> str:
        """Count each member's vote among the protocols that all support, and return the winner."""
        candidates = {name for name, supporters in self._supporters.items() if supporters == len(self.members)}
        votes = Counter(member.vote(candidates) for member in self.members.values())
        most = max(votes.values())
        return min((name for name, count in votes.items() if count == most), key=_java_map_order(len(votes)))

    def subscribes_to(self, topic: str) -> bool:
        """Tell whether members read the topic; taken for true where a consumer group's subscriptions are not known."""
        return self.uses_consumer_protocol if self.subscribed_topics is None else topic in self.subscribed_topics

    def _subscriptions(self) -> frozenset[str] | None:
        if not self.uses_consumer_protocol or (self.members and self.protocol is None):
            return None
        try:
            topics = (_subscribed_topics(member.metadata(self.protocol)) for member in self.members.values())
            return frozenset().union(*topics)
        except (ValueError, struct.error):
            return None  # opaque to us, as it is to Kafka's coordinator: nothing depends on it but expiry of offsets


def _names(protocols: Protocols) -> set[str]:
    return {name for name, _ in protocols}


def _subscribed_topics(metadata: bytes) -> list[str]:
    """Read the topics of a ConsumerProtocolSubscription, whose first fields are the same in each version."""
    reader = Reader(metadata)
    if reader.int16() < 0:
        raise ValueError("a negative version")
    return [reader.string() for _ in range(reader.count())]


def _java_map_order(size: int) -> Callable[[str], int]:
    """Return the order in which a Java hash map of `size` strings is walked: of equal votes Kafka takes the first."""
    buckets = 16
    while size > buckets * 3 // 4:
        buckets *= 2

    def bucket(name: str) -> int:
        value = java_hash(name) & 0xFFFFFFFF
        return (value ^ value >> 16) & (buckets - 1)

    return bucket
