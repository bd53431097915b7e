"""Fetch: batches go from the log to the socket as they are. A waiting request costs no polling: logs call back."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from kopfka_broker.apis.fetch_sessions import FetchPosition, FetchSessions
from kopfka_broker.security.authorizer import AllowAll, Operation, ResourceType
from kopfka_broker.storage import StorageError
from kopfka_broker.storage.transactions import fetch_upper_bound
from kopfka_wire.fetch import FIRST_WITH_IDS, FetchedPartition, write_fetch_response
from kopfka_wire.fetch_request import read_fetch

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_broker.apis.fetch_sessions import FetchSession, Key
    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext
    from kopfka_broker.dispatch import Buffers, RawAnswer
    from kopfka_broker.storage import PartitionLog, Topic
    from kopfka_wire.codec import Codec
    from kopfka_wire.fetch import TopicKey
    from kopfka_wire.fetch_request import FetchRequest

# numbers of kio's ErrorCode, as they go over the wire
_NONE: Final = 0
_OFFSET_OUT_OF_RANGE: Final = 1
_UNKNOWN_TOPIC_OR_PARTITION: Final = 3
_TOPIC_AUTHORIZATION_FAILED: Final = 29
_SESSION_ID_NOT_FOUND: Final = 70
_INVALID_SESSION_EPOCH: Final = 71
_FENCED_LEADER_EPOCH: Final = 74
_UNKNOWN_LEADER_EPOCH: Final = 75
_UNKNOWN_TOPIC_ID: Final = 100
_SESSION_TOPIC_ID_ERROR: Final = 106

_FULL_AND_CLOSE = -1
_FULL = 0
_COMMITTED = 1
_PARTITION_OVERHEAD = 60
"""Bytes of an answer around the records of one partition, about: what a quota counts besides records."""
_NOTHING: frozenset[Any] = frozenset()


class FetchApi:
    """The handler over one broker."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._sessions = FetchSessions(lambda: cluster.config.number("max.incremental.fetch.session.cache.slots"))

    def fetch(self, frame: memoryview, position: int, context: RequestContext, _: Codec) -> RawAnswer:
        """Answer at once where there is enough to read or an error to report; else when there is, or the time is up."""
        request = read_fetch(frame, position, context.api_version)
        version = context.api_version
        session_id, epoch = request.session_id, request.session_epoch
        session: FetchSession | None = None
        if epoch in (_FULL, _FULL_AND_CLOSE):
            if session_id:
                self._sessions.remove(session_id)
            positions = {wanted[:2]: FetchPosition(*wanted[2:]) for wanted in request.wanted}
            if epoch == _FULL and positions:
                session = self._sessions.create(version >= FIRST_WITH_IDS, positions)
            incremental = False
        else:
            session = self._sessions.get(session_id)
            code = _NONE
            if session is None:
                code = _SESSION_ID_NOT_FOUND
            elif session.epoch != epoch:
                code = _INVALID_SESSION_EPOCH
            elif session.by_id != (version >= FIRST_WITH_IDS):
                code = _SESSION_TOPIC_ID_ERROR
            if session is None or code:
                return write_fetch_response(version, [], code=code)
            if request.wanted or request.forgotten:
                session.change(request.wanted, request.forgotten)
            self._sessions.touch(session)
            positions = session.positions
            incremental = True
            if not positions:
                self._sessions.remove(session.id)
                session = None
        job = _FetchJob(self._cluster, context, request, positions, session, incremental=incremental)
        if session is not None and not incremental:
            job.unwanted = self._sessions.remove
        if request.max_wait_ms <= 0 or not positions or job.is_ready():
            return job.answer()
        return job.wait(request.max_wait_ms / 1000)


class _FetchJob:
    """One request on its way to its answer."""

    __slots__ = (
        "_changed", "_cluster", "_committed", "_context", "_counted", "_future", "_incremental", "_max_bytes",
        "_min_bytes", "_positions", "_refused", "_session", "_throttling", "_timer", "_topic", "_total", "_version",
        "_waiting", "_watcher", "unwanted",
    )  # fmt: skip

    def __init__(
        self,
        cluster: Cluster,
        context: RequestContext,
        request: FetchRequest,
        positions: dict[Key, FetchPosition],
        session: FetchSession | None,
        *,
        incremental: bool,
    ) -> None:
        self._cluster = cluster
        self._context = context
        self._version = context.api_version
        self._positions = positions
        self._session = session
        self._incremental = incremental
        self._committed = request.isolation_level == _COMMITTED
        self._max_bytes = min(request.max_bytes, cluster.config.number("fetch.max.bytes"))
        self._throttling = cluster.throttling
        if self._throttling.active:
            self._max_bytes = min(self._max_bytes, self._throttling.most_fetched(context) or self._max_bytes)
        self._min_bytes = min(request.min_bytes, self._max_bytes)
        self.unwanted: Callable[[int], object] | None = None
        """Called with the id of a new session that the client will not hear of."""
        self._refused = _NOTHING if type(cluster.authorizer) is AllowAll else _refused(cluster, context, positions)
        self._total = 0
        """Bytes there are to read, as far as was counted."""
        self._counted: dict[PartitionLog, int] = {}
        """Where they are."""
        self._topic: tuple[TopicKey, Topic | None] = None, None
        """The topic that was looked up last."""

    # -- waiting ------------------------------------------------------------------------------------------------------

    def is_ready(self) -> bool:
        """Tell whether there is enough to read, or anything a client should hear of without delay.

        As in Kafka, partitions that are not there or may not be read are no reason to answer, unless all are such.
        """
        refused, enough = self._refused, self._min_bytes
        readable = False
        for key, position in self._positions.items():
            log = position.log
            if log is None or log.closed:
                log = self._find(key, position)
                if log is None:
                    continue
            if refused and key in refused:
                continue
            readable = True
            if position.is_at_end(log):
                if self._total >= enough:
                    return True
            elif self._counts(log, position):
                return True
        return not readable

    def _counts(self, log: PartitionLog, position: FetchPosition) -> bool:
        """Count what there is to read of one partition; tell whether the answer is to be sent now."""
        if _fault(log, position) or _diverging(log, position):
            return True
        try:
            size = log.bytes_from(position.offset, log.last_stable_offset if self._committed else None)
        except StorageError:
            return True
        size = min(size, position.max_bytes)
        self._total += size - self._counted.get(log, 0)
        self._counted[log] = size
        return self._total >= self._min_bytes

    def wait(self, seconds: float) -> asyncio.Future[Buffers | None]:
        """Return a future of the answer; cancelling it ends the waiting."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Buffers | None] = loop.create_future()
        self._future = future
        self._changed: set[PartitionLog] = set()
        self._waiting: dict[PartitionLog, FetchPosition] = {}
        self._watcher = self._on_append
        refused, waiting, watcher = self._refused, self._waiting, self._watcher
        for key, position in self._positions.items():
            log = position.log
            if log is not None and not (refused and key in refused):
                waiting[log] = position
                log.watch(watcher)
        self._timer = loop.call_later(seconds, self._finish)
        future.add_done_callback(self._stop_waiting)
        return future

    def _on_append(self, log: PartitionLog) -> None:
        # several partitions of one produce request call back in a row: look once, after all of them
        if not self._changed:
            self._future.get_loop().call_soon(self._check)
        self._changed.add(log)

    def _check(self) -> None:
        """Look again where something was appended, and only there."""
        changed, self._changed = self._changed, set()
        if self._future.done():
            return
        for log in changed:
            if log.closed or self._counts(log, self._waiting[log]):  # closed: most likely deleted, which is news
                self._finish()
                return

    def _finish(self) -> None:
        if not self._future.done():
            try:
                self._future.set_result(self.answer())
            except Exception as error:  # the connection logs it and closes
                self._future.set_exception(error)

    def _stop_waiting(self, _: asyncio.Future[Buffers | None]) -> None:
        watcher = self._watcher
        for log in self._waiting:
            log.unwatch(watcher)
        del self._watcher  # it refers back to this job, which would keep the answer until the next collection
        self._timer.cancel()

    # -- reading ------------------------------------------------------------------------------------------------------

    def answer(self) -> Buffers:
        """Read what there is, within the limits, and return the body of the answer."""
        began = time.perf_counter() if self._throttling.active else 0.0
        incremental, refused = self._incremental, self._refused
        room = self._max_bytes
        with_records: list[Key] = []
        read: list[tuple[Key, FetchPosition, FetchedPartition]] = []
        self._topic = None, None
        for key, position in self._positions.items():
            log = position.log
            if log is None or log.closed:
                log = self._find(key, position)
            if log is not None and position.is_at_end(log) and not log.closed and not (refused and key in refused):
                position.traffic.fetch_requests += 1
                if not (incremental and position.knows(log)):
                    end = log.log_end_offset
                    found = FetchedPartition(key[1], _NONE, end, log.last_stable_offset, log.log_start_offset)
                    read.append((key, position, found))
                continue
            found = self._read(key, position, log, room, nothing_yet=not with_records)
            if found.records:
                room = max(0, room - len(found.records))
                with_records.append(key)
            read.append((key, position, found))
        if self._throttling.active:
            size = sum([len(found.records) for _, _, found in read]) + _PARTITION_OVERHEAD * len(self._positions)
            wait_ms = self._throttling.fetched(self._context, size, time.perf_counter() - began)
            if wait_ms:
                return self._throttled(read, wait_ms)
        session = self._session
        topics: dict[TopicKey, list[FetchedPartition]] = {}
        for key, position, found in read:
            if session is None or position.is_news(found) or not incremental:
                topics.setdefault(key[0], []).append(found)
        if session is not None:
            session.rotate(with_records)
        return write_fetch_response(
            self._version,
            list(topics.items()),
            session_id=0 if session is None else session.id,
            committed=self._committed,
        )

    def _throttled(self, read: list[tuple[Key, FetchPosition, FetchedPartition]], wait_ms: int) -> Buffers:
        """Return an empty answer; a session stays as it is, and a new one is not begun, as in Kafka."""
        for _, position, found in read:
            if found.records:
                position.traffic.bytes_out -= len(found.records)
        session_id = 0
        if self._session is not None and self._incremental:
            session_id = self._session.id
        elif self._session is not None and self.unwanted is not None:
            self.unwanted(self._session.id)
        return write_fetch_response(self._version, [], session_id=session_id, throttle_ms=wait_ms)

    def _read(
        self, key: Key, position: FetchPosition, log: PartitionLog | None, room: int, *, nothing_yet: bool
    ) -> FetchedPartition:
        index = key[1]
        if self._refused and key in self._refused:
            return FetchedPartition(index, _TOPIC_AUTHORIZATION_FAILED)
        if log is None:
            by_id = self._version >= FIRST_WITH_IDS and self._cluster.topic(key[0]) is None
            return FetchedPartition(index, _UNKNOWN_TOPIC_ID if by_id else _UNKNOWN_TOPIC_OR_PARTITION)
        traffic = position.traffic
        traffic.fetch_requests += 1
        fault = _fault(log, position)
        if fault:
            traffic.failed_fetch_requests += 1
            return FetchedPartition(index, fault)
        end, stable = log.log_end_offset, log.last_stable_offset
        diverging = _diverging(log, position)
        if diverging is not None:
            return FetchedPartition(index, _NONE, end, stable, log.log_start_offset, diverging=diverging)
        records: bytes | memoryview = b""
        aborted: list[tuple[int, int]] | None = None
        if room > 0 or nothing_yet:
            before = stable if self._committed and stable < end else None
            try:
                records = log.read(position.offset, min(position.max_bytes, room), min_one=nothing_yet, before=before)
                if self._committed and records and log.aborted:
                    upper = fetch_upper_bound(log, position.offset, len(records))
                    found = log.aborted_transactions(position.offset, upper)
                    aborted = [(each.producer_id, each.first_offset) for each in found]
            except StorageError as error:
                traffic.failed_fetch_requests += 1
                return FetchedPartition(index, error.number)
        traffic.bytes_out += len(records)
        return FetchedPartition(index, _NONE, end, stable, log.log_start_offset, records, None, aborted)

    def _find(self, key: Key, position: FetchPosition) -> PartitionLog | None:
        """Find a partition's log and remember it with the position: until it is closed it is the one."""
        name, topic = self._topic
        if name is None or name is not key[0]:  # a request has the partitions of a topic one after another
            topic = self._cluster.topic(key[0])
            self._topic = key[0], topic
        if topic is None or not 0 <= key[1] < len(topic.partitions):
            position.log = None
        else:
            position.log = topic.partitions[key[1]]
            position.traffic = self._cluster.metrics.topic(topic.name)
        return position.log


def _fault(log: PartitionLog, position: FetchPosition) -> int:
    epoch = position.leader_epoch
    if epoch not in (-1, log.leader_epoch):
        return _FENCED_LEADER_EPOCH if epoch < log.leader_epoch else _UNKNOWN_LEADER_EPOCH
    if not log.log_start_offset <= position.offset <= log.log_end_offset:
        return _OFFSET_OUT_OF_RANGE
    return _NONE


def _diverging(log: PartitionLog, position: FetchPosition) -> tuple[int, int] | None:
    epoch = position.last_fetched_epoch
    if epoch < 0:
        return None
    known, end = log.end_offset_for_epoch(epoch)
    return (known, end) if known < epoch or end < position.offset else None


def _refused(cluster: Cluster, context: RequestContext, positions: dict[Key, FetchPosition]) -> frozenset[Key]:
    """Return the partitions whose topic this client may not read; an id that no topic has is no such topic."""
    names: dict[Any, str | None] = {}
    for name_or_id, _ in positions:
        topic = cluster.topic(name_or_id)
        names[name_or_id] = topic.name if topic is not None else name_or_id if isinstance(name_or_id, str) else None
    refused = {
        name_or_id
        for name_or_id, name in names.items()
        if name is not None and not cluster.allows(context, Operation.READ, ResourceType.TOPIC, name)
    }
    return frozenset(key for key in positions if key[0] in refused)
