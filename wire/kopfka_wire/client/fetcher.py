"""Reads one partition from an offset on, as raw batches or as records. Commits nothing and keeps no state elsewhere."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from uuid import UUID

    from kopfka_wire.batches import BatchHeader
    from kopfka_wire.client.cluster import Cluster
    from kopfka_wire.records import Record

EARLIEST: Final = -2
"""As an offset: the first one there is (ListOffsets' own number for it)."""
LATEST: Final = -1
"""As an offset: the one that the next record gets."""


class Isolation(enum.IntEnum):
    """`isolation.level`."""

    READ_UNCOMMITTED = 0
    READ_COMMITTED = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it came: `data` is a view of the answer it came in, header and checksum included."""

    header: BatchHeader
    data: memoryview
    wanted_from: int
    """Records with lower offsets are in the batch, but were not asked for."""

    def records(self) -> Iterator[Record]:
        """Decode the records that were asked for.

        Raises:
            CorruptBatchError: the batch contradicts itself.
        """
        raise NotImplementedError


class Fetcher:
    """Reads one partition. Retries for ever what may pass (no leader, no broker, a lost connection); `errors_since`
    tells since when nothing could be read, and why.

    Control batches, and with READ_COMMITTED the batches of aborted transactions, are passed over. Raised, and left to
    the caller (the fetcher can be used again after `seek`):

    - OffsetOutOfRangeError: the position is not in the log; `log_start_offset` and `high_watermark` say what is.
    - LogTruncatedError: the log was cut below the position (unclean leader election); `offset` is where it still agrees.
    - TopicRecreatedError: a topic of this name is there, but another one than before.
    - UnknownTopicError, only where `must_exist`; AuthorizationError; AuthenticationError; CorruptBatchError.
    """

    def __init__(
        self,
        cluster: Cluster,
        topic: str,
        partition: int,
        offset: int = EARLIEST,
        *,
        isolation: Isolation = Isolation.READ_UNCOMMITTED,
        max_wait: float = 0.5,
        min_bytes: int = 1,
        max_bytes: int = 8 * 1024 * 1024,
        check_crcs: bool = True,
        must_exist: bool = False,
    ) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        """Return itself; nothing is asked yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    @property
    def position(self) -> int:
        """The offset that is read next (EARLIEST or LATEST before the first answer)."""
        raise NotImplementedError

    @property
    def high_watermark(self) -> int:
        """As of the last answer, -1 before the first."""
        raise NotImplementedError

    @property
    def last_stable_offset(self) -> int:
        """As of the last answer, -1 before the first."""
        raise NotImplementedError

    @property
    def log_start_offset(self) -> int:
        """As of the last answer, -1 before the first."""
        raise NotImplementedError

    @property
    def topic_id(self) -> UUID | None:
        """The id of the topic that is read, None before it is known (and for brokers without topic ids)."""
        raise NotImplementedError

    @property
    def errors_since(self) -> tuple[float, Exception] | None:
        """Since when (monotonic) nothing could be read, and the last reason; None where the last answer was good."""
        raise NotImplementedError

    def seek(self, offset: int) -> None:
        """Read from another offset next (EARLIEST and LATEST as well); forgets which topic id it was."""
        raise NotImplementedError

    async def poll(self) -> list[Batch]:
        """Ask once and return what came: nothing, where nothing new came within `max_wait`."""
        raise NotImplementedError

    def batches(self) -> AsyncIterator[Batch]:
        """Read on and on; `position` is behind a batch once the next one is asked for."""
        raise NotImplementedError

    def records(self) -> AsyncIterator[Record]:
        """Read on and on, record by record."""
        raise NotImplementedError

    def batches_until(self, end: int) -> AsyncIterator[Batch]:
        """Read until the position is `end` or above, or nothing but gaps is left below it."""
        raise NotImplementedError

    def records_until(self, end: int) -> AsyncIterator[Record]:
        """As `batches_until`, record by record; records at `end` and above are left out."""
        raise NotImplementedError

    async def end_offset(self) -> int:
        """Ask for the end as of now: high watermark, or the last stable offset with READ_COMMITTED.

        What was acknowledged to anyone before the call is below it.
        """
        raise NotImplementedError

    async def start_offset(self) -> int:
        """Ask for the log start offset."""
        raise NotImplementedError

    async def close(self) -> None:
        """Give back the connection; a poll that waits is cancelled by its caller."""
        raise NotImplementedError
