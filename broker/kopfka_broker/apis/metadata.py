"""Metadata, DescribeCluster and DescribeTopicPartitions: what there is, and where clients find it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.access import (
    NOT_ASKED,
    authorized_operations,
    cluster_operations,
    may,
    may_topic,
)
from kopfka_broker.apis.names import INTERNAL_TOPICS, is_topic_name
from kopfka_broker.security.authorizer import Operation, ResourceType
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext
    from kopfka_broker.storage import PartitionLog, Topic
    from kopfka_wire.codec import Codec

_BROKERS, _CONTROLLERS = 1, 2


class MetadataApis:
    """Handlers over one broker."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def metadata(self, request: Any, context: RequestContext) -> Any:
        """Answer Metadata; topics that do not exist yet are created where the request and the broker allow it."""
        form = codec(context.api_key, context.api_version)
        ask_operations = getattr(request, "include_topic_authorized_operations", False)
        wanted = request.topics
        if wanted is None or (context.api_version == 0 and not wanted):
            topics = [
                self._topic(form, context, topic, ask_operations)
                for topic in sorted(self._cluster.logs.topics.values(), key=_name)
                if may_topic(self._cluster, context, Operation.DESCRIBE, topic.name, log_denied=False)
            ]
        else:
            # one id among the topics, and names are not looked at any more
            by_id = [each for each in wanted if getattr(each, "topic_id", None) is not None]
            wanted = list({each.topic_id: each for each in by_id}.values()) or wanted
            topics = [
                self._wanted(form, context, each, ask_operations, getattr(request, "allow_auto_topic_creation", True))
                for each in wanted
            ]
        node = self._cluster.broker(context.listener)
        return form.make(
            brokers=(
                form.make(
                    "MetadataResponseBroker", node_id=node.node_id, host=node.host, port=node.port, rack=self._rack()
                ),
            ),
            cluster_id=self._cluster.logs.cluster_id,
            controller_id=node.node_id,
            topics=tuple(topics),
            cluster_authorized_operations=(
                cluster_operations(self._cluster, context)
                if getattr(request, "include_cluster_authorized_operations", False)
                else NOT_ASKED
            ),
            error_code=ErrorCode.none,
        )

    def _rack(self) -> str | None:
        rack = self._cluster.config.get("broker.rack")
        return None if rack is None else str(rack)

    def _wanted(  # noqa: PLR0911 - one way out for each error
        self, form: Codec, context: RequestContext, wanted: Any, ask_operations: bool, may_create: bool
    ) -> Any:
        """Return a topic that was asked for by name or id; one the client may not describe is neither there nor not."""
        name, topic_id = wanted.name, getattr(wanted, "topic_id", None)
        denied = ErrorCode.topic_authorization_failed
        if name is None or topic_id is not None:
            topic = self._cluster.logs.topic_by_id(topic_id) if topic_id is not None else None
            if topic is None:
                return self._error(form, None, topic_id, ErrorCode.unknown_topic_id)
            if not may_topic(self._cluster, context, Operation.DESCRIBE, topic.name):
                return self._error(form, None, topic_id, denied)
            return self._topic(form, context, topic, ask_operations)
        if not may_topic(self._cluster, context, Operation.DESCRIBE, name):
            return self._error(form, name, None, denied)
        topic = self._cluster.logs.topics.get(name)
        if topic is None:
            creates = may_create and bool(self._cluster.config.get("auto.create.topics.enable"))
            if creates and not self._may_create(context, name):
                return self._error(form, name, None, denied, internal=name in INTERNAL_TOPICS)
            operations = self._operations(context, name) if ask_operations else NOT_ASKED
            if not is_topic_name(name):
                return self._error(form, name, None, ErrorCode.invalid_topic_exception, operations)
            topic = self._cluster.auto_create(name) if creates else None
            if topic is None:
                internal = name in INTERNAL_TOPICS
                code = ErrorCode.unknown_topic_or_partition
                return self._error(form, name, None, code, operations, internal=internal)
        return self._topic(form, context, topic, ask_operations)

    def _may_create(self, context: RequestContext, name: str) -> bool:
        return may(self._cluster, context, Operation.CREATE, log_denied=False) or may_topic(
            self._cluster, context, Operation.CREATE, name
        )

    def _operations(self, context: RequestContext, topic: str) -> int:
        return authorized_operations(self._cluster, context, ResourceType.TOPIC, topic)

    def _error(
        self,
        form: Codec,
        name: str | None,
        topic_id: Any,
        code: ErrorCode,
        operations: int = NOT_ASKED,
        *,
        internal: bool = False,
    ) -> Any:
        return form.make(
            "MetadataResponseTopic",
            error_code=code,
            name=name if name is not None or form.version >= 12 else "",
            topic_id=topic_id,
            is_internal=internal,
            partitions=(),
            topic_authorized_operations=operations,
        )

    def _topic(self, form: Codec, context: RequestContext, topic: Topic, ask_operations: bool) -> Any:
        return form.make(
            "MetadataResponseTopic",
            error_code=ErrorCode.none,
            name=topic.name,
            topic_id=topic.topic_id,
            is_internal=topic.internal,
            partitions=tuple(self._partition(form, "MetadataResponsePartition", log) for log in topic.partitions),
            topic_authorized_operations=self._operations(context, topic.name) if ask_operations else NOT_ASKED,
        )

    async def describe_cluster(self, request: Any, context: RequestContext) -> Any:
        """Answer DescribeCluster; this cluster's controller is the broker itself and not reachable as one."""
        form = codec(context.api_key, context.api_version)
        kind = getattr(request, "endpoint_type", _BROKERS)
        if kind != _BROKERS:
            code, message = ErrorCode.unsupported_endpoint_type, f"Unsupported endpoint type {kind}"
            if kind == _CONTROLLERS:
                code = ErrorCode.mismatched_endpoint_type
                message = (
                    "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
                )
            return form.make(
                error_code=code,
                error_message=message,
                endpoint_type=_BROKERS,
                cluster_id="",
                controller_id=-1,
                brokers=(),
                cluster_authorized_operations=NOT_ASKED,
            )
        node = self._cluster.broker(context.listener)
        broker = form.make(
            "DescribeClusterBroker",
            broker_id=node.node_id,
            host=node.host,
            port=node.port,
            rack=self._rack(),
            is_fenced=False,
        )
        return form.make(
            error_code=ErrorCode.none,
            error_message=None,
            endpoint_type=_BROKERS,
            cluster_id=self._cluster.logs.cluster_id,
            controller_id=node.node_id,
            brokers=(broker,),
            cluster_authorized_operations=cluster_operations(self._cluster, context)
            if request.include_cluster_authorized_operations
            else NOT_ASKED,
        )

    async def describe_topic_partitions(self, request: Any, context: RequestContext) -> Any:
        """Answer DescribeTopicPartitions (KIP-966): topics by name, in pages of at most so many partitions."""
        form = codec(context.api_key, context.api_version)
        asked = {each.name for each in request.topics}
        names: Iterable[str] = sorted(asked or self._cluster.logs.topics)
        allowed = {
            name for name in names
            if may_topic(self._cluster, context, Operation.DESCRIBE, name, log_denied=bool(asked))
        }  # fmt: skip
        denied = tuple(
            self._described(form, context, name, None, (), ErrorCode.topic_authorization_failed)
            for name in asked - allowed
        )
        names = [name for name in names if name in allowed]
        cursor = request.cursor
        limit = min(request.response_partition_limit, self._cluster.config.number("max.request.partition.size.limit"))
        first_partition = 0
        if cursor is not None:
            names = [name for name in names if name >= cursor.topic_name]
            first_partition = cursor.partition_index
        topics: list[Any] = []
        next_cursor = None
        for name in names:
            start = first_partition if cursor is not None and name == cursor.topic_name else 0
            topic = self._cluster.logs.topics.get(name)
            if topic is None:
                missing = ErrorCode.unknown_topic_or_partition
                code = missing if is_topic_name(name) else ErrorCode.invalid_topic_exception
                topics.append(self._described(form, context, name, None, (), code))
                continue
            if limit <= 0:
                next_cursor = form.make("Cursor", topic_name=name, partition_index=start)
                break
            page = topic.partitions[start : start + limit]
            limit -= len(page)
            topics.append(self._described(form, context, name, topic, page))
            if start + len(page) < len(topic.partitions):
                next_cursor = form.make("Cursor", topic_name=name, partition_index=start + len(page))
                break
        return form.make(topics=(*topics, *denied), next_cursor=next_cursor)

    def _described(  # noqa: PLR0917 - the fields of a topic in the answer
        self,
        form: Codec,
        context: RequestContext,
        name: str,
        topic: Topic | None,
        logs: Iterable[PartitionLog],
        code: ErrorCode = ErrorCode.none,
    ) -> Any:
        hidden = code is ErrorCode.topic_authorization_failed
        return form.make(
            "DescribeTopicPartitionsResponseTopic",
            error_code=code,
            name=name,
            topic_id=None if topic is None else topic.topic_id,
            is_internal=topic is not None and topic.internal,
            partitions=tuple(
                self._partition(
                    form,
                    "DescribeTopicPartitionsResponsePartition",
                    log,
                    eligible_leader_replicas=(),
                    last_known_elr=(),
                )
                for log in logs
            ),
            topic_authorized_operations=NOT_ASKED if hidden else self._operations(context, name),
        )

    def _partition(self, form: Codec, entity: str, log: PartitionLog, **more: Any) -> Any:
        """A partition with its one replica here, in either API's form."""
        node_id = self._cluster.config.node_id
        return form.make(
            entity,
            error_code=ErrorCode.none,
            partition_index=log.partition,
            leader_id=node_id,
            leader_epoch=log.leader_epoch,
            replica_nodes=(node_id,),
            isr_nodes=(node_id,),
            offline_replicas=(),
            **more,
        )


def _name(topic: Topic) -> str:
    return topic.name
