"""Acknowledgements of one request, on their own (ShareAcknowledge) or with a fetch (ShareFetch)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.security.authorizer import Operation, ResourceType
from kopfka_broker.share.answers import Outcome, outcome
from kopfka_broker.share.states import Acknowledgement, AcknowledgeType, ShareError, SharePartitionKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext
    from kopfka_broker.share.manager import SharePartitions
    from kopfka_broker.share.sessions import Member, Partition
    from kopfka_broker.storage import Topic

_FIRST_WITH_RENEW = 2
_UNKNOWN_ID = Outcome(ErrorCode.unknown_topic_id)
_NOT_AUTHORIZED = Outcome(ErrorCode.topic_authorization_failed)
_UNKNOWN = Outcome(ErrorCode.unknown_topic_or_partition)
_INVALID = Outcome(ErrorCode.invalid_request)


class Acknowledging:
    """What members say about records, put to the share partitions."""

    def __init__(self, cluster: Cluster, partitions: SharePartitions) -> None:
        self._cluster = cluster
        self._partitions = partitions

    async def take(self, request: Any, member: Member, context: RequestContext) -> dict[Partition, Outcome]:
        """Put all acknowledgements of a request to their share partitions, and return how each partition's ended.

        Each partition's are taken as a whole or not at all. Partitions without any are named only beside others.
        """
        ended: dict[Partition, Outcome] = {}
        begun = []
        empty: list[Partition] = []
        for topic in request.topics:
            known = self._cluster.topic(topic.topic_id)
            for part in topic.partitions:
                key = (topic.topic_id, part.partition_index)
                said = [
                    Acknowledgement(each.first_offset, each.last_offset, each.acknowledge_types)
                    for each in part.acknowledgement_batches
                ]
                fault = self._fault(known, part.partition_index, said, request, context)
                if fault is not None:
                    ended[key] = fault
                elif said:
                    share_key = SharePartitionKey(member[0], *key)
                    begun.append((key, self._partitions.acknowledge(share_key, member[1], said)))
                else:
                    empty.append(key)
        for key, settled in begun:
            try:
                await settled
                ended[key] = Outcome()
            except ShareError as error:
                ended[key] = outcome(error)
        if begun:
            ended |= dict.fromkeys(empty, Outcome())
        return ended

    def _fault(
        self, topic: Topic | None, index: int, said: Sequence[Acknowledgement], request: Any, context: RequestContext
    ) -> Outcome | None:
        if topic is None:
            return _UNKNOWN_ID
        renewable = context.api_version >= _FIRST_WITH_RENEW
        if not _valid(said, renewable=renewable, renews=renewable and request.is_renew_ack):
            return _INVALID
        if not self._cluster.allows(context, Operation.READ, ResourceType.TOPIC, topic.name):
            return _NOT_AUTHORIZED
        return None if 0 <= index < len(topic.partitions) else _UNKNOWN


def _valid(said: Sequence[Acknowledgement], *, renewable: bool, renews: bool) -> bool:
    """Tell whether ranges are in order and each says one thing, or one for each of its offsets."""
    largest = AcknowledgeType.RENEW if renewable else AcknowledgeType.REJECT
    end = -1
    for each in said:
        count = len(each.types)
        if (
            each.first > each.last
            or each.first < end
            or not count
            or (count > 1 and each.last - each.first != count - 1)
            or not all(0 <= kind <= largest for kind in each.types)
            or (AcknowledgeType.RENEW in each.types and not renews)
        ):
            return False
        end = each.last
    return True
