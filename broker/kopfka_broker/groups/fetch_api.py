"""OffsetFetch of every version: of one group up to version 7, of many from 8 on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.errors import GroupError
from kopfka_broker.groups.records import CommittedOffset
from kopfka_broker.security.authorizer import Operation, ResourceType
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from kopfka_broker.context import RequestContext
    from kopfka_broker.groups.core import Core
    from kopfka_broker.groups.ports import Handler

    _Value = tuple[int, CommittedOffset, ErrorCode]

_NO_OFFSET = CommittedOffset(-1)


class OffsetFetchApi:
    """What groups have committed, from memory to the wire."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def handlers(self) -> dict[int, Handler]:
        """Return the handler of each API key."""
        return {ApiKey.OFFSET_FETCH: self.fetch}

    async def fetch(self, request: Any, context: RequestContext) -> Any:
        """Answer OffsetFetch."""
        version = context.api_version
        make = codec(context.api_key, version).make
        stable = version >= 7 and request.require_stable
        if version >= 8:
            groups = []
            for group in request.groups:
                error = self._refusal(group, context)
                topics: tuple[Any, ...] = ()
                if error is ErrorCode.none:
                    topics = self._topics(make, context, group.group_id, group.topics, stable)
                groups.append(
                    make("OffsetFetchResponseGroup", group_id=group.group_id, topics=topics, error_code=error)
                )
            return make(groups=tuple(groups))
        error = self._refusal(request, context)
        if error is ErrorCode.none:
            topics = self._topics(make, context, request.group_id, request.topics, stable)
            return make(topics=topics, error_code=error)
        if version >= 2:
            return make(topics=(), error_code=error)
        return make(
            topics=tuple(
                _fetched_topic(make, version, None, t.name, _all(t.partition_indexes, error)) for t in request.topics
            )
        )

    def _refusal(self, group: Any, context: RequestContext) -> ErrorCode:
        """Return why nothing is said of a group: to who may not know, or who is no member (any more)."""
        core = self._core
        if not core.may_describe(context, group.group_id):
            return ErrorCode.group_authorization_failed
        if not core.loaded:
            return ErrorCode.coordinator_load_in_progress
        modern = core.modern.groups.get(group.group_id)
        if modern is not None and context.api_version >= 9:
            try:
                modern.validate_fetch(group.member_id, group.member_epoch)
            except GroupError as refused:
                return refused.code
        return ErrorCode.none

    def _topics(
        self, make: Callable[..., Any], context: RequestContext, group: str, topics: Iterable[Any] | None, stable: bool
    ) -> tuple[Any, ...]:
        """Build the topics of one group; None means every topic it committed something for.

        Where `stable`, nothing is said of a partition whose next offset waits for the end of a transaction.
        """
        cluster, version = self._core.cluster, context.api_version
        if topics is None:
            return self._every_topic(make, context, group, stable)
        found: list[Any] = []
        refused: list[Any] = []
        for topic in topics:
            topic_id = topic.topic_id if version >= 10 else None
            name: str | None = topic.name if version < 10 else topic_id and cluster.topic_name(topic_id)
            if name is None:
                values = _all(topic.partition_indexes, ErrorCode.unknown_topic_id)
                refused.append(_fetched_topic(make, version, topic_id, "", values))
            elif not cluster.allows(context, Operation.DESCRIBE, ResourceType.TOPIC, name):
                values = _all(topic.partition_indexes, ErrorCode.topic_authorization_failed)
                refused.append(_fetched_topic(make, version, topic_id, name, values))
            else:
                values = [self._value(group, name, topic_id, index, stable) for index in topic.partition_indexes]
                found.append(_fetched_topic(make, version, topic_id, name, values))
        return (*found, *refused)

    def _every_topic(
        self, make: Callable[..., Any], context: RequestContext, group: str, stable: bool
    ) -> tuple[Any, ...]:
        cluster, version = self._core.cluster, context.api_version
        found: list[Any] = []
        for name, partitions in self._core.offsets.of_group(group).items():
            topic_id = cluster.topic_id(name) if version >= 10 else None
            known = version < 10 or topic_id is not None
            if known and cluster.allows(context, Operation.DESCRIBE, ResourceType.TOPIC, name):
                values = [self._value(group, name, None, index, stable) for index in partitions]
                found.append(_fetched_topic(make, version, topic_id, name, values))
        return tuple(found)

    def _value(self, group: str, topic: str, topic_id: UUID | None, index: int, stable: bool) -> _Value:
        offsets = self._core.offsets
        if stable and offsets.pending.waits(group, topic, index):
            return index, _NO_OFFSET, ErrorCode.unstable_offset_commit
        value = offsets.get(group, topic, index)
        if value is None or (topic_id and value.topic_id and topic_id != value.topic_id):
            value = _NO_OFFSET  # never committed, or for a topic of this name that was deleted since
        return index, value, ErrorCode.none


def _all(indexes: Iterable[int], error: ErrorCode) -> list[_Value]:
    return [(index, _NO_OFFSET, error) for index in indexes]


def _fetched_topic(
    make: Callable[..., Any],
    version: int,
    topic_id: UUID | None,
    name: str,
    values: list[tuple[int, CommittedOffset, ErrorCode]],
) -> Any:
    suffix = "s" if version >= 8 else ""
    return make(
        f"OffsetFetchResponseTopic{suffix}",
        topic_id=topic_id,
        name=name,
        partitions=tuple(
            make(
                f"OffsetFetchResponsePartition{suffix}",
                partition_index=index,
                committed_offset=value.offset,
                committed_leader_epoch=value.leader_epoch,
                metadata=value.metadata,
                error_code=error,
            )
            for index, value, error in values
        ),
    )
