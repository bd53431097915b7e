"""What a group member and its listener tell each other: values, and the listener's side of the contract."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A member as the leader of a generation sees it."""

    member_id: str
    static_id: str | None
    metadata: bytes


@dataclass(frozen=True, slots=True)
class Election:
    """What a member is told that leads a generation: the protocol that was chosen, and everybody's metadata."""

    generation: int
    leader_id: str
    protocol: str
    members: tuple[GroupMember, ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a member has from the moment it is told until it is told that it lost it."""

    generation: int
    member_id: str
    leader_id: str
    """Member id of the generation's leader."""
    protocol: str
    data: bytes
    """What the leader gave to this member; empty where it gave nothing."""
    members: tuple[GroupMember, ...]
    """Everybody, where this member leads; empty elsewhere."""

    @property
    def leads(self) -> bool:
        """Whether this member is the leader of the generation."""
        return self.member_id == self.leader_id


class Loss(enum.Enum):
    """Why an assignment is no longer there."""

    REBALANCE = "rebalance"
    """The group makes a new generation; the member joins it next, as the same member."""
    EXPIRED = "expired"
    """No heartbeat was answered for the length of the session: others may have been given what it had."""
    EVICTED = "evicted"
    """The coordinator no longer knows this member or generation; it joins as a new one next."""
    FENCED = "fenced"
    """Another process has the same static id. The member ends."""
    CLOSED = "closed"
    """The member was closed, or failed for good."""


class Listener(Protocol):
    """What a member asks and tells. Calls come one at a time; heartbeats go on meanwhile."""

    def protocols(self) -> Sequence[tuple[str, bytes]]:
        """Return the protocols this member can, the best first, with its metadata for each; asked at every join."""
        ...

    def assign(self, election: Election) -> Mapping[str, bytes] | Awaitable[Mapping[str, bytes]]:
        """Return what each member gets, by member id; asked where this member leads. Those left out get nothing."""
        ...

    async def assigned(self, assignment: Assignment) -> None:
        """Take an assignment. An exception here ends the member."""
        ...

    async def lost(self, loss: Loss) -> None:
        """Let go of the assignment; the next join waits for it. Comes once for each `assigned`."""
        ...
