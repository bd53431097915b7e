"""ReplicaSets: so many pods of one template. `plan` is pure."""

from __future__ import annotations

import copy
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kopfka_local.controllers.base import _SAFE, Writer, enqueue_owner, enqueue_self, owned_by
from kopfka_local.kinds import PODS, REPLICA_SETS, Key, Object, deleting, name_of, owner_reference
from kopfka_local.podstate import is_active, is_ready, phase, ready_since
from kopfka_local.times import now, parse_time
from kopfka_local.watching import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_local.watching import Informers


def seconds_until_available(pod: Object, min_ready: float, time: datetime) -> float | None:
    """Return 0 where a pod is available, how long it takes yet where it is ready too short a time, else None."""
    if not is_ready(pod) or deleting(pod):
        return None
    if not min_ready:
        return 0.0
    return max(0.0, (parse_time(ready_since(pod)) + timedelta(seconds=min_ready) - time).total_seconds())


def plan(replica_set: Object, pods: Sequence[Object]) -> tuple[int, list[Object]]:
    """Return how many pods to create, and which to delete: first those that would be missed least."""
    active = [pod for pod in pods if is_active(pod)]
    missing = int(replica_set["spec"].get("replicas", 1)) - len(active)
    if missing >= 0:
        return missing, []
    # not placed, not running, not ready, and then the youngest first
    active.sort(key=lambda pod: pod["metadata"].get("creationTimestamp", ""), reverse=True)
    active.sort(key=lambda pod: (bool(pod["spec"].get("nodeName")), phase(pod) == "Running", is_ready(pod)))
    return 0, active[:-missing]


def pod_from_template(
    owner: Object, api_version: str, kind: str, template: Object, labels: dict[str, str] | None = None
) -> Object:
    """Return a pod of a template, with a name of its own."""
    metadata = copy.deepcopy(template.get("metadata") or {})
    metadata.pop("creationTimestamp", None)
    name = f"{name_of(owner)[:52]}-{''.join(secrets.choice(_SAFE) for _ in range(5))}"
    metadata |= {
        "name": name, "namespace": owner["metadata"]["namespace"], "generateName": f"{name_of(owner)[:52]}-",
        "labels": (metadata.get("labels") or {}) | (labels or {}),
        "ownerReferences": [owner_reference(owner, api_version, kind)],
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": copy.deepcopy(template["spec"])}


class ReplicaSets:
    """Keeps every ReplicaSet."""

    def __init__(self, writer: Writer, informers: Informers) -> None:
        self._writer = writer
        self._sets, self._pods = informers[REPLICA_SETS], informers[PODS]
        self.worker = Worker("replicaset", self.reconcile)
        enqueue_self(self._sets, self.worker)
        enqueue_owner(self._pods, "ReplicaSet", self.worker)

    async def reconcile(self, key: Key) -> float | None:
        """Bring one set to its number of pods."""
        replica_set = self._sets.get(*key)
        if replica_set is None:
            return None
        spec = replica_set["spec"]
        if not deleting(replica_set):
            missing, surplus = plan(replica_set, owned_by(self._pods, replica_set))
            for _ in range(missing):
                await self._writer.create(
                    PODS, pod_from_template(replica_set, "apps/v1", "ReplicaSet", spec["template"])
                )
            for pod in surplus:
                await self._writer.delete(PODS, pod)
        active = [pod for pod in owned_by(self._pods, replica_set) if is_active(pod)]
        waits = [seconds_until_available(pod, float(spec.get("minReadySeconds") or 0), now()) for pod in active]
        labels = (spec["template"].get("metadata") or {}).get("labels") or {}
        labelled = [pod for pod in active if labels.items() <= (pod["metadata"].get("labels") or {}).items()]
        await self._writer.status(REPLICA_SETS, replica_set, {
            "replicas": len(active), "fullyLabeledReplicas": len(labelled), "readyReplicas": sum(map(is_ready, active)),
            "availableReplicas": waits.count(0.0), "observedGeneration": replica_set["metadata"].get("generation", 1),
        })  # fmt: skip
        return min((wait for wait in waits if wait), default=None)
