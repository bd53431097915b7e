"""What the status of a `SchemaRegistry` says, from what is wanted and what is there. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_operator.api.reasons import Reason
from kopfka_operator.children.health import is_ready, stuck, unplaced
from kopfka_operator.children.pods import template_of
from kopfka_operator.kube.resources import PODS
from kopfka_operator.schemaregistry.plan import external_url, problems, waited_for, wanted_template
from kopfka_operator.status import StatusDraft, degraded, join, not_ready, progressing, ready, settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_operator.children.plan import Observed
    from kopfka_operator.kube.resources import Manifest, Ref
    from kopfka_operator.schemaregistry.plan import Surroundings
    from kopfka_operator.schemaregistry.render import Registry
    from kopfka_operator.status import Draft, Problem

_BLOCKING = frozenset(
    {
        Reason.NAME_TAKEN,
        Reason.REFUSED_BY_API_SERVER,
        Reason.REFUSED_BY_REGISTRY,
        Reason.REGISTRY_UNREACHABLE,
        Reason.LOGIN_FAILED,
        Reason.NO_LEADER,
    }
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What else a status tells."""

    version: str | None = None
    """Version of Kopfka that the pods are made for; None where their image is another's."""
    leader: str | None = None
    """The pod that leads, where that is known."""


@dataclass(frozen=True, slots=True)
class _Pods:
    """The pods of a registry, counted."""

    there: dict[Ref, Manifest]
    serving: int
    current: int
    """Those of the serving that are as wanted."""
    outdated: int
    fails: Problem | None
    """What keeps one of them from running."""


def report(
    registry: Registry, around: Surroundings, observed: Observed, failures: Sequence[Problem], facts: Facts
) -> StatusDraft:
    """Return the status of a registry whose plan has been carried out; `failures` are what was refused of it."""
    found = [*failures, *problems(registry, around, observed)]
    fields: dict[str, object] = {
        "url": registry.url,
        "compatibility": registry.spec.compatibility,
        "mode": registry.spec.mode,
    }
    if registry.spec.engine == "external":
        health, progress = _external(registry, found)
        return StatusDraft((health, progress, degraded(found)), fields)
    pods = _count(registry, around, observed)
    if pods.fails is not None:
        found.append(pods.fails)
    health, progress = _bundled(registry, around, observed, found, pods)
    fields |= {
        "externalUrl": external_url(registry, observed),
        "replicas": len(pods.there),
        "readyReplicas": pods.serving,
        "leader": facts.leader,
        "version": facts.version,
    }
    return StatusDraft((health, progress, degraded(found)), fields)


def pods_of(observed: Observed) -> dict[Ref, Manifest]:
    """Return the pods of a registry that are not on their way out."""
    return {
        ref: body
        for ref, body in observed.objects.items()
        if ref.type == PODS and not body["metadata"].get("deletionTimestamp")
    }


def _count(registry: Registry, around: Surroundings, observed: Observed) -> _Pods:
    there = pods_of(observed)
    serving = [pod for pod in there.values() if is_ready(pod)]
    wanted = wanted_template(registry, around)
    current = [pod for pod in serving if wanted is None or template_of(pod) == wanted]
    outdated = [pod for pod in there.values() if wanted is not None and template_of(pod) != wanted]
    fails = next((problem for ref, pod in there.items() if (problem := stuck(ref, pod)) is not None), None)
    return _Pods(there, len(serving), len(current), len(outdated), fails)


def _external(registry: Registry, found: Sequence[Problem]) -> tuple[Draft, Draft]:
    if not found:
        return ready(f"the registry at {registry.url} answers"), settled()
    first = found[0]
    if first.reason is Reason.REGISTRY_UNREACHABLE:
        return not_ready(first.reason, join(found)), progressing(first.reason, f"trying {registry.url} again")
    return not_ready(first.reason, join(found)), settled("somebody has to act first", first.reason)


def _bundled(
    registry: Registry,
    around: Surroundings,
    observed: Observed,
    found: Sequence[Problem],
    pods: _Pods,
) -> tuple[Draft, Draft]:
    blocking = [problem for problem in found if problem.reason in _BLOCKING]
    if blocking:
        return not_ready(blocking[0].reason, join(blocking)), settled("somebody has to act first", blocking[0].reason)
    wanted = registry.spec.replicas
    if pods.current >= wanted and not pods.outdated:
        health = ready(f"clients are served at {registry.url}")
        return health, _pending_address(registry, observed) or settled()
    if not pods.there:
        return _absent(registry, around, observed)
    if pods.outdated and pods.serving:
        rolls = f"{pods.current} of {wanted} pods have the new settings; clients are served meanwhile"
        return not_ready(Reason.ROLLING_OUT, rolls), progressing(Reason.ROLLING_OUT, rolls)
    if pods.fails is not None:
        return not_ready(pods.fails.reason, pods.fails.message), progressing(Reason.STARTING, "waiting for the pods")
    starts = next(
        (said for ref, pod in pods.there.items() if not is_ready(pod) and (said := unplaced(ref, pod))),
        f"{pods.serving} of {wanted} pods serve",
    )
    return not_ready(Reason.STARTING, starts), progressing(Reason.STARTING, starts)


def _absent(registry: Registry, around: Surroundings, observed: Observed) -> tuple[Draft, Draft]:
    """Say why there are no pods at all."""
    if around.waits is not None:
        waits = around.waits
        return not_ready(waits.reason, waits.message), progressing(waits.reason, waits.message)
    if around.missing:
        lacks = around.missing[0]
        return not_ready(lacks.reason, join(around.missing)), progressing(lacks.reason, join(around.missing))
    former = waited_for(registry, observed)
    if former:
        said = f"{', '.join(map(str, former))} of before is being deleted"
        return not_ready(Reason.DELETING, said), progressing(Reason.DELETING, said)
    starts = f"waiting for the pods of {registry.deployment}"
    return not_ready(Reason.STARTING, starts), progressing(Reason.STARTING, starts)


def _pending_address(registry: Registry, observed: Observed) -> Draft | None:
    if registry.spec.external is None or external_url(registry, observed) is not None:
        return None
    return progressing(
        Reason.ADDRESS_PENDING,
        f"{registry.external} has no address yet, so nothing outside Kubernetes is served; "
        "if nothing here hands out load balancers, write type: NodePort",
    )
