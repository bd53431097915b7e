"""Consumer groups: classic group membership and committed offsets, as Apache Kafka's group coordinator keeps them.

The next generation of the protocol (KIP-848), share groups, Streams groups and transactions are not here.
"""

from kopfka_broker.groups.coordinator import GroupCoordinator
from kopfka_broker.groups.ports import Clock, Cluster, Handler, Node, OffsetsLog, OffsetsRecord, SystemClock
from kopfka_broker.groups.settings import GroupSettings

__all__ = [
    "Clock",
    "Cluster",
    "GroupCoordinator",
    "GroupSettings",
    "Handler",
    "Node",
    "OffsetsLog",
    "OffsetsRecord",
    "SystemClock",
]
