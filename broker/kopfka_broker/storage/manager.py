"""All logs of a data folder (skeleton of the interface; filled next)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kopfka_broker.storage.config import LogConfig
    from kopfka_broker.storage.log import PartitionLog


def wall_clock_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Topic:
    """A topic and its partitions."""

    name: str
    topic_id: UUID
    partitions: list[PartitionLog]
    config: dict[str, str]
    internal: bool


class LogManager:
    """All logs of a data folder."""

    cluster_id: str
    offline: dict[str, str]

    def __init__(
        self, directory: Path, defaults: LogConfig, clock: Callable[[], int] = wall_clock_ms, *, node_id: int = 1
    ) -> None:
        raise NotImplementedError

    @property
    def topics(self) -> Mapping[str, Topic]:
        """Topics by name."""
        raise NotImplementedError

    def topic_by_id(self, topic_id: UUID) -> Topic | None:
        """Return the topic with that id."""
        raise NotImplementedError

    def open(self) -> None:
        """Lock the folder, recover and load every log."""
        raise NotImplementedError

    async def close(self) -> None:
        """Flush everything and mark the folder as cleanly shut down."""
        raise NotImplementedError

    def create_topic(
        self, name: str, partitions: int, config: dict[str, str], log_config: LogConfig, topic_id: UUID | None = None
    ) -> Topic:
        """Create a topic; durable when it returns."""
        raise NotImplementedError

    def add_partitions(self, name: str, total: int) -> None:
        """Grow a topic to `total` partitions."""
        raise NotImplementedError

    def delete_topic(self, name: str) -> None:
        """Delete a topic."""
        raise NotImplementedError

    def alter_config(self, name: str, overrides: dict[str, str], log_config: LogConfig) -> None:
        """Set a topic's own config."""
        raise NotImplementedError

    async def run(self, stop: asyncio.Event) -> None:
        """Retention, rolls by time, flushes by time, checkpoints."""
        raise NotImplementedError
