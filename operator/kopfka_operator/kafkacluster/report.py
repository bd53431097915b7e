"""What the status of a `KafkaCluster` says, from what is wanted and what is there. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_operator.api.reasons import Reason
from kopfka_operator.kafkacluster.plan import (
    awaits_port,
    external_address,
    external_listener,
    leaving,
    problems,
    wanted_template,
)
from kopfka_operator.kafkacluster.render import TEMPLATE
from kopfka_operator.quantities import parse_quantity
from kopfka_operator.status import Problem, StatusDraft, degraded, join, not_ready, progressing, ready, settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_operator.kafkacluster.plan import Observed
    from kopfka_operator.kafkacluster.render import Cluster
    from kopfka_operator.kube.resources import Manifest
    from kopfka_operator.status import Draft

_PULL_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_FAILING = _PULL_REASONS | {
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What else a status tells: the version brokers are made for, and the id that Kafka gave, once known."""

    version: str | None
    cluster_id: str | None


def report(cluster: Cluster, observed: Observed, failures: Sequence[Problem], facts: Facts) -> StatusDraft:
    """Return the status of a cluster whose plan has been carried out; `failures` are what was refused of it."""
    found = [*failures, *problems(cluster, observed)]
    pod = observed.get(cluster.pod)
    serving = pod is not None and is_ready(pod)
    current = pod is not None and _template(pod) == wanted_template(cluster, observed)
    stuck = _stuck(cluster, pod)
    if stuck is not None and not serving:
        found.insert(0, stuck)
    health, progress = _health(cluster, observed, found, serving=serving, current=current, stuck=stuck)
    address = external_address(cluster, observed)
    plain = {"name": "plain", "type": "internal", "bootstrapServers": cluster.bootstrap_servers}
    external = {"name": "external", "type": "external", "bootstrapServers": str(address)}
    return StatusDraft(
        conditions=(health, progress, degraded(found)),
        fields={
            "replicas": int(pod is not None),
            "readyReplicas": int(serving),
            "clusterId": facts.cluster_id,
            "version": facts.version,
            "listeners": [plain] if address is None else [plain, external],
        },
    )


def is_ready(pod: Manifest) -> bool:
    """Tell whether a pod serves: ready, and not on its way out."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    says_so = any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
    return says_so and not pod["metadata"].get("deletionTimestamp")


def _health(
    cluster: Cluster,
    observed: Observed,
    found: Sequence[Problem],
    *,
    serving: bool,
    current: bool,
    stuck: Problem | None,
) -> tuple[Draft, Draft]:
    blocking = [problem for problem in found if problem.reason in (Reason.NAME_TAKEN, Reason.REFUSED_BY_API_SERVER)]
    former = leaving(cluster, observed)
    if blocking:
        return not_ready(blocking[0].reason, join(blocking)), settled("somebody has to act first", blocking[0].reason)
    if former and not serving:
        waits = f"{', '.join(map(str, former))} of before is being deleted"
        return not_ready(Reason.DELETING, waits), progressing(Reason.DELETING, waits)
    if serving and current:
        health = ready(f"clients are served at {cluster.bootstrap_servers}")
        return health, _growing(cluster, observed) or _pending_address(cluster, observed) or settled()
    if serving:
        rolls = "the broker is being restarted with the new settings"
        return not_ready(Reason.ROLLING_OUT, rolls), progressing(Reason.ROLLING_OUT, rolls)
    if stuck is not None:
        return not_ready(stuck.reason, stuck.message), progressing(Reason.STARTING, "waiting for the broker's pod")
    starts = _waiting(cluster, observed)
    return not_ready(Reason.STARTING, starts), progressing(Reason.STARTING, starts)


def _growing(cluster: Cluster, observed: Observed) -> Draft | None:
    claim = observed.get(cluster.claim)
    capacity = ((claim or {}).get("status") or {}).get("capacity", {}).get("storage")
    if claim is None or capacity is None:
        return None
    wanted = claim["spec"]["resources"]["requests"]["storage"]
    if parse_quantity(capacity) >= parse_quantity(wanted):
        return None
    return progressing(Reason.RESIZING, f"waiting for the storage to grow from {capacity} to {wanted}")


def _pending_address(cluster: Cluster, observed: Observed) -> Draft | None:
    listener = external_listener(cluster)
    if listener is None or external_address(cluster, observed) is not None:
        return None
    return progressing(
        Reason.ADDRESS_PENDING,
        f"{cluster.external} has no address yet, so nothing outside Kubernetes is served; "
        "if nothing here hands out load balancers, write type: NodePort",
    )


def _waiting(cluster: Cluster, observed: Observed) -> str:
    pod = observed.get(cluster.pod)
    if pod is None:
        missing = f"the node port of {cluster.external}" if awaits_port(cluster, observed) else cluster.pod
        return f"waiting for {missing}"
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{cluster.pod} cannot be placed on a node: {condition.get('message') or condition.get('reason')}"
    return f"{cluster.pod} is starting"


def _stuck(cluster: Cluster, pod: Manifest | None) -> Problem | None:
    statuses = ((pod or {}).get("status") or {}).get("containerStatuses") or []
    for status in statuses:
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason in _PULL_REASONS:
            words = waiting.get("message") or reason
            return Problem(Reason.POD_FAILING, f"{cluster.pod}: {words}: check spec.image and spec.imagePullPolicy")
        if reason in _FAILING:
            ended = (status.get("lastState") or {}).get("terminated") or {}
            words = _last_line(ended.get("message")) or waiting.get("message") or reason
            where = f"kubectl logs -n {cluster.namespace} {cluster.pod.name} --previous"
            return Problem(Reason.POD_FAILING, f"{cluster.pod} keeps ending: {words} (more: {where})")
    return None


def _last_line(text: str | None) -> str:
    lines = (text or "").strip().splitlines()
    return lines[-1].strip() if lines else ""


def _template(pod: Manifest) -> str:
    return str((pod["metadata"].get("annotations") or {}).get(TEMPLATE) or "")
