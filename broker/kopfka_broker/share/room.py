"""Share groups as the rest of the broker sees them: put together from the parts of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kopfka_broker.coordinators.ports import SystemClock
from kopfka_broker.coordinators.topics import InternalTopic
from kopfka_broker.features import SHARE_VERSION
from kopfka_broker.share.api import ShareApis
from kopfka_broker.share.configs import GroupShareConfigs
from kopfka_broker.share.coordinator import ShareCoordinator
from kopfka_broker.share.manager import SharePartitions
from kopfka_broker.share.settings import ShareSettings
from kopfka_broker.share.state_api import ShareStateApis
from kopfka_wire.apis import ApiKey

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence
    from uuid import UUID

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.share.states import SharePartitionKey

NAME = "__share_group_state"


class ShareRoom:
    """Life: construct, serve `apis`, `await load()`, run `run(stop)` as a task, `close()` before the connections."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        number = cluster.config.number
        store = InternalTopic(
            cluster.logs,
            cluster.create_topic,
            NAME,
            number("share.coordinator.state.topic.num.partitions"),
            {
                "cleanup.policy": "delete",
                "compression.type": "producer",
                "segment.bytes": str(number("share.coordinator.state.topic.segment.bytes")),
                "min.insync.replicas": str(number("share.coordinator.state.topic.min.isr")),
                "retention.ms": "-1",
            },
        )
        clock = SystemClock()
        self.coordinator = ShareCoordinator(store, ShareSettings.from_config(number), clock, cluster)
        self.partitions = SharePartitions(self.coordinator, GroupShareConfigs(cluster.group_configs), clock)
        self.apis = ShareApis(cluster, self.partitions)
        self._state_apis = ShareStateApis(cluster, self.coordinator)

    def handlers(self) -> dict[int, Any]:
        """Return the handler of each API key served here, but for ShareFetch, which reads its frames itself."""
        return {ApiKey.SHARE_ACKNOWLEDGE: self.apis.acknowledge, **self._state_apis.handlers()}

    @property
    def enabled(self) -> bool:
        """Whether the cluster has share groups: the feature `share.version` may be off."""
        return bool(self._cluster.features.finalized.get(SHARE_VERSION))

    def end_offset(self, key: SharePartitionKey) -> int:
        """Return the offset after the last record of the partition that a share partition is of."""
        topic = self._cluster.topic(key.topic_id)
        return 0 if topic is None else topic.partitions[key.partition].high_watermark

    async def load(self) -> None:
        """Replay `__share_group_state`."""
        await self.coordinator.load()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep `__share_group_state` short until `stop` is set."""
        await self.coordinator.run(stop)

    def close(self) -> None:
        """Let no lock end any more."""
        self.partitions.close()

    async def topics_deleted(self, topic_ids: Sequence[UUID]) -> None:
        """Forget everything about these topics."""
        self.partitions.topics_deleted(topic_ids)
        await self.coordinator.topics_deleted(topic_ids)
