"""PodDisruptionBudgets: their status. `budget_status` is pure. (Refusing evictions by it is the API server's.)"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kopfka_local.controllers.base import Writer, enqueue_self
from kopfka_local.kinds import (
    BUDGETS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Key,
    Object,
    condition_of,
    controller_of,
    key_of,
    matches_labels,
)
from kopfka_local.podstate import is_active, is_ready
from kopfka_local.times import now, rfc3339
from kopfka_local.watching import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_local.watching import Informers


def budget_status(budget: Object, pods: Sequence[Object], expected: int, time: str) -> Object:
    """Return a budget's status.

    Args:
        budget: the PodDisruptionBudget.
        pods: those it selects.
        expected: how many pods their controllers are to have.
        time: now.
    """
    spec = budget["spec"]
    healthy = sum(1 for pod in pods if is_active(pod) and is_ready(pod))
    if "maxUnavailable" in spec:
        desired = max(0, expected - _amount(spec["maxUnavailable"], expected))
    else:
        desired = _amount(spec.get("minAvailable", 1), expected)
    allowed = max(0, healthy - desired) if expected else 0
    reason = "SufficientPods" if allowed else "InsufficientPods"
    status = "True" if allowed else "False"
    before = condition_of(budget, "DisruptionAllowed") or {}
    since = before.get("lastTransitionTime", time) if before.get("status") == status else time
    generation = budget["metadata"].get("generation", 1)
    condition = {
        "type": "DisruptionAllowed", "status": status, "reason": reason, "message": "", "lastTransitionTime": since,
        "observedGeneration": generation,
    }  # fmt: skip
    return {
        "observedGeneration": generation, "currentHealthy": healthy, "desiredHealthy": desired, "expectedPods":
        expected, "disruptionsAllowed": allowed, "conditions": [condition],
    }  # fmt: skip


def _amount(value: int | str, whole: int) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return math.ceil(int(value[:-1]) * whole / 100)
    return int(value)


class Budgets:
    """Keeps the status of every PodDisruptionBudget."""

    def __init__(self, writer: Writer, informers: Informers) -> None:
        self._writer = writer
        self._budgets, self._pods = informers[BUDGETS], informers[PODS]
        self._owners = {"StatefulSet": informers[STATEFUL_SETS], "ReplicaSet": informers[REPLICA_SETS]}
        self.worker = Worker("disruption budget", self.reconcile)
        enqueue_self(self._budgets, self.worker)
        for informer in (self._pods, *self._owners.values()):
            informer.on_change(self._namespace_changed)

    def _namespace_changed(self, before: Object | None, after: Object | None) -> None:
        for budget in self._budgets.all((after or before or {})["metadata"]["namespace"]):
            self.worker.add(key_of(budget))

    async def reconcile(self, key: Key) -> float | None:
        """Write the status of one budget."""
        budget = self._budgets.get(*key)
        if budget is None:
            return None
        selector = budget["spec"].get("selector")
        pods = [pod for pod in self._pods.all(key[0]) if matches_labels(selector, pod["metadata"].get("labels"))]
        expected, owners = 0, set()
        for pod in pods:
            reference = controller_of(pod)
            informer = self._owners.get(reference["kind"]) if reference else None
            owner = informer.get(key[0], reference["name"]) if informer and reference else None
            if owner is None:
                expected += 1
            elif key_of(owner) not in owners:
                owners.add(key_of(owner))
                expected += int(owner["spec"].get("replicas", 1))
        await self._writer.status(BUDGETS, budget, budget_status(budget, pods, expected, rfc3339(now())))
        return None
