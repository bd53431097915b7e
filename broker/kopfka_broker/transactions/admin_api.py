"""DescribeTransactions, ListTransactions and WriteTxnMarkers: what is asked by who is no producer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.coordinators.errors import LOG_ERRORS
from kopfka_broker.security.authorizer import CLUSTER_NAME, Operation, ResourceType
from kopfka_broker.transactions.errors import TransactionError
from kopfka_broker.transactions.markers import Marker
from kopfka_broker.transactions.state import STATES
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kopfka_broker.context import RequestContext
    from kopfka_broker.groups import Handler
    from kopfka_broker.transactions.core import Core
    from kopfka_broker.transactions.state import TransactionalId

_NOTHING = datetime.fromtimestamp(0, UTC)


class AdminApi:
    """What is asked about transactions from outside of them, from the wire and back."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def handlers(self) -> dict[int, Handler]:
        """Return the handler of each API key."""
        return {
            ApiKey.DESCRIBE_TRANSACTIONS: self.describe,
            ApiKey.LIST_TRANSACTIONS: self.list,
            ApiKey.WRITE_TXN_MARKERS: self.write_markers,
        }

    def _may_describe(self, context: RequestContext, name: str, *, log_denied: bool = True) -> bool:
        kind = ResourceType.TRANSACTIONAL_ID
        return self._core.cluster.allows(context, Operation.DESCRIBE, kind, name, log_denied=log_denied)

    # ---- DescribeTransactions

    async def describe(self, request: Any, context: RequestContext) -> Any:
        """Answer DescribeTransactions; of topics the client may not describe nothing is said."""
        make = codec(context.api_key, context.api_version).make
        return make(transaction_states=tuple(self._describe(make, context, name) for name in request.transactional_ids))

    def _describe(self, make: Callable[..., Any], context: RequestContext, name: str) -> Any:
        try:
            if not self._may_describe(context, name):
                raise TransactionError(ErrorCode.transactional_id_authorization_failed)
            if not name:
                raise TransactionError(ErrorCode.invalid_request)
            known = self._core.find(name)
            if known is None:
                raise TransactionError(ErrorCode.transactional_id_not_found)
        except TransactionError as refused:
            return make(
                "TransactionState", error_code=refused.code, transactional_id=name, transaction_state="",
                transaction_timeout=timedelta(0), transaction_start_time=_NOTHING, producer_id=0, producer_epoch=0,
                topics=(),
            )  # fmt: skip
        current = known.current
        topics: dict[str, list[int]] = {}
        for topic, index in sorted(current.partitions):
            topics.setdefault(topic, []).append(index)
        allows, kind = self._core.cluster.allows, ResourceType.TOPIC
        return make(
            "TransactionState",
            error_code=ErrorCode.none,
            transactional_id=name,
            transaction_state=current.state.title,
            transaction_timeout=timedelta(milliseconds=current.timeout_ms),
            transaction_start_time=datetime.fromtimestamp(current.start_ms / 1000, UTC),
            producer_id=current.producer_id,
            producer_epoch=current.producer_epoch,
            topics=tuple(
                make("TopicData", topic=topic, partitions=tuple(indexes))
                for topic, indexes in topics.items()
                if allows(context, Operation.DESCRIBE, kind, topic, log_denied=False)
            ),
        )

    # ---- ListTransactions

    async def list(self, request: Any, context: RequestContext) -> Any:
        """Answer ListTransactions, filtered by state, producer id, duration and transactional id."""
        make = codec(context.api_key, context.api_version).make
        if not self._core.loaded:
            return make(error_code=ErrorCode.coordinator_load_in_progress, transaction_states=())
        unknown = tuple(dict.fromkeys(name for name in request.state_filters if name not in STATES))
        pattern = None
        if text := getattr(request, "transactional_id_pattern", None):
            # who does not filter by a pattern does not pay for it
            import re2  # type: ignore[import-untyped] # noqa: PLC0415

            try:
                pattern = re2.compile(text)
            except re2.error:
                return make(error_code=ErrorCode.invalid_regular_expression, transaction_states=())
        found = (
            known
            for known in self._filtered(request)
            if (pattern is None or pattern.fullmatch(known.name))
            and self._may_describe(context, known.name, log_denied=False)
        )
        return make(
            error_code=ErrorCode.none,
            unknown_state_filters=unknown,
            transaction_states=tuple(
                make(
                    "TransactionState",
                    transactional_id=known.name,
                    producer_id=known.current.producer_id,
                    transaction_state=known.current.state.title,
                )
                for known in found
            ),
        )

    def _filtered(self, request: Any) -> Iterator[TransactionalId]:
        states = {STATES[name] for name in request.state_filters if name in STATES}
        producer_ids = set(request.producer_id_filters)
        longer_than = getattr(request, "duration_filter", -1)
        now = self._core.clock.wall_ms()
        for known in self._core.ids.values():
            current = known.current
            if producer_ids and current.producer_id not in producer_ids:
                continue
            if request.state_filters and current.state not in states:
                continue
            if longer_than >= 0 and now - current.start_ms <= longer_than:
                continue
            yield known

    # ---- WriteTxnMarkers

    async def write_markers(self, request: Any, context: RequestContext) -> Any:
        """Answer WriteTxnMarkers: an administrator ends a transaction that no coordinator knows of any more."""
        make = codec(context.api_key, context.api_version).make
        allowed = self._may(context, Operation.ALTER, log_denied=False) or self._may(context, Operation.CLUSTER_ACTION)
        results: dict[int, dict[str, list[Any]]] = {}
        for marker in request.markers:
            for topic in marker.topics:
                for index in topic.partition_indexes:
                    error = ErrorCode.cluster_authorization_failed
                    if allowed:
                        error = await self._write(marker, topic.name, index)
                    result = make("WritableTxnMarkerPartitionResult", partition_index=index, error_code=error)
                    results.setdefault(marker.producer_id, {}).setdefault(topic.name, []).append(result)
        return make(
            markers=tuple(
                make(
                    "WritableTxnMarkerResult",
                    producer_id=producer_id,
                    topics=tuple(
                        make("WritableTxnMarkerTopicResult", name=name, partitions=tuple(partitions))
                        for name, partitions in topics.items()
                    ),
                )
                for producer_id, topics in results.items()
            )
        )

    def _may(self, context: RequestContext, operation: Operation, *, log_denied: bool = True) -> bool:
        allows = self._core.cluster.allows
        return allows(context, operation, ResourceType.CLUSTER, CLUSTER_NAME, log_denied=log_denied)

    async def _write(self, marker: Any, topic: str, index: int) -> ErrorCode:
        core = self._core
        if core.cluster.partition(topic, index) is None:
            return ErrorCode.unknown_topic_or_partition
        what = Marker(
            marker.producer_id,
            marker.producer_epoch,
            marker.transaction_result,
            marker.coordinator_epoch,
            getattr(marker, "transaction_version", 0),
        )
        try:
            await core.markers.write(what, topic, index)
        except LOG_ERRORS as error:
            code = getattr(error, "code", None)
            return code if isinstance(code, ErrorCode) else ErrorCode.unknown_server_error
        return ErrorCode.none
