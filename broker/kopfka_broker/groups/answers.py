"""What the coordinator answers to members, apart from the versions it is written in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_broker.groups.group import Protocols

NO_MEMBER = ""
"""The member id of one who has none yet."""


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A JoinGroup request of any version."""

    group_id: str
    member_id: str
    group_instance_id: str | None
    protocol_type: str
    protocols: Protocols
    session_timeout_ms: int
    rebalance_timeout_ms: int
    client_id: str
    client_host: str
    reason: str
    member_id_required: bool
    """From version 4 on a new member is first given an id, to join with it again (KIP-394)."""
    skips_assignment: bool
    """From version 9 on a returning static leader is told the members, and not to assign (KIP-814)."""


@dataclass(frozen=True, slots=True)
class JoinedMember:
    """A member as the leader learns of it."""

    member_id: str
    group_instance_id: str | None
    metadata: bytes


@dataclass(frozen=True, slots=True)
class JoinResult:
    """The answer to JoinGroup."""

    member_id: str
    error: ErrorCode = ErrorCode.none
    generation: int = -1
    protocol_type: str | None = None
    protocol: str | None = None
    leader: str = ""
    members: tuple[JoinedMember, ...] = ()
    skip_assignment: bool = False


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """A SyncGroup request of any version."""

    group_id: str
    generation: int
    member_id: str
    group_instance_id: str | None
    protocol_type: str | None
    protocol: str | None
    assignment: Mapping[str, bytes]
    """The leader's assignment by member id; of other members empty."""


@dataclass(frozen=True, slots=True)
class SyncResult:
    """The answer to SyncGroup."""

    error: ErrorCode = ErrorCode.none
    protocol_type: str | None = None
    protocol: str | None = None
    assignment: bytes = b""


@dataclass(frozen=True, slots=True)
class LeaveRequest:
    """One member who leaves, or is removed by an administrator (by its instance id alone)."""

    member_id: str
    group_instance_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class LeaveResult:
    """What became of one member in the answer to LeaveGroup."""

    member_id: str
    group_instance_id: str | None
    error: ErrorCode = ErrorCode.none
