"""Produce requests like one that their connection has sent before: known by their bytes, and not read again.

Here is answered only what is in order and out of nobody's way: one plain batch, no transaction, no ACLs, no quotas. Of
everything else `start` knows nothing, and the request goes to `ProduceApi` as if this were not here, errors too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_broker.apis.names import INTERNAL_TOPICS
from kopfka_broker.dispatch import Deferred, Started
from kopfka_broker.security.authorizer import AllowAll
from kopfka_broker.storage import StorageError
from kopfka_broker.storage.manager import wall_clock_ms
from kopfka_broker.storage.plain import NOT_PLAIN, append_plain
from kopfka_wire.apis import ApiKey
from kopfka_wire.produce import PartitionResult, write_produce_response
from kopfka_wire.repeated_produce import AFTER_CORRELATION, outline

if TYPE_CHECKING:
    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext
    from kopfka_broker.dispatch import Buffers, RawAnswer
    from kopfka_broker.storage import Topic
    from kopfka_wire.produce import ProduceRequest, TopicKey
    from kopfka_wire.repeated_produce import Outline

_ALL: Final = -1
_NOBODY: Final = 0
_KNOWN_ACKS: Final = (_ALL, _NOBODY, 1)
_MOST = 512
"""Partitions that one connection writes to and that are known by their bytes; half a kilobyte each."""


class RepeatedProduce:
    """What one connection has sent."""

    __slots__ = ("_head", "_routes", "_sizes_at")

    def __init__(self) -> None:
        self._head = b""
        self._sizes_at: list[int] = []
        self._routes: dict[bytes, _Route] = {}

    def start(self, frame: bytearray) -> Started | None:
        """Append and answer; None, with nothing done, where the request is to be read."""
        if frame.startswith(self._head):
            for size_at in self._sizes_at:
                route = self._routes.get(bytes(frame[AFTER_CORRELATION:size_at]))
                if route is not None:
                    return route.start(frame)
        return None

    def learn(self, frame: memoryview, request: ProduceRequest, context: RequestContext, cluster: Cluster) -> None:
        """Know requests like this one from now on, if they may be answered here."""
        if (
            len(self._routes) >= _MOST
            or request.acks not in _KNOWN_ACKS
            or not isinstance(cluster.authorizer, AllowAll)
        ):
            return
        found = outline(frame, context.api_version, request)
        if found is None or found.body in self._routes:
            return
        topic_key, ((index, _),) = request.topics[0]
        topic = cluster.topic(topic_key)
        if topic is None or not 0 <= index < len(topic.partitions) or topic.name in INTERNAL_TOPICS:
            return
        if found.head != self._head:  # another version: a client has one
            self._head = found.head
            self._routes.clear()
            self._sizes_at.clear()
        self._routes[found.body] = _Route(found, cluster, context, topic_key, topic, index, request.acks)
        if found.size_at not in self._sizes_at:
            self._sizes_at.append(found.size_at)


class _Route:
    """From the bytes of a request to its log."""

    __slots__ = ("_acks", "_cluster", "_context", "_index", "_log", "_outline", "_topic", "_topic_key", "_traffic")

    def __init__(  # noqa: PLR0917
        self,
        found: Outline,
        cluster: Cluster,
        context: RequestContext,
        topic_key: TopicKey,
        topic: Topic,
        index: int,
        acks: int,
    ) -> None:
        self._outline = found
        self._cluster = cluster
        self._context = context
        self._topic_key = topic_key
        self._topic = topic
        self._index = index
        self._log = topic.partitions[index]
        self._acks = acks
        self._traffic = cluster.metrics.topic(topic.name)

    def start(self, frame: bytearray) -> Started | None:
        cluster, acks, log = self._cluster, self._acks, self._log
        if cluster.throttling.active:
            return None
        place = self._outline.records(frame)
        if place is None:
            return None
        start, size = place
        first = append_plain(log, memoryview(frame)[start : start + size], wall_clock_ms())
        if first == NOT_PLAIN:
            return None
        traffic = self._traffic
        traffic.produce_requests += 1
        traffic.bytes_in += size
        traffic.messages_in += log.log_end_offset - first
        answer: RawAnswer
        if acks == _ALL and log.durability.waits:
            answer = Deferred(self._when_durable(first, log.log_end_offset))
        elif acks == _NOBODY:
            answer = None
        else:
            answer = [self._outline.answer(first, log.log_start_offset)]
        return Started(ApiKey.PRODUCE, self._outline.header(frame), answer, self._context, len(frame))

    async def _when_durable(self, first: int, end: int) -> Buffers:
        body = self._outline.answer(first, self._log.log_start_offset)
        try:
            await self._log.flushed(end)
        except StorageError as error:
            self._traffic.failed_produce_requests += 1
            failed = PartitionResult(self._index, error.number)
            return [write_produce_response(self._context.api_version, [(self._topic_key, [failed])])]
        return [body]
