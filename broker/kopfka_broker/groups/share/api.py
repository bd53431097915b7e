"""ShareGroupHeartbeat and ShareGroupDescribe, in front of `heartbeats`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.core import NOT_ASKED
from kopfka_broker.groups.errors import LOG_ERRORS, GroupError, of_the_log
from kopfka_broker.groups.modern.groups import Work
from kopfka_broker.groups.share.group import JOINING, LEAVING
from kopfka_broker.groups.share.heartbeats import Heartbeat
from kopfka_broker.security.authorizer import Operation, ResourceType
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_broker.context import RequestContext
    from kopfka_broker.groups.core import Core
    from kopfka_broker.groups.ports import Handler
    from kopfka_broker.groups.share.group import ShareMember
    from kopfka_broker.groups.share.heartbeats import HeartbeatAnswer

_LONGEST_MEMBER_ID = 36
_ASSIGNOR = "simple"
_NOT_AUTHORIZED = "The group has described topic(s) that the client is not authorized to describe."
_NOTHING: dict[str, Any] = {
    "group_state": "", "group_epoch": 0, "assignment_epoch": 0, "assignor_name": "", "members": ()
}  # fmt: skip


class ShareGroupApi:
    """What members of share groups and administrators ask about them, from the wire and back."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def handlers(self) -> dict[int, Handler]:
        """Return the handler of each API key."""
        return {ApiKey.SHARE_GROUP_HEARTBEAT: self.heartbeat, ApiKey.SHARE_GROUP_DESCRIBE: self.describe}

    # ---- ShareGroupHeartbeat

    async def heartbeat(self, request: Any, context: RequestContext) -> Any:
        """Answer ShareGroupHeartbeat once what it changes is durable."""
        make = codec(context.api_key, context.api_version).make
        try:
            answer = await self._heartbeat(request, context)
        except GroupError as refused:
            return _refused(make, refused.code, refused.message)
        except LOG_ERRORS as error:
            return _refused(make, of_the_log(error), None)
        assignment = None
        if answer.assigned is not None:
            parts = tuple(
                make("TopicPartitions", topic_id=topic, partitions=tuple(sorted(numbers)))
                for topic, numbers in answer.assigned.items()
            )
            assignment = make("Assignment", topic_partitions=parts)
        return make(
            error_code=ErrorCode.none,
            member_id=answer.member_id,
            member_epoch=answer.member_epoch,
            heartbeat_interval=timedelta(milliseconds=answer.heartbeat_interval_ms),
            assignment=assignment,
        )

    async def _heartbeat(self, request: Any, context: RequestContext) -> HeartbeatAnswer:
        core = self._core
        allows = core.cluster.allows
        if not core.cluster.share.enabled:
            raise GroupError(ErrorCode.unsupported_version)
        if not allows(context, Operation.READ, ResourceType.GROUP, request.group_id):
            raise GroupError(ErrorCode.group_authorization_failed)
        if not request.member_id or len(request.member_id) > _LONGEST_MEMBER_ID:
            raise GroupError(ErrorCode.invalid_request)
        names = request.subscribed_topic_names
        described = dict.fromkeys(names or ())
        if not all(allows(context, Operation.DESCRIBE, ResourceType.TOPIC, name) for name in described):
            raise GroupError(ErrorCode.topic_authorization_failed)
        _check(request)
        refusal = core.refusal(request.group_id)
        if refusal is not None:
            raise GroupError(refusal)
        beat = Heartbeat(
            group_id=request.group_id,
            member_id=request.member_id,
            member_epoch=request.member_epoch,
            rack_id=request.rack_id,
            topics=None if names is None else frozenset(names),
            client_id=context.client_id or "",
            client_host=f"/{context.client_host}",
        )
        if beat.member_epoch == LEAVING:
            group = core.shares.existing(beat.group_id)
            work = Work(group)
            answer = core.shares.heartbeats.leave(group, beat, work)
        else:
            group = core.shares.joined(beat.group_id, create=beat.member_epoch == JOINING)
            work = Work(group)
            answer = core.shares.heartbeats.heartbeat(group, beat, work)
        await core.modern.write(work)
        return answer

    # ---- ShareGroupDescribe

    async def describe(self, request: Any, context: RequestContext) -> Any:
        """Answer ShareGroupDescribe with what is durable."""
        make = codec(context.api_key, context.api_version).make
        described = []
        for group_id in request.group_ids:
            try:
                described.append(await self._describe(make, group_id, context, request.include_authorized_operations))
            except GroupError as refused:
                described.append(
                    make(
                        "DescribedGroup", group_id=group_id, error_code=refused.code, error_message=refused.message,
                        **_NOTHING,
                    )
                )  # fmt: skip
        return make(groups=tuple(described))

    async def _describe(
        self, make: Callable[..., Any], group_id: str, context: RequestContext, operations: bool
    ) -> Any:
        core = self._core
        allows = core.cluster.allows
        if not core.cluster.share.enabled:
            raise GroupError(ErrorCode.unsupported_version)
        if not allows(context, Operation.DESCRIBE, ResourceType.GROUP, group_id):
            raise GroupError(ErrorCode.group_authorization_failed)
        if not group_id:
            raise GroupError(ErrorCode.invalid_group_id)
        if not core.loaded:
            raise GroupError(ErrorCode.coordinator_load_in_progress)
        group = core.shares.existing(group_id)
        await core.modern.settled(group_id)
        members = [self._member(make, member) for member in group.members.values()]
        names = {part.topic_name for member in members for part in member.assignment.topic_partitions}
        if not all(allows(context, Operation.DESCRIBE, ResourceType.TOPIC, name) for name in names):
            raise GroupError(ErrorCode.topic_authorization_failed, _NOT_AUTHORIZED)
        return make(
            "DescribedGroup",
            error_code=ErrorCode.none,
            group_id=group_id,
            group_state=group.state,
            group_epoch=group.epoch,
            assignment_epoch=group.assignment_epoch,
            assignor_name=_ASSIGNOR,
            members=tuple(members),
            authorized_operations=core.authorized_operations(context, group_id) if operations else NOT_ASKED,
        )

    def _member(self, make: Callable[..., Any], member: ShareMember) -> Any:
        topics = [(self._core.cluster.topic_name(topic), topic, numbers) for topic, numbers in member.assigned.items()]
        parts = tuple(
            make("TopicPartitions", topic_id=topic, topic_name=name, partitions=tuple(sorted(numbers)))
            for name, topic, numbers in topics
            if name is not None
        )
        return make(
            "Member",
            member_id=member.member_id,
            rack_id=member.rack_id,
            member_epoch=member.epoch,
            client_id=member.client_id,
            client_host=member.client_host,
            subscribed_topic_names=tuple(sorted(member.topics)),
            assignment=make("Assignment", topic_partitions=parts),
        )


def _refused(make: Callable[..., Any], code: ErrorCode, message: str | None) -> Any:
    return make(
        error_code=code,
        error_message=message,
        member_id=None,
        member_epoch=0,
        heartbeat_interval=timedelta(0),
        assignment=None,
    )


def _check(request: Any) -> None:
    """Check what can be checked without knowing the group, in Kafka's order and words.

    Raises:
        GroupError: INVALID_REQUEST.
    """
    if not request.member_id.strip():
        raise _invalid("MemberId can't be empty.")
    if not request.group_id.strip():
        raise _invalid("GroupId can't be empty.")
    if request.rack_id is not None and not request.rack_id.strip():
        raise _invalid("RackId can't be empty.")
    if request.member_epoch == JOINING and not request.subscribed_topic_names:
        raise _invalid("SubscribedTopicNames must be set in first request.")
    if request.member_epoch < LEAVING:
        raise _invalid("MemberEpoch is invalid.")


def _invalid(message: str) -> GroupError:
    return GroupError(ErrorCode.invalid_request, message)
