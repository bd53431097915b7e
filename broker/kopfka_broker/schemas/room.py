"""The check of records against a schema registry as the rest of the broker sees it. Made only where it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_broker.schemas.answers import Answers
from kopfka_broker.schemas.checking import Check
from kopfka_broker.schemas.counts import Counts, schema_metrics
from kopfka_broker.schemas.registry import Registry
from kopfka_broker.schemas.settings import RegistrySettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.core import Metric

    from kopfka_broker.apis.verification import Key
    from kopfka_broker.cluster import Cluster
    from kopfka_wire.produce import PartitionResult, ProduceRequest


class SchemaRoom:
    """Life: construct, `check` requests, `close()` before the connections."""

    def __init__(self, cluster: Cluster) -> None:
        """Read the settings of the registry; it is not asked anything yet.

        Raises:
            SettingsError: they cannot be used, and why.
        """
        self.cluster = cluster
        self.answers = Answers(Registry(RegistrySettings.from_config(cluster.config)))
        self.counts = Counts()

    def check(self, request: ProduceRequest, version: int, denied: Mapping[Key, PartitionResult]) -> Check:
        """Begin to check a request, but for the partitions that are `denied`, whose answers are given."""
        return Check(self, request, version, denied)

    async def close(self) -> None:
        """Answer requests that wait for the registry, who would hold the server up."""
        await self.answers.close()

    def collect(self) -> Iterator[Metric]:
        """Give the metrics of a moment."""
        return schema_metrics(self.counts, self.answers)
