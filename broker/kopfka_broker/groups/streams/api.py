"""StreamsGroupHeartbeat and StreamsGroupDescribe, in front of `heartbeats`; internal topics are created from here."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.core import NOT_ASKED
from kopfka_broker.groups.errors import LOG_ERRORS, GroupError, of_the_log
from kopfka_broker.groups.modern.groups import Work
from kopfka_broker.groups.streams.configuring import Status
from kopfka_broker.groups.streams.heartbeats import Heartbeat
from kopfka_broker.groups.streams.tasks import Tasks, by_subtopology
from kopfka_broker.groups.streams.topology import Topology
from kopfka_broker.security.authorizer import CLUSTER_NAME, Operation, ResourceType
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kopfka_broker.context import RequestContext
    from kopfka_broker.groups.core import Core
    from kopfka_broker.groups.ports import Handler
    from kopfka_broker.groups.streams.group import StreamsGroup
    from kopfka_broker.groups.streams.heartbeats import Answer
    from kopfka_broker.groups.streams.members import Member
    from kopfka_broker.groups.streams.topology import InternalTopic

_MILLISECOND = timedelta(milliseconds=1)
_RESERVED = ("__consumer_offsets", "__transaction_state", "__share_group_state")
_NOT_AUTHORIZED = "The group has described topic(s) that the client is not authorized to describe."

log = logging.getLogger(__name__)


class StreamsGroupApi:
    """What members of streams groups and administrators ask, from the wire and back."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def handlers(self) -> dict[int, Handler]:
        """Return the handler of each API key."""
        return {ApiKey.STREAMS_GROUP_HEARTBEAT: self.heartbeat, ApiKey.STREAMS_GROUP_DESCRIBE: self.describe}

    # ---- StreamsGroupHeartbeat

    async def heartbeat(self, request: Any, context: RequestContext) -> Any:
        """Answer StreamsGroupHeartbeat once what it changes is durable, and missing internal topics are there."""
        make = codec(context.api_key, context.api_version).make
        try:
            return await self._heartbeat(make, request, context)
        except GroupError as refused:
            code, message = refused.code, refused.message
        except LOG_ERRORS as error:
            code, message = of_the_log(error), None
        nothing = {"active_tasks": None, "standby_tasks": None, "warmup_tasks": None, "status": ()}
        return _respond(make, "", 0, 0, error_code=code, error_message=message, **nothing)

    async def _heartbeat(self, make: Callable[..., Any], request: Any, context: RequestContext) -> Any:
        core = self._core
        if not core.cluster.allows(context, Operation.READ, ResourceType.GROUP, request.group_id):
            raise GroupError(ErrorCode.group_authorization_failed)
        if request.instance_id is not None:
            raise GroupError(ErrorCode.invalid_request, "Static membership is not yet supported.")
        topology = None if request.topology is None else Topology.of_request(request.topology)
        if topology is not None:
            self._check_topics(topology, context)
        _check(request, topology)
        refusal = core.refusal(request.group_id)
        if refusal is not None:
            raise GroupError(refusal)
        beat = _read(request, topology, context)
        if beat.member_epoch < 0:
            group = core.streams.existing(beat.group_id)
            work = Work(group)
            answer = core.streams.heartbeats.leave(group, beat, work)
            await core.modern.write(work)
            tasks = _task_fields(make, None)
            return _respond(make, answer.member_id, answer.member_epoch, 0, status=(), **tasks)
        group, work = core.streams.joined(beat.group_id, create=beat.member_epoch == 0)
        answer = core.streams.heartbeats.heartbeat(group, beat, work)
        await core.modern.write(work)
        status = self._create_missing(answer, context)
        endpoints = self._endpoints(make, group) if answer.endpoints else None
        return _respond(
            make,
            answer.member_id,
            answer.member_epoch,
            answer.heartbeat_interval_ms,
            status=tuple(make("Status", status_code=code, status_detail=detail) for code, detail in status),
            endpoint_information_epoch=answer.endpoint_epoch,
            partitions_by_user_endpoint=endpoints,
            **_task_fields(make, answer.tasks),
        )

    def _check_topics(self, topology: Topology, context: RequestContext) -> None:
        """Check that the client may know of all the topology's topics, and that they are its own to use."""
        names = topology.required_topics
        reserved = sorted(names.intersection(_RESERVED))
        if reserved:
            message = f"Use of Kafka internal topics {', '.join(reserved)} in a Kafka Streams topology is prohibited."
            raise GroupError(ErrorCode.streams_invalid_topology, message)
        allows = self._core.cluster.allows
        if not all(allows(context, Operation.DESCRIBE, ResourceType.TOPIC, name) for name in sorted(names)):
            raise GroupError(ErrorCode.topic_authorization_failed)

    def _create_missing(self, answer: Answer, context: RequestContext) -> list[tuple[Status, str]]:
        """Create the internal topics that are missing, as far as the client may; say what went wrong."""
        cluster, trouble = self._core.cluster, []
        if not answer.missing:
            return list(answer.status)
        every = cluster.allows(context, Operation.CREATE, ResourceType.CLUSTER, CLUSTER_NAME, log_denied=False)
        denied = [
            topic.name
            for topic in answer.missing
            if not every and not cluster.allows(context, Operation.CREATE, ResourceType.TOPIC, topic.name)
        ]
        if denied:
            trouble.append(f"Unauthorized to CREATE on topics {','.join(denied)}.")
        else:
            trouble += [problem for topic in answer.missing if (problem := self._create(topic)) is not None]
        if not trouble:
            return list(answer.status)
        return [
            (code, "; ".join((detail, *trouble)) if code is Status.MISSING_INTERNAL_TOPICS else detail)
            for code, detail in answer.status
        ]

    def _create(self, topic: InternalTopic) -> str | None:
        if topic.replication_factor > 1:
            return (
                f"{topic.name}: a replication factor of {topic.replication_factor} is larger than the 1 broker there is"
            )
        try:
            self._core.cluster.create_topic(topic.name, topic.partitions, dict(topic.configs))
        except LOG_ERRORS as error:
            log.warning("internal topic %s could not be created: %s", topic.name, error)
            return f"{topic.name}: {error}"
        return None

    # ---- endpoints

    def _endpoints(self, make: Callable[..., Any], group: StreamsGroup) -> tuple[Any, ...]:
        """Tell where tasks can be queried."""
        return tuple(
            make(
                "EndpointToPartitions",
                user_endpoint=make("Endpoint", host=member.endpoint[0], port=member.endpoint[1]),
                active_partitions=self._partitions(make, group, member.assigned.tasks.active),
                standby_partitions=self._partitions(make, group, member.assigned.tasks.standby),
            )
            for member in group.members.values()
            if member.endpoint is not None
        )

    def _partitions(
        self, make: Callable[..., Any], group: StreamsGroup, tasks: Iterable[tuple[str, int]]
    ) -> tuple[Any, ...]:
        """Return the partitions of the topics that tasks read."""
        subtopologies = (
            {} if group.topology is None else {each.subtopology_id: each for each in group.topology.subtopologies}
        )
        found: dict[str, list[int]] = {}
        for subtopology, partitions in by_subtopology(tasks):
            for name in subtopologies[subtopology].sources if subtopology in subtopologies else ():
                count = self._core.cluster.partition_count(name)
                found.setdefault(name, []).extend(number for number in partitions if number < count)
        return tuple(make("TopicPartition", topic=name, partitions=tuple(found[name])) for name in sorted(found))

    # ---- StreamsGroupDescribe

    async def describe(self, request: Any, context: RequestContext) -> Any:
        """Answer StreamsGroupDescribe with what is durable."""
        make = codec(context.api_key, context.api_version).make
        described = []
        for group_id in request.group_ids:
            try:
                described.append(await self._describe(make, group_id, context, request.include_authorized_operations))
            except GroupError as refused:
                described.append(
                    make(
                        "DescribedGroup", group_id=group_id, error_code=refused.code, error_message=refused.message,
                        group_state="", group_epoch=0, assignment_epoch=0, topology=None, members=(),
                    )
                )  # fmt: skip
        return make(groups=tuple(described))

    async def _describe(
        self, make: Callable[..., Any], group_id: str, context: RequestContext, operations: bool
    ) -> Any:
        core = self._core
        if not core.may_describe(context, group_id):
            raise GroupError(ErrorCode.group_authorization_failed)
        if not group_id:
            raise GroupError(ErrorCode.invalid_group_id)
        if not core.loaded:
            raise GroupError(ErrorCode.coordinator_load_in_progress)
        group = core.streams.existing(group_id)
        await core.modern.settled(group_id)
        names = set() if group.topology is None else group.topology.required_topics
        if not all(core.cluster.allows(context, Operation.DESCRIBE, ResourceType.TOPIC, name) for name in names):
            raise GroupError(ErrorCode.topic_authorization_failed, _NOT_AUTHORIZED)
        return make(
            "DescribedGroup",
            error_code=ErrorCode.none,
            group_id=group_id,
            group_state=group.state,
            group_epoch=group.epoch,
            assignment_epoch=group.assignment_epoch,
            topology=_topology(make, group),
            members=tuple(_member(make, group, member) for member in group.members.values()),
            authorized_operations=core.authorized_operations(context, group_id) if operations else NOT_ASKED,
        )


def _respond(make: Callable[..., Any], member_id: str, epoch: int, interval: int, **fields: Any) -> Any:
    values = {
        "error_code": ErrorCode.none,
        "acceptable_recovery_lag": 0,
        "task_offset_interval": timedelta(0),
        "endpoint_information_epoch": 0,
        "partitions_by_user_endpoint": None,
    }
    heartbeat_interval = timedelta(milliseconds=interval)
    return make(member_id=member_id, member_epoch=epoch, heartbeat_interval=heartbeat_interval, **(values | fields))


def _task_fields(make: Callable[..., Any], tasks: Tasks | None) -> dict[str, Any]:
    names = ("active_tasks", "standby_tasks", "warmup_tasks")
    if tasks is None:
        return dict.fromkeys(names)
    return {name: _tasks(make, role) for name, role in zip(names, tasks.by_role, strict=True)}


def _tasks(make: Callable[..., Any], tasks: Iterable[tuple[str, int]]) -> tuple[Any, ...]:
    return tuple(
        make("TaskIds", subtopology_id=subtopology, partitions=tuple(partitions))
        for subtopology, partitions in by_subtopology(tasks)
    )


def _topology(make: Callable[..., Any], group: StreamsGroup) -> Any:
    topology = group.topology
    if topology is None:
        return None
    decided = {} if group.configured is None else group.configured.partitions

    def topics(given: Iterable[InternalTopic]) -> tuple[Any, ...]:
        return tuple(
            make(
                "TopicInfo",
                name=topic.name,
                partitions=decided.get(topic.name, topic.partitions),
                replication_factor=topic.replication_factor,
                topic_configs=tuple(make("KeyValue", key=key, value=value) for key, value in topic.configs),
            )
            for topic in given
        )

    return make(
        "Topology",
        epoch=topology.epoch,
        subtopologies=tuple(
            make(
                "Subtopology",
                subtopology_id=each.subtopology_id,
                source_topics=tuple(sorted(each.source_topics)),
                repartition_sink_topics=tuple(sorted(each.repartition_sinks)),
                state_changelog_topics=topics(each.changelogs),
                repartition_source_topics=topics(each.repartition_sources),
            )
            for each in sorted(topology.subtopologies, key=lambda each: each.subtopology_id)
        ),
    )


def _member(make: Callable[..., Any], group: StreamsGroup, member: Member) -> Any:
    target = group.targets.get(member.member_id, Tasks())
    endpoint = None if member.endpoint is None else make("Endpoint", host=member.endpoint[0], port=member.endpoint[1])
    return make(
        "Member",
        member_id=member.member_id,
        member_epoch=member.epoch,
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        client_id=member.client_id,
        client_host=member.client_host,
        topology_epoch=member.topology_epoch,
        process_id=member.process_id,
        user_endpoint=endpoint,
        client_tags=tuple(make("KeyValue", key=key, value=value) for key, value in member.client_tags),
        task_offsets=(),
        task_end_offsets=(),
        assignment=make("Assignment", **_task_fields(make, member.assigned.tasks)),
        target_assignment=make("Assignment", **_task_fields(make, target)),
        is_classic=False,
    )


def _check(request: Any, topology: Topology | None) -> None:
    """Check what can be checked without knowing the group, in Kafka's order and words.

    Raises:
        GroupError: INVALID_REQUEST, or STREAMS_INVALID_TOPOLOGY.
    """
    epoch = request.member_epoch
    for value, name in ((request.member_id, "MemberId"), (request.group_id, "GroupId"), (request.rack_id, "RackId")):
        if value is not None and not value.strip():
            raise _invalid(f"{name} can't be empty.")
    roles = {"Active": request.active_tasks, "Standby": request.standby_tasks, "Warmup": request.warmup_tasks}
    if epoch == 0:
        if request.rebalance_timeout == -_MILLISECOND:
            raise _invalid("RebalanceTimeoutMs must be provided in first request.")
        for name, tasks in roles.items():
            if tasks is None or tasks:
                raise _invalid(f"{name}Tasks must be empty when (re-)joining.")
        if topology is None:
            raise _invalid("Topology must be non-null when (re-)joining.")
        _check_topology(topology)
    elif epoch == -2:
        raise _invalid("InstanceId can't be null.")
    elif epoch < -2:
        raise _invalid(f"MemberEpoch is {epoch}, but must be greater than or equal to -2.")
    if any(tasks is not None for tasks in roles.values()) and any(tasks is None for tasks in roles.values()):
        raise _invalid("If one task-type is non-null, all must be non-null.")
    if epoch != 0 and topology is not None:
        raise _invalid("Topology can only be provided when (re-)joining.")


def _check_topology(topology: Topology) -> None:
    for each in topology.subtopologies:
        for topic in each.changelogs:
            if topic.partitions:
                message = (
                    f"Changelog topic {topic.name} must have an undefined partition count, but it is set to "
                    f"{topic.partitions}."
                )
                raise GroupError(ErrorCode.streams_invalid_topology, message)


def _invalid(message: str) -> GroupError:
    return GroupError(ErrorCode.invalid_request, message)


def _read(request: Any, topology: Topology | None, context: RequestContext) -> Heartbeat:
    roles = (request.active_tasks, request.standby_tasks, request.warmup_tasks)
    owned = None
    if roles[0] is not None:
        owned = Tasks(
            *(
                frozenset((each.subtopology_id, number) for each in role or () for number in each.partitions)
                for role in roles
            )
        )
    endpoint = request.user_endpoint
    tags = request.client_tags
    return Heartbeat(
        group_id=request.group_id,
        member_id=request.member_id,
        member_epoch=request.member_epoch,
        endpoint_epoch=request.endpoint_information_epoch,
        rack_id=request.rack_id,
        rebalance_timeout_ms=request.rebalance_timeout // _MILLISECOND,
        topology=topology,
        owned=owned,
        process_id=request.process_id,
        endpoint=None if endpoint is None else (endpoint.host, endpoint.port),
        client_tags=None if tags is None else tuple(sorted((tag.key, tag.value) for tag in tags)),
        shutdown=request.shutdown_application,
        client_id=context.client_id or "",
        client_host=f"/{context.client_host}",
    )
