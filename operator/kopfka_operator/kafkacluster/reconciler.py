"""Observe, plan, act and report for `KafkaCluster`."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from kopfka_operator.actions import Action, Apply
from kopfka_operator.api.reasons import ConditionType, Reason
from kopfka_operator.children.health import is_ready
from kopfka_operator.children.keeper import Family, Keeper
from kopfka_operator.context import Context, is_leaving, is_paused, paused_status
from kopfka_operator.errors import ApiError, BrokerUnreachableError, RetryLater
from kopfka_operator.kafkacluster.plan import made, plan, waited_for
from kopfka_operator.kafkacluster.render import Cluster
from kopfka_operator.kafkacluster.report import Facts, report
from kopfka_operator.kube.resources import KAFKA_CLUSTERS, Ref
from kopfka_operator.specs import invalid_spec
from kopfka_operator.status import Problem, is_true

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_operator.children.plan import Observed
    from kopfka_operator.kafka.brokers import Brokers
    from kopfka_operator.kube.resources import Manifest
    from kopfka_operator.mirror import Mirror

log = logging.getLogger(__name__)

_LOOK_AGAIN_SECONDS = 1.0


class ClusterReconciler:
    """Brings one KafkaCluster at a time to what its spec says."""

    def __init__(self, context: Context, brokers: Brokers, on_change: Callable[[str, str], None]) -> None:
        self._context = context
        self._brokers = brokers
        self._keeper = Keeper(context)
        self._on_change = on_change  # told namespace and name of a cluster that has become ready, or has gone

    async def reconcile(self, namespace: str, name: str) -> float | None:
        """Do what is to be done now; return the seconds after which to come back, None to wait for a change."""
        ref = Ref(KAFKA_CLUSTERS, namespace, name)
        body = self._context.mirror.get(ref)
        if body is None or is_leaving(body):
            await self._brokers.forget(namespace, name)
            self._keeper.forget(namespace, name)
            self._on_change(namespace, name)
            return None  # what it owned goes with it, by owner references
        if is_paused(body):
            await self._context.write_status(ref, body, paused_status())
            return None
        try:
            cluster = self._cluster(body)
        except ValueError as error:
            await self._context.write_status(ref, body, invalid_spec(error))
            return None
        outcome = await self._keeper.act(_family(cluster))
        await self._report(ref, cluster, outcome.observed, outcome.failures)
        if outcome.transient:
            raise RetryLater("the Kubernetes API did not take everything")
        if waited_for(cluster, outcome.observed):
            return _LOOK_AGAIN_SECONDS
        return await self._identify(ref, cluster, outcome.observed, outcome.failures)

    def _cluster(self, body: Manifest) -> Cluster:
        from kopfka_operator.api.kafkacluster import KafkaClusterSpec  # noqa: PLC0415 - pydantic, at first need

        metadata = body["metadata"]
        spec = KafkaClusterSpec.model_validate(body.get("spec") or {})
        return Cluster(metadata["namespace"], metadata["name"], metadata["uid"], spec, self._context.installation)

    async def _report(
        self, ref: Ref, cluster: Cluster, observed: Observed, failures: list[Problem], cluster_id: str | None = None
    ) -> None:
        body = self._context.mirror.get(ref)
        if body is None:
            return
        known = (body.get("status") or {}).get("clusterId")
        version = self._context.installation.version if cluster.spec.image is None else None
        draft = report(cluster, observed, failures, Facts(version, cluster_id or known))
        await self._context.write_status(ref, body, draft)
        if draft.conditions[0].status and not is_true(body, ConditionType.READY):
            self._on_change(cluster.namespace, cluster.name)

    async def _identify(self, ref: Ref, cluster: Cluster, observed: Observed, failures: list[Problem]) -> float | None:
        """Ask a broker that has just become ready for its cluster's id; being Ready has been told before."""
        body, pod = self._context.mirror.get(ref), observed.get(cluster.pod)
        if body is None or pod is None or not is_ready(pod) or (body.get("status") or {}).get("clusterId"):
            return None
        try:
            cluster_id = await (await self._brokers.of(cluster.namespace, cluster.name)).cluster_id()
        except BrokerUnreachableError as error:
            log.debug("KafkaCluster %s/%s: %s", cluster.namespace, cluster.name, error)
            return _LOOK_AGAIN_SECONDS
        await self._report(ref, cluster, observed, failures, cluster_id)
        return None


def _family(cluster: Cluster) -> Family:
    def followed(mirror: Mirror) -> dict[Ref, Manifest]:
        return {ref: body for ref in (cluster.pod, cluster.claim) if (body := mirror.get(ref)) is not None}

    def refused(action: Action, error: ApiError) -> Problem | None:
        if not isinstance(action, Apply) or action.ref != cluster.claim:
            return None
        return Problem(
            Reason.STORAGE_CANNOT_GROW,
            f"the claim {cluster.claim.name} cannot grow: {error}: use a storage class with allowVolumeExpansion, "
            "or write the former size",
        )

    return Family(cluster, made(cluster), cluster.stateful_set, followed, partial(plan, cluster), refused)
