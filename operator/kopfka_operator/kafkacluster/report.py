"""What the status of a `KafkaCluster` says, from what is wanted and what is there. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_operator.api.reasons import Reason
from kopfka_operator.children.health import is_ready, stuck, unplaced
from kopfka_operator.children.pods import template_of
from kopfka_operator.kafkacluster.plan import (
    awaits_port,
    external_address,
    external_listener,
    problems,
    waited_for,
    wanted_template,
)
from kopfka_operator.quantities import parse_quantity
from kopfka_operator.status import Problem, StatusDraft, degraded, join, not_ready, progressing, ready, settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_operator.children.plan import Observed
    from kopfka_operator.kafkacluster.render import Cluster
    from kopfka_operator.status import Draft


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
    current = pod is not None and template_of(pod) == wanted_template(cluster, observed)
    fails = stuck(cluster.pod, pod)
    if fails is not None and not serving:
        found.insert(0, fails)
    health, progress = _health(cluster, observed, found, serving=serving, current=current, fails=fails)
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


def _health(
    cluster: Cluster,
    observed: Observed,
    found: Sequence[Problem],
    *,
    serving: bool,
    current: bool,
    fails: Problem | None,
) -> tuple[Draft, Draft]:
    blocking = [problem for problem in found if problem.reason in (Reason.NAME_TAKEN, Reason.REFUSED_BY_API_SERVER)]
    former = waited_for(cluster, observed)
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
    if fails is not None:
        return not_ready(fails.reason, fails.message), progressing(Reason.STARTING, "waiting for the broker's pod")
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
    return unplaced(cluster.pod, pod) or f"{cluster.pod} is starting"
