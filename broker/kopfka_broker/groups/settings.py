"""What the group coordinator is told by Kafka's broker configs, with Kafka's defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kopfka_broker.groups.modern.settings import ConsumerGroupSettings, ShareGroupSettings, StreamsGroupSettings

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """Limits and periods of groups; each field names the config it stands for."""

    min_session_timeout_ms: int = 6_000
    """group.min.session.timeout.ms"""
    max_session_timeout_ms: int = 1_800_000
    """group.max.session.timeout.ms"""
    initial_rebalance_delay_ms: int = 3_000
    """group.initial.rebalance.delay.ms"""
    max_size: int = 2_147_483_647
    """group.max.size"""
    offset_metadata_max_bytes: int = 4_096
    """offset.metadata.max.bytes"""
    offsets_retention_minutes: int = 10_080
    """offsets.retention.minutes"""
    retention_check_interval_ms: int = 600_000
    """offsets.retention.check.interval.ms"""
    new_member_join_timeout_ms: int = 300_000
    """No config in Kafka either: how long a member without an id yet may take to come back (five minutes)."""

    consumer: ConsumerGroupSettings = field(default_factory=ConsumerGroupSettings)
    """Of consumer groups (KIP-848)."""
    streams: StreamsGroupSettings = field(default_factory=StreamsGroupSettings)
    """Of streams groups (KIP-1071)."""
    share: ShareGroupSettings = field(default_factory=ShareGroupSettings)
    """Of share groups (KIP-932)."""

    def metadata_too_large(self, metadata: str) -> bool:
        """Tell whether what a client wants kept with an offset is too long, counted in UTF-16 as Kafka does."""
        length = len(metadata) if metadata.isascii() else len(metadata.encode("utf-16-le")) // 2
        return length > self.offset_metadata_max_bytes

    @classmethod
    def from_config(cls, get: Callable[[str], Any]) -> GroupSettings:
        """Read every field through `get`, which returns the value of the broker config of a given name."""

        def number(name: str) -> int:
            return int(get(name))

        return cls(
            min_session_timeout_ms=number("group.min.session.timeout.ms"),
            max_session_timeout_ms=number("group.max.session.timeout.ms"),
            initial_rebalance_delay_ms=number("group.initial.rebalance.delay.ms"),
            max_size=number("group.max.size"),
            offset_metadata_max_bytes=number("offset.metadata.max.bytes"),
            offsets_retention_minutes=number("offsets.retention.minutes"),
            retention_check_interval_ms=number("offsets.retention.check.interval.ms"),
            consumer=ConsumerGroupSettings.from_config(get),
            streams=StreamsGroupSettings.from_config(get),
            share=ShareGroupSettings.from_config(get),
        )
