"""DescribeShareGroupOffsets, AlterShareGroupOffsets, DeleteShareGroupOffsets: where share groups are in partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.errors import LOG_ERRORS, GroupError, of_the_log
from kopfka_broker.groups.modern.groups import Work
from kopfka_broker.groups.share.changes import StoredChanged
from kopfka_broker.groups.share.group import StoredParts, TopicParts
from kopfka_broker.security.authorizer import Operation, ResourceType
from kopfka_broker.share.states import NOT_HOSTED, UNINITIALIZED, ShareError, SharePartitionKey
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from kopfka_broker.context import RequestContext
    from kopfka_broker.groups.core import Core
    from kopfka_broker.groups.ports import Handler
    from kopfka_broker.groups.share.group import ShareGroup

_NOT_AUTHORIZED = "Topic authorization failed."
_GROUP_NOT_AUTHORIZED = "Group authorization failed."
_UNKNOWN = -1


class ShareOffsetsApi:
    """What administrators ask of share groups' offsets, from the wire and back."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def handlers(self) -> dict[int, Handler]:
        """Return the handler of each API key."""
        return {
            ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS: self.describe,
            ApiKey.ALTER_SHARE_GROUP_OFFSETS: self.alter,
            ApiKey.DELETE_SHARE_GROUP_OFFSETS: self.delete,
        }

    # ---- DescribeShareGroupOffsets

    async def describe(self, request: Any, context: RequestContext) -> Any:
        """Answer DescribeShareGroupOffsets: the start offsets, and how much is not done with."""
        make = codec(context.api_key, context.api_version).make
        await self._core.cluster.share.coordinator.ready()
        groups = []
        for asked in request.groups:
            code, topics = ErrorCode.none, []
            if not self._core.cluster.share.enabled:
                code = ErrorCode.unsupported_version
            elif not self._core.cluster.allows(context, Operation.DESCRIBE, ResourceType.GROUP, asked.group_id):
                code = ErrorCode.group_authorization_failed
            elif asked.topics is None:
                topics = self._all(make, asked.group_id, context)
            else:
                topics = self._asked(make, asked, context)
            groups.append(
                make(
                    "DescribeShareGroupOffsetsResponseGroup",
                    group_id=asked.group_id,
                    topics=tuple(topics),
                    error_code=code,
                    error_message=None,
                )
            )
        return make(groups=tuple(groups))

    def _all(self, make: Callable[..., Any], group_id: str, context: RequestContext) -> list[Any]:
        """Describe every partition that has a state, of the topics the client may see."""
        group = self._core.modern.groups.get(group_id)
        stored = getattr(group, "stored", None)
        topics = []
        for topic, parts in (stored.initialized if isinstance(stored, StoredParts) else {}).items():
            name = self._core.cluster.topic_name(topic)
            if name is not None and self._may_describe(context, name):
                topics.append(self._topic(make, group_id, name, topic, sorted(parts.partitions)))
        return topics

    def _asked(self, make: Callable[..., Any], asked: Any, context: RequestContext) -> list[Any]:
        known, unknown, refused = [], [], []
        for topic in asked.topics:
            topic_id = self._core.cluster.topic_id(topic.topic_name)
            if not self._may_describe(context, topic.topic_name):
                error = (ErrorCode.topic_authorization_failed, _NOT_AUTHORIZED)
                refused.append(self._nothing(make, topic, error))
            elif topic_id is None:
                unknown.append(self._nothing(make, topic, (ErrorCode.none, None)))
            else:
                known.append(self._topic(make, asked.group_id, topic.topic_name, topic_id, topic.partitions))
        return [*known, *unknown, *refused]

    def _may_describe(self, context: RequestContext, name: str) -> bool:
        return self._core.cluster.allows(context, Operation.DESCRIBE, ResourceType.TOPIC, name)

    def _topic(self, make: Callable[..., Any], group_id: str, name: str, topic_id: UUID, numbers: Iterable[int]) -> Any:
        parts = []
        for number in numbers:
            start, epoch, lag = self._state(SharePartitionKey(group_id, topic_id, number))
            parts.append(_part(make, number, start_offset=start, leader_epoch=epoch, lag=lag))
        return make(
            "DescribeShareGroupOffsetsResponseTopic", topic_name=name, topic_id=topic_id, partitions=tuple(parts)
        )

    def _state(self, key: SharePartitionKey) -> tuple[int, int, int]:
        """Return start offset, leader epoch and lag of a partition, as far as they are known."""
        share = self._core.cluster.share
        try:
            state = share.coordinator.summary(key)
        except ShareError:
            return UNINITIALIZED, 0, _UNKNOWN
        if state is None:
            return UNINITIALIZED, 0, _UNKNOWN
        if state.start_offset == UNINITIALIZED or state.completed == _UNKNOWN:
            return state.start_offset, state.leader_epoch, _UNKNOWN
        end = share.end_offset(key)
        return state.start_offset, state.leader_epoch, end - state.start_offset - state.completed

    @staticmethod
    def _nothing(make: Callable[..., Any], topic: Any, error: tuple[ErrorCode, str | None]) -> Any:
        parts = tuple(_part(make, number, error_code=error[0], error_message=error[1]) for number in topic.partitions)
        return make(
            "DescribeShareGroupOffsetsResponseTopic", topic_name=topic.topic_name, topic_id=None, partitions=parts
        )

    # ---- both that change something

    def _check(self, group_id: str, operation: Operation, context: RequestContext) -> None:
        """Check what can be checked without knowing the group.

        Raises:
            GroupError: the client may not, or not now.
        """
        if not self._core.cluster.share.enabled:
            raise GroupError(ErrorCode.unsupported_version)
        if not self._core.cluster.allows(context, operation, ResourceType.GROUP, group_id):
            raise GroupError(ErrorCode.group_authorization_failed, _GROUP_NOT_AUTHORIZED)
        if not group_id:
            raise GroupError(ErrorCode.invalid_group_id, "The group id is invalid.")
        refusal = self._core.refusal(group_id)
        if refusal is not None:
            raise GroupError(refusal)

    # ---- AlterShareGroupOffsets

    async def alter(self, request: Any, context: RequestContext) -> Any:
        """Answer AlterShareGroupOffsets: partitions begin anew where an administrator says."""
        make = codec(context.api_key, context.api_version).make
        try:
            return make(
                error_code=ErrorCode.none, error_message=None, responses=await self._alter(make, request, context)
            )
        except GroupError as refused:
            return make(error_code=refused.code, error_message=refused.message, responses=())
        except LOG_ERRORS as error:
            return make(error_code=of_the_log(error), error_message=str(error), responses=())

    async def _alter(self, make: Callable[..., Any], request: Any, context: RequestContext) -> tuple[Any, ...]:
        core = self._core
        self._check(request.group_id, Operation.READ, context)
        group = core.shares.joined(request.group_id, create=True)
        if group.members:
            raise GroupError(ErrorCode.non_empty_group, "The group is not empty.")
        results: dict[tuple[str, int], tuple[ErrorCode, str | None]] = {}
        offsets: dict[tuple[UUID, int], int] = {}
        beginning: dict[UUID, TopicParts] = {}
        now_ms = core.clock.wall_ms()
        for topic in request.topics:
            name, topic_id = topic.topic_name, core.cluster.topic_id(topic.topic_name)
            allowed = core.cluster.allows(context, Operation.READ, ResourceType.TOPIC, name)
            numbers = set()
            for part in topic.partitions:
                place = (name, part.partition_index)
                if not allowed:
                    results[place] = (ErrorCode.topic_authorization_failed, _NOT_AUTHORIZED)
                elif topic_id is None or part.partition_index >= core.cluster.partition_count(name):
                    results[place] = (ErrorCode.unknown_topic_or_partition, NOT_HOSTED)
                else:
                    results[place] = (ErrorCode.none, None)
                    offsets[topic_id, part.partition_index] = part.start_offset
                    numbers.add(part.partition_index)
            if allowed and topic_id is not None:
                beginning[topic_id] = TopicParts(name, frozenset(numbers), now_ms)
        if beginning:
            await core.modern.write(Work(group, changes=[StoredChanged(group.stored.beginning(beginning))]))
        errors = await core.shares.set_offsets(group, group.epoch, offsets)
        for (topic_id, number), error in errors.items():
            results[core.cluster.topic_name(topic_id) or "", number] = (error.code, str(error))
        if beginning and not errors:
            await core.shares.initialized(group, beginning)
        return tuple(self._altered(make, topic, results) for topic in request.topics)

    def _altered(
        self, make: Callable[..., Any], topic: Any, results: dict[tuple[str, int], tuple[ErrorCode, str | None]]
    ) -> Any:
        parts = []
        for part in topic.partitions:
            code, message = results[topic.topic_name, part.partition_index]
            parts.append(
                make(
                    "AlterShareGroupOffsetsResponsePartition",
                    partition_index=part.partition_index,
                    error_code=code,
                    error_message=message,
                )
            )
        return make(
            "AlterShareGroupOffsetsResponseTopic",
            topic_name=topic.topic_name,
            topic_id=self._core.cluster.topic_id(topic.topic_name),
            partitions=tuple(parts),
        )

    # ---- DeleteShareGroupOffsets

    async def delete(self, request: Any, context: RequestContext) -> Any:
        """Answer DeleteShareGroupOffsets: topics are forgotten that nobody reads any more."""
        make = codec(context.api_key, context.api_version).make
        try:
            responses = await self._delete(make, request, context)
        except GroupError as refused:
            return make(error_code=refused.code, error_message=refused.message, responses=())
        except LOG_ERRORS as error:
            return make(error_code=of_the_log(error), error_message=str(error), responses=())
        return make(error_code=ErrorCode.none, error_message=None, responses=tuple(responses))

    async def _delete(self, make: Callable[..., Any], request: Any, context: RequestContext) -> list[Any]:
        core = self._core
        self._check(request.group_id, Operation.DELETE, context)
        refused, asked = [], []
        for topic in request.topics:
            if core.cluster.allows(context, Operation.READ, ResourceType.TOPIC, topic.topic_name):
                asked.append(topic.topic_name)
            else:
                error = (ErrorCode.topic_authorization_failed, _NOT_AUTHORIZED)
                refused.append(_deleted(make, topic.topic_name, None, error))
        group = core.shares.existing(request.group_id)
        if group.members:
            raise GroupError(ErrorCode.non_empty_group, "The group is not empty.")
        return [*refused, *await self._deleted_of(make, group, asked)]

    async def _deleted_of(self, make: Callable[..., Any], group: ShareGroup, asked: Iterable[str]) -> list[Any]:
        core, stored = self._core, group.stored
        failed, places = [], []
        ending: dict[UUID, str] = {}
        for name in asked:
            topic_id = core.cluster.topic_id(name)
            if topic_id is None:
                failed.append(_deleted(make, name, None, (ErrorCode.unknown_topic_or_partition, NOT_HOSTED)))
            elif topic_id in stored.initialized or topic_id in stored.deleting:
                parts = stored.initialized.get(topic_id)
                numbers = range(core.cluster.partition_count(name)) if parts is None else sorted(parts.partitions)
                places += [(topic_id, number) for number in numbers]
                ending[topic_id] = name
            else:
                why = (ErrorCode.unknown_topic_or_partition, "There is no offset information to delete.")
                failed.append(_deleted(make, name, None, why))
        if not ending:
            return failed
        initialized = {topic: parts for topic, parts in stored.initialized.items() if topic not in ending}
        begun = StoredParts(stored.initializing, initialized, {**stored.deleting, **ending})
        await core.modern.write(Work(group, changes=[StoredChanged(begun)]))
        errors = await core.shares.delete_states(group.group_id, places)
        wrong = {topic: error for (topic, _), error in errors.items()}
        left = {topic: name for topic, name in group.stored.deleting.items() if topic not in ending or topic in wrong}
        done = StoredParts(group.stored.initializing, group.stored.initialized, left)
        await core.modern.write(Work(group, changes=[StoredChanged(done)]))
        for topic_id, error in wrong.items():
            failed.append(_deleted(make, ending[topic_id], topic_id, (error.code, str(error))))
        good = [
            _deleted(make, name, topic_id, (ErrorCode.none, None))
            for topic_id, name in ending.items()
            if topic_id not in wrong
        ]
        return [*failed, *good]


def _part(make: Callable[..., Any], number: int, **values: Any) -> Any:
    nothing = {
        "start_offset": UNINITIALIZED,
        "leader_epoch": 0,
        "lag": _UNKNOWN,
        "error_code": ErrorCode.none,
        "error_message": None,
    }
    return make("DescribeShareGroupOffsetsResponsePartition", partition_index=number, **(nothing | values))


def _deleted(make: Callable[..., Any], name: str, topic_id: UUID | None, error: tuple[ErrorCode, str | None]) -> Any:
    return make(
        "DeleteShareGroupOffsetsResponseTopic",
        topic_name=name,
        topic_id=topic_id,
        error_code=error[0],
        error_message=error[1],
    )
