"""APIs 83 to 87: the share coordinator as brokers of Kafka ask it. Here nobody has to, but whoever may can.

A request of no group, or with an empty list, gets an empty answer, as from Kafka.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from kio.schema.errors import ErrorCode

from kopfka_broker.security.authorizer import CLUSTER_NAME, Operation, ResourceType
from kopfka_broker.share.states import DeliveryState, ShareError, SharePartitionKey, StateBatch
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext
    from kopfka_broker.share.coordinator import ShareCoordinator
    from kopfka_wire.codec import Codec

    Ask = Callable[[SharePartitionKey, Any, Codec], Awaitable[dict[str, Any]]]

_ZERO_ID = UUID(int=0)
_NOTHING: dict[str, Any] = {
    "state_epoch": 0, "leader_epoch": 0, "start_offset": 0, "delivery_complete_count": -1, "state_batches": ()
}  # fmt: skip
"""What stands in the result of a partition that an error is told of."""


class ShareStateApis:
    """The handlers over one coordinator."""

    def __init__(self, cluster: Cluster, coordinator: ShareCoordinator) -> None:
        self._cluster = cluster
        self._coordinator = coordinator
        self._asks: dict[int, tuple[str, Ask]] = {
            ApiKey.INITIALIZE_SHARE_GROUP_STATE: ("InitializeStateResult", self._initialize),
            ApiKey.READ_SHARE_GROUP_STATE: ("ReadStateResult", self._read),
            ApiKey.WRITE_SHARE_GROUP_STATE: ("WriteStateResult", self._write),
            ApiKey.DELETE_SHARE_GROUP_STATE: ("DeleteStateResult", self._delete),
            ApiKey.READ_SHARE_GROUP_STATE_SUMMARY: ("ReadStateSummaryResult", self._summary),
        }

    async def handle(self, request: Any, context: RequestContext) -> Any:
        """Answer any of the five, partition by partition."""
        form = codec(context.api_key, context.api_version)
        kind, ask = self._asks[context.api_key]
        if not request.group_id or not all(topic.partitions for topic in request.topics):
            return form.make(results=())
        allowed = self._cluster.allows(context, Operation.CLUSTER_ACTION, ResourceType.CLUSTER, CLUSTER_NAME)
        results = []
        for topic in request.topics:
            parts = []
            for part in topic.partitions:
                key = SharePartitionKey(request.group_id, topic.topic_id or _ZERO_ID, part.partition)
                code, message, values = ErrorCode.none, None, _NOTHING
                try:
                    if not allowed:
                        raise ShareError(ErrorCode.cluster_authorization_failed, "Cluster authorization failed.")
                    values = await ask(key, part, form)
                except ShareError as error:
                    code, message = error.code, str(error)
                values = _NOTHING | values
                parts.append(
                    form.make(
                        "PartitionResult", partition=part.partition, error_code=code, error_message=message, **values
                    )
                )
            results.append(form.make(kind, topic_id=topic.topic_id, partitions=tuple(parts)))
        return form.make(results=tuple(results))

    async def _initialize(self, key: SharePartitionKey, part: Any, _: Codec) -> dict[str, Any]:
        await self._coordinator.initialize(key, part.state_epoch, part.start_offset)
        return {}

    async def _read(self, key: SharePartitionKey, part: Any, form: Codec) -> dict[str, Any]:
        state = await self._coordinator.read(key, part.leader_epoch)
        batches = tuple(
            form.make(
                "StateBatch",
                first_offset=each.first,
                last_offset=each.last,
                delivery_state=each.state,
                delivery_count=each.count,
            )
            for each in state.batches
        )
        return {"state_epoch": state.state_epoch, "start_offset": state.start_offset, "state_batches": batches}

    async def _write(self, key: SharePartitionKey, part: Any, _: Codec) -> dict[str, Any]:
        try:
            batches = [
                StateBatch(each.first_offset, each.last_offset, DeliveryState(each.delivery_state), each.delivery_count)
                for each in part.state_batches
            ]
        except ValueError as error:
            raise ShareError(ErrorCode.unknown_server_error, f"Unable to write share group state: {error}") from error
        completed = getattr(part, "delivery_complete_count", -1)
        epochs = (part.state_epoch, part.leader_epoch)
        await self._coordinator.write(key, epochs, part.start_offset, completed, batches)
        return {}

    async def _delete(self, key: SharePartitionKey, _: Any, __: Codec) -> dict[str, Any]:
        await self._coordinator.delete(key)
        return {}

    async def _summary(self, key: SharePartitionKey, _: Any, __: Codec) -> dict[str, Any]:
        state = self._coordinator.summary(key)
        if state is None:
            return {"start_offset": -1, "delivery_complete_count": -1}
        return {
            "state_epoch": state.state_epoch,
            "leader_epoch": state.leader_epoch,
            "start_offset": state.start_offset,
            "delivery_complete_count": state.completed,
        }
