"""A member of a streams group: one stream thread, in a process that may have several."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Self

from kopfka_broker.groups.streams.tasks import NOTHING, Held


class MemberState(enum.IntEnum):
    """How far a member has come with its target assignment, by Kafka's numbers."""

    STABLE = 1
    UNREVOKED_TASKS = 2
    UNRELEASED_TASKS = 3
    UNKNOWN = 127


@dataclass(frozen=True, slots=True)
class Member:
    """One member; a change of it is another value."""

    member_id: str
    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    rebalance_timeout_ms: int = -1
    topology_epoch: int = -1
    process_id: str = ""
    endpoint: tuple[str, int] | None = None
    """Where interactive queries reach it."""
    client_tags: tuple[tuple[str, str], ...] = ()
    epoch: int = 0
    previous_epoch: int = 0
    state: MemberState = MemberState.STABLE
    assigned: Held = NOTHING
    revoking: Held = NOTHING

    def at_epoch(self, epoch: int) -> Self:
        """Return it in another epoch, with the one it was in as the previous one."""
        return replace(self, epoch=epoch, previous_epoch=self.epoch)

    def is_reconciled_to(self, epoch: int) -> bool:
        """Tell whether it has all that the target assignment of this epoch gives it."""
        return self.state is MemberState.STABLE and self.epoch == epoch
