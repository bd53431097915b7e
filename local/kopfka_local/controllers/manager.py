"""All controllers, started and stopped together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kopfka_local.api.errors import ApiError
from kopfka_local.controllers.base import Controller, Writer
from kopfka_local.controllers.budgets import Budgets
from kopfka_local.controllers.claims import STANDARD_CLASS, Claims
from kopfka_local.controllers.deployments import Deployments
from kopfka_local.controllers.garbage import GarbageCollector
from kopfka_local.controllers.jobs import Jobs
from kopfka_local.controllers.namespaces import Namespaces
from kopfka_local.controllers.replicasets import ReplicaSets
from kopfka_local.controllers.services import Services
from kopfka_local.controllers.statefulsets import StatefulSets
from kopfka_local.kinds import STORAGE_CLASSES
from kopfka_local.recorder import Recorder

if TYPE_CHECKING:
    from pathlib import Path

    from kopfka_local.api.cluster import Cluster
    from kopfka_local.watching import Informers


class Manager:
    """Every controller of a local cluster."""

    def __init__(self, cluster: Cluster, informers: Informers, state: Path) -> None:
        self._cluster = cluster
        recorder = Recorder(cluster, "kopfka-controllers")
        writer = Writer(cluster, informers, recorder)
        self._garbage = GarbageCollector(cluster, informers)
        self._controllers: list[Controller] = [
            Namespaces(cluster, writer, informers),
            Claims(writer, informers, recorder, state / "volumes"),
            StatefulSets(writer, informers),
            Deployments(writer, informers),
            ReplicaSets(writer, informers),
            Jobs(writer, informers),
            Services(writer, informers),
            Budgets(writer, informers),
            self._garbage,
        ]

    async def start(self) -> None:
        """Begin. The informers have seen everything that is there."""
        try:
            await self._cluster.create(STORAGE_CLASSES, None, STANDARD_CLASS)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
        await self._garbage.start()
        for controller in self._controllers:
            controller.worker.start()

    async def stop(self) -> None:
        """End what is under way."""
        await self._garbage.stop()
        await asyncio.gather(*(controller.worker.stop() for controller in self._controllers))
