"""The cluster's own workings: DescribeQuorum, UpdateFeatures, UnregisterBroker, AddRaftVoter and RemoveRaftVoter.

Answers are those of a Kafka whose one node is broker and controller, with a static quorum. There is no metadata log
here: what would be its end is the epoch of the features, which Kafka takes from there too.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.access import MESSAGES, needed, refusal
from kopfka_broker.apis.errors import ApiError
from kopfka_broker.features import METADATA_VERSION
from kopfka_broker.security.authorizer import Operation
from kopfka_broker.storage import StorageError
from kopfka_broker.storage.checkpoints import encode_uuid
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext

_METADATA_TOPIC: Final = "__cluster_metadata"
_KRAFT_VERSION: Final = "kraft.version"
_LEADER_EPOCH: Final = 1
_UNKNOWN_PARTITION: Final = "This server does not host this topic-partition."
_UPGRADE, _SAFE_DOWNGRADE, _UNSAFE_DOWNGRADE = 1, 2, 3


class QuorumApis:
    """Handlers over one broker."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    # -- DescribeQuorum -----------------------------------------------------------------------------------------------

    async def describe_quorum(self, request: Any, context: RequestContext) -> Any:
        """Answer DescribeQuorum: this node leads, and nobody follows."""
        form = codec(context.api_key, context.api_version)
        code = refusal(self._cluster, context, Operation.DESCRIBE)
        if code:
            return form.make(error_code=code, error_message=MESSAGES[code], topics=(), nodes=())
        asked = [(topic.topic_name, each.partition_index) for topic in request.topics for each in topic.partitions]
        known = asked == [(_METADATA_TOPIC, 0)]
        topics = tuple(
            form.make(
                "TopicData",
                topic_name=topic.topic_name,
                partitions=tuple(
                    self._leads(form) if known else _not_hosted(form, each.partition_index) for each in topic.partitions
                ),
            )
            for topic in request.topics
        )
        nodes = (self._node(form, context),) if known and context.api_version >= 2 else ()
        return form.make(error_code=ErrorCode.none, error_message="", topics=topics, nodes=nodes)

    def _leads(self, form: Any) -> Any:
        now = time.time_ns() // 1_000_000
        end = self._cluster.features.epoch + 1
        state = form.make(
            "ReplicaState",
            replica_id=self._cluster.config.node_id,
            replica_directory_id=None,
            log_end_offset=end,
            last_fetch_timestamp=now,
            last_caught_up_timestamp=now,
        )
        return form.make(
            "PartitionData",
            partition_index=0,
            error_code=ErrorCode.none,
            error_message="",
            leader_id=self._cluster.config.node_id,
            leader_epoch=_LEADER_EPOCH,
            high_watermark=end,
            current_voters=(state,),
            observers=(),
        )

    def _node(self, form: Any, context: RequestContext) -> Any:
        node = self._cluster.broker(context.listener)
        names = self._cluster.config.get("controller.listener.names") or ["CONTROLLER"]
        listener = form.make("Listener", name=names[0], host=node.host, port=node.port)
        return form.make("Node", node_id=node.node_id, listeners=(listener,))

    # -- UpdateFeatures -----------------------------------------------------------------------------------------------

    async def update_features(self, request: Any, context: RequestContext) -> Any:
        """Answer UpdateFeatures: all of the changes or none."""
        form = codec(context.api_key, context.api_version)
        code = refusal(self._cluster, context, Operation.ALTER)
        if code:
            return form.make(error_code=code, error_message=needed(context, Operation.ALTER), results=())
        levels: dict[str, int] = {}
        try:
            for each in request.feature_updates:
                level, kind = each.max_version_level, _upgrade_type(each)
                wrong = self._fault(each.feature, level, kind)
                if wrong:
                    raise ApiError(ErrorCode.invalid_update_version, wrong)
                levels[each.feature] = level
            if not getattr(request, "validate_only", False):
                self._cluster.finalize_features(levels)
        except StorageError as error:
            return form.make(error_code=error.code, error_message=str(error), results=())
        except ApiError as error:
            message = f"The update failed for all features since the following feature had an error: {error.message}"
            return form.make(error_code=error.code, error_message=message, results=())
        results = ()
        if context.api_version < 2:
            results = tuple(
                form.make(
                    "UpdatableFeatureResult", feature=each.feature, error_code=ErrorCode.none, error_message="NONE"
                )
                for each in request.feature_updates
            )
        return form.make(error_code=ErrorCode.none, error_message=None, results=results)

    def _fault(self, name: str, level: int, kind: int) -> str | None:
        """Return why a feature cannot have a level, in Kafka's words and order, or None."""
        features, node = self._cluster.features, self._cluster.config.node_id
        current = features.finalized.get(name, 0)
        known = features.supported.get(name)
        why = None
        if kind not in (_UPGRADE, _SAFE_DOWNGRADE, _UNSAFE_DOWNGRADE):
            why = "The controller does not support the given upgrade type."
        elif level < 0:
            why = "A feature version cannot be less than 0."
        elif known is None and level:
            why = f"Local controller {node} does not support this feature."
        elif known is not None and not known.lowest <= level <= known.highest:
            why = f"Local controller {node} only supports versions {known.lowest}-{known.highest}"
        elif level < current and kind == _UPGRADE:
            why = (
                "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe "
                "downgrade."
            )
        elif level > current and kind != _UPGRADE:
            why = "Can't downgrade to a newer version."
        elif name == METADATA_VERSION and level < current:
            unsafe = "Unsafe metadata downgrade is not supported in this version."
            safe = "Refusing to perform the requested downgrade because it might delete metadata information."
            reason = unsafe if kind == _UNSAFE_DOWNGRADE else safe
            return f"Unsupported metadata.version downgrade from {current} to {level}. {reason}"
        elif name == _KRAFT_VERSION and level < current:
            why = "Can't downgrade the version of this feature."
        elif known is None:
            why = f"Feature {name} not found."
        return f"Invalid update version {level} for feature {name}. {why}" if why else None

    # -- nodes --------------------------------------------------------------------------------------------------------

    async def unregister_broker(self, request: Any, context: RequestContext) -> Any:
        """Answer UnregisterBroker: there is one broker, and it runs."""
        form = codec(context.api_key, context.api_version)
        code, message = refusal(self._cluster, context, Operation.ALTER), needed(context, Operation.ALTER)
        if not code and request.broker_id == self._cluster.config.node_id:
            # Apache Kafka would fence its only broker, and with it every partition
            code, message = ErrorCode.invalid_request, "The only broker of a cluster cannot be unregistered."
        elif not code:
            code = ErrorCode.broker_id_not_registered
            message = f"Broker ID {request.broker_id} is not currently registered"
        return form.make(error_code=code, error_message=message)

    async def add_raft_voter(self, request: Any, context: RequestContext) -> Any:
        """Answer AddRaftVoter: this cluster has one node for good."""
        code, message = self._voter_fault(request, context, "Add", "adding")
        if not code:
            code = ErrorCode.request_timed_out
            message = f"New voter {_voter(request)} is not ready to receive requests"
        return codec(context.api_key, context.api_version).make(error_code=code, error_message=message)

    async def remove_raft_voter(self, request: Any, context: RequestContext) -> Any:
        """Answer RemoveRaftVoter: this cluster has one node for good."""
        code, message = self._voter_fault(request, context, "Remove", "removing")
        if not code:
            own = f"ReplicaKey(id={self._cluster.config.node_id}, directoryId=<undefined>)"
            code = ErrorCode.voter_not_found
            message = f"Cannot remove voter {_voter(request)} from the set of voters [{own}]"
        return codec(context.api_key, context.api_version).make(error_code=code, error_message=message)

    def _voter_fault(self, request: Any, context: RequestContext, verb: str, doing: str) -> tuple[ErrorCode, str]:
        code = refusal(self._cluster, context, Operation.ALTER)
        own_id = self._cluster.logs.cluster_id
        if code:
            return code, MESSAGES[code]
        if request.cluster_id not in (None, own_id):
            message = f'The given id "{request.cluster_id}" doesn\'t match the cluster id "{own_id}"'
            return ErrorCode.inconsistent_cluster_id, message
        if request.voter_id < 0:
            return ErrorCode.invalid_request, f"{verb} voter request didn't include a valid voter"
        if not self._cluster.features.finalized.get(_KRAFT_VERSION, 0):
            message = f"Cluster doesn't support {doing} voter because the kraft.version feature is 0"
            return ErrorCode.unsupported_version, message
        return ErrorCode.none, ""


def _upgrade_type(update: Any) -> int:
    # version 0 says only whether a downgrade is allowed
    allowed = _SAFE_DOWNGRADE if getattr(update, "allow_downgrade", False) else _UPGRADE
    return int(getattr(update, "upgrade_type", allowed))


def _voter(request: Any) -> str:
    directory = request.voter_directory_id
    name = "<undefined>" if directory is None else encode_uuid(directory)
    return f"ReplicaKey(id={request.voter_id}, directoryId={name})"


def _not_hosted(form: Any, index: int) -> Any:
    return form.make(
        "PartitionData",
        partition_index=index,
        error_code=ErrorCode.unknown_topic_or_partition,
        error_message=_UNKNOWN_PARTITION,
        leader_id=0,
        leader_epoch=0,
        high_watermark=0,
        current_voters=(),
        observers=(),
    )
