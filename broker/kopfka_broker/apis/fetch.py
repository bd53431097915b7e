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

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_broker.apis.fetch_sessions import FetchSession, Key
    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext
    from kopfka_broker.dispatch import Buffers, RawAnswer
    from kopfka_broker.storage import PartitionLog
    from kopfka_wire.codec import Codec

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

    def fetch(self, frame: memoryview, position: int, context: RequestContext, form: Codec) -> RawAnswer:
        """Answer at once where there is enough to read or an error to report; else when there is, or the time is up."""
        request = form.read_request(frame, position)
        version = context.api_version
        session_id, epoch = getattr(request, "session_id", 0), getattr(request, "session_epoch", _FULL_AND_CLOSE)
        wanted = dict(_wanted(request, version))
        session: FetchSession | None = None
        if epoch in (_FULL, _FULL_AND_CLOSE):
            if session_id:
                self._sessions.remove(session_id)
            positions = wanted
            if epoch == _FULL and wanted:
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
            session.change(wanted.items(), _forgotten(request, version))
            self._sessions.touch(session)
            positions = session.positions
            incremental = True
            if not positions:
                self._sessions.remove(session.id)
                session = None
        job = _FetchJob(self._cluster, context, request, positions, session, incremental=incremental)
        if session is not None and not incremental:
            job.unwanted = self._sessions.remove
        if job.wait_seconds <= 0 or not positions or job.is_ready():
            return job.answer()
        return job.wait()


def _wanted(request: Any, version: int) -> list[tuple[Key, FetchPosition]]:
    by_id = version >= FIRST_WITH_IDS
    found: list[tuple[Key, FetchPosition]] = []
    for topic in request.topics:
        name = topic.topic_id if by_id else topic.topic
        for each in topic.partitions:
            position = FetchPosition(
                each.fetch_offset,
                each.partition_max_bytes,
                getattr(each, "current_leader_epoch", -1),
                getattr(each, "last_fetched_epoch", -1),
            )
            found.append(((name, each.partition), position))
    return found


def _forgotten(request: Any, version: int) -> list[Key]:
    by_id = version >= FIRST_WITH_IDS
    return [
        (topic.topic_id if by_id else topic.topic, index)
        for topic in request.forgotten_topics_data
        for index in topic.partitions
    ]


class _FetchJob:
    """One request on its way to its answer."""

    def __init__(
        self,
        cluster: Cluster,
        context: RequestContext,
        request: Any,
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
        self.wait_seconds: float = request.max_wait.total_seconds()
        self._future: asyncio.Future[Buffers | None] | None = None
        self._unwatch: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._check_scheduled = False
        self._refused = _refused(cluster, context, positions)
        self._watched: frozenset[Key] = _NOTHING

    # -- waiting ------------------------------------------------------------------------------------------------------

    def is_ready(self) -> bool:
        """Tell whether there is enough to read, or anything a client should hear of without delay.

        As in Kafka, partitions that are not there or may not be read are no reason to answer, unless all are such.
        """
        available = 0
        readable = False
        for key, position in self._positions.items():
            log = self._log(key)
            if log is None:
                if key in self._watched:  # deleted meanwhile
                    return True
                continue
            if self._refused and key in self._refused:
                continue
            readable = True
            if self._fault(log, position) or self._diverging(log, position):
                return True
            try:
                size = log.bytes_from(position.offset, log.last_stable_offset if self._committed else None)
            except StorageError:
                return True
            available += min(size, position.max_bytes)
            if available >= self._min_bytes:
                return True
        return not readable

    def wait(self) -> asyncio.Future[Buffers | None]:
        """Return a future of the answer; cancelling it ends the waiting."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Buffers | None] = loop.create_future()
        self._future = future
        future.add_done_callback(self._stop_waiting)
        watched: list[Key] = []
        for key in self._positions:
            log = self._log(key)
            if log is not None and key not in self._refused:
                watched.append(key)
                self._unwatch.append(log.watch(self._on_append))
        self._watched = frozenset(watched)
        self._timer = loop.call_later(self.wait_seconds, self._finish)
        return future

    def _on_append(self) -> None:
        # several partitions of one produce request call back in a row: look once, after all of them
        if not self._check_scheduled:
            self._check_scheduled = True
            asyncio.get_running_loop().call_soon(self._check)

    def _check(self) -> None:
        self._check_scheduled = False
        if self._future is not None and not self._future.done() and self.is_ready():
            self._finish()

    def _finish(self) -> None:
        if self._future is not None and not self._future.done():
            try:
                self._future.set_result(self.answer())
            except Exception as error:  # the connection logs it and closes
                self._future.set_exception(error)

    def _stop_waiting(self, _: asyncio.Future[Buffers | None]) -> None:
        for unwatch in self._unwatch:
            unwatch()
        self._unwatch.clear()
        if self._timer is not None:
            self._timer.cancel()

    # -- reading ------------------------------------------------------------------------------------------------------

    def answer(self) -> Buffers:
        """Read what there is, within the limits, and return the body of the answer."""
        began = time.perf_counter() if self._throttling.active else 0.0
        room = self._max_bytes
        nothing_yet = True
        with_records: list[Key] = []
        read: list[FetchedPartition] = []
        for key, position in self._positions.items():
            found = self._read(key, position, room, nothing_yet)
            if found.records:
                nothing_yet = False
                room = max(0, room - len(found.records))
                with_records.append(key)
            read.append(found)
        if self._throttling.active:
            size = sum(len(found.records) + _PARTITION_OVERHEAD for found in read)
            wait_ms = self._throttling.fetched(self._context, size, time.perf_counter() - began)
            if wait_ms:
                return self._throttled(read, wait_ms)
        topics: dict[Any, list[FetchedPartition]] = {}
        for (key, position), found in zip(self._positions.items(), read, strict=True):
            if self._session is None or position.is_news(found) or not self._incremental:
                topics.setdefault(key[0], []).append(found)
        if self._session is not None:
            self._session.rotate(with_records)
        return write_fetch_response(
            self._version,
            list(topics.items()),
            session_id=0 if self._session is None else self._session.id,
            committed=self._committed,
        )

    def _throttled(self, read: list[FetchedPartition], wait_ms: int) -> Buffers:
        """Return an empty answer; a session stays as it is, and a new one is not begun, as in Kafka."""
        for key, found in zip(self._positions, read, strict=True):
            log = self._log(key)
            if log is not None and found.records:
                self._cluster.metrics.topic(log.topic).bytes_out -= len(found.records)
        session_id = 0
        if self._session is not None and self._incremental:
            session_id = self._session.id
        elif self._session is not None and self.unwanted is not None:
            self.unwanted(self._session.id)
        return write_fetch_response(self._version, [], session_id=session_id, throttle_ms=wait_ms)

    def _read(self, key: Key, position: FetchPosition, room: int, nothing_yet: bool) -> FetchedPartition:
        index = key[1]
        if self._refused and key in self._refused:
            return FetchedPartition(index, _TOPIC_AUTHORIZATION_FAILED)
        log = self._log(key)
        if log is None:
            by_id = self._version >= FIRST_WITH_IDS and self._cluster.topic(key[0]) is None
            return FetchedPartition(index, _UNKNOWN_TOPIC_ID if by_id else _UNKNOWN_TOPIC_OR_PARTITION)
        traffic = self._cluster.metrics.topic(log.topic)
        traffic.fetch_requests += 1
        fault = self._fault(log, position)
        if fault:
            traffic.failed_fetch_requests += 1
            return FetchedPartition(index, fault)
        diverging = self._diverging(log, position)
        if diverging is not None:
            return FetchedPartition(
                index, _NONE, log.high_watermark, log.last_stable_offset, log.log_start_offset, diverging=diverging
            )
        records: bytes | memoryview = b""
        stable = log.last_stable_offset
        aborted: list[tuple[int, int]] | None = None
        if room > 0 or nothing_yet:
            before = stable if self._committed and stable < log.log_end_offset else None
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
        return FetchedPartition(
            index, _NONE, log.high_watermark, stable, log.log_start_offset, records, aborted=aborted
        )

    def _log(self, key: Key) -> PartitionLog | None:
        topic = self._cluster.topic(key[0])
        if topic is None or not 0 <= key[1] < len(topic.partitions):
            return None
        return topic.partitions[key[1]]

    def _fault(self, log: PartitionLog, position: FetchPosition) -> int:
        epoch = position.leader_epoch
        if epoch not in (-1, log.leader_epoch):
            return _FENCED_LEADER_EPOCH if epoch < log.leader_epoch else _UNKNOWN_LEADER_EPOCH
        if not log.log_start_offset <= position.offset <= log.high_watermark:
            return _OFFSET_OUT_OF_RANGE
        return _NONE

    def _diverging(self, log: PartitionLog, position: FetchPosition) -> tuple[int, int] | None:
        epoch = position.last_fetched_epoch
        if epoch < 0:
            return None
        known, end = log.end_offset_for_epoch(epoch)
        return (known, end) if known < epoch or end < position.offset else None


def _refused(cluster: Cluster, context: RequestContext, positions: dict[Key, FetchPosition]) -> frozenset[Key]:
    """Return the partitions whose topic this client may not read; an id that no topic has is no such topic."""
    if isinstance(cluster.authorizer, AllowAll):
        return _NOTHING
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
