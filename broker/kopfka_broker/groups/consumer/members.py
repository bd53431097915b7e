"""A member of a consumer group: what it said of itself, what it has, and how far it has come."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from kopfka_broker.groups.group import Protocols

    Assigned = Mapping[UUID, Mapping[int, int]]
    """By topic id and partition, the epoch in which it was assigned."""

JOINING = 0
LEAVING = -1
LEAVING_FOR_A_WHILE = -2
"""Member epochs that say what a member is about to do; the last one is a static member's."""


class MemberState(enum.IntEnum):
    """How far a member has come with its target assignment, by Kafka's numbers."""

    STABLE = 0
    UNREVOKED_PARTITIONS = 1
    """It is to give partitions up first."""
    UNRELEASED_PARTITIONS = 2
    """Others have not given up yet what it is to get."""
    UNKNOWN = 127


@dataclass(frozen=True, slots=True)
class ClassicMember:
    """What a member of the classic protocol said when it joined."""

    session_timeout_ms: int
    protocols: Protocols


@dataclass(frozen=True, slots=True)
class Member:
    """One member; a change of it is another value."""

    member_id: str
    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    rebalance_timeout_ms: int = -1
    topics: frozenset[str] = frozenset()
    """Names it subscribes to."""
    regex: str = ""
    """A regular expression it subscribes to; empty for none."""
    assignor: str | None = None
    """The assignor it would like."""
    classic: ClassicMember | None = None
    epoch: int = 0
    previous_epoch: int = 0
    state: MemberState = MemberState.STABLE
    assigned: Assigned = field(default_factory=dict)
    revoking: Assigned = field(default_factory=dict)
    """What it is to give up, and was not seen without yet."""

    def at_epoch(self, epoch: int) -> Self:
        """Return it in another epoch, with the one it was in as the previous one."""
        return replace(self, epoch=epoch, previous_epoch=self.epoch)

    def is_reconciled_to(self, epoch: int) -> bool:
        """Tell whether it has all that the target assignment of this epoch gives it."""
        return self.state is MemberState.STABLE and self.epoch == epoch
