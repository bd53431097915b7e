"""OffsetCommit and OffsetDelete of every version; commits in transactions are in `transactional_api`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.errors import LOG_ERRORS, GroupError, of_the_log
from kopfka_broker.groups.group import Group, State
from kopfka_broker.groups.ports import OffsetsRecord
from kopfka_broker.groups.records import CommittedOffset, encode_offset_key, encode_offset_value
from kopfka_broker.security.authorizer import Operation, ResourceType
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from kopfka_broker.context import RequestContext
    from kopfka_broker.groups.core import AnyGroup, Core
    from kopfka_broker.groups.ports import Handler

_MILLISECOND = timedelta(milliseconds=1)

_TopicKey = tuple["UUID | None", str]
_Errors = dict[_TopicKey, list[tuple[int, ErrorCode]]]


class OffsetApi:
    """What is asked about committed offsets, from the wire and back."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def handlers(self) -> dict[int, Handler]:
        """Return the handler of each API key."""
        return {
            ApiKey.OFFSET_COMMIT: self.commit,
            ApiKey.OFFSET_DELETE: self.delete,
        }

    # ---- OffsetCommit

    async def commit(self, request: Any, context: RequestContext) -> Any:
        """Answer OffsetCommit once the offsets are durable: one batch of the log for all of them."""
        errors: _Errors = {}
        valid: list[tuple[str, UUID, Any]] = []
        readable = self._core.cluster.allows(context, Operation.READ, ResourceType.GROUP, request.group_id)
        for topic in request.topics:
            if readable:
                self._check_topic(topic, context, errors, valid)
            else:
                key = (getattr(topic, "topic_id", None), getattr(topic, "name", ""))
                refused = ErrorCode.group_authorization_failed
                errors.setdefault(key, []).extend((p.partition_index, refused) for p in topic.partitions)
        if valid:
            await self._commit(request, context, errors, valid)
        make = codec(context.api_key, context.api_version).make
        return make(
            topics=tuple(
                make(
                    "OffsetCommitResponseTopic",
                    topic_id=topic_id,
                    name=name,
                    partitions=tuple(
                        make("OffsetCommitResponsePartition", partition_index=index, error_code=error)
                        for index, error in partitions
                    ),
                )
                for (topic_id, name), partitions in errors.items()
            )
        )

    def _check_topic(
        self, topic: Any, context: RequestContext, errors: _Errors, valid: list[tuple[str, UUID, Any]]
    ) -> None:
        cluster = self._core.cluster
        if context.api_version >= 10:
            topic_id, name = topic.topic_id, topic.topic_id and cluster.topic_name(topic.topic_id)
            unknown = ErrorCode.unknown_topic_id
        else:
            topic_id, name = cluster.topic_id(topic.name), topic.name
            unknown = ErrorCode.unknown_topic_or_partition
        if name is not None and not cluster.allows(context, Operation.READ, ResourceType.TOPIC, name):
            topic_id = topic.topic_id if context.api_version >= 10 else None
            refused = ErrorCode.topic_authorization_failed
            errors.setdefault((topic_id, name), []).extend((p.partition_index, refused) for p in topic.partitions)
            return
        if topic_id is None or name is None:
            errors.setdefault((topic_id, name or ""), []).extend((p.partition_index, unknown) for p in topic.partitions)
            return
        count = cluster.partition_count(name)
        for partition in topic.partitions:
            if 0 <= partition.partition_index < count:
                valid.append((name, topic_id, partition))
            else:
                missing = (partition.partition_index, ErrorCode.unknown_topic_or_partition)
                errors.setdefault((topic_id, name), []).append(missing)

    async def _commit(
        self, request: Any, context: RequestContext, errors: _Errors, valid: list[tuple[str, UUID, Any]]
    ) -> None:
        """Commit what is valid, and add the result of each partition to `errors`."""
        try:
            refusal = self._core.refusal(request.group_id)
            if refusal is not None:
                raise GroupError(refusal)
            check = self._validate(request, context)
            if check is not None:
                for _, topic_id, partition in valid:
                    check(topic_id, partition.partition_index)
        except GroupError as refused:
            for name, topic_id, partition in valid:
                errors.setdefault((topic_id, name), []).append((partition.partition_index, refused.code))
            return
        group, now = request.group_id, self._core.clock.wall_ms()
        retention = request.retention_time // _MILLISECOND if 2 <= context.api_version <= 4 else -1
        expires = now + retention if retention != -1 else -1
        taken: list[tuple[str, int, CommittedOffset]] = []
        results: list[tuple[_TopicKey, int, ErrorCode]] = []
        for name, topic_id, partition in valid:
            index, metadata = partition.partition_index, partition.committed_metadata or ""
            if self._core.settings.metadata_too_large(metadata):
                results.append(((topic_id, name), index, ErrorCode.offset_metadata_too_large))
                continue
            epoch = partition.committed_leader_epoch if context.api_version >= 6 else -1
            taken.append(
                (name, index, CommittedOffset(partition.committed_offset, epoch, metadata, now, expires, topic_id))
            )
            results.append(((topic_id, name), index, ErrorCode.none))
        failed = await self._write(group, taken) if taken else ErrorCode.none
        for key, index, error in results:
            errors.setdefault(key, []).append((index, failed if error is ErrorCode.none else error))

    async def _write(self, group: str, commits: list[tuple[str, int, CommittedOffset]]) -> ErrorCode:
        records = [
            OffsetsRecord(encode_offset_key(group, topic, index), encode_offset_value(value))
            for topic, index, value in commits
        ]

        def apply() -> None:
            for topic, index, value in commits:
                self._core.offsets.put(group, topic, index, value)

        core, keys = self._core, [(topic, index) for topic, index, _ in commits]
        try:
            write = core.journal.append(core.partition(group), records, apply)
            if group not in core.modern.groups:
                core.membership.get_or_create(group)
            with core.offsets.committing(group, keys):
                await core.journal.settle(write)
        except LOG_ERRORS as error:
            return of_the_log(error)
        return ErrorCode.none

    def _validate(self, request: Any, context: RequestContext) -> Callable[[UUID, int], None] | None:
        """Check that who commits may: a member of the current generation, or anyone where nobody is a member."""
        generation, member_id = request.generation_id_or_member_epoch, request.member_id
        instance_id = request.group_instance_id if context.api_version >= 7 else None
        modern = self._core.modern.groups.get(request.group_id)
        if modern is not None:
            check: Callable[[UUID, int], None] | None = modern.validate_commit(
                member_id, instance_id, generation, context.api_version, transactional=False
            )
            return check
        group = self._core.membership.groups.get(request.group_id)
        if group is None:
            if generation >= 0:
                known = context.api_version >= 9
                raise GroupError(ErrorCode.group_id_not_found if known else ErrorCode.illegal_generation)
            return None
        if generation < 0 and group.state is State.EMPTY:
            return None
        if generation < 0 and not member_id and instance_id is None:
            raise GroupError(ErrorCode.unknown_member_id)
        group.validate_member(member_id, instance_id)
        if generation != group.generation:
            raise GroupError(ErrorCode.illegal_generation)
        if group.state is State.COMPLETING_REBALANCE:
            raise GroupError(ErrorCode.rebalance_in_progress)
        self._core.membership.touch(group, member_id)
        return None

    # ---- OffsetDelete

    async def delete(self, request: Any, context: RequestContext) -> Any:
        """Answer OffsetDelete once the tombstones are durable; topics that members read are kept."""
        make = codec(context.api_key, context.api_version).make
        core, group_id = self._core, request.group_id
        results: dict[str, list[tuple[int, ErrorCode]]] = {}
        try:
            group = self._group_to_delete_from(group_id, context)
            forgotten = []
            for topic in request.topics:
                refused_all = self._deletable(group, topic.name, context)
                for index in (partition.partition_index for partition in topic.partitions):
                    error = refused_all
                    if not 0 <= index < core.cluster.partition_count(topic.name):
                        error = ErrorCode.unknown_topic_or_partition
                    if refused_all is ErrorCode.topic_authorization_failed:
                        error = refused_all
                    if error is None:
                        forgotten.append((topic.name, index))
                    results.setdefault(topic.name, []).append((index, error or ErrorCode.none))
            committed = core.offsets.keys(group_id)
            forgotten = [key for key in forgotten if key in committed]
            if forgotten:
                await core.forget_offsets(group_id, forgotten)
        except GroupError as refused:
            return make(error_code=refused.code, topics=())
        except LOG_ERRORS as error:
            return make(error_code=of_the_log(error), topics=())
        return make(
            error_code=ErrorCode.none,
            topics=tuple(
                make(
                    "OffsetDeleteResponseTopic",
                    name=name,
                    partitions=tuple(
                        make("OffsetDeleteResponsePartition", partition_index=index, error_code=error)
                        for index, error in partitions
                    ),
                )
                for name, partitions in results.items()
            ),
        )

    def _group_to_delete_from(self, group_id: str, context: RequestContext) -> AnyGroup:
        core = self._core
        if not core.cluster.allows(context, Operation.DELETE, ResourceType.GROUP, group_id):
            raise GroupError(ErrorCode.group_authorization_failed)
        if not group_id:
            raise GroupError(ErrorCode.invalid_group_id)
        if not core.loaded:
            raise GroupError(ErrorCode.coordinator_load_in_progress)
        group = core.group(group_id)
        if group is None:
            raise GroupError(ErrorCode.group_id_not_found)
        if isinstance(group, Group) and not group.is_empty and not group.uses_consumer_protocol:
            raise GroupError(ErrorCode.non_empty_group)
        return group

    def _deletable(self, group: AnyGroup, topic: str, context: RequestContext) -> ErrorCode | None:
        """Return why no offset of a topic may be deleted, None where they may."""
        if not self._core.cluster.allows(context, Operation.READ, ResourceType.TOPIC, topic):
            return ErrorCode.topic_authorization_failed
        if self._core.cluster.topic_id(topic) is not None and group.subscribes_to(topic):
            return ErrorCode.group_subscribed_to_topic
        return None
