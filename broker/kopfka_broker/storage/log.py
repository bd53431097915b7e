"""One partition's log (skeleton of the interface; filled next)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from kopfka_broker.storage.config import LogConfig


@dataclass(frozen=True, slots=True)
class Appended:
    """Where the records of an append are."""

    first_offset: int
    last_offset: int
    log_append_time: int = -1
    log_start_offset: int = 0


class PartitionLog:
    """One partition's log."""

    topic: str
    partition: int
    topic_id: UUID
    config: LogConfig
    log_start_offset: int
    log_end_offset: int
    leader_epoch: int

    @property
    def high_watermark(self) -> int:
        """The log end offset: there is one replica."""
        return self.log_end_offset

    @property
    def last_stable_offset(self) -> int:
        """The high watermark while there are no transactions."""
        return self.log_end_offset

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        raise NotImplementedError

    def append(self, records: bytes | bytearray | memoryview, now_ms: int) -> Appended:
        """Validate and write whole batches."""
        raise NotImplementedError

    async def flushed(self, offset: int) -> None:
        """Return once everything below `offset` is on disk."""
        raise NotImplementedError

    def read(self, offset: int, max_bytes: int, *, min_one: bool = True) -> bytes | memoryview:
        """Return whole batches."""
        raise NotImplementedError

    def bytes_from(self, offset: int) -> int:
        """Return how many bytes a read could give."""
        raise NotImplementedError

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after each append, delete or close; returns how to unsubscribe."""
        raise NotImplementedError

    def offset_for_time(self, timestamp_ms: int) -> tuple[int, int, int] | None:
        """Return timestamp, offset and leader epoch of the first record at or after a time."""
        raise NotImplementedError

    def max_timestamp(self) -> tuple[int, int, int] | None:
        """Return timestamp, offset and leader epoch of the record with the largest timestamp."""
        raise NotImplementedError

    def delete_records(self, before_offset: int) -> int:
        """Move the log start offset; returns the new one (before_offset -1: high watermark)."""
        raise NotImplementedError

    def end_offset_for_epoch(self, epoch: int) -> tuple[int, int]:
        """Return the largest epoch at or below `epoch` and the offset it ends at, (-1, -1) where unknown."""
        raise NotImplementedError
