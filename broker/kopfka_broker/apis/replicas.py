"""Where replicas are and who leads them: log folders, elections and reassignments of a cluster with one of each.

DescribeLogDirs, AlterReplicaLogDirs, ElectLeaders, AlterPartitionReassignments and ListPartitionReassignments. Nothing
can be moved, so nothing ever is under way; requests are checked as Kafka checks them all the same.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.access import needed, refusal
from kopfka_broker.apis.errors import ApiError
from kopfka_broker.security.authorizer import Operation
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext
    from kopfka_wire.codec import Codec

_ELECTION_TYPES = (0, 1)  # preferred, unclean
_UNKNOWN_SPACE = -1


class ReplicaApis:
    """Handlers over one broker."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    # -- log folders --------------------------------------------------------------------------------------------------

    async def describe_log_dirs(self, request: Any, context: RequestContext) -> Any:
        """Answer DescribeLogDirs: the data folder, and the sizes of the partitions asked for (null: all)."""
        form = codec(context.api_key, context.api_version)
        code = refusal(self._cluster, context, Operation.DESCRIBE)
        if code:
            return form.make(error_code=code, results=())
        if request.topics is None:
            wanted = {topic.name: list(range(len(topic.partitions))) for topic in self._cluster.logs.topics.values()}
        else:
            wanted = {each.topic: list(each.partitions) for each in request.topics}
        found = {name: [index for index in indexes if self._exists(name, index)] for name, indexes in wanted.items()}
        total, usable = self._space()
        result = form.make(
            "DescribeLogDirsResult",
            error_code=ErrorCode.none,
            log_dir=self._folder,
            topics=tuple(self._sizes(form, name, indexes) for name, indexes in found.items() if indexes),
            total_bytes=total,
            usable_bytes=usable,
            is_cordoned=self._cluster.cordoned,
        )
        return form.make(error_code=ErrorCode.none, results=(result,))

    def _sizes(self, form: Codec, name: str, indexes: Sequence[int]) -> Any:
        partitions = []
        for index in indexes:
            log = self._cluster.logs.topics[name].partitions[index]
            partitions.append(
                form.make(
                    "DescribeLogDirsPartition",
                    partition_index=index,
                    partition_size=log.size,
                    offset_lag=0,
                    is_future_key=False,
                )
            )
        return form.make("DescribeLogDirsTopic", name=name, partitions=tuple(partitions))

    def _space(self) -> tuple[int, int]:
        try:
            found = os.statvfs(self._folder)
        except OSError:
            return _UNKNOWN_SPACE, _UNKNOWN_SPACE
        return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize

    async def alter_replica_log_dirs(self, request: Any, context: RequestContext) -> Any:
        """Answer AlterReplicaLogDirs: replicas are in the one folder already, and there is no other."""
        form = codec(context.api_key, context.api_version)
        code = refusal(self._cluster, context, Operation.ALTER)
        results: dict[str, list[Any]] = {}
        for folder in request.dirs:
            here = self._is_folder(folder.path)
            for topic in folder.topics:
                for index in topic.partitions:
                    fault = code
                    if not fault and not here:
                        fault = ErrorCode.log_dir_not_found
                    elif not fault and not self._exists(topic.name, index):
                        fault = ErrorCode.unknown_topic_or_partition
                    results.setdefault(topic.name, []).append(
                        form.make("AlterReplicaLogDirPartitionResult", partition_index=index, error_code=fault)
                    )
        return form.make(
            results=tuple(
                form.make("AlterReplicaLogDirTopicResult", topic_name=name, partitions=tuple(partitions))
                for name, partitions in results.items()
            )
        )

    @property
    def _folder(self) -> str:
        return os.path.abspath(self._cluster.directory)  # noqa: PTH100 - as Kafka: no link is followed

    def _is_folder(self, path: str) -> bool:
        return os.path.normpath(path) == self._folder

    def _exists(self, topic: str, index: int) -> bool:
        return self._cluster.partition(topic, index) is not None

    # -- leaders ------------------------------------------------------------------------------------------------------

    async def elect_leaders(self, request: Any, context: RequestContext) -> Any:
        """Answer ElectLeaders: every partition has the one leader there can be."""
        form = codec(context.api_key, context.api_version)
        code = refusal(self._cluster, context, Operation.ALTER)
        kind = getattr(request, "election_type", 0)
        message: str | None = needed(context, Operation.ALTER)
        if not code and kind not in _ELECTION_TYPES:
            code, message = ErrorCode.invalid_request, f"Unknown election type {kind}"
        results = []
        for topic in request.topic_partitions or ():
            partitions = []
            for index in topic.partitions:
                fault, why = (code, message) if code else self._election(topic.topic, index)
                partitions.append(form.make("PartitionResult", partition_id=index, error_code=fault, error_message=why))
            results.append(form.make("ReplicaElectionResult", topic=topic.topic, partition_result=tuple(partitions)))
        if request.topic_partitions is None and not code:
            # of all partitions only those are told whose leader has changed
            results = [
                form.make("ReplicaElectionResult", topic=name, partition_result=())
                for name in self._cluster.logs.topics
            ]
        return form.make(error_code=code, replica_election_results=tuple(results))

    def _election(self, topic: str, index: int) -> tuple[ErrorCode, str]:
        if topic not in self._cluster.logs.topics:
            return ErrorCode.unknown_topic_or_partition, f"No such topic as {topic}"
        if not self._exists(topic, index):
            return ErrorCode.unknown_topic_or_partition, f"No such partition as {topic}-{index}"
        return ErrorCode.election_not_needed, "Leader election not needed for topic partition."

    # -- reassignments ------------------------------------------------------------------------------------------------

    async def alter_partition_reassignments(self, request: Any, context: RequestContext) -> Any:
        """Answer AlterPartitionReassignments: a partition may be put where it is, and nowhere else."""
        form = codec(context.api_key, context.api_version)
        allow_change = getattr(request, "allow_replication_factor_change", True)
        code = refusal(self._cluster, context, Operation.ALTER)
        denied = needed(context, Operation.ALTER) if code else None
        responses = []
        for topic in request.topics:
            partitions = []
            for each in topic.partitions:
                fault, message = code, denied
                try:
                    if not code:
                        self._reassign(topic.name, each)
                except ApiError as error:
                    fault, message = error.code, error.message
                partitions.append(
                    form.make(
                        "ReassignablePartitionResponse",
                        partition_index=each.partition_index,
                        error_code=fault,
                        error_message=message,
                    )
                )
            responses.append(form.make("ReassignableTopicResponse", name=topic.name, partitions=tuple(partitions)))
        return form.make(
            allow_replication_factor_change=allow_change,
            error_code=code,
            error_message=denied if responses or code else "",
            responses=tuple(responses),
        )

    def _reassign(self, topic: str, wanted: Any) -> None:
        if topic not in self._cluster.logs.topics:
            raise ApiError(ErrorCode.unknown_topic_or_partition, f"Unable to find a topic named {topic}.")
        if not self._exists(topic, wanted.partition_index):
            raise ApiError(
                ErrorCode.unknown_topic_or_partition, f"Unable to find partition {topic}:{wanted.partition_index}."
            )
        if wanted.replicas is None:
            raise ApiError(ErrorCode.no_reassignment_in_progress)
        check_replicas(wanted.replicas, self._cluster.config.node_id)

    async def list_partition_reassignments(self, request: Any, context: RequestContext) -> Any:
        """Answer ListPartitionReassignments: none is ever under way."""
        form = codec(context.api_key, context.api_version)
        code = refusal(self._cluster, context, Operation.DESCRIBE)
        return form.make(
            error_code=code, error_message=needed(context, Operation.DESCRIBE) if code else None, topics=()
        )


def check_replicas(brokers: Sequence[int], node_id: int) -> None:
    """Check a list of replicas that a client gave for a partition.

    Raises:
        ApiError: it is none that the one broker of this cluster could serve, in Kafka's words.
    """
    if not brokers:
        raise ApiError(
            ErrorCode.invalid_replica_assignment, "The manual partition assignment includes an empty replica list."
        )
    twice, times = Counter(brokers).most_common(1)[0]
    if times > 1:
        raise ApiError(
            ErrorCode.invalid_replica_assignment,
            f"The manual partition assignment includes the broker {twice} more than once.",
        )
    for broker in brokers:
        if broker != node_id:
            raise ApiError(
                ErrorCode.invalid_replica_assignment,
                f"The manual partition assignment includes broker {broker}, but no such broker is registered.",
            )
