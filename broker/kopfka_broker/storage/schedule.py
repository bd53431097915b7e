"""What storage does by the clock: one sleeper for all tasks of a data folder, none for each log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kopfka_broker.storage.cleaning import CleanerSettings

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """Broker configs that storage acts on, in milliseconds, with Kafka's defaults where the config is Kafka's."""

    retention_check_interval_ms: int = 300_000
    """`log.retention.check.interval.ms`"""
    checkpoint_interval_ms: int = 60_000
    """`log.flush.offset.checkpoint.interval.ms`"""
    removal_interval_ms: int = 30_000
    """How often deleted files are looked at whose `file.delete.delay.ms` may be over."""
    producer_expiration_ms: Callable[[], int] = lambda: 86_400_000
    """`producer.id.expiration.ms`, which may change while the broker runs"""
    producer_check_interval_ms: int = 600_000
    """`producer.id.expiration.check.interval.ms`"""
    sync_before_answer: Callable[[], bool] = lambda: True
    """`kopfka.acks.all.fsync`, which may change while the broker runs"""
    cleaner: CleanerSettings = field(default_factory=CleanerSettings)

    @classmethod
    def from_config(cls, get: Callable[[str], Any]) -> StorageSettings:
        """Read them by `get(name)`, which returns a broker config's value."""

        def number(name: str) -> int:
            return int(get(name))

        return cls(
            retention_check_interval_ms=number("log.retention.check.interval.ms"),
            checkpoint_interval_ms=number("log.flush.offset.checkpoint.interval.ms"),
            producer_expiration_ms=lambda: number("producer.id.expiration.ms"),
            producer_check_interval_ms=number("producer.id.expiration.check.interval.ms"),
            sync_before_answer=lambda: bool(get("kopfka.acks.all.fsync")),
            cleaner=CleanerSettings.from_config(get),
        )


class Schedule:
    """Tasks and the milliseconds between two runs of each."""

    def __init__(self, tasks: dict[Callable[[], None], int]) -> None:
        self._tasks = tasks

    async def run(self, stop: asyncio.Event) -> None:
        """Run each task when it is due until `stop` is set; a task that raises is said in the log and runs again."""
        loop = asyncio.get_running_loop()
        due = {task: loop.time() + every / 1000 for task, every in self._tasks.items()}
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(due.values())):
                    await stop.wait()
            now = loop.time()
            for task, at in due.items():
                if at <= now and not stop.is_set():
                    try:
                        task()
                    except Exception:
                        log.exception("%s failed", task.__name__)
                    due[task] = now + self._tasks[task] / 1000
