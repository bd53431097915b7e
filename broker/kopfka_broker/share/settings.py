"""What the broker's configuration says about share groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class ShareSettings:
    """Broker configs, with Kafka's defaults."""

    max_sessions: int = 2_000
    """`group.share.max.share.sessions`"""
    updates_per_snapshot: int = 500
    """`share.coordinator.snapshot.update.records.per.snapshot`"""
    cold_snapshot_ms: int = 300_000
    """`share.coordinator.cold.partition.snapshot.interval.ms`"""
    prune_ms: int = 300_000
    """`share.coordinator.state.topic.prune.interval.ms`"""

    @classmethod
    def from_config(cls, number: Callable[[str], int]) -> ShareSettings:
        """Read them by `number(name)`, which returns a broker config's value."""
        return cls(
            number("group.share.max.share.sessions"),
            number("share.coordinator.snapshot.update.records.per.snapshot"),
            number("share.coordinator.cold.partition.snapshot.interval.ms"),
            number("share.coordinator.state.topic.prune.interval.ms"),
        )
