"""Deployments: one ReplicaSet a template, and the way from one to the next. `plan` is pure.

Templates are told apart by the hash of their content, so going back to an earlier template goes back to its ReplicaSet.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kopfka_local.controllers.base import Writer, enqueue_owner, enqueue_self, owned_by, template_hash
from kopfka_local.kinds import DEPLOYMENTS, REPLICA_SETS, Key, Object, condition_of, deleting, name_of, owner_reference
from kopfka_local.times import now, parse_time, rfc3339
from kopfka_local.watching import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_local.watching import Informers

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True, slots=True)
class CreateSet:
    """Create a ReplicaSet."""

    replica_set: Object


@dataclass(frozen=True, slots=True)
class Scale:
    """Set a ReplicaSet's number of pods."""

    name: str
    replicas: int


@dataclass(frozen=True, slots=True)
class SetRevision:
    """Make a ReplicaSet the newest revision."""

    name: str
    revision: int


@dataclass(frozen=True, slots=True)
class DeleteSet:
    """Delete an old ReplicaSet that has no pods."""

    name: str


Action = CreateSet | Scale | SetRevision | DeleteSet


@dataclass(slots=True)
class Plan:
    """What to do now, the status to report, and when to look again though nothing changed."""

    actions: list[Action] = field(default_factory=list)
    status: Object = field(default_factory=dict)
    revision: int = 0
    again_in: float | None = None


def plan(deployment: Object, sets: Sequence[Object], time: datetime) -> Plan:
    """Return the next step of a deployment, from its ReplicaSets."""
    spec = deployment["spec"]
    wanted = int(spec.get("replicas", 1))
    hashed = template_hash(spec["template"])
    new = next((one for one in sets if (one["metadata"].get("labels") or {}).get(HASH_LABEL) == hashed), None)
    old = [one for one in sets if one is not new]
    newest_old = max((_revision(one) for one in old), default=0)
    revision = _revision(new) if new and _revision(new) > newest_old else newest_old + 1
    actions: list[Action] = []
    strategy = spec.get("strategy") or {}
    rolling = strategy.get("type", "RollingUpdate") == "RollingUpdate"
    surge, unavailable = _limits(strategy.get("rollingUpdate") or {}, wanted)
    paused = bool(spec.get("paused"))
    if new is None:
        if not paused:
            others = sum(_replicas(one) for one in old)
            first = max(0, min(wanted, wanted + surge - others)) if rolling else (0 if others else wanted)
            actions.append(CreateSet(_replica_set(deployment, hashed, revision, first)))
    else:
        if _revision(new) != revision:
            actions.append(SetRevision(name_of(new), revision))
        if paused:
            actions += _scale_while_paused(sets, wanted)
        elif rolling:
            actions += _roll(new, old, wanted, surge, unavailable)
        else:
            actions += _recreate(new, old, wanted)
        actions += _clean(old, int(spec.get("revisionHistoryLimit", 10)))
    status = _status(deployment, sets, new, unavailable if rolling else 0, time)
    return Plan(actions, status, revision, _until_deadline(deployment, status, time))


def _roll(new: Object, old: list[Object], wanted: int, surge: int, unavailable: int) -> list[Action]:
    total = _replicas(new) + sum(_replicas(one) for one in old)
    if _replicas(new) > wanted:
        return [Scale(name_of(new), wanted)]
    if _replicas(new) < wanted:
        more = min(wanted - _replicas(new), wanted + surge - total)
        if more > 0:
            return [Scale(name_of(new), _replicas(new) + more)]
    actions: list[Action] = []
    unready_new = _replicas(new) - _available(new)
    spare = total - (wanted - unavailable) - unready_new
    for one in sorted(old, key=_revision):  # first those pods that serve nobody
        useless = min(_replicas(one) - _available(one), spare)
        if useless > 0:
            actions.append(Scale(name_of(one), _replicas(one) - useless))
            spare -= useless
    if actions:
        return actions
    spare = _available(new) + sum(_available(one) for one in old) - (wanted - unavailable)
    for one in sorted(old, key=_revision):
        fewer = min(_replicas(one), spare)
        if fewer > 0:
            actions.append(Scale(name_of(one), _replicas(one) - fewer))
            spare -= fewer
    return actions


def _recreate(new: Object, old: list[Object], wanted: int) -> list[Action]:
    if running := [one for one in old if _replicas(one)]:
        return [Scale(name_of(one), 0) for one in running]
    if any((one.get("status") or {}).get("replicas") for one in old) or _replicas(new) == wanted:
        return []
    return [Scale(name_of(new), wanted)]


def _scale_while_paused(sets: Sequence[Object], wanted: int) -> list[Action]:
    with_pods = [one for one in sets if _replicas(one)]
    if len(with_pods) == 1 and _replicas(with_pods[0]) != wanted:
        return [Scale(name_of(with_pods[0]), wanted)]
    return []


def _clean(old: list[Object], limit: int) -> list[Action]:
    idle = [
        one for one in old if not _replicas(one) and not (one.get("status") or {}).get("replicas") and not deleting(one)
    ]
    return [DeleteSet(name_of(one)) for one in sorted(idle, key=_revision)[: max(0, len(idle) - limit)]]


def _limits(rolling: Object, wanted: int) -> tuple[int, int]:
    surge = _share(rolling.get("maxSurge", "25%"), wanted, math.ceil)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), wanted, math.floor)
    return surge, (1 if not surge and not unavailable else unavailable)


def _share(value: int | str, whole: int, rounded: object) -> int:
    if isinstance(value, str) and value.endswith("%"):
        share = int(value[:-1]) * whole / 100
        return math.ceil(share) if rounded is math.ceil else math.floor(share)
    return int(value)


def _replicas(replica_set: Object) -> int:
    return int(replica_set["spec"].get("replicas", 1))


def _available(replica_set: Object) -> int:
    return min(int((replica_set.get("status") or {}).get("availableReplicas") or 0), _replicas(replica_set))


def _revision(replica_set: Object) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION) or 0)


def _replica_set(deployment: Object, hashed: str, revision: int, replicas: int) -> Object:
    spec = deployment["spec"]
    template = copy.deepcopy(spec["template"])
    labels = (template.get("metadata") or {}).get("labels") or {}
    template["metadata"] = (template.get("metadata") or {}) | {"labels": labels | {HASH_LABEL: hashed}}
    selector = copy.deepcopy(spec["selector"])
    selector["matchLabels"] = (selector.get("matchLabels") or {}) | {HASH_LABEL: hashed}
    return {
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name_of(deployment)}-{hashed}", "namespace": deployment["metadata"]["namespace"],
            "labels": labels | {HASH_LABEL: hashed}, "annotations": {REVISION: str(revision)},
            "ownerReferences": [owner_reference(deployment, "apps/v1", "Deployment")],
        },
        "spec": {
            "replicas": replicas, "selector": selector, "template": template,
            "minReadySeconds": spec.get("minReadySeconds") or 0,
        },
    }  # fmt: skip


def _status(deployment: Object, sets: Sequence[Object], new: Object | None, unavailable: int, time: datetime) -> Object:
    wanted = int(deployment["spec"].get("replicas", 1))

    def total(name: str) -> int:
        return sum(int((one.get("status") or {}).get(name) or 0) for one in sets)

    updated = int(((new or {}).get("status") or {}).get("replicas") or 0)
    status: Object = {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": total("replicas"), "updatedReplicas": updated, "readyReplicas": total("readyReplicas"),
        "availableReplicas": total("availableReplicas"),
    }  # fmt: skip
    status["unavailableReplicas"] = max(0, max(wanted, status["replicas"]) - status["availableReplicas"])
    complete = updated == wanted == status["replicas"] == status["availableReplicas"]
    status["conditions"] = [
        _available_condition(deployment, status["availableReplicas"] >= wanted - unavailable, time),
        _progress_condition(deployment, status, new, complete, time),
    ]
    return status


def _available_condition(deployment: Object, available: bool, time: datetime) -> Object:
    reason = "MinimumReplicasAvailable" if available else "MinimumReplicasUnavailable"
    message = f"Deployment {'has' if available else 'does not have'} minimum availability."
    return _condition(deployment, "Available", (available, reason, message), time)


def _progress_condition(
    deployment: Object, status: Object, new: Object | None, complete: bool, time: datetime
) -> Object:
    name = name_of(new) if new else ""
    if complete:
        message = f'ReplicaSet "{name}" has successfully progressed.'
        return _condition(deployment, "Progressing", (True, "NewReplicaSetAvailable", message), time)
    before = condition_of(deployment, "Progressing")
    old = deployment.get("status") or {}
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
    moved = any(old.get(count, 0) != status[count] for count in counts)
    if before and not moved and _overdue(deployment, before, time):
        message = f'ReplicaSet "{name}" has timed out progressing.'
        return _condition(deployment, "Progressing", (False, "ProgressDeadlineExceeded", message), time)
    if before and not moved:
        return before
    message = f'ReplicaSet "{name}" is progressing.'
    return _condition(deployment, "Progressing", (True, "ReplicaSetUpdated", message), time) | {
        "lastUpdateTime": rfc3339(time)
    }


def _overdue(deployment: Object, before: Object, time: datetime) -> bool:
    deadline = timedelta(seconds=int(deployment["spec"].get("progressDeadlineSeconds", 600)))
    return before.get("reason") != "NewReplicaSetAvailable" and time >= parse_time(before["lastUpdateTime"]) + deadline


def _until_deadline(deployment: Object, status: Object, time: datetime) -> float | None:
    progress = next(one for one in status["conditions"] if one["type"] == "Progressing")
    if progress["reason"] in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
        return None
    deadline = timedelta(seconds=int(deployment["spec"].get("progressDeadlineSeconds", 600)))
    return max(0.1, (parse_time(progress["lastUpdateTime"]) + deadline - time).total_seconds() + 1)


def _condition(deployment: Object, kind: str, why: tuple[bool, str, str], time: datetime) -> Object:
    value, reason, message = why
    before = condition_of(deployment, kind) or {}
    status = "True" if value else "False"
    text = rfc3339(time)
    since = before.get("lastTransitionTime", text) if before.get("status") == status else text
    same = (before.get("status"), before.get("reason"), before.get("message")) == (status, reason, message)
    updated = before.get("lastUpdateTime", text) if same else text
    return {
        "type": kind, "status": status, "reason": reason, "message": message, "lastUpdateTime": updated,
        "lastTransitionTime": since,
    }  # fmt: skip


class Deployments:
    """Keeps every Deployment."""

    def __init__(self, writer: Writer, informers: Informers) -> None:
        self._writer = writer
        self._deployments, self._sets = informers[DEPLOYMENTS], informers[REPLICA_SETS]
        self.worker = Worker("deployment", self.reconcile)
        enqueue_self(self._deployments, self.worker)
        enqueue_owner(self._sets, "Deployment", self.worker)

    async def reconcile(self, key: Key) -> float | None:
        """Take the next step of one deployment."""
        deployment = self._deployments.get(*key)
        if deployment is None or deleting(deployment):
            return None
        sets = owned_by(self._sets, deployment)
        planned = plan(deployment, sets, now())
        by_name = {name_of(one): one for one in sets}
        for action in planned.actions:
            if isinstance(action, CreateSet):
                await self._writer.create(REPLICA_SETS, action.replica_set)
            elif isinstance(action, Scale):
                await self._writer.patch(REPLICA_SETS, by_name[action.name], {"spec": {"replicas": action.replicas}})
            elif isinstance(action, SetRevision):
                annotations = {"annotations": {REVISION: str(action.revision)}}
                await self._writer.patch(REPLICA_SETS, by_name[action.name], {"metadata": annotations})
            else:
                await self._writer.delete(REPLICA_SETS, by_name[action.name])
        if (deployment["metadata"].get("annotations") or {}).get(REVISION) != str(planned.revision):
            annotations = {"annotations": {REVISION: str(planned.revision)}}
            deployment = await self._writer.patch(DEPLOYMENTS, deployment, {"metadata": annotations})
        await self._writer.status(DEPLOYMENTS, deployment, planned.status)
        return planned.again_in
