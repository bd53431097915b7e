"""Reads the source: one fetch at a time from each of its brokers, for every partition that has room.

What is read goes to the partition (`Part.take`) and whoever is told of it (`on_news`). Trouble that may pass is waited
out; what a partition itself is wrong with (`fault`) is decided here: each case is said in the log, and none skips a
record without saying so.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from kopfka_mirror.formats import Position
from kopfka_mirror.parts import piece_of
from kopfka_runtime.errors import KopfkaError
from kopfka_wire.client.errors import ClientError
from kopfka_wire.client.fetching import Wanted, cut, fetch
from kopfka_wire.client.offsets import EARLIEST, LATEST, Isolation, list_offsets
from kopfka_wire.error_codes import StaleMetadataError, broker_error, check

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_mirror.metrics import Counters
    from kopfka_mirror.parts import Part
    from kopfka_mirror.settings import FlowSettings
    from kopfka_wire.client.cluster import Cluster
    from kopfka_wire.client.fetching import Fetched

_MAX_WAIT = 0.5
"""`fetch.max.wait.ms`."""
_SHORT_WAIT = 0.02
"""As long as some partitions are left out, having no room just now."""

log = logging.getLogger(__name__)


class Reader:
    """The readers of one flow."""

    def __init__(
        self, flow: FlowSettings, source: Cluster, counters: Counters, on_news: Callable[[Part], None]
    ) -> None:
        self._flow = flow
        self._source = source
        self._counters = counters
        self._on_news = on_news
        self._isolation = Isolation.READ_COMMITTED if flow.read_committed else Isolation.READ_UNCOMMITTED
        self._parts: dict[tuple[str, int], Part] = {}
        self._homeless: set[tuple[str, int]] = set()
        self._homes: dict[tuple[str, int], int] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._wakes: dict[int, asyncio.Event] = {}
        self._move = asyncio.Event()
        self._first = 0
        self.trouble: str | None = None
        """Why the source cannot be read now."""

    def add(self, part: Part) -> None:
        """Read a partition from now on."""
        self._parts[part.key] = part
        self._homeless.add(part.key)
        self._move.set()

    def remove(self, key: tuple[str, int]) -> None:
        """Read a partition no more."""
        self._parts.pop(key, None)
        self._homeless.discard(key)
        self._homes.pop(key, None)

    def wake(self) -> None:
        """Look again at which partitions have room."""
        for event in self._wakes.values():
            event.set()

    async def run(self) -> None:
        """Read until cancelled."""
        try:
            while True:
                await self._move.wait()
                self._move.clear()
                for task in self._tasks.values():
                    if task.done():  # none ends by itself: an error that nobody thought of ends the replicator
                        task.result()
                if not await self._place():
                    await asyncio.sleep(0.2)
                    self._move.set()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _place(self) -> bool:
        """Find the brokers of partitions; return whether all are found."""
        for key in list(self._homeless):
            part = self._parts[key]
            try:
                if part.read_to < 0:
                    await self._resolve(part)
                leader = await self._source.leader(*key)
            except ClientError as error:
                self._note(error)
                self._source.forget(part.topic)
                continue
            self._homeless.discard(key)
            if key not in self._parts:
                continue
            self._homes[key] = leader.node_id
            if leader.node_id not in self._tasks:
                self._wakes[leader.node_id] = asyncio.Event()
                task = asyncio.create_task(self._read(leader.node_id))
                task.add_done_callback(lambda _: self._move.set())
                self._tasks[leader.node_id] = task
            self._wakes[leader.node_id].set()
        return not self._homeless

    async def _resolve(self, part: Part) -> None:
        at, turn = (EARLIEST if part.read_to == EARLIEST else LATEST), part.turn
        found = await list_offsets(self._source, part.topic, (part.partition,), at, self._isolation)
        if part.turn == turn:
            part.read_to = found[part.partition]
            part.start = part.written = Position(part.read_to, -1, part.topic_id)
            part.from_first = at == EARLIEST
            if part.from_first:
                part.offsets.begin()

    def _note(self, error: Exception) -> None:
        if str(error) != self.trouble:
            log.warning("reading from %s: %s", self._flow.source, error)
        self.trouble = str(error)

    # -- one broker -------------------------------------------------------------------------------------------------

    async def _read(self, node_id: int) -> None:
        lane, waits, wake = self._source.new_lane("mirror"), self._source.backoff(), self._wakes[node_id]
        while True:
            wake.clear()
            wanted, left_out = await self._wanted(node_id)
            if not wanted:
                # who has room again says so; a failed partition's time is looked at by the flow
                await wake.wait()
                continue
            try:
                connection = await self._source.connection(node_id, lane)
                code, found = await fetch(
                    connection,
                    [each for _, _, each in wanted],
                    max_wait=_SHORT_WAIT if left_out else _MAX_WAIT,
                    min_bytes=1,
                    max_bytes=self._flow.fetch_bytes,
                    isolation=self._isolation,
                )
                check(code, f"reading from broker {node_id}")
            except ClientError as error:
                self._note(error)
                for part, _, _ in wanted:
                    self._lost(part)
                await asyncio.sleep(waits.next())
                continue
            waits.reset()
            self.trouble = None
            for part, turn, each in wanted:
                answer = found.get(part.key)
                if answer is not None and part.turn == turn and part.key in self._parts:
                    await self._took(part, each, answer)

    async def _wanted(self, node_id: int) -> tuple[list[tuple[Part, int, Wanted]], bool]:
        wanted, left_out = [], False
        total = sum(part.buffered for part in self._parts.values())
        for key in [key for key, home in self._homes.items() if home == node_id]:
            part = self._parts[key]
            if not part.may_read() or total >= self._flow.buffer_bytes:
                left_out = left_out or part.failure is None
                continue
            try:
                leader = await self._source.leader(*key)
            except ClientError as error:
                self._note(error)
                self._lost(part)
                continue
            if leader.node_id != node_id or part.read_to < 0:
                self._lost(part)
            elif part.topic_id is not None and leader.topic_id not in (None, part.topic_id):
                if self._flow.restart_recreated:
                    part.begin_other_topic(leader.topic_id)
                    self._lost(part)
                else:
                    part.fail(f"topic {part.topic} was deleted and created again at {self._flow.source}", None)
            else:
                part.topic_id = leader.topic_id
                ask = Wanted(leader, part.read_to, part.read_epoch, self._flow.partition_fetch_bytes)
                wanted.append((part, part.turn, ask))
        self._first = (self._first + 1) % max(1, len(wanted))  # a broker fills its answer in the order it is asked
        return wanted[self._first :] + wanted[: self._first], left_out

    def _lost(self, part: Part) -> None:
        """Look for a partition's leader again."""
        self._source.forget(part.topic)
        self._homes.pop(part.key, None)
        if part.key in self._parts:
            self._homeless.add(part.key)
            self._move.set()

    # -- one partition ----------------------------------------------------------------------------------------------

    async def _took(self, part: Part, wanted: Wanted, answer: Fetched) -> None:
        if answer.code == ErrorCode.offset_out_of_range:
            await self._out_of_range(part, wanted)
            return
        if answer.code:
            error = broker_error(answer.code, f"reading {part.name}")
            if isinstance(error, StaleMetadataError) or error.retriable:
                self._note(error)
                self._lost(part)
            else:
                part.fail(str(error), self._flow.retry_failed)
            return
        part.log_start = answer.log_start_offset
        part.high_watermark = answer.last_stable_offset if self._flow.read_committed else answer.high_watermark
        if answer.diverges_at is not None:
            self._truncated(part, answer.diverges_at)
            return
        try:
            parts = cut(answer, wanted, committed=self._flow.read_committed, check_crcs=True)
            pieces = [piece for batch in parts.batches if (piece := piece_of(batch)) is not None]
        except KopfkaError as error:  # a damaged batch, or a compression that cannot be undone
            part.fail(f"{part.name} at offset {wanted.offset}: {error}", self._flow.retry_failed)
            return
        part.read_to, part.read_epoch = parts.position, parts.last_epoch
        for piece in pieces:
            part.take(piece)
        if pieces:
            part.note_lag()
            self._on_news(part)
        elif parts.position > wanted.offset:
            part.pass_over(parts.position, parts.last_epoch)

    def _truncated(self, part: Part, offset: int) -> None:
        """Go on where the logs still agree; what was mirrored beyond stays on the target."""
        if part.buffered:
            return  # what is on its way is to be known first; the same is asked again
        extra = part.written.next_offset - offset
        log.error(
            "%s was truncated at %s: its log is another one from offset %d on; %d offsets that were mirrored are no "
            "longer there, and stay on %s. Going on from %d",
            part.name, self._flow.source, offset, extra, self._flow.target, offset,
        )  # fmt: skip
        self._counters.truncated += 1
        self._move_to(part, offset)

    async def _out_of_range(self, part: Part, wanted: Wanted) -> None:
        if part.buffered:
            return
        try:
            bounds = [
                (await list_offsets(self._source, part.topic, (part.partition,), at, Isolation.READ_UNCOMMITTED))[
                    part.partition
                ]
                for at in (EARLIEST, LATEST)
            ]
        except ClientError as error:
            self._note(error)
            return
        first, end = bounds
        if wanted.offset < first:
            log.error(
                "%s: records from offset %d to %d are gone from %s before they were mirrored (retention); "
                "going on from %d",
                part.name, wanted.offset, first - 1, self._flow.source, first,
            )  # fmt: skip
            self._counters.expired += first - wanted.offset
            self._move_to(part, first)
        elif wanted.offset > end:
            part.fail(
                f"{self._flow.source} has {part.name} up to offset {end} only, and {wanted.offset} was reached: its "
                "log was truncated, and where is not known",
                None,
            )

    def _move_to(self, part: Part, offset: int) -> None:
        part.offsets.truncate(offset)
        part.written = Position(offset, -1, part.topic_id)
        part.begin()
