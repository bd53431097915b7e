"""What all logs of one data folder share: open files, group commit, clock, and who has a problem with the disk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from kopfka_broker.storage.flusher import Flusher
from kopfka_broker.storage.integrity import Damage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kopfka_broker.storage.files import OpenFiles

log = logging.getLogger(__name__)

CHECKPOINT_BYTES = 128 * 1024 * 1024


class Disk:
    """One data folder as its logs see it."""

    def __init__(
        self,
        files: OpenFiles,
        clock: Callable[[], int],
        *,
        save_log_starts: Callable[[], None],
        save_checkpoints: Callable[[], None],
        distrust: Callable[[], None],
    ) -> None:
        self.files = files
        self.clock = clock
        self.flusher = Flusher()
        self.sync_before_answer = True
        """Whether what is to be durable is answered after a sync; after the write otherwise."""
        self.save_log_starts = save_log_starts
        """Writes `log-start-offset-checkpoint` of all logs; raises KafkaStorageError."""
        self._save_checkpoints = save_checkpoints
        self._distrust = distrust
        self._unchecked = 0
        self.damage = Damage()
        self.offline: dict[Path, str] = {}
        """Partition folders that take no records, and why."""

    def written(self, size: int) -> None:
        """Count what was appended: checkpoints are due after so many bytes, since a recovery reads what follows them.

        By `log.flush.offset.checkpoint.interval.ms` alone, a restart after a busy minute would check gigabytes.
        """
        self._unchecked += size
        if self._unchecked >= CHECKPOINT_BYTES:
            self._unchecked = 0
            self.later(0, self._save_checkpoints)

    def later(self, after_ms: int, callback: Callable[[], None]) -> bool:
        """Have `callback` called on the event loop in that many milliseconds; False where no loop runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        loop.call_later(after_ms / 1000, callback)
        return True

    def sync_failed(self, directory: Path, reason: str) -> None:
        """Take note that a sync failed: what the page cache holds may never reach the disk."""
        with contextlib.suppress(OSError):
            self._distrust()
        self.failed(directory, reason)

    def failed(self, directory: Path, reason: str) -> bool:
        """Take note that a write or a sync failed; True, and said in the log, where it worked before."""
        new = directory not in self.offline
        if new:
            log.error("%s", reason)
        self.offline[directory] = reason
        return new

    def recovered(self, directory: Path) -> None:
        """Take note that a folder takes records again."""
        if self.offline.pop(directory, None) is not None:
            log.warning("%s takes records again", directory)
