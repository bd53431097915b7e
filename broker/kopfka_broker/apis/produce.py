"""Produce: batches go from the request's frame to the log as they are; the answer waits for what `acks` asks for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from kopfka_broker.apis.names import INTERNAL_TOPICS
from kopfka_broker.dispatch import Deferred
from kopfka_broker.storage import StorageError
from kopfka_broker.storage.manager import wall_clock_ms
from kopfka_wire.errors import WireError
from kopfka_wire.produce import PartitionResult, read_produce, write_produce_response

if TYPE_CHECKING:
    from kopfka_broker.broker import Broker
    from kopfka_broker.context import RequestContext
    from kopfka_broker.dispatch import Buffers, RawAnswer
    from kopfka_broker.storage import PartitionLog
    from kopfka_wire.codec import Codec
    from kopfka_wire.produce import ProduceRequest, TopicKey

# numbers of kio's ErrorCode, as they go over the wire
_NONE: Final = 0
_UNKNOWN_TOPIC_OR_PARTITION: Final = 3
_INVALID_TOPIC: Final = 17
_NOT_ENOUGH_REPLICAS: Final = 19
_INVALID_REQUIRED_ACKS: Final = 21
_UNSUPPORTED_VERSION: Final = 35
_INVALID_TXN_STATE: Final = 48
_KAFKA_STORAGE_ERROR: Final = 56
_INVALID_RECORD: Final = 87
_UNKNOWN_TOPIC_ID: Final = 100

_FIRST_SERVED = 3
_FIRST_WITH_IDS = 13
_ALL = -1
_LEADER = 1
_NOBODY = 0
_ADMIN_CLIENT = "__admin_client"  # the one client id that may write to internal topics


class AcksNobodyError(WireError):
    """A request that asked for no answer failed; closing its connection is all that can be said (as Kafka does)."""


class ProduceApi:
    """The handler over one broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def produce(self, frame: memoryview, position: int, context: RequestContext, form: Codec) -> RawAnswer:
        """Append the batches and answer at once, or once they are durable (`acks=all`)."""
        version = context.api_version
        request = read_produce(frame, position, version)
        if version < _FIRST_SERVED:
            return self._refuse(version, request, _UNSUPPORTED_VERSION)
        if request.acks not in (_ALL, _NOBODY, _LEADER):
            return self._refuse(version, request, _INVALID_REQUIRED_ACKS)
        now_ms = wall_clock_ms()
        answer: list[tuple[TopicKey, list[PartitionResult]]] = []
        waiting: list[tuple[PartitionLog, int, int, int]] = []
        for topic_key, partitions in request.topics:
            results: list[PartitionResult] = []
            for index, records in partitions:
                result, log = self._append(topic_key, index, records, request, context, now_ms)
                if log is not None and request.acks == _ALL:
                    # where the result is, so that it can be taken back if the disk fails
                    waiting.append((log, log.log_end_offset, len(answer), len(results)))
                results.append(result)
            answer.append((topic_key, results))
        if request.acks == _NOBODY:
            failed = [result for _, results in answer for result in results if result.code]
            if failed:
                raise AcksNobodyError(f"produce with acks=0 failed with error code {failed[0].code}")
            return None
        if waiting:
            return Deferred(self._answer_when_durable(version, answer, waiting))
        return [write_produce_response(version, answer)]

    def _refuse(self, version: int, request: ProduceRequest, code: int) -> Buffers | None:
        if request.acks == _NOBODY:
            raise AcksNobodyError(f"produce version {version} is refused with error code {code}")
        refused = [
            (key, [PartitionResult(index, code) for index, _ in partitions]) for key, partitions in request.topics
        ]
        return [write_produce_response(version, refused)]

    def _append(
        self,
        topic_key: TopicKey,
        index: int,
        records: memoryview | None,
        request: ProduceRequest,
        context: RequestContext,
        now_ms: int,
    ) -> tuple[PartitionResult, PartitionLog | None]:
        topic = self._broker.topic(topic_key)
        if topic is None:
            by_id = context.api_version >= _FIRST_WITH_IDS
            return PartitionResult(index, _UNKNOWN_TOPIC_ID if by_id else _UNKNOWN_TOPIC_OR_PARTITION), None
        if not 0 <= index < len(topic.partitions):
            return PartitionResult(index, _UNKNOWN_TOPIC_OR_PARTITION), None
        traffic = self._broker.metrics.topic(topic.name)
        traffic.produce_requests += 1
        if topic.name in INTERNAL_TOPICS and context.client_id != _ADMIN_CLIENT:
            traffic.failed_produce_requests += 1
            return PartitionResult(index, _INVALID_TOPIC), None
        if request.transactional_id is not None:
            traffic.failed_produce_requests += 1
            return PartitionResult(index, _INVALID_TXN_STATE, error_message="transactions are not served here"), None
        if request.acks == _ALL and self._broker.min_insync_replicas(topic) > 1:
            traffic.failed_produce_requests += 1
            return PartitionResult(index, _NOT_ENOUGH_REPLICAS), None
        if records is None:
            traffic.failed_produce_requests += 1
            return PartitionResult(index, _INVALID_RECORD, error_message="the request has no records"), None
        log = topic.partitions[index]
        try:
            appended = log.append(records, now_ms)
        except StorageError as error:
            traffic.failed_produce_requests += 1
            return _failure(index, error, log), None
        traffic.bytes_in += len(records)
        traffic.messages_in += appended.last_offset - appended.first_offset + 1
        return (
            PartitionResult(index, _NONE, appended.first_offset, appended.log_append_time, appended.log_start_offset),
            log,
        )

    async def _answer_when_durable(
        self,
        version: int,
        answer: list[tuple[TopicKey, list[PartitionResult]]],
        waiting: list[tuple[PartitionLog, int, int, int]],
    ) -> Buffers:
        if len(waiting) == 1:
            log, end, topic, partition = waiting[0]
            await self._durable(log, end, answer[topic][1], partition)
        else:
            await asyncio.gather(
                *(self._durable(log, end, answer[topic][1], partition) for log, end, topic, partition in waiting)
            )
        return [write_produce_response(version, answer)]

    async def _durable(self, log: PartitionLog, end: int, results: list[PartitionResult], place: int) -> None:
        try:
            await log.flushed(end)
        except StorageError as error:
            self._broker.metrics.topic(log.topic).failed_produce_requests += 1
            results[place] = _failure(results[place].partition, error, log)


def _failure(index: int, error: StorageError, log: PartitionLog) -> PartitionResult:
    # a disk that fails says so in the log once; a client needs no path of this machine
    message = None if error.number == _KAFKA_STORAGE_ERROR else str(error)
    return PartitionResult(
        index,
        error.number,
        log_start_offset=log.log_start_offset,
        error_message=message,
        record_errors=getattr(error, "record_errors", ()),
    )
