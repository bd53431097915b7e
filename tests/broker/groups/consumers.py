"""A member of a consumer group as KIP-848 has it behave: for tests of the coordinator without a client."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kio.schema.consumer_group_heartbeat.v1.request import TopicPartitions
from kio.schema.errors import ErrorCode

from kopfka_wire.apis import ApiKey

if TYPE_CHECKING:
    from uuid import UUID

    from broker.groups.harness import Coordination

SUBSCRIPTIONS: dict[str, dict[str, Any]] = {
    "orders": {"subscribed_topic_names": ("orders",)},
    "both": {"subscribed_topic_names": ("orders", "bills")},
    "regex": {"subscribed_topic_names": (), "subscribed_topic_regex": "b[a-z]+s"},
}


@dataclass
class Consumer:
    """One client: what it was told, and what it reads from."""

    member_id: str
    instance_id: str | None = None
    subscription: str = "orders"
    assignor: str | None = None
    epoch: int = 0
    told: set[tuple[UUID, int]] = field(default_factory=set)
    owned: set[tuple[UUID, int]] = field(default_factory=set)
    epochs: list[int] = field(default_factory=list)

    async def beat(self, it: Coordination, **fields: Any) -> Any:
        """Send a heartbeat, and believe the answer."""
        answer = await it.call(ApiKey.CONSUMER_GROUP_HEARTBEAT, 1, **(self._fields() | fields))
        self.take(answer)
        return answer

    def take(self, answer: Any) -> None:
        """Believe an answer: one that fences makes the client give everything up, and join again."""
        if answer.error_code in (ErrorCode.fenced_member_epoch, ErrorCode.unknown_member_id):
            self.forget()
        if answer.error_code is not ErrorCode.none:
            return
        self.epoch = answer.member_epoch
        self.epochs.append(self.epoch)
        if answer.assignment is not None:
            parts = answer.assignment.topic_partitions
            self.told = {(part.topic_id, number) for part in parts for number in part.partitions}

    def obey(self) -> None:
        """Give up what it is to give up, and read from what it was given."""
        self.owned = set(self.told)

    def forget(self) -> None:
        """Own nothing, and be nobody."""
        self.epoch = 0
        self.told.clear()
        self.owned.clear()
        self.epochs.clear()

    async def leave(self, it: Coordination, epoch: int = -1) -> Any:
        """Say good-bye."""
        answer = await it.call(ApiKey.CONSUMER_GROUP_HEARTBEAT, 1, **(self._fields() | {"member_epoch": epoch}))
        self.forget()
        return answer

    def _fields(self) -> dict[str, Any]:
        topics: dict[UUID, list[int]] = {}
        for topic, number in sorted(self.owned):
            topics.setdefault(topic, []).append(number)
        values = {
            "group_id": "g", "member_id": self.member_id, "member_epoch": self.epoch, "instance_id": self.instance_id,
            "rack_id": None, "server_assignor": self.assignor, "topic_partitions": owned_partitions(topics),
            "rebalance_timeout": 30_000, "subscribed_topic_regex": "",
        }  # fmt: skip
        return values | SUBSCRIPTIONS[self.subscription]


def owned_partitions(topics: dict[UUID, list[int]]) -> tuple[Any, ...]:
    """Return partitions as a heartbeat names those its sender owns."""
    return tuple(TopicPartitions(topic_id=topic, partitions=tuple(numbers)) for topic, numbers in topics.items())
