"""What share groups are made of, put together: made by the room when someone has to do with share groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_broker.coordinators.ports import SystemClock
from kopfka_broker.coordinators.topics import InternalTopic
from kopfka_broker.share.api import ShareApis
from kopfka_broker.share.configs import GroupShareConfigs
from kopfka_broker.share.coordinator import ShareCoordinator
from kopfka_broker.share.manager import SharePartitions
from kopfka_broker.share.settings import ShareSettings
from kopfka_broker.share.state_api import ShareStateApis

if TYPE_CHECKING:
    from kopfka_broker.cluster import Cluster


class ShareParts:
    """The share coordinator, the share partitions in memory, and the APIs over both."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        number = cluster.config.number
        store = InternalTopic(
            cluster.logs,
            cluster.create_topic,
            name,
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
        self.state_apis = ShareStateApis(cluster, self.coordinator)
