"""Groups and committed offsets, as Apache Kafka's group coordinator keeps them.

Classic groups are in the modules of this package; `modern` is what the newer kinds have in common:
`consumer` (KIP-848), `streams` (KIP-1071) and `share` (KIP-932).
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
