"""How the operator reaches the brokers of its clusters, and the admin clients it keeps.

The bootstrap service's name is cluster DNS in a pod and stands in a hosts file under `kopfka up`. Where neither knows
it (an operator run from a laptop), the cluster's external listener is taken.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kopfka_operator.errors import BrokerUnreachableError
from kopfka_operator.kube.resources import KAFKA_CLUSTERS, Ref
from kopfka_operator.reach import is_known
from kopfka_runtime.network import resolve, split_address

if TYPE_CHECKING:
    from kopfka_operator.kafka.admin import Admin
    from kopfka_operator.mirror import Mirror

log = logging.getLogger(__name__)


class Brokers:
    """Admin clients by cluster; one that fails is dropped, so that the next try finds brokers that have moved."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._admins: dict[tuple[str, str], Admin] = {}

    async def of(self, namespace: str, cluster: str) -> Admin:
        """Return the admin client of a KafkaCluster.

        Raises:
            BrokerUnreachableError: its addresses are not known here.
        """
        known = self._admins.get((namespace, cluster))
        if known is not None:
            return known
        from kopfka_operator.kafka.admin import Admin  # noqa: PLC0415 - librdkafka, at first need

        bootstrap = await self._bootstrap(namespace, cluster)
        admin = self._admins[namespace, cluster] = Admin(bootstrap)
        return admin

    async def forget(self, namespace: str, cluster: str) -> None:
        """Drop the admin client of a cluster; it closes its connections when nobody uses it any more."""
        admin = self._admins.pop((namespace, cluster), None)
        if admin is not None:
            # its destructor waits for librdkafka's threads
            await asyncio.to_thread(admin.close)

    async def _bootstrap(self, namespace: str, cluster: str) -> str:
        body = self._mirror.get(Ref(KAFKA_CLUSTERS, namespace, cluster)) or {}
        status = body.get("status") or {}
        listeners = {each["name"]: each["bootstrapServers"] for each in status.get("listeners") or []}
        inside = listeners.get("plain", f"{cluster}-bootstrap.{namespace}.svc:9092")
        host, port = split_address(inside, 9092)
        if await is_known(host, port):
            return f"{resolve(host)}:{port}"
        if "external" in listeners:
            return str(listeners["external"])
        raise BrokerUnreachableError(
            f"{host} cannot be resolved here: run the operator inside Kubernetes, "
            "or give the cluster an external listener"
        )
