"""What modern groups are told by Kafka's broker configs; what a group may have of its own is `Cluster.group_config`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class ConsumerGroupSettings:
    """Of consumer groups; each field names the config it stands for."""

    max_size: int = 2_147_483_647
    """group.consumer.max.size"""
    assignors: tuple[str, ...] = ("uniform", "range")
    """group.consumer.assignors, the first one the default"""
    migration_policy: str = "bidirectional"
    """group.consumer.migration.policy"""
    regex_refresh_interval_ms: int = 600_000
    """group.consumer.regex.refresh.interval.ms"""

    @classmethod
    def from_config(cls, get: Callable[[str], Any]) -> ConsumerGroupSettings:
        """Read every field through `get`, which returns the value of the broker config of a given name.

        Raises:
            SettingsError: there is no such assignor here.
        """
        return cls(
            int(get("group.consumer.max.size")),
            tuple(map(_assignor, get("group.consumer.assignors"))),
            str(get("group.consumer.migration.policy")).lower(),
            int(get("group.consumer.regex.refresh.interval.ms")),
        )

    @property
    def may_upgrade(self) -> bool:
        """Whether a classic group becomes a consumer group when a member of the new protocol joins it."""
        return self.migration_policy in ("bidirectional", "upgrade")

    @property
    def may_downgrade(self) -> bool:
        """Whether a consumer group becomes a classic one when its last member of the new protocol leaves."""
        return self.migration_policy in ("bidirectional", "downgrade")


@dataclass(frozen=True, slots=True)
class ShareGroupSettings:
    """Of share groups; each field names the config it stands for."""

    max_size: int = 200
    """group.share.max.size"""
    initialize_retry_ms: int = 30_000
    """group.share.initialize.retry.interval.ms"""

    @classmethod
    def from_config(cls, get: Callable[[str], Any]) -> ShareGroupSettings:
        """Read every field through `get`, which returns the value of the broker config of a given name."""
        return cls(int(get("group.share.max.size")), int(get("group.share.initialize.retry.interval.ms")))


@dataclass(frozen=True, slots=True)
class StreamsGroupSettings:
    """Of streams groups; each field names the config it stands for."""

    max_size: int = 2_147_483_647
    """group.streams.max.size"""

    @classmethod
    def from_config(cls, get: Callable[[str], Any]) -> StreamsGroupSettings:
        """Read every field through `get`, which returns the value of the broker config of a given name."""
        return cls(int(get("group.streams.max.size")))


_ASSIGNOR_CLASSES = {
    "org.apache.kafka.coordinator.group.assignor.UniformAssignor": "uniform",
    "org.apache.kafka.coordinator.group.assignor.RangeAssignor": "range",
}


def _assignor(name: str) -> str:
    known = _ASSIGNOR_CLASSES.get(name, name)
    if known not in _ASSIGNOR_CLASSES.values():
        raise SettingsError(
            f"group.consumer.assignors={name}: the bundled broker has uniform and range and no others, "
            "as it cannot run Java classes"
        )
    return known
