"""Produce: batches go from the request's frame to the log as they are; the answer waits for what `acks` asks for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from kopfka_broker.apis.names import INTERNAL_TOPICS
from kopfka_broker.apis.record_errors import failed, refused_batch
from kopfka_broker.apis.repeated_produce import RepeatedProduce
from kopfka_broker.apis.verification import transactional_batches, unverified, verify
from kopfka_broker.dispatch import Deferred
from kopfka_broker.security.authorizer import AllowAll, Operation, ResourceType
from kopfka_broker.storage import StorageError
from kopfka_broker.storage.manager import wall_clock_ms
from kopfka_broker.storage.plain import NOT_PLAIN, append_plain
from kopfka_wire.errors import WireError
from kopfka_wire.produce import PartitionResult, read_produce, write_produce_response

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from kopfka_broker.apis.verification import Key, TransactionalBatch
    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext
    from kopfka_broker.dispatch import Buffers, RawAnswer
    from kopfka_broker.schemas.checking import Check
    from kopfka_broker.storage import PartitionLog
    from kopfka_broker.storage.producers import Verification
    from kopfka_wire.codec import Codec
    from kopfka_wire.produce import ProduceRequest, TopicKey

# numbers of kio's ErrorCode, as they go over the wire
_NONE: Final = 0
_CORRUPT_MESSAGE: Final = 2
_UNKNOWN_TOPIC_OR_PARTITION: Final = 3
_INVALID_TOPIC: Final = 17
_NOT_ENOUGH_REPLICAS: Final = 19
_INVALID_REQUIRED_ACKS: Final = 21
_TOPIC_AUTHORIZATION_FAILED: Final = 29
_UNSUPPORTED_VERSION: Final = 35
_INVALID_PRODUCER_ID_MAPPING: Final = 49
_TRANSACTIONAL_ID_AUTHORIZATION_FAILED: Final = 53
_UNSUPPORTED_COMPRESSION_TYPE: Final = 76
_INVALID_RECORD: Final = 87
_UNKNOWN_TOPIC_ID: Final = 100

_FIRST_SERVED = 3
_FIRST_WITH_ZSTD = 7
_FIRST_WITH_IDS = 13
# of a batch: where things are, and bits of its attributes
_LOG_OVERHEAD = 12
_SMALLEST_RECORD = _LOG_OVERHEAD + 14  # of any format
_MAGIC = 16
_MAGIC_2 = 2
_ATTRIBUTES = 22
_MAX_TIMESTAMP = 35
_NO_TIME = -1
_CODEC = 0x07
_ZSTD = 4
_TRANSACTIONAL = 0x10
_ALL = -1
_LEADER = 1
_NOBODY = 0
_KNOWN_ACKS = (_ALL, _NOBODY, _LEADER)
_NOTHING_REFUSED: Mapping[Key, PartitionResult] = {}
_NO_PASSES: Mapping[Key, Verification] = {}
_ADMIN_CLIENT = "__admin_client"  # the one client id that may write to internal topics


class AcksNobodyError(WireError):
    """A request that asked for no answer failed; closing its connection is all that can be said (as Kafka does)."""


class ProduceApi:
    """The handler over one broker."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def produce(self, frame: memoryview, position: int, context: RequestContext, form: Codec) -> RawAnswer:
        """Append the batches and answer at once, or once they are durable (`acks=all`)."""
        version = context.api_version
        request = read_produce(frame, position, version)
        if version < _FIRST_SERVED:
            return self._refuse(version, request, _UNSUPPORTED_VERSION)
        if is_transactional(request):
            return self._produce_in_transaction(request, context)
        denied = self._denied(request, context)
        if self._cluster.checked_topics and self._looks_into(request):
            return self._check_and_produce(request, context, denied, self._produce)
        answer = self._produce(request, context, denied)
        caller = context.caller
        if caller.repeated is None:
            caller.repeated = RepeatedProduce()
        caller.repeated.learn(frame, request, context, self._cluster)
        return answer

    def _produce_in_transaction(self, request: ProduceRequest, context: RequestContext) -> RawAnswer:
        transactional_id, version = request.transactional_id, context.api_version
        if transactional_id is None or not self._cluster.allows(
            context, Operation.WRITE, ResourceType.TRANSACTIONAL_ID, transactional_id
        ):
            return self._refuse(version, request, _TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
        denied = self._denied(request, context)
        if self._cluster.checked_topics and self._looks_into(request):
            return self._check_and_produce(request, context, denied, self._produce_batches_of_transaction)
        return self._produce_batches_of_transaction(request, context, denied)

    def _produce_batches_of_transaction(
        self,
        request: ProduceRequest,
        context: RequestContext,
        refused: Mapping[Key, PartitionResult],
        passed: Collection[PartitionLog] = (),
    ) -> RawAnswer:
        transactional_id, version = request.transactional_id, context.api_version
        assert transactional_id is not None
        batches = [each for each in transactional_batches(self._cluster, request) if each.key not in refused]
        if len({(each.header.producer_id, each.header.producer_epoch) for each in batches}) > 1:
            return self._refuse(version, request, _INVALID_PRODUCER_ID_MAPPING)
        batches = unverified(batches)
        if batches and request.acks in _KNOWN_ACKS:
            return self._verify_and_produce(request, context, refused, passed, transactional_id, batches)
        return self._produce(request, context, refused, passed)

    async def _verify_and_produce(  # noqa: PLR0917
        self,
        request: ProduceRequest,
        context: RequestContext,
        denied: Mapping[Key, PartitionResult],
        passed: Collection[PartitionLog],
        transactional_id: str,
        batches: list[TransactionalBatch],
    ) -> Deferred | Buffers | None:
        """Append once the coordinator has answered. Requests that follow on the connection wait until then."""
        refused, passes = await verify(self._cluster, transactional_id, context.api_version, batches)
        return self._produce(request, context, {**denied, **refused}, passed, passes)

    def _looks_into(self, request: ProduceRequest) -> bool:
        """Tell whether a topic of the request has its records checked against the schema registry."""
        checked = self._cluster.checked_topics
        return request.acks in _KNOWN_ACKS and any(key in checked for key, _ in request.topics)

    def _check_and_produce(
        self,
        request: ProduceRequest,
        context: RequestContext,
        denied: Mapping[Key, PartitionResult],
        go_on: Callable[..., RawAnswer],
    ) -> RawAnswer:
        """Append what has a schema the registry knows: at once where the broker knows it too."""
        check = self._cluster.schemas().check(request, context.api_version, denied)
        if check.open:
            return self._produce_once_checked(check, request, context, go_on)
        return go_on(request, context, check.refused, check.passed)

    async def _produce_once_checked(
        self, check: Check, request: ProduceRequest, context: RequestContext, go_on: Callable[..., RawAnswer]
    ) -> Deferred | Buffers | None:
        """Append once the registry has answered. Requests that follow on the connection wait until then."""
        await check.settled()
        answer = go_on(request, context, check.refused, check.passed)
        return answer if answer is None or isinstance(answer, list | Deferred) else await answer

    def _produce(
        self,
        request: ProduceRequest,
        context: RequestContext,
        refused: Mapping[Key, PartitionResult],
        passed: Collection[PartitionLog] = (),
        passes: Mapping[Key, Verification] = _NO_PASSES,
    ) -> Deferred | Buffers | None:
        """Append the batches of all partitions but those that are `refused`, whose answers are given.

        Args:
            request: the request.
            context: where it came from.
            refused: by partition.
            passed: the logs whose batches were found to have schemas that are registered.
            passes: of the coordinator, for first batches of a transaction.
        """
        version = context.api_version
        now_ms = wall_clock_ms()
        answer: list[tuple[TopicKey, list[PartitionResult]]] = []
        waiting: list[tuple[PartitionLog, int, int, int]] = []
        for topic_key, partitions in request.topics:
            results: list[PartitionResult] = []
            for index, records in partitions:
                if refused and (topic_key, index) in refused:
                    results.append(refused[topic_key, index])
                    continue
                verified = passes.get((topic_key, index)) if passes else None
                result, log = self._append(topic_key, index, records, request, context, now_ms, verified, passed)
                if log is not None and request.acks == _ALL and log.durability.waits:
                    # where the result is, so that it can be taken back if the disk fails
                    waiting.append((log, log.log_end_offset, len(answer), len(results)))
                results.append(result)
            answer.append((topic_key, results))
        if request.acks == _NOBODY:
            wrong = [result for _, results in answer for result in results if result.code]
            if wrong:
                raise AcksNobodyError(f"produce with acks=0 failed with error code {wrong[0].code}")
            return None
        if waiting:
            return Deferred(self._answer_when_durable(version, answer, waiting))
        return [write_produce_response(version, answer)]

    def _denied(self, request: ProduceRequest, context: RequestContext) -> Mapping[Key, PartitionResult]:
        """Return the answers for partitions whose topic this client may not write to; ids of no topic have others."""
        if isinstance(self._cluster.authorizer, AllowAll):
            return _NOTHING_REFUSED
        refused: dict[Key, PartitionResult] = {}
        for key, partitions in request.topics:
            topic = self._cluster.topic(key)
            name = topic.name if topic is not None else key if isinstance(key, str) else None
            if name is not None and not self._cluster.allows(context, Operation.WRITE, ResourceType.TOPIC, name):
                for index, _ in partitions:
                    refused[key, index] = PartitionResult(index, _TOPIC_AUTHORIZATION_FAILED)
        return refused

    def _refuse(self, version: int, request: ProduceRequest, code: int) -> Buffers | None:
        if request.acks == _NOBODY:
            raise AcksNobodyError(f"produce version {version} is refused with error code {code}")
        refused = [
            (key, [PartitionResult(index, code) for index, _ in partitions]) for key, partitions in request.topics
        ]
        return [write_produce_response(version, refused)]

    def _append(  # noqa: PLR0911, PLR0917 - one way out for each error
        self,
        topic_key: TopicKey,
        index: int,
        records: memoryview | None,
        request: ProduceRequest,
        context: RequestContext,
        now_ms: int,
        verified: Verification | None,
        passed: Collection[PartitionLog],
    ) -> tuple[PartitionResult, PartitionLog | None]:
        topic = self._cluster.topic(topic_key)
        if topic is None:
            by_id = context.api_version >= _FIRST_WITH_IDS
            return PartitionResult(index, _UNKNOWN_TOPIC_ID if by_id else _UNKNOWN_TOPIC_OR_PARTITION), None
        if not 0 <= index < len(topic.partitions):
            return PartitionResult(index, _UNKNOWN_TOPIC_OR_PARTITION), None
        traffic = self._cluster.metrics.topic(topic.name)
        traffic.produce_requests += 1
        fault = batch_fault(records, context.api_version)
        if fault or records is None:
            traffic.failed_produce_requests += 1
            return PartitionResult(index, fault), None
        if request.acks not in _KNOWN_ACKS:
            return PartitionResult(index, _INVALID_REQUIRED_ACKS), None
        if topic.name in INTERNAL_TOPICS and context.client_id != _ADMIN_CLIENT:
            traffic.failed_produce_requests += 1
            return PartitionResult(index, _INVALID_TOPIC), None
        # `min.insync.replicas` asks for no more replicas than there are: one is enough, as in Apache Kafka
        log = topic.partitions[index]
        end = log.log_end_offset
        first = append_plain(log, records, now_ms)
        if first != NOT_PLAIN:
            traffic.bytes_in += len(records)
            traffic.messages_in += log.log_end_offset - end
            return PartitionResult(index, _NONE, first, _NO_TIME, log.log_start_offset), log
        if log.config.checks_schemas and log not in passed:  # switched on while this request waited for something else
            traffic.failed_produce_requests += 1
            return PartitionResult(index, _NOT_ENOUGH_REPLICAS, error_message="The schemas were not checked yet"), None
        try:
            appended = log.append(records, now_ms, verified=verified)
        except StorageError as error:
            traffic.failed_produce_requests += 1
            return refused_batch(index, error, log, records, now_ms), None
        append_time = appended.log_append_time
        if appended.first_offset < end and append_time == _NO_TIME:
            # a duplicate: Kafka answers with the time of the batch that is there, which is this one
            append_time = int.from_bytes(records[_MAX_TIMESTAMP : _MAX_TIMESTAMP + 8], "big", signed=True)
            return PartitionResult(index, _NONE, appended.first_offset, append_time, appended.log_start_offset), log
        traffic.bytes_in += len(records)
        traffic.messages_in += appended.last_offset - appended.first_offset + 1
        return (
            PartitionResult(index, _NONE, appended.first_offset, append_time, appended.log_start_offset),
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
            self._cluster.metrics.topic(log.topic).failed_produce_requests += 1
            results[place] = failed(results[place].partition, error, log)


def batch_fault(  # noqa: PLR0911 - one way out for each error
    records: memoryview | None, version: int
) -> int:
    """Return the error code for records that may not be in a Produce request of this version, or 0.

    Exactly one batch, of format 2, is asked for since version 3, zstd may be used since version 7.
    """
    if records is None or len(records) < _LOG_OVERHEAD:
        return _INVALID_RECORD
    size = _LOG_OVERHEAD + int.from_bytes(records[8:12], "big", signed=True)
    if size < _SMALLEST_RECORD:
        return _CORRUPT_MESSAGE
    if size > len(records):
        return _INVALID_RECORD
    magic = records[_MAGIC]
    if magic != _MAGIC_2:
        return _INVALID_RECORD if magic < _MAGIC_2 else _CORRUPT_MESSAGE
    if size < len(records):
        return _INVALID_RECORD
    if size > _ATTRIBUTES and version < _FIRST_WITH_ZSTD and records[_ATTRIBUTES] & _CODEC == _ZSTD:
        return _UNSUPPORTED_COMPRESSION_TYPE
    return _NONE


def is_transactional(request: ProduceRequest) -> bool:
    """Tell whether any batch of the request belongs to a transaction."""
    return any(
        records is not None and len(records) > _ATTRIBUTES and records[_ATTRIBUTES] & _TRANSACTIONAL
        for _, partitions in request.topics
        for _, records in partitions
    )
