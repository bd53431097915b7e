"""ConsumerGroupHeartbeat and ConsumerGroupDescribe of every version, in front of `heartbeats`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.consumer.heartbeats import Heartbeat
from kopfka_broker.groups.consumer.members import JOINING, LEAVING, LEAVING_FOR_A_WHILE
from kopfka_broker.groups.core import NOT_ASKED
from kopfka_broker.groups.errors import LOG_ERRORS, GroupError, of_the_log
from kopfka_broker.groups.modern.groups import Work
from kopfka_broker.security.authorizer import Operation, ResourceType
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from uuid import UUID

    from kopfka_broker.context import RequestContext
    from kopfka_broker.groups.consumer.group import ConsumerGroup
    from kopfka_broker.groups.consumer.heartbeats import HeartbeatAnswer
    from kopfka_broker.groups.consumer.members import Member
    from kopfka_broker.groups.core import Core
    from kopfka_broker.groups.ports import Handler

_MILLISECOND = timedelta(milliseconds=1)
_NOT_AUTHORIZED = "The group has described topic(s) that the client is not authorized to describe."


class ConsumerGroupApi:
    """What members of consumer groups and administrators ask, from the wire and back."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def handlers(self) -> dict[int, Handler]:
        """Return the handler of each API key."""
        return {
            ApiKey.CONSUMER_GROUP_HEARTBEAT: self.heartbeat,
            ApiKey.CONSUMER_GROUP_DESCRIBE: self.describe,
        }

    # ---- ConsumerGroupHeartbeat

    async def heartbeat(self, request: Any, context: RequestContext) -> Any:
        """Answer ConsumerGroupHeartbeat once what it changes is durable."""
        make = codec(context.api_key, context.api_version).make
        try:
            answer = await self._heartbeat(request, context)
        except GroupError as refused:
            return make(**_refused(refused.code, refused.message))
        except LOG_ERRORS as error:
            return make(**_refused(of_the_log(error), None))
        assignment = None
        if answer.assigned is not None:
            assignment = make("Assignment", topic_partitions=_topic_partitions(make, answer.assigned))
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
        if not allows(context, Operation.READ, ResourceType.GROUP, request.group_id):
            raise GroupError(ErrorCode.group_authorization_failed)
        names = request.subscribed_topic_names or ()
        if not all(allows(context, Operation.DESCRIBE, ResourceType.TOPIC, name) for name in dict.fromkeys(names)):
            raise GroupError(ErrorCode.topic_authorization_failed)
        _check(request, context.api_version, core.settings.consumer.assignors)
        refusal = core.refusal(request.group_id)
        if refusal is not None:
            raise GroupError(refusal)
        beat = _read(request, context)
        if beat.member_epoch in (LEAVING, LEAVING_FOR_A_WHILE):
            group = core.consumers.existing(beat.group_id)
            work = Work(group)
            answer = core.consumers.heartbeats.leave(group, beat, work)
        else:
            group, work = core.consumers.joined(beat.group_id, create=beat.member_epoch == JOINING)
            answer = core.consumers.heartbeats.heartbeat(group, beat, work)
        await core.modern.write(work)
        return answer

    # ---- ConsumerGroupDescribe

    async def describe(self, request: Any, context: RequestContext) -> Any:
        """Answer ConsumerGroupDescribe with what is durable."""
        make = codec(context.api_key, context.api_version).make
        described = []
        for group_id in request.group_ids:
            try:
                described.append(await self._describe(make, group_id, context, request.include_authorized_operations))
            except GroupError as refused:
                nothing = {
                    "group_state": "",
                    "group_epoch": 0,
                    "assignment_epoch": 0,
                    "assignor_name": "",
                    "members": (),
                }
                described.append(
                    make(
                        "DescribedGroup", group_id=group_id, error_code=refused.code, error_message=refused.message,
                        **nothing,
                    )
                )  # fmt: skip
        return make(groups=tuple(described))

    async def _describe(
        self, make: Callable[..., Any], group_id: str, context: RequestContext, operations: bool
    ) -> Any:
        core = self._core
        allows = core.cluster.allows
        if not allows(context, Operation.DESCRIBE, ResourceType.GROUP, group_id):
            raise GroupError(ErrorCode.group_authorization_failed)
        if not group_id:
            raise GroupError(ErrorCode.invalid_group_id)
        if not core.loaded:
            raise GroupError(ErrorCode.coordinator_load_in_progress)
        group = core.consumers.existing(group_id)
        await core.modern.settled(group_id)
        members = [self._member(make, context.api_version, group, member) for member in group.members.values()]
        names = {part.topic_name for member in members for given in (member.assignment, member.target_assignment)
                 for part in given.topic_partitions}  # fmt: skip
        names |= {name for member in members for name in member.subscribed_topic_names}
        if not all(allows(context, Operation.DESCRIBE, ResourceType.TOPIC, name) for name in names):
            raise GroupError(ErrorCode.topic_authorization_failed, _NOT_AUTHORIZED)
        return make(
            "DescribedGroup",
            error_code=ErrorCode.none,
            group_id=group_id,
            group_state=group.state,
            group_epoch=group.epoch,
            assignment_epoch=group.assignment_epoch,
            assignor_name=group.assignor() or core.settings.consumer.assignors[0],
            members=tuple(members),
            authorized_operations=core.authorized_operations(context, group_id) if operations else NOT_ASKED,
        )

    def _member(self, make: Callable[..., Any], version: int, group: ConsumerGroup, member: Member) -> Any:
        return make(
            "Member",
            member_id=member.member_id,
            instance_id=member.instance_id,
            rack_id=member.rack_id,
            member_epoch=member.epoch,
            client_id=member.client_id,
            client_host=member.client_host,
            subscribed_topic_names=tuple(sorted(member.topics)),
            subscribed_topic_regex=member.regex,
            assignment=self._assignment(make, member.assigned),
            target_assignment=self._assignment(make, group.targets.get(member.member_id, {})),
            member_type=1 if member.classic is None else 0,
        )

    def _assignment(self, make: Callable[..., Any], partitions: Mapping[UUID, Iterable[int]]) -> Any:
        topics = [(self._core.cluster.topic_name(topic), topic, numbers) for topic, numbers in partitions.items()]
        return make(
            "Assignment",
            topic_partitions=tuple(
                make("TopicPartitions", topic_id=topic, topic_name=name, partitions=tuple(sorted(numbers)))
                for name, topic, numbers in topics
                if name is not None
            ),
        )


def _refused(code: ErrorCode, message: str | None) -> dict[str, Any]:
    return {
        "error_code": code,
        "error_message": message,
        "member_epoch": 0,
        "heartbeat_interval": timedelta(0),
        "assignment": None,
        "member_id": None,
    }


def _check(request: Any, version: int, assignors: tuple[str, ...]) -> None:
    """Check what can be checked without knowing the group, in Kafka's order and words.

    Raises:
        GroupError: INVALID_REQUEST, or UNSUPPORTED_ASSIGNOR.
    """
    epoch = request.member_epoch
    if (version >= 1 or epoch > JOINING or epoch == LEAVING) and not request.member_id.strip():
        raise _invalid("MemberId can't be empty.")
    if not request.group_id.strip():
        raise _invalid("GroupId can't be empty.")
    if request.instance_id is not None and not request.instance_id.strip():
        raise _invalid("InstanceId can't be empty.")
    if request.rack_id is not None and not request.rack_id.strip():
        raise _invalid("RackId can't be empty.")
    if epoch == JOINING:
        if request.rebalance_timeout == -_MILLISECOND:
            raise _invalid("RebalanceTimeoutMs must be provided in first request.")
        if request.topic_partitions is None or request.topic_partitions:
            raise _invalid("TopicPartitions must be empty when (re-)joining.")
        if request.subscribed_topic_names is None and getattr(request, "subscribed_topic_regex", None) is None:
            raise _invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
    elif epoch == LEAVING_FOR_A_WHILE and request.instance_id is None:
        raise _invalid("InstanceId can't be null.")
    elif epoch < LEAVING_FOR_A_WHILE:
        raise _invalid("MemberEpoch is invalid.")
    if request.server_assignor is not None and request.server_assignor not in assignors:
        message = (
            f"ServerAssignor {request.server_assignor} is not supported. Supported assignors: {', '.join(assignors)}."
        )
        raise GroupError(ErrorCode.unsupported_assignor, message)


def _invalid(message: str) -> GroupError:
    return GroupError(ErrorCode.invalid_request, message)


def _read(request: Any, context: RequestContext) -> Heartbeat:
    owned = request.topic_partitions
    names = request.subscribed_topic_names
    return Heartbeat(
        group_id=request.group_id,
        member_id=request.member_id,
        member_epoch=request.member_epoch,
        instance_id=request.instance_id,
        rack_id=request.rack_id,
        rebalance_timeout_ms=request.rebalance_timeout // _MILLISECOND,
        topics=None if names is None else frozenset(names),
        regex=getattr(request, "subscribed_topic_regex", None),
        assignor=request.server_assignor,
        owned=None if owned is None else {part.topic_id: frozenset(part.partitions) for part in owned},
        context=context,
    )


def _topic_partitions(make: Callable[..., Any], assigned: Mapping[UUID, Iterable[int]]) -> tuple[Any, ...]:
    return tuple(
        make("TopicPartitions", topic_id=topic, partitions=tuple(sorted(numbers)))
        for topic, numbers in assigned.items()
    )
