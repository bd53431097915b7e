"""InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn and EndTxn of every version."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.names import INTERNAL_TOPICS
from kopfka_broker.coordinators.topics import GROUPS
from kopfka_broker.security.authorizer import CLUSTER_NAME, Operation, ResourceType
from kopfka_broker.transactions import decisions
from kopfka_broker.transactions.errors import TransactionError
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from kopfka_broker.context import RequestContext
    from kopfka_broker.groups import Handler
    from kopfka_broker.transactions.core import Core
    from kopfka_broker.transactions.state import TopicPartition

    Errors = list[tuple[TopicPartition, ErrorCode]]

_MILLISECOND = timedelta(milliseconds=1)
_NOBODY = (-1, -1)
_BATCHED = 4
"""From this version on AddPartitionsToTxn comes from brokers, for many transactions at once."""
_BUMPING = 5
"""From this version on EndTxn is of a client that takes a new epoch with each transaction (KIP-890)."""
_CLASSIC = 0


class ProducerApi:
    """What transactional producers ask, from the wire and back."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def handlers(self) -> dict[int, Handler]:
        """Return the handler of each API key."""
        return {
            ApiKey.INIT_PRODUCER_ID: self.init_producer_id,
            ApiKey.ADD_PARTITIONS_TO_TXN: self.add_partitions,
            ApiKey.ADD_OFFSETS_TO_TXN: self.add_offsets,
            ApiKey.END_TXN: self.end,
        }

    def _may_write(self, context: RequestContext, transactional_id: str) -> bool:
        kind = ResourceType.TRANSACTIONAL_ID
        return self._core.cluster.allows(context, Operation.WRITE, kind, transactional_id)

    # ---- InitProducerId

    async def init_producer_id(self, request: Any, context: RequestContext) -> Any:
        """Answer InitProducerId: a new id without a transactional id, with one the next epoch of its own."""
        make = codec(context.api_key, context.api_version).make
        try:
            producer_id, epoch = await self._init(request, context)
        except TransactionError as refused:
            error = _for_version(refused.code, context, fenced_since=4)
            return make(error_code=error, producer_id=-1, producer_epoch=-1)
        return make(error_code=ErrorCode.none, producer_id=producer_id, producer_epoch=epoch)

    async def _init(self, request: Any, context: RequestContext) -> tuple[int, int]:
        name = request.transactional_id
        if name is None:
            if not self._may_write_idempotently(context):
                raise TransactionError(ErrorCode.cluster_authorization_failed)
        elif not self._may_write(context, name):
            raise TransactionError(ErrorCode.transactional_id_authorization_failed)
        given = (getattr(request, "producer_id", -1), getattr(request, "producer_epoch", -1))
        if given != _NOBODY and -1 in given:
            raise TransactionError(ErrorCode.invalid_request)
        core = self._core
        if name is None:
            return core.new_producer_id(), 0
        if not name:
            raise TransactionError(ErrorCode.invalid_request)
        timeout_ms = request.transaction_timeout // _MILLISECOND
        if not 0 < timeout_ms <= core.settings.max_timeout_ms:
            raise TransactionError(ErrorCode.invalid_transaction_timeout)
        known = core.find(name) or core.create(name, timeout_ms)
        expected = None if given == _NOBODY else given
        value = decisions.initialised(known, timeout_ms, expected, core.clock.wall_ms(), core.new_producer_id)
        if value is None:
            await core.abort(known)
            # the client asks again, and is given an epoch once the transaction is at its end
            raise TransactionError(ErrorCode.concurrent_transactions)
        await core.store(known, value)
        return value.producer_id, value.producer_epoch

    def _may_write_idempotently(self, context: RequestContext) -> bool:
        cluster = self._core.cluster
        return cluster.allows(
            context, Operation.IDEMPOTENT_WRITE, ResourceType.CLUSTER, CLUSTER_NAME, log_denied=False
        ) or cluster.authorizer.allows_any(context, Operation.WRITE, ResourceType.TOPIC)

    # ---- AddPartitionsToTxn

    async def add_partitions(self, request: Any, context: RequestContext) -> Any:
        """Answer AddPartitionsToTxn: of one client up to version 3, of other brokers from 4 on."""
        version = context.api_version
        make = codec(context.api_key, version).make
        if version < _BATCHED:
            errors = await self._add_for_client(request, context)
            return make(results_by_topic_v3_and_below=_topic_results(make, errors))
        cluster = self._core.cluster
        if not cluster.allows(context, Operation.CLUSTER_ACTION, ResourceType.CLUSTER, CLUSTER_NAME):
            return make(error_code=ErrorCode.cluster_authorization_failed, results_by_transaction=())
        results = []
        for each in request.transactions:
            errors = await self._add_for_broker(each)
            topics = _topic_results(make, errors)
            results.append(
                make("AddPartitionsToTxnResult", transactional_id=each.transactional_id, topic_results=topics)
            )
        return make(error_code=ErrorCode.none, results_by_transaction=tuple(results))

    async def _add_for_client(self, request: Any, context: RequestContext) -> Errors:
        name = request.v3_and_below_transactional_id
        partitions = _partitions(request.v3_and_below_topics)
        if not self._may_write(context, name):
            return _all(partitions, ErrorCode.transactional_id_authorization_failed)
        cluster = self._core.cluster
        writable = {
            topic
            for topic in {topic for topic, _ in partitions}
            if topic not in INTERNAL_TOPICS and cluster.allows(context, Operation.WRITE, ResourceType.TOPIC, topic)
        }
        wrong = self._impossible(partitions, writable)
        if wrong is not None:
            return wrong
        try:
            await self._add(
                name, request.v3_and_below_producer_id, request.v3_and_below_producer_epoch, partitions, _CLASSIC
            )
        except TransactionError as refused:
            return _all(partitions, _for_version(refused.code, context, fenced_since=2))
        return _all(partitions, ErrorCode.none)

    async def _add_for_broker(self, each: Any) -> Errors:
        partitions = _partitions(each.topics)
        wrong = self._impossible(partitions, {topic for topic, _ in partitions})
        if wrong is not None:
            return wrong
        try:
            if each.verify_only:
                known = self._core.known(each.transactional_id)
                found = decisions.verified(known, each.producer_id, each.producer_epoch, partitions)
                return list(found.items())
            await self._add(
                each.transactional_id, each.producer_id, each.producer_epoch, partitions, decisions.EPOCH_BUMPS
            )
        except TransactionError as refused:
            return _all(partitions, refused.code)
        return _all(partitions, ErrorCode.none)

    def _impossible(self, partitions: Sequence[TopicPartition], writable: set[str]) -> Errors | None:
        """Return the errors where one partition cannot be added: then none is."""
        cluster = self._core.cluster
        denied = _all([each for each in partitions if each[0] not in writable], ErrorCode.topic_authorization_failed)
        absent = _all(
            [each for each in partitions if each[0] in writable and cluster.partition(*each) is None],
            ErrorCode.unknown_topic_or_partition,
        )
        if not denied and not absent:
            return None
        failed = {each for each, _ in (*denied, *absent)}
        rest = [each for each in partitions if each not in failed]
        return [*denied, *absent, *_all(rest, ErrorCode.operation_not_attempted)]

    async def _add(
        self, name: str, producer_id: int, epoch: int, partitions: Collection[TopicPartition], client_version: int
    ) -> None:
        core = self._core
        await core.add_partitions(core.known(name), producer_id, epoch, partitions, client_version)

    # ---- AddOffsetsToTxn

    async def add_offsets(self, request: Any, context: RequestContext) -> Any:
        """Answer AddOffsetsToTxn: the partition of `__consumer_offsets` of a group joins the transaction."""
        make = codec(context.api_key, context.api_version).make
        cluster = self._core.cluster
        if not self._may_write(context, request.transactional_id):
            return make(error_code=ErrorCode.transactional_id_authorization_failed)
        if not cluster.allows(context, Operation.READ, ResourceType.GROUP, request.group_id):
            return make(error_code=ErrorCode.group_authorization_failed)
        partitions = [(GROUPS, cluster.groups.partition_of(request.group_id))]
        try:
            await self._add(request.transactional_id, request.producer_id, request.producer_epoch, partitions, _CLASSIC)
        except TransactionError as refused:
            return make(error_code=_for_version(refused.code, context, fenced_since=2))
        return make(error_code=ErrorCode.none)

    # ---- EndTxn

    async def end(self, request: Any, context: RequestContext) -> Any:
        """Answer EndTxn once it is sure how the transaction ends; its partitions are told after that."""
        make = codec(context.api_key, context.api_version).make
        try:
            producer_id, epoch = await self._end(request, context)
        except TransactionError as refused:
            error = _for_version(refused.code, context, fenced_since=2)
            return make(error_code=error, producer_id=-1, producer_epoch=-1)
        return make(error_code=ErrorCode.none, producer_id=producer_id, producer_epoch=epoch)

    async def _end(self, request: Any, context: RequestContext) -> tuple[int, int]:
        """Return the producer id and epoch of the client's next transaction."""
        if not self._may_write(context, request.transactional_id):
            raise TransactionError(ErrorCode.transactional_id_authorization_failed)
        core = self._core
        known = core.known(request.transactional_id)
        version = decisions.EPOCH_BUMPS if context.api_version >= _BUMPING else _CLASSIC
        value = decisions.ended(
            known,
            request.producer_id,
            request.producer_epoch,
            commit=request.committed,
            client_version=version,
            now_ms=core.clock.wall_ms(),
            new_producer_id=core.new_producer_id,
        )
        if value is None:
            return known.current.producer_id, known.current.producer_epoch
        await core.store(known, value)
        after = decisions.completed(value, 0)
        return after.producer_id, after.producer_epoch


def _for_version(code: ErrorCode, context: RequestContext, *, fenced_since: int) -> ErrorCode:
    """Return an error as clients of that version know it."""
    if code is ErrorCode.producer_fenced and context.api_version < fenced_since:
        return ErrorCode.invalid_producer_epoch
    return code


def _partitions(topics: Any) -> list[TopicPartition]:
    return list(dict.fromkeys((topic.name, index) for topic in topics for index in topic.partitions))


def _all(partitions: Collection[TopicPartition], code: ErrorCode) -> Errors:
    return [(each, code) for each in partitions]


def _topic_results(make: Callable[..., Any], errors: Errors) -> tuple[Any, ...]:
    topics: dict[str, list[Any]] = {}
    for (topic, index), code in errors:
        result = make("AddPartitionsToTxnPartitionResult", partition_index=index, partition_error_code=code)
        topics.setdefault(topic, []).append(result)
    return tuple(
        make("AddPartitionsToTxnTopicResult", name=topic, results_by_partition=tuple(results))
        for topic, results in topics.items()
    )
