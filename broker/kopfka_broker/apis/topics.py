"""CreateTopics, DeleteTopics, CreatePartitions and DeleteRecords, answered as a Kafka cluster of one broker does."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.access import denied, may, may_topic
from kopfka_broker.apis.configs import described_topic_configs
from kopfka_broker.apis.errors import ApiError
from kopfka_broker.apis.names import INTERNAL_TOPICS, colliding, topic_name_fault
from kopfka_broker.apis.replicas import check_replicas
from kopfka_broker.config.confluent import REGISTRY_URL, check_validation
from kopfka_broker.config.values import check_topic_configs
from kopfka_broker.security.authorizer import Operation
from kopfka_broker.storage import StorageError
from kopfka_runtime.errors import SettingsError
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext
    from kopfka_broker.security.throttling import MutationQuota
    from kopfka_broker.storage import Topic
    from kopfka_wire.codec import Codec

_DEFAULT = -1
_HIGH_WATERMARK = -1
_METADATA_TOPIC = "__cluster_metadata"  # Kafka's own log of its metadata, which no one may create
# a request for more than this is taken for a mistake, as Kafka takes it (KafkaConfig has no setting for it)
_MOST_PARTITIONS = 10_000


class TopicApis:
    """Handlers over one broker."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    # -- CreateTopics -------------------------------------------------------------------------------------------------

    async def create_topics(self, request: Any, context: RequestContext) -> Any:
        """Answer CreateTopics."""
        form = codec(context.api_key, context.api_version)
        quota = self._cluster.throttling.mutations(context, strict_since=6)
        times = Counter(each.name for each in request.topics)
        everywhere = may(self._cluster, context, Operation.CREATE, log_denied=False)
        results = []
        for name, wanted in {each.name: each for each in request.topics}.items():
            try:
                if times[name] > 1:
                    raise ApiError(ErrorCode.invalid_request, "Duplicate topic name.")
                if name == _METADATA_TOPIC:
                    raise ApiError(ErrorCode.invalid_request, f"Creation of internal topic {name} is prohibited.")
                if not everywhere and not may_topic(self._cluster, context, Operation.CREATE, name):
                    # not in the words Kafka has for the error everywhere else
                    raise ApiError(ErrorCode.topic_authorization_failed, "Authorization failed.")
                shown = may_topic(self._cluster, context, Operation.DESCRIBE_CONFIGS, name, log_denied=False)
                results.append(await self._create(form, wanted, request.validate_only, quota, shown))
            except ApiError as error:
                results.append(_not_created(form, name, error))
        return form.make(topics=tuple(results), throttle_time=quota.throttle_time())

    async def _create(self, form: Codec, wanted: Any, validate_only: bool, quota: MutationQuota, shown: bool) -> Any:
        """Create a topic; what it is like is told only where the client may see it."""
        name = wanted.name
        self._check_name(name)
        partitions = self._check_partitions(wanted)
        overrides = {each.name: each.value for each in wanted.configs or ()}
        try:
            check_topic_configs(overrides)
            check_validation(overrides, {}, self._cluster.config.get(REGISTRY_URL))
        except SettingsError as error:
            raise ApiError(ErrorCode.invalid_config, str(error)) from None
        quota.record(partitions)
        topic = None
        if not validate_only:
            topic = await self._cluster.create_topic_gradually(name, partitions, overrides)
        return form.make(
            "CreatableTopicResult",
            name=name,
            topic_id=uuid4() if topic is None else topic.topic_id,
            error_code=ErrorCode.none,
            error_message=None,
            topic_config_error_code=0 if shown else ErrorCode.topic_authorization_failed.value,
            num_partitions=partitions if shown else -1,
            replication_factor=1 if shown else -1,
            configs=described_topic_configs(form, self._cluster.config, overrides)
            if form.version >= 5 and shown
            else (),
        )

    def _check_name(self, name: str) -> None:
        fault = topic_name_fault(name)
        if fault:
            raise ApiError(ErrorCode.invalid_topic_exception, fault)
        topics = self._cluster.logs.topics
        if name in topics:
            raise ApiError(ErrorCode.topic_already_exists, f"Topic '{name}' already exists.")
        if "." in name or "_" in name:
            for other in topics:
                if colliding(other) == colliding(name):
                    raise ApiError(
                        ErrorCode.invalid_topic_exception, f"Topic '{name}' collides with existing topic: {other}"
                    )

    def _check_partitions(self, wanted: Any) -> int:
        if wanted.assignments:
            return self._check_assignments(wanted)
        factor = wanted.replication_factor
        if factor < _DEFAULT or factor == 0:
            raise ApiError(
                ErrorCode.invalid_replication_factor,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            )
        count = wanted.num_partitions
        if count == 0 or count < _DEFAULT:
            raise ApiError(
                ErrorCode.invalid_partitions, "Number of partitions was set to an invalid non-positive value."
            )
        if factor == _DEFAULT:
            factor = self._cluster.config.number("default.replication.factor")
        if count == _DEFAULT:
            count = self._cluster.config.number("num.partitions")
        _check_factor(factor, 0 if self._cluster.cordoned else 1)
        if count > _MOST_PARTITIONS:
            raise ApiError(
                ErrorCode.policy_violation,
                "Excessively large number of partitions per request.",
            )
        return int(count)

    def _check_assignments(self, wanted: Any) -> int:
        if wanted.replication_factor != _DEFAULT:
            raise ApiError(
                ErrorCode.invalid_request,
                "A manual partition assignment was specified, but replication factor was not set to -1.",
            )
        if wanted.num_partitions != _DEFAULT:
            raise ApiError(
                ErrorCode.invalid_request,
                "A manual partition assignment was specified, but numPartitions was not set to -1.",
            )
        given = {each.partition_index: each.broker_ids for each in wanted.assignments}
        if len(given) != len(wanted.assignments):
            twice = Counter(each.partition_index for each in wanted.assignments).most_common(1)[0][0]
            raise ApiError(
                ErrorCode.invalid_replica_assignment,
                f"Found multiple manual partition assignments for partition {twice}",
            )
        for brokers in given.values():
            check_replicas(brokers, self._cluster.config.node_id)
        if sorted(given) != list(range(len(given))):
            raise ApiError(
                ErrorCode.invalid_replica_assignment, "partitions should be a consecutive 0-based integer sequence"
            )
        return len(given)

    # -- DeleteTopics -------------------------------------------------------------------------------------------------

    async def delete_topics(self, request: Any, context: RequestContext) -> Any:
        """Answer DeleteTopics."""
        form = codec(context.api_key, context.api_version)
        quota = self._cluster.throttling.mutations(context, strict_since=5)
        if context.api_version >= 6:
            wanted = [(each.name, each.topic_id) for each in request.topics]
        else:
            wanted = [(name, None) for name in request.topic_names]
        times = Counter(wanted)
        results = []
        for name, topic_id in times:
            answer = {"name": name, "topic_id": topic_id, "error_code": ErrorCode.none, "error_message": None}
            try:
                if times[(name, topic_id)] > 1:
                    what = "name" if name is not None else "id"
                    raise ApiError(ErrorCode.invalid_request, f"Duplicate topic {what}.")
                topic = self._find(context, name, topic_id, answer)
                quota.record(len(topic.partitions))
                await self._cluster.delete_topic(topic.name)
                answer |= {"name": topic.name, "topic_id": topic.topic_id}
            except ApiError as error:
                answer |= {"error_code": error.code, "error_message": error.message}
            results.append(form.make("DeletableTopicResult", **answer))
        return form.make(responses=tuple(results), throttle_time=quota.throttle_time())

    def _find(self, context: RequestContext, name: str | None, topic_id: Any, answer: dict[str, Any]) -> Topic:
        """Return the topic to delete; what a client may not describe is not said to be there or not."""
        if name is None and topic_id is None:
            raise ApiError(ErrorCode.invalid_request, "Neither topic name nor id were specified.")
        if name is not None and topic_id is not None:
            raise ApiError(ErrorCode.invalid_request, "You may not specify both topic name and topic id.")
        if not self._cluster.config.get("delete.topic.enable"):
            raise ApiError(ErrorCode.topic_deletion_disabled, "Topic deletion is disabled.")
        everywhere = may(self._cluster, context, Operation.DELETE, log_denied=False)
        if name is None:
            found = self._cluster.logs.topic_by_id(topic_id)
            if found is None:
                raise ApiError(ErrorCode.unknown_topic_id, "This server does not host this topic ID.")
            if not everywhere and self._may(context, Operation.DESCRIBE, found.name):
                answer["name"] = found.name
        else:
            if not everywhere and not self._may(context, Operation.DESCRIBE, name):
                raise denied(ErrorCode.topic_authorization_failed)
            found = self._cluster.logs.topics.get(name)
            if found is None:
                raise ApiError(ErrorCode.unknown_topic_or_partition, "This server does not host this topic-partition.")
        if not everywhere and not may_topic(self._cluster, context, Operation.DELETE, found.name):
            raise denied(ErrorCode.topic_authorization_failed)
        return found

    def _may(self, context: RequestContext, operation: Operation, topic: str) -> bool:
        return may_topic(self._cluster, context, operation, topic, log_denied=False)

    # -- CreatePartitions ---------------------------------------------------------------------------------------------

    async def create_partitions(self, request: Any, context: RequestContext) -> Any:
        """Answer CreatePartitions."""
        form = codec(context.api_key, context.api_version)
        quota = self._cluster.throttling.mutations(context, strict_since=3)
        times = Counter(each.name for each in request.topics)
        results = []
        for name, wanted in {each.name: each for each in request.topics}.items():
            code, message = ErrorCode.none, None
            try:
                if times[name] > 1:
                    raise ApiError(ErrorCode.invalid_request, "Duplicate topic name.")
                if not may_topic(self._cluster, context, Operation.ALTER, name):
                    raise ApiError(ErrorCode.topic_authorization_failed)
                self._add_partitions(wanted, request.validate_only, quota)
            except ApiError as error:
                code, message = error.code, error.message
            results.append(form.make("CreatePartitionsTopicResult", name=name, error_code=code, error_message=message))
        return form.make(results=tuple(results), throttle_time=quota.throttle_time())

    def _add_partitions(self, wanted: Any, validate_only: bool, quota: MutationQuota) -> None:
        topic = self._cluster.logs.topics.get(wanted.name)
        if topic is None:
            raise ApiError(ErrorCode.unknown_topic_or_partition)
        have = len(topic.partitions)
        if wanted.count == have:
            raise ApiError(ErrorCode.invalid_partitions, f"Topic already has {have} partition(s).")
        if wanted.count < have:
            raise ApiError(
                ErrorCode.invalid_partitions,
                f"The topic {wanted.name} currently has {have} partition(s); {wanted.count} would not be an increase.",
            )
        more = wanted.count - have
        if more > _MOST_PARTITIONS:
            raise ApiError(
                ErrorCode.policy_violation,
                "Excessively large number of partitions per request.",
            )
        if wanted.assignments is not None:
            if len(wanted.assignments) != more:
                raise ApiError(
                    ErrorCode.invalid_replica_assignment,
                    f"Attempted to add {more} additional partition(s), "
                    f"but only {len(wanted.assignments)} assignment(s) were specified.",
                )
            for each in wanted.assignments:
                check_replicas(each.broker_ids, self._cluster.config.node_id)
        quota.record(more)
        if not validate_only:
            self._cluster.add_partitions(wanted.name, wanted.count)

    # -- DeleteRecords ------------------------------------------------------------------------------------------------

    async def delete_records(self, request: Any, context: RequestContext) -> Any:
        """Answer DeleteRecords: move log start offsets up."""
        form = codec(context.api_key, context.api_version)
        return form.make(
            topics=tuple(
                form.make(
                    "DeleteRecordsTopicResult",
                    name=topic.name,
                    partitions=tuple(
                        self._delete_records(form, context, topic.name, each) for each in topic.partitions
                    ),
                )
                for topic in request.topics
            )
        )

    def _delete_records(self, form: Codec, context: RequestContext, topic: str, wanted: Any) -> Any:
        low_watermark, code = -1, ErrorCode.none
        log = self._cluster.partition(topic, wanted.partition_index)
        if not may_topic(self._cluster, context, Operation.DELETE, topic):
            code = ErrorCode.topic_authorization_failed
        elif log is None:
            code = ErrorCode.unknown_topic_or_partition
        elif topic in INTERNAL_TOPICS:
            code = ErrorCode.invalid_topic_exception
        else:
            before = log.high_watermark if wanted.offset == _HIGH_WATERMARK else wanted.offset
            if not 0 <= before <= log.high_watermark:
                code = ErrorCode.offset_out_of_range
            elif "delete" not in log.config.cleanup_policy:
                code = ErrorCode.policy_violation
            else:
                try:
                    low_watermark = log.delete_records(before)
                except StorageError as error:
                    code = error.code
        return form.make(
            "DeleteRecordsPartitionResult",
            partition_index=wanted.partition_index,
            low_watermark=low_watermark,
            error_code=code,
        )


def _check_factor(factor: int, brokers: int) -> None:
    """Check a replication factor; no broker counts whose only folder is cordoned (KIP-1066)."""
    if factor != brokers:
        raise ApiError(
            ErrorCode.invalid_replication_factor,
            f"Unable to replicate the partition {factor} time(s): The target replication factor of {factor} cannot be "
            "reached because only 1 broker(s) are registered or some brokers have all their log directories cordoned.",
        )


def _not_created(form: Codec, name: str, error: ApiError) -> Any:
    return form.make(
        "CreatableTopicResult",
        name=name,
        topic_id=None,
        error_code=error.code,
        error_message=error.message,
        topic_config_error_code=0,
        num_partitions=-1,
        replication_factor=-1,
        configs=(),
    )
