"""What a Metadata answer says, as values. Asks nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_wire.error_codes import broker_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from kopfka_wire.codec import Codec


@dataclass(frozen=True, slots=True)
class PartitionState:
    """One partition; `leader` is -1 where there is none."""

    leader: int
    leader_epoch: int
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TopicState:
    """One topic, or why nothing is known of it (`error`)."""

    name: str
    topic_id: UUID | None
    internal: bool
    error: ErrorCode
    partitions: Mapping[int, PartitionState]
    at: float
    """When it was asked for (monotonic)."""


@dataclass(frozen=True, slots=True)
class Leader:
    """Where a partition's requests go."""

    topic: str
    topic_id: UUID | None
    partition: int
    node_id: int
    epoch: int
    """-1 where the broker is too old to say."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """One answer."""

    cluster_id: str
    controller: int
    nodes: Mapping[int, tuple[str, int]]
    topics: Mapping[str, TopicState]


def metadata_request(form: Codec, topics: Iterable[str] | None) -> Any:
    """Return the request for these topics, for all where `topics` is None; none is created by it."""
    parts = None
    if topics is not None:
        parts = tuple(form.make_part("MetadataRequestTopic", topic_id=None, name=name) for name in topics)
    return form.make_request(
        topics=parts,
        allow_auto_topic_creation=False,
        include_cluster_authorized_operations=False,
        include_topic_authorized_operations=False,
    )


def read_metadata(answer: Any, now: float) -> Metadata:
    """Read an answer.

    Raises:
        BrokerError: the whole request was refused.
    """
    code = getattr(answer, "error_code", ErrorCode.none)
    if code:
        raise broker_error(code, "asking for metadata")
    topics = {}
    for topic in answer.topics:
        partitions = {
            part.partition_index: PartitionState(
                part.leader_id, getattr(part, "leader_epoch", -1), part.replica_nodes, part.isr_nodes
            )
            for part in topic.partitions
        }
        topics[topic.name] = TopicState(
            topic.name,
            getattr(topic, "topic_id", None),
            getattr(topic, "is_internal", False),
            topic.error_code,
            partitions,
            now,
        )
    nodes = {broker.node_id: (broker.host, broker.port) for broker in answer.brokers}
    controller = getattr(answer, "controller_id", -1)
    return Metadata(getattr(answer, "cluster_id", None) or "", controller, nodes, topics)


def leader_of(topic: TopicState, partition: int) -> Leader:
    """Return the leader of a partition.

    Raises:
        BrokerError: there is no such topic or partition, it has no leader, or it may not be known.
    """
    what = f"{topic.name}-{partition}"
    if topic.error:
        raise broker_error(topic.error, f"topic {topic.name}")
    state = topic.partitions.get(partition)
    if state is None:
        raise broker_error(ErrorCode.unknown_topic_or_partition, what)
    if state.leader < 0:
        raise broker_error(ErrorCode.leader_not_available, what)
    return Leader(topic.name, topic.topic_id, partition, state.leader, state.leader_epoch)
