"""DescribeProducers: who writes to a partition, and which transactions are open there (KIP-664).

kafka-transactions.sh finds hanging transactions with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.access import MESSAGES, may_topic
from kopfka_broker.apis.names import topic_name_fault
from kopfka_broker.security.authorizer import Operation
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext
    from kopfka_wire.codec import Codec


class ActiveProducersApi:
    """The handler over one broker."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def describe_producers(self, request: Any, context: RequestContext) -> Any:
        """Answer DescribeProducers."""
        form = codec(context.api_key, context.api_version)
        return form.make(
            topics=tuple(
                form.make("TopicResponse", name=topic.name, partitions=self._partitions(form, topic, context))
                for topic in request.topics
            )
        )

    def _partitions(self, form: Codec, topic: Any, context: RequestContext) -> tuple[Any, ...]:
        code, message = ErrorCode.none, topic_name_fault(topic.name)
        if message is not None:
            code = ErrorCode.invalid_topic_exception
        elif not may_topic(self._cluster, context, Operation.READ, topic.name):
            code = ErrorCode.topic_authorization_failed
            message = MESSAGES[code]
        elif topic.name not in self._cluster.logs.topics:
            code = ErrorCode.unknown_topic_or_partition
            message = "This server does not host this topic-partition."
        return tuple(self._partition(form, topic.name, index, code, message) for index in topic.partition_indexes)

    def _partition(self, form: Codec, topic: str, index: int, code: ErrorCode, message: str | None) -> Any:
        log = self._cluster.partition(topic, index)
        producers: tuple[Any, ...] = ()
        if code is ErrorCode.none:
            if log is None:
                code = ErrorCode.unknown_topic_or_partition
            else:
                producers = tuple(
                    form.make(
                        "ProducerState",
                        producer_id=producer_id,
                        producer_epoch=producer.epoch,
                        last_sequence=producer.last_sequence,
                        last_timestamp=producer.last_timestamp,
                        coordinator_epoch=producer.coordinator_epoch,
                        current_txn_start_offset=producer.transaction_start,
                    )
                    for producer_id, producer in log.producers
                )
        return form.make(
            "PartitionResponse",
            partition_index=index,
            error_code=code,
            error_message=message,
            active_producers=producers,
        )
