"""StatefulSets: pods with names, claims and an order. `plan` is pure and is where the thinking is.

It does what Kubernetes's controller does, one step at a time where the order matters (`OrderedReady`): create the first
missing pod, wait for it, scale down from the top, roll from the top down to the partition.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kopfka_local.controllers.base import Writer, enqueue_owner, enqueue_self, owned_by, template_hash
from kopfka_local.kinds import (
    CLAIMS,
    PODS,
    REVISIONS,
    STATEFUL_SETS,
    Key,
    Object,
    deleting,
    name_of,
    owner_reference,
    uid_of,
)  # fmt: skip
from kopfka_local.podstate import is_ended, is_ready, phase, ready_since
from kopfka_local.times import now, parse_time
from kopfka_local.watching import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kopfka_local.watching import Informers

REVISION_LABEL = "controller-revision-hash"
POD_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"


@dataclass(frozen=True, slots=True)
class CreateClaim:
    """Create a claim."""

    claim: Object


@dataclass(frozen=True, slots=True)
class OwnClaim:
    """Set the owners of a claim."""

    name: str
    owners: list[Object]


@dataclass(frozen=True, slots=True)
class CreatePod:
    """Create a pod."""

    pod: Object


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Delete a pod."""

    name: str


Action = CreateClaim | OwnClaim | CreatePod | DeletePod


@dataclass(frozen=True, slots=True)
class Revisions:
    """The pod templates a set may be made of: what it is to become, and what it was made of before."""

    update: str
    update_template: Object
    current: str
    current_template: Object


@dataclass(slots=True)
class Plan:
    """What to do now, the status to report, and when to look again though nothing changed."""

    actions: list[Action] = field(default_factory=list)
    status: Object = field(default_factory=dict)
    again_in: float | None = None


def plan(
    stateful_set: Object, pods: Sequence[Object], claims: Mapping[str, Object], revisions: Revisions, time: datetime
) -> Plan:
    """Return the next step of a set, from its pods and its namespace's claims."""
    step = _Step(stateful_set, {_ordinal(pod): pod for pod in pods}, claims, revisions, time)
    if not deleting(stateful_set):
        step.run()
    step.own_claims()
    return Plan(step.actions, _status(stateful_set, pods, revisions, step), step.again_in)


class _Step:
    def __init__(
        self,
        stateful_set: Object,
        pods: dict[int, Object],
        claims: Mapping[str, Object],
        revisions: Revisions,
        time: datetime,
    ) -> None:
        spec = stateful_set["spec"]
        self.set, self.pods, self.claims, self.revisions, self.time = stateful_set, pods, claims, revisions, time
        self.start = int((spec.get("ordinals") or {}).get("start") or 0)
        self.end = self.start + int(spec.get("replicas", 1))
        self.ordered = spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
        self.min_ready = float(spec.get("minReadySeconds") or 0)
        strategy = spec.get("updateStrategy") or {}
        self.rolling = strategy.get("type", "RollingUpdate") == "RollingUpdate"
        self.partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
        self.actions: list[Action] = []
        self.again_in: float | None = None

    def run(self) -> None:
        if self._fill() and self._scale_down() and self.rolling:
            self._roll()

    def _fill(self) -> bool:
        for ordinal in range(self.start, self.end):
            pod = self.pods.get(ordinal)
            if pod is None:
                self._create(ordinal)
                if self.ordered:
                    return False
            elif is_ended(pod):
                if not deleting(pod):
                    self.actions.append(DeletePod(name_of(pod)))
                if self.ordered:
                    return False
            elif self.ordered and (deleting(pod) or not self.available(pod)):
                return False
        return True

    def _scale_down(self) -> bool:
        condemned = sorted((ordinal for ordinal in self.pods if not self.start <= ordinal < self.end), reverse=True)
        for ordinal in condemned:
            if deleting(self.pods[ordinal]):
                if self.ordered:
                    return False
                continue
            self.actions.append(DeletePod(name_of(self.pods[ordinal])))
            if self.ordered:
                return False
        return True

    def _roll(self) -> None:
        for ordinal in range(self.end - 1, self.start + self.partition - 1, -1):
            pod = self.pods.get(ordinal)
            if pod is None or deleting(pod):
                return
            if _revision(pod) != self.revisions.update:
                self.actions.append(DeletePod(name_of(pod)))
                return
            if not self.available(pod):
                return

    def available(self, pod: Object) -> bool:
        """Tell whether a pod is running, and ready for `minReadySeconds`."""
        if phase(pod) != "Running" or not is_ready(pod):
            return False
        if not self.min_ready:
            return True
        left = (parse_time(ready_since(pod)) + timedelta(seconds=self.min_ready) - self.time).total_seconds()
        if left > 0:
            self.again_in = min(left, self.again_in or left)
        return left <= 0

    def _create(self, ordinal: int) -> None:
        older = self.rolling and ordinal < self.start + self.partition
        revision, template = (
            (self.revisions.current, self.revisions.current_template) if older
            else (self.revisions.update, self.revisions.update_template)
        )  # fmt: skip
        for claim in self._claims_of(ordinal):
            if name_of(claim) not in self.claims:
                self.actions.append(CreateClaim(claim))
        self.actions.append(CreatePod(_pod(self.set, ordinal, revision, template)))

    def _claims_of(self, ordinal: int) -> list[Object]:
        return [_claim(self.set, template, ordinal) for template in self.set["spec"].get("volumeClaimTemplates") or ()]

    def own_claims(self) -> None:
        """Say, by owner references, what `persistentVolumeClaimRetentionPolicy` says becomes of the claims."""
        policy = self.set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
        when_deleted, when_scaled = policy.get("whenDeleted", "Retain"), policy.get("whenScaled", "Retain")
        for template in self.set["spec"].get("volumeClaimTemplates") or ():
            for ordinal, pod in self.pods.items():
                claim = self.claims.get(_claim_name(self.set, template, ordinal))
                if claim is None or deleting(claim):
                    continue
                condemned = not self.start <= ordinal < self.end
                before = claim["metadata"].get("ownerReferences") or []
                own = {uid_of(self.set), uid_of(pod)}
                owners = [one for one in before if one["uid"] not in own]
                if when_deleted == "Delete" and not (condemned and when_scaled == "Delete"):
                    owners.append(_plain_reference(self.set, "apps/v1", "StatefulSet"))
                if when_scaled == "Delete" and condemned:
                    owners.append(_plain_reference(pod, "v1", "Pod"))
                if [one["uid"] for one in owners] != [one["uid"] for one in before]:
                    self.actions.append(OwnClaim(name_of(claim), owners))
        # before the pods go: a claim owned by a pod must be so when the pod goes
        self.actions.sort(key=lambda action: not isinstance(action, OwnClaim))


def _status(stateful_set: Object, pods: Sequence[Object], revisions: Revisions, step: _Step) -> Object:
    alive = [pod for pod in pods if not deleting(pod) and not is_ended(pod)]
    updated = [pod for pod in alive if _revision(pod) == revisions.update]
    ready = [pod for pod in pods if phase(pod) == "Running" and is_ready(pod)]
    current = revisions.current
    replicas = int(stateful_set["spec"].get("replicas", 1))
    rolled = step.rolling and len(updated) == len(alive) == len(pods) == replicas and len(ready) == replicas
    if rolled and not step.partition:
        current = revisions.update
    return {
        "observedGeneration": stateful_set["metadata"].get("generation", 1),
        "replicas": len(pods),
        "readyReplicas": len(ready),
        "availableReplicas": sum(1 for pod in ready if step.available(pod)),
        "currentReplicas": sum(1 for pod in alive if _revision(pod) == current),
        "updatedReplicas": len(updated),
        "currentRevision": current,
        "updateRevision": revisions.update,
        "collisionCount": 0,
    }


def _ordinal(pod: Object) -> int:
    digits = name_of(pod).rpartition("-")[2]
    return int(digits) if digits.isdigit() else -1


def _revision(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(REVISION_LABEL, ""))


def _plain_reference(owner: Object, api_version: str, kind: str) -> Object:
    return {"apiVersion": api_version, "kind": kind, "name": name_of(owner), "uid": uid_of(owner)}


def _claim_name(stateful_set: Object, template: Object, ordinal: int) -> str:
    return f"{template['metadata']['name']}-{name_of(stateful_set)}-{ordinal}"


def _claim(stateful_set: Object, template: Object, ordinal: int) -> Object:
    metadata = copy.deepcopy(template["metadata"])
    metadata["name"] = _claim_name(stateful_set, template, ordinal)
    metadata["namespace"] = stateful_set["metadata"]["namespace"]
    metadata["labels"] = (metadata.get("labels") or {}) | (stateful_set["spec"]["selector"].get("matchLabels") or {})
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": copy.deepcopy(template["spec"]),
    }


def _pod(stateful_set: Object, ordinal: int, revision: str, template: Object) -> Object:
    name = f"{name_of(stateful_set)}-{ordinal}"
    metadata = copy.deepcopy(template.get("metadata") or {})
    metadata.pop("creationTimestamp", None)
    labels = (metadata.get("labels") or {}) | {REVISION_LABEL: revision, POD_LABEL: name, INDEX_LABEL: str(ordinal)}
    metadata |= {
        "name": name, "namespace": stateful_set["metadata"]["namespace"], "labels": labels,
        "ownerReferences": [owner_reference(stateful_set, "apps/v1", "StatefulSet")],
    }  # fmt: skip
    spec = copy.deepcopy(template["spec"])
    templates = stateful_set["spec"].get("volumeClaimTemplates") or ()
    claimed = {one["metadata"]["name"] for one in templates}
    spec["volumes"] = [volume for volume in spec.get("volumes") or () if volume["name"] not in claimed] + [
        {
            "name": one["metadata"]["name"],
            "persistentVolumeClaim": {"claimName": _claim_name(stateful_set, one, ordinal)},
        }
        for one in templates
    ]
    spec["hostname"] = name
    spec["subdomain"] = stateful_set["spec"].get("serviceName") or ""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


class StatefulSets:
    """Keeps every StatefulSet."""

    def __init__(self, writer: Writer, informers: Informers) -> None:
        self._writer = writer
        self._sets, self._pods = informers[STATEFUL_SETS], informers[PODS]
        self._claims, self._revisions = informers[CLAIMS], informers[REVISIONS]
        self.worker = Worker("statefulset", self.reconcile)
        enqueue_self(self._sets, self.worker)
        enqueue_owner(self._pods, "StatefulSet", self.worker)

    async def reconcile(self, key: Key) -> float | None:
        """Take the next step of one set."""
        stateful_set = self._sets.get(*key)
        if stateful_set is None:
            return None
        revisions = await self._current_revisions(stateful_set)
        claims = {name_of(claim): claim for claim in self._claims.all(key[0])}
        pods = owned_by(self._pods, stateful_set)
        planned = plan(stateful_set, pods, claims, revisions, now())
        for action in planned.actions:
            if isinstance(action, CreateClaim):
                await self._writer.create(CLAIMS, action.claim)
            elif isinstance(action, OwnClaim):
                patch = {"metadata": {"ownerReferences": action.owners}}
                await self._writer.patch(CLAIMS, claims[action.name], patch)
            elif isinstance(action, CreatePod):
                await self._writer.create(PODS, action.pod)
            else:
                await self._writer.delete(PODS, next(pod for pod in pods if name_of(pod) == action.name))
        await self._writer.status(STATEFUL_SETS, stateful_set, planned.status)
        return planned.again_in

    async def _current_revisions(self, stateful_set: Object) -> Revisions:
        template = stateful_set["spec"]["template"]
        update = f"{name_of(stateful_set)}-{template_hash(template)}"
        known = {name_of(one): one for one in owned_by(self._revisions, stateful_set)}
        newest = max((int(one["revision"]) for one in known.values()), default=0)
        if update not in known and not deleting(stateful_set):
            known[update] = await self._writer.create(REVISIONS, {
                "apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": newest + 1,
                "metadata": {
                    "name": update, "namespace": stateful_set["metadata"]["namespace"],
                    "labels": (template.get("metadata") or {}).get("labels") or {},
                    "ownerReferences": [owner_reference(stateful_set, "apps/v1", "StatefulSet")],
                },
                "data": {"spec": {"template": template | {"$patch": "replace"}}},
            })  # fmt: skip
        elif update in known and int(known[update]["revision"]) < newest:  # rolled back
            known[update] = await self._writer.patch(REVISIONS, known[update], {"revision": newest + 1})
        current = (stateful_set.get("status") or {}).get("currentRevision") or update
        await self._forget_old(stateful_set, known, {update, current})
        stored = (known.get(current) or {}).get("data") or {}
        current_template = {
            k: v for k, v in ((stored.get("spec") or {}).get("template") or template).items() if k != "$patch"
        }
        return Revisions(update, template, current, current_template)

    async def _forget_old(self, stateful_set: Object, known: dict[str, Object], needed: set[str]) -> None:
        limit = int(stateful_set["spec"].get("revisionHistoryLimit", 10))
        used = needed | {_revision(pod) for pod in owned_by(self._pods, stateful_set)}
        old = sorted((one for name, one in known.items() if name not in used), key=lambda one: int(one["revision"]))
        for one in old[: max(0, len(old) - limit)]:
            await self._writer.delete(REVISIONS, one)
