"""Parts of the world that tests of the operator do without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kopfka_operator.errors import BrokerUnreachableError

if TYPE_CHECKING:
    from kopfka_operator.kafka.admin import GroupState


class NoBrokers:
    """There is no Kafka: whoever asks for a broker gets none."""

    async def of(self, namespace: str, cluster: str) -> Any:
        raise BrokerUnreachableError("there is no broker here")

    async def forget(self, namespace: str, cluster: str) -> None:
        pass


class GroupBrokers(NoBrokers):
    """Brokers that know of groups, and of nothing else."""

    def __init__(self) -> None:
        self.groups: dict[str, GroupState] = {}

    async def of(self, namespace: str, cluster: str) -> GroupBrokers:
        return self

    async def group(self, name: str) -> GroupState | None:
        return self.groups.get(name)
