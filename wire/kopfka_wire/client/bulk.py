"""Ready-made batches to many partitions: each request carries a batch of every partition that has one, several requests
are on their way to each broker, in order and idempotent; inside a transaction where the session has a transactional id.

For who moves whole batches fast. `producer` is for who writes records; it waits for each of them.
"""

from __future__ import annotations

import asyncio
import collections
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kopfka_wire.apis import ApiKey
from kopfka_wire.batches import (
    ATTRIBUTES_OFFSET,
    DELETE_HORIZON_MASK,
    HEADER,
    HEADER_SIZE,
    TRANSACTIONAL_MASK,
    increment_sequence,
)
from kopfka_wire.checksum import crc32c
from kopfka_wire.client.errors import ClientError, ClosedError, RequestTimeoutError
from kopfka_wire.client.producing import bulk_request
from kopfka_wire.error_codes import StaleMetadataError, broker_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from kopfka_wire.batches import BatchHeader
    from kopfka_wire.client.backoff import Backoff
    from kopfka_wire.client.cluster import Cluster
    from kopfka_wire.client.metadata import Leader
    from kopfka_wire.client.producing import Identity
    from kopfka_wire.client.session import Session

    Buffer = bytes | bytearray | memoryview

IN_FLIGHT: Final = 5
"""`max.in.flight.requests.per.connection`: of so many batches a broker knows for sure that it has them already."""
REQUEST_BYTES: Final = 4 * 1024 * 1024
_LAST_CLASSIC: Final = 11
"""Produce's last version of the classic transaction flow (see `transaction`)."""


@dataclass(eq=False, slots=True)
class Parcel:
    """One batch on its way. `done` is called once: with its first offset, or the error that ended its partition."""

    header: BatchHeader
    body: memoryview
    done: Callable[[int, ClientError | None], None]
    sequence: int = -1
    offset: int = -1
    """Its first offset, once the broker has said it."""

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.header.size

    def stamped(self, identity: Identity, *, transactional: bool) -> tuple[bytes, memoryview]:
        """Return header and body as they go out."""
        # what log compaction and transactions left in the attributes was another log's
        attributes = self.header.attributes & ~(TRANSACTIONAL_MASK | DELETE_HORIZON_MASK)
        packed = HEADER.pack(
            *self.header._replace(
                base_offset=0,
                partition_leader_epoch=-1,
                attributes=attributes | (TRANSACTIONAL_MASK if transactional else 0),
                producer_id=identity.producer_id,
                producer_epoch=identity.epoch,
                base_sequence=self.sequence,
            )
        )
        crc = crc32c(self.body, crc32c(packed[ATTRIBUTES_OFFSET:]))
        return packed[:17] + crc.to_bytes(4, "big") + packed[ATTRIBUTES_OFFSET:], self.body


def parcel(header: BatchHeader, data: Buffer, done: Callable[[int, ClientError | None], None]) -> Parcel:
    """Return the parcel for a whole batch; its bytes must stay as they are until `done` is called."""
    return Parcel(header, memoryview(data)[HEADER_SIZE:], done)


@dataclass(eq=False, slots=True)
class _Lane:
    """What goes to one partition."""

    topic: str
    partition: int
    waits: Backoff
    queue: collections.deque[Parcel] = field(default_factory=collections.deque)
    flying: collections.deque[Parcel] = field(default_factory=collections.deque)
    sequence: int = 0
    requests: int = 0
    """How many requests with a batch of it have no answer."""
    trouble: ClientError | None = None
    """Why what is flying has to go out again, once no request is without its answer."""
    routed: bool = False
    """Whether it is with a node, or on its way to one."""


class _Node:
    """The requests to one broker."""

    __slots__ = ("flight", "node_id", "ready", "task", "wake")

    def __init__(self, node_id: int) -> None:
        self.node_id = node_id
        self.ready: collections.deque[tuple[_Lane, Leader]] = collections.deque()
        self.flight = 0
        self.wake = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class BulkWriter:
    """Writes with one identity, which its session has claimed. What may pass is repeated for ever, with the same
    sequence numbers, so nothing is written twice; `trouble` says what it is. Anything else ends the partition: its
    parcels are told, and it can be used again with another writer, under another identity.
    """

    def __init__(self, cluster: Cluster, session: Session) -> None:
        assert session.identity is not None
        self._cluster = cluster
        self._identity = session.identity
        self._transactional_id = session.transactional_id
        self._lane_name = cluster.new_lane("bulk")
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._nodes: dict[int, _Node] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._outstanding = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    @property
    def outstanding(self) -> int:
        """Parcels that are not done."""
        return self._outstanding

    def trouble(self) -> dict[tuple[str, int], ClientError]:
        """Return, by partition, why its parcels are sent again and again."""
        return {key: lane.trouble for key, lane in self._lanes.items() if lane.trouble is not None}

    def submit(self, topic: str, partition: int, parcel: Parcel) -> None:
        """Send a parcel after those that were submitted before it for the same partition."""
        if self._closed:
            raise ClosedError("the writer was closed")
        lane = self._lanes.get((topic, partition))
        if lane is None:
            lane = self._lanes[topic, partition] = _Lane(topic, partition, self._cluster.backoff())
        lane.queue.append(parcel)
        self._outstanding += 1
        self._idle.clear()
        self._route(lane)

    async def flush(self) -> None:
        """Wait until every parcel is done, however."""
        await self._idle.wait()

    async def close(self) -> None:
        """End at once; parcels that are not done are told ClosedError."""
        self._closed = True
        tasks = [*self._tasks, *(node.task for node in self._nodes.values() if node.task is not None)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for lane in list(self._lanes.values()):
            self._fail(lane, ClosedError("the writer was closed"))
        self._cluster.release(self._lane_name)

    # -- to the right broker ----------------------------------------------------------------------------------------

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Let no task die unheard: what was on its way with it would be waited for for ever."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            for lane in list(self._lanes.values()):
                self._fail(lane, ClientError(f"writing failed: {error!r}"))

    def _route(self, lane: _Lane) -> None:
        if lane.queue and not lane.routed and lane.trouble is None and lane.requests < IN_FLIGHT and not self._closed:
            lane.routed = True
            self._spawn(self._find(lane))

    async def _find(self, lane: _Lane) -> None:
        try:
            leader = await self._cluster.leader(lane.topic, lane.partition)
        except ClientError as error:
            lane.routed = False
            self._suspect(lane, error)
            return
        node = self._nodes.get(leader.node_id)
        if node is None:
            node = self._nodes[leader.node_id] = _Node(leader.node_id)
            node.task = asyncio.create_task(self._serve(node), name=f"bulk writes to broker {leader.node_id}")
            node.task.add_done_callback(self._ended)
        node.ready.append((lane, leader))
        node.wake.set()

    async def _serve(self, node: _Node) -> None:
        while True:
            await node.wake.wait()
            if not node.ready or node.flight >= IN_FLIGHT:
                node.wake.clear()
                continue
            await self._send(node)

    def _gather(self, node: _Node) -> list[tuple[_Lane, Leader, Parcel]]:
        chosen: list[tuple[_Lane, Leader, Parcel]] = []
        size = 0
        while node.ready:
            lane, leader = node.ready[0]
            if lane.queue and chosen and size + lane.queue[0].size > REQUEST_BYTES:
                break
            node.ready.popleft()
            lane.routed = False
            if not lane.queue or lane.trouble is not None:
                continue
            parcel = lane.queue.popleft()
            if parcel.sequence < 0:
                parcel.sequence = lane.sequence
                lane.sequence = increment_sequence(lane.sequence, parcel.header.last_offset_delta + 1)
            lane.flying.append(parcel)
            lane.requests += 1
            size += parcel.size
            chosen.append((lane, leader, parcel))
        return chosen

    async def _send(self, node: _Node) -> None:
        chosen = self._gather(node)
        if not chosen:
            return
        node.flight += 1
        try:
            connection = await self._cluster.connection(node.node_id, self._lane_name)
            known = all(leader.topic_id is not None for _, leader, _ in chosen)
            most = None if known and self._transactional_id is None else _LAST_CLASSIC
            form = connection.form(ApiKey.PRODUCE, least=3, most=most)
            transactional = self._transactional_id is not None
            batches = [
                (leader, parcel.stamped(self._identity, transactional=transactional)) for _, leader, parcel in chosen
            ]
            timeout = int(connection.request_timeout * 1000)
            answer = await connection.send(
                lambda number: bulk_request(
                    form, number, connection.client_id, self._transactional_id, batches, timeout_ms=timeout
                )
            )
        except ClientError as error:
            self._returned(node, chosen, error)
            return
        for lane, _, _ in chosen:
            self._route(lane)  # its next batch may follow at once
        self._spawn(self._await(node, chosen, connection, form, answer))

    async def _await(self, node: _Node, chosen: Any, connection: Any, form: Any, answer: Any) -> None:
        try:
            response = connection.read(form, await answer)
        except ClientError as error:
            self._returned(node, chosen, error)
            return
        by_id = {leader.topic_id: leader.topic for _, leader, _ in chosen}
        results = {
            (topic.name if hasattr(topic, "name") else by_id.get(topic.topic_id), part.index): part
            for topic in response.responses
            for part in topic.partition_responses
        }
        self._returned(node, chosen, None, results)

    # -- what came of it --------------------------------------------------------------------------------------------

    def _returned(self, node: _Node, chosen: Any, error: ClientError | None, results: Any = None) -> None:
        node.flight -= 1
        for lane, leader, parcel in chosen:
            lane.requests -= 1
            if not lane.flying:  # the partition failed meanwhile
                continue
            what = f"writing to {lane.topic}-{lane.partition}"
            wrong = error
            if wrong is None:
                part = results.get((leader.topic, leader.partition))
                if part is None:
                    wrong = RequestTimeoutError(f"{what}: the answer says nothing of it")
                elif part.error_code:
                    wrong = broker_error(part.error_code, what, getattr(part, "error_message", None))
                else:
                    parcel.offset = part.base_offset
                    lane.waits.reset()
                    self._settle(lane)
            if wrong is not None and lane.trouble is None:
                self._suspect(lane, wrong)
            elif lane.trouble is not None and lane.requests == 0:
                self._again(lane)
            self._route(lane)
        node.wake.set()

    def _settle(self, lane: _Lane) -> None:
        """Tell parcels that they are done, in their order; answers that came at once are looked at in any."""
        while lane.flying and lane.flying[0].offset >= 0:
            parcel = lane.flying.popleft()
            self._done(parcel, parcel.offset, None)

    def _suspect(self, lane: _Lane, error: ClientError) -> None:
        """Send what is flying again, or give the partition up."""
        if not error.retriable:
            self._fail(lane, error)
            return
        if isinstance(error, StaleMetadataError):
            self._cluster.forget(lane.topic)
        lane.trouble = error
        if lane.requests == 0:
            self._again(lane)

    def _again(self, lane: _Lane) -> None:
        lane.queue.extendleft(parcel for parcel in reversed(lane.flying) if parcel.offset < 0)
        lane.flying.clear()
        self._spawn(self._resume(lane))

    async def _resume(self, lane: _Lane) -> None:
        await asyncio.sleep(lane.waits.next())
        lane.trouble = None
        self._route(lane)

    def _fail(self, lane: _Lane, error: ClientError) -> None:
        parcels = [*lane.flying, *lane.queue]
        lane.flying.clear()
        lane.queue.clear()
        lane.trouble = None
        self._lanes.pop((lane.topic, lane.partition), None)
        for parcel in parcels:
            self._done(parcel, -1, error)

    def _done(self, parcel: Parcel, offset: int, error: ClientError | None) -> None:
        self._outstanding -= 1
        if not self._outstanding:
            self._idle.set()
        parcel.done(offset, error)
