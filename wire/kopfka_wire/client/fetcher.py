"""Reads one partition from an offset on, as raw batches or as records. Commits nothing and keeps no state elsewhere."""

from __future__ import annotations

import asyncio
import collections
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from kio.schema.errors import ErrorCode

from kopfka_wire.client.errors import ClientError, LogTruncatedError, TopicRecreatedError
from kopfka_wire.client.fetching import Batch, Wanted, cut, fetch
from kopfka_wire.client.offsets import EARLIEST, LATEST, Isolation, list_offsets
from kopfka_wire.error_codes import OffsetOutOfRangeError, StaleMetadataError, UnknownTopicError, broker_error, check

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from uuid import UUID

    from kopfka_wire.client.cluster import Cluster
    from kopfka_wire.records import Record

__all__ = ["EARLIEST", "LATEST", "Batch", "Fetcher", "Isolation"]


class Fetcher:
    """Reads one partition. Retries for ever what may pass (no leader, no broker, a lost connection); `errors_since`
    tells since when nothing could be read, and why.

    Control batches, and with READ_COMMITTED the batches of aborted transactions, are passed over. Raised, and left to
    the caller (the fetcher can be used again after `seek`):

    - OffsetOutOfRangeError: the position is not in the log; `log_start_offset` and `high_watermark` say what is.
    - LogTruncatedError: the log was cut below the position (unclean leader election); up to `offset` it agrees.
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
        self._cluster = cluster
        self._topic = topic
        self._partition = partition
        self._isolation = isolation
        self._max_wait = max_wait
        self._min_bytes = min_bytes
        self._max_bytes = max_bytes
        self._check_crcs = check_crcs
        self._must_exist = must_exist
        self._lane = cluster.new_lane("fetch")
        self._waits = cluster.backoff()
        self._ready: collections.deque[Batch] = collections.deque()
        self._position = offset
        self._next = offset
        self._last_epoch = -1
        self._seeks = 0
        self._topic_id: UUID | None = None
        self._high_watermark = self._last_stable_offset = self._log_start_offset = -1
        self._nothing_before = -1
        self._errors_since: tuple[float, Exception] | None = None

    async def __aenter__(self) -> Self:
        """Return itself; nothing is asked yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    @property
    def position(self) -> int:
        """The offset after what was handed out (EARLIEST or LATEST before the first answer)."""
        return self._position

    @property
    def high_watermark(self) -> int:
        """As of the last answer, -1 before the first."""
        return self._high_watermark

    @property
    def last_stable_offset(self) -> int:
        """As of the last answer, -1 before the first."""
        return self._last_stable_offset

    @property
    def log_start_offset(self) -> int:
        """As of the last answer, -1 before the first."""
        return self._log_start_offset

    @property
    def topic_id(self) -> UUID | None:
        """The id of the topic that is read, None before it is known (and for brokers without topic ids)."""
        return self._topic_id

    @property
    def errors_since(self) -> tuple[float, Exception] | None:
        """Since when (monotonic) nothing could be read, and the last reason; None where the last answer was good."""
        return self._errors_since

    def seek(self, offset: int) -> None:
        """Read from another offset next (EARLIEST and LATEST as well); forgets which topic id it was."""
        self._position = self._next = offset
        self._last_epoch = -1
        self._topic_id = None
        self._nothing_before = -1
        self._seeks += 1
        self._ready.clear()

    async def poll(self) -> list[Batch]:
        """Return what has come and was not handed out, or ask once: nothing, where nothing came within `max_wait`."""
        if not self._ready:
            await self._persist(self._ask)
        batches = list(self._ready)
        if batches:
            batches[0] = self._rest_of(batches[0])
        self._ready.clear()
        self._position = self._next
        return batches

    async def batches(self) -> AsyncIterator[Batch]:
        """Read on and on."""
        while True:
            if await self._fill(None):
                yield self._take()

    async def records(self) -> AsyncIterator[Record]:
        """Read on and on, record by record."""
        while True:
            if await self._fill(None):
                for record in self._records():
                    yield record

    async def batches_until(self, end: int) -> AsyncIterator[Batch]:
        """Read until the position is `end` or above, or nothing but gaps is left below it."""
        while await self._fill(end):
            yield self._take()

    async def records_until(self, end: int) -> AsyncIterator[Record]:
        """As `batches_until`, record by record; records at `end` and above stay to be read."""
        while await self._fill(end):
            for record in self._records(end):
                yield record

    async def end_offset(self) -> int:
        """Ask for the end as of now: high watermark, or the last stable offset with READ_COMMITTED.

        What was acknowledged to anyone before the call is below it.
        """
        return await self._patiently(LATEST)

    async def start_offset(self) -> int:
        """Ask for the log start offset."""
        return await self._patiently(EARLIEST)

    async def close(self) -> None:
        """Give back the connection; a poll that waits is cancelled by its caller."""
        self._cluster.release(self._lane)

    # -- handing out ------------------------------------------------------------------------------------------------

    async def _fill(self, end: int | None) -> bool:
        """Have a batch ready, and return True; with an `end`, False where none comes below it any more."""
        while not self._ready:
            if end is not None:
                await self._persist(self._resolve)
                if self._position >= end or self._nothing_before >= end:
                    return False
            await self._persist(self._ask)
            if not self._ready:
                self._position = self._next
        return end is None or self._position < end

    def _take(self) -> Batch:
        batch = self._rest_of(self._ready.popleft())
        self._position = batch.header.next_offset if self._ready else self._next
        return batch

    def _rest_of(self, batch: Batch) -> Batch:
        """Return a batch without the records that were handed out."""
        return replace(batch, wanted_from=self._position) if batch.header.base_offset < self._position else batch

    def _records(self, end: int | None = None) -> Iterator[Record]:
        """Hand out the records of the first batch; it stays the first one until all are, as the caller may stop."""
        batch, seeks = self._ready[0], self._seeks
        for record in self._rest_of(batch).records():
            if end is not None and record.offset >= end:
                self._position = max(self._position, end)
                return
            self._position = record.offset + 1
            yield record
            if self._seeks != seeks:
                return
        if self._ready and self._ready[0] is batch:
            self._take()

    # -- asking -----------------------------------------------------------------------------------------------------

    async def _persist(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do a step, again and again where it may succeed later."""
        while True:
            try:
                await step()
            except ClientError as error:
                self._note(error)
                if not error.retriable or (self._must_exist and isinstance(error, UnknownTopicError)):
                    raise
            else:
                self._errors_since = None
                self._waits.reset()
                return
            await asyncio.sleep(self._waits.next())

    def _note(self, error: ClientError) -> None:
        since = time.monotonic() if self._errors_since is None else self._errors_since[0]
        self._errors_since = since, error
        if isinstance(error, StaleMetadataError):
            self._cluster.forget(self._topic)

    async def _resolve(self) -> None:
        """Make an offset of EARLIEST or LATEST."""
        if self._next < 0:
            seeks, offset = self._seeks, await self._offset(self._next)
            if self._seeks == seeks:
                self._position = self._next = offset

    async def _offset(self, at: int) -> int:
        found = await list_offsets(self._cluster, self._topic, (self._partition,), at, self._isolation)
        return found[self._partition]

    async def _patiently(self, at: int) -> int:
        what = f"asking for an offset of {self._topic}-{self._partition}"
        return await self._cluster.retrying(lambda: self._offset(at), what=what)

    async def _ask(self) -> None:
        await self._resolve()
        leader = await self._cluster.leader(self._topic, self._partition)
        if self._topic_id is None:
            self._topic_id = leader.topic_id
        elif leader.topic_id not in (None, self._topic_id):
            raise TopicRecreatedError(f"topic {self._topic} was deleted and created again: it is {leader.topic_id} now")
        wanted = Wanted(leader, self._next, self._last_epoch, self._max_bytes)
        seeks = self._seeks
        connection = await self._cluster.connection(leader.node_id, self._lane)
        code, found = await fetch(
            connection,
            (wanted,),
            max_wait=self._max_wait,
            min_bytes=self._min_bytes,
            max_bytes=self._max_bytes,
            isolation=self._isolation,
        )
        what = f"reading {self._topic}-{self._partition} from offset {wanted.offset}"
        check(code, what)
        fetched = found.get((self._topic, self._partition))
        if fetched is None or self._seeks != seeks:
            return
        if fetched.code == ErrorCode.offset_out_of_range:
            await self._out_of_range(wanted.offset)
        check(fetched.code, what)
        self._high_watermark = fetched.high_watermark
        self._last_stable_offset = fetched.last_stable_offset
        self._log_start_offset = fetched.log_start_offset
        if fetched.diverges_at is not None:
            raise LogTruncatedError(
                f"{self._topic}-{self._partition} was read up to offset {wanted.offset}, and its log is another one "
                f"from offset {fetched.diverges_at} on",
                fetched.diverges_at,
            )
        committed = self._isolation is Isolation.READ_COMMITTED
        parts = cut(fetched, wanted, committed=committed, check_crcs=self._check_crcs)
        if not fetched.records:
            # compaction may leave nothing between a position and the end
            self._nothing_before = fetched.last_stable_offset if committed else fetched.high_watermark
        self._ready.extend(parts.batches)
        self._next, self._last_epoch = parts.position, parts.last_epoch

    async def _out_of_range(self, offset: int) -> None:
        """Raise what is so, once it is known which offsets there are."""
        self._log_start_offset, self._high_watermark = await self._offset(EARLIEST), await self._offset(LATEST)
        if self._log_start_offset <= offset <= self._high_watermark:
            # the log has grown to it meanwhile, or another leader was asked
            raise broker_error(ErrorCode.offset_not_available, f"reading {self._topic}-{self._partition} from {offset}")
        raise OffsetOutOfRangeError(
            ErrorCode.offset_out_of_range,
            f"{self._topic}-{self._partition} has offsets from {self._log_start_offset} to {self._high_watermark}, and "
            f"{offset} was to be read",
        )
