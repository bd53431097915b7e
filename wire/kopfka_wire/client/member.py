"""A member of a classic group of any protocol type: joins, syncs, sends heartbeats, leaves. What the bytes mean that it
carries is its listener's business: Connect's workers ("connect"), the registry's instances ("sr"), consumers.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from kopfka_wire.client.cluster import Cluster


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


class Member:
    """One membership; it runs in a task of its own between `start` and `close`.

    Retries for ever what may pass. What cannot (AuthenticationError, AuthorizationError, an inconsistent protocol, a
    listener's own error, a fenced static id) ends it: `lost(CLOSED)` is told, and `wait` raises it.
    """

    def __init__(
        self,
        cluster: Cluster,
        group: str,
        protocol_type: str,
        listener: Listener,
        *,
        session_timeout: float = 10.0,
        rebalance_timeout: float = 60.0,
        heartbeat_interval: float = 3.0,
        static_id: str | None = None,
    ) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        """Start."""
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave and end."""
        await self.close()

    @property
    def assignment(self) -> Assignment | None:
        """What it has now."""
        raise NotImplementedError

    @property
    def member_id(self) -> str:
        """The id the coordinator gave it, empty before."""
        raise NotImplementedError

    @property
    def valid_until(self) -> float:
        """Until when (`time.monotonic()`) nobody else can have been given what this member has; -inf without an
        assignment.

        Counted from the sending of the last heartbeat that was answered well, so it is right whatever the answer took.
        A process that was stopped in between finds it in the past when it goes on.
        """
        raise NotImplementedError

    def is_valid(self) -> bool:
        """Tell whether there is an assignment and `valid_until` is not over."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin to join."""
        raise NotImplementedError

    def rejoin(self) -> None:
        """Ask for a new generation: this member's metadata has changed, or its leader wants to assign anew."""
        raise NotImplementedError

    async def wait(self) -> None:
        """Wait for the end: returns after `close`, raises what ended the member otherwise."""
        raise NotImplementedError

    async def close(self, *, leave: bool = True) -> None:
        """Tell the listener that the assignment is lost, leave the group (a static member stays in it unless the session
        expires, as in Kafka, whatever `leave` says), and end.
        """
        raise NotImplementedError
