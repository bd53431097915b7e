"""ListOffsets and OffsetForLeaderEpoch: which offset is at a time, at an end of the log, at the end of an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.security.authorizer import CLUSTER_NAME, Operation, ResourceType
from kopfka_broker.storage import StorageError
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext
    from kopfka_broker.storage import PartitionLog
    from kopfka_wire.codec import Codec

# timestamps that ask for something else than a time (ListOffsetsRequest)
_LATEST = -1
_EARLIEST = -2
_MAX_TIMESTAMP = -3  # KIP-734
_EARLIEST_LOCAL = -4  # KIP-405: the first offset that is not only in remote storage
_LATEST_TIERED = -5  # KIP-1005: the last offset that is in remote storage
_EARLIEST_PENDING_UPLOAD = -6  # KIP-1023
# the version of ListOffsets that brought each
_SINCE = {
    _LATEST: 1,
    _EARLIEST: 1,
    _MAX_TIMESTAMP: 7,
    _EARLIEST_LOCAL: 8,
    _LATEST_TIERED: 9,
    _EARLIEST_PENDING_UPLOAD: 11,
}
_NEVER = 2**15
_READ_COMMITTED = 1


class OffsetApis:
    """Handlers over one broker."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def list_offsets(self, request: Any, context: RequestContext) -> Any:
        """Answer ListOffsets."""
        form = codec(context.api_key, context.api_version)
        committed = getattr(request, "isolation_level", 0) == _READ_COMMITTED
        return form.make(
            topics=tuple(
                form.make(
                    "ListOffsetsTopicResponse",
                    name=topic.name,
                    partitions=tuple(
                        self._partition(form, topic.name, each, committed=committed, refused=refused)
                        for each in topic.partitions
                    ),
                )
                for topic, refused in self._by_right(request.topics, lambda topic: str(topic.name), context)
            )
        )

    def _by_right(
        self, topics: Sequence[Any], name: Callable[[Any], str], context: RequestContext
    ) -> list[tuple[Any, bool]]:
        """Return each topic and whether the client may not ask about it; those come last, as in Kafka's answers."""
        found = [
            (topic, not self._cluster.allows(context, Operation.DESCRIBE, ResourceType.TOPIC, name(topic)))
            for topic in topics
        ]
        return sorted(found, key=lambda each: each[1])

    def _partition(self, form: Codec, topic: str, wanted: Any, *, committed: bool, refused: bool) -> Any:
        timestamp, offset, epoch = -1, -1, -1
        log = self._cluster.partition(topic, wanted.partition_index)
        if refused:
            code = ErrorCode.topic_authorization_failed
        elif log is None:
            code = ErrorCode.unknown_topic_or_partition
        else:
            code = epoch_error(getattr(wanted, "current_leader_epoch", -1), log)
            if code is ErrorCode.none and wanted.timestamp < 0 and form.version < _SINCE.get(wanted.timestamp, _NEVER):
                code = ErrorCode.unsupported_version
            if code is ErrorCode.none:
                try:
                    timestamp, offset, epoch = _find(log, wanted.timestamp, committed)
                except StorageError as error:
                    code = error.code
        return form.make(
            "ListOffsetsPartitionResponse",
            partition_index=wanted.partition_index,
            error_code=code,
            timestamp=timestamp,
            offset=offset,
            leader_epoch=epoch,
        )

    async def offset_for_leader_epoch(self, request: Any, context: RequestContext) -> Any:
        """Answer OffsetForLeaderEpoch: clients check with it whether their position is still in the log."""
        form = codec(context.api_key, context.api_version)
        # followers ask by the right to act for the cluster, clients by the right to the topic
        follower = self._cluster.allows(
            context, Operation.CLUSTER_ACTION, ResourceType.CLUSTER, CLUSTER_NAME, log_denied=False
        )
        topics = (
            [(topic, False) for topic in request.topics]
            if follower
            else self._by_right(request.topics, lambda topic: str(topic.topic), context)
        )
        return form.make(
            topics=tuple(
                form.make(
                    "OffsetForLeaderTopicResult",
                    topic=topic.topic,
                    partitions=tuple(
                        self._epoch_end(form, topic.topic, each, refused=refused) for each in topic.partitions
                    ),
                )
                for topic, refused in topics
            )
        )

    def _epoch_end(self, form: Codec, topic: str, wanted: Any, *, refused: bool) -> Any:
        epoch, end = -1, -1
        log = self._cluster.partition(topic, wanted.partition)
        if refused:
            code = ErrorCode.topic_authorization_failed
        elif log is None:
            code = ErrorCode.unknown_topic_or_partition
        else:
            code = epoch_error(wanted.current_leader_epoch, log)
            if code is ErrorCode.none:
                # the leader's own epoch has begun, whether or not anything was written in it
                if wanted.leader_epoch == log.leader_epoch:
                    epoch, end = log.leader_epoch, log.log_end_offset
                else:
                    epoch, end = log.end_offset_for_epoch(wanted.leader_epoch)
        return form.make(
            "EpochEndOffset", error_code=code, partition=wanted.partition, leader_epoch=epoch, end_offset=end
        )


def epoch_error(given: int, log: PartitionLog) -> ErrorCode:
    """Return the error for a client that believes in another leader epoch (KIP-320); -1 believes nothing."""
    if given in (-1, log.leader_epoch):
        return ErrorCode.none
    return ErrorCode.fenced_leader_epoch if given < log.leader_epoch else ErrorCode.unknown_leader_epoch


def _find(log: PartitionLog, timestamp: int, committed: bool) -> tuple[int, int, int]:
    if timestamp == _LATEST:
        return -1, log.last_stable_offset if committed else log.high_watermark, log.leader_epoch
    if timestamp in (_EARLIEST, _EARLIEST_LOCAL):
        start = log.log_start_offset
        return -1, start, _epoch_at(log, start)
    if timestamp in (_LATEST_TIERED, _EARLIEST_PENDING_UPLOAD):
        return -1, -1, -1
    found = log.max_timestamp() if timestamp == _MAX_TIMESTAMP else log.offset_for_time(timestamp)
    if found is None or found[1] >= (log.last_stable_offset if committed else log.high_watermark):
        return -1, -1, -1
    return found


def _epoch_at(log: PartitionLog, offset: int) -> int:
    """Return the leader epoch an offset was written in: the first whose end lies beyond it."""
    low, high = 0, log.leader_epoch
    while low < high:
        middle = (low + high) // 2
        if log.end_offset_for_epoch(middle)[1] > offset:
            high = middle
        else:
            low = middle + 1
    return low
