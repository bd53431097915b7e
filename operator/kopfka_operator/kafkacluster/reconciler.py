"""Observe, plan, act and report for `KafkaCluster`."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kopfka_operator.actions import Action, Apply, Delete
from kopfka_operator.api.reasons import ConditionType, Reason
from kopfka_operator.contention import Contention
from kopfka_operator.context import Context, is_leaving, is_paused, paused_status
from kopfka_operator.errors import ApiError, BrokerUnreachableError, OperatorError, RetryLater
from kopfka_operator.kafkacluster.plan import Observed, leaving, names, plan
from kopfka_operator.kafkacluster.render import Cluster, digest
from kopfka_operator.kafkacluster.report import Facts, is_ready, report
from kopfka_operator.kube.resources import KAFKA_CLUSTERS, Ref
from kopfka_operator.specs import invalid_spec
from kopfka_operator.status import Problem, is_true

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_operator.kafka.brokers import Brokers
    from kopfka_operator.kube.resources import Manifest

log = logging.getLogger(__name__)

_ROUNDS = 8
_LOOK_AGAIN_SECONDS = 1.0


class ClusterReconciler:
    """Brings one KafkaCluster at a time to what its spec says."""

    def __init__(self, context: Context, brokers: Brokers, on_change: Callable[[str, str], None]) -> None:
        self._context = context
        self._brokers = brokers
        self._contention = Contention()
        self._on_change = on_change  # told namespace and name of a cluster that has become ready, or has gone

    async def reconcile(self, namespace: str, name: str) -> float | None:
        """Do what is to be done now; return the seconds after which to come back, None to wait for a change."""
        ref = Ref(KAFKA_CLUSTERS, namespace, name)
        body = self._context.mirror.get(ref)
        if body is None or is_leaving(body):
            await self._brokers.forget(namespace, name)
            self._contention.forget(namespace, name)
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
        observed, failures, transient = await self._act(cluster)
        await self._report(ref, cluster, observed, failures)
        if transient:
            raise RetryLater("the Kubernetes API did not take everything")
        if leaving(cluster, observed):
            return _LOOK_AGAIN_SECONDS
        return await self._identify(ref, cluster, observed, failures)

    def _cluster(self, body: Manifest) -> Cluster:
        from kopfka_operator.api.kafkacluster import KafkaClusterSpec  # noqa: PLC0415 - pydantic, at first need

        metadata = body["metadata"]
        spec = KafkaClusterSpec.model_validate(body.get("spec") or {})
        return Cluster(metadata["namespace"], metadata["name"], metadata["uid"], spec, self._context.installation)

    async def _observe(self, cluster: Cluster) -> Observed:
        mirror, client = self._context.mirror, self._context.client
        objects = {ref: mirror.get(ref) for ref in names(cluster)}
        # the watches see only what carries our label; whoever has one of our names without it is not to be overrun
        unseen = [ref for ref, body in objects.items() if body is None and ref not in (cluster.pod, cluster.claim)]
        for ref, body in zip(unseen, await asyncio.gather(*map(client.get, unseen)), strict=True):
            objects[ref] = body
        return Observed({ref: body for ref, body in objects.items() if body is not None})

    async def _act(self, cluster: Cluster) -> tuple[Observed, list[Problem], bool]:
        """Carry out plans until one is empty; return what is there then, what was refused, and whether to try again."""
        observed = await self._observe(cluster)
        for _ in range(_ROUNDS):
            actions = plan(cluster, observed)
            if not actions:
                return observed, [], False
            actions, contended = self._without_contended(actions)
            if not actions:
                return observed, contended, False
            failures, transient = await self._carry_out(cluster, actions)
            failures += contended
            observed = self._refreshed(cluster, observed, actions)
            if failures or transient:
                return observed, failures, transient
        return observed, [], True

    def _without_contended(self, actions: list[Action]) -> tuple[list[Action], list[Problem]]:
        """Leave out what somebody else keeps undoing: a quarrel helps nobody, and is told instead."""
        kept, problems = [], []
        for action in actions:
            if isinstance(action, Apply) and self._contention.contended(action.ref, digest(action.manifest)):
                problems.append(
                    Problem(
                        Reason.CHANGED_BY_OTHERS,
                        f"{action.ref} is changed by something else as often as it is applied: find out what with "
                        f"kubectl get {action.ref.type.plural} -n {action.ref.namespace} {action.ref.name} "
                        "-o yaml --show-managed-fields, and stop it",
                    )
                )
            else:
                kept.append(action)
        return kept, problems

    def _refreshed(self, cluster: Cluster, observed: Observed, actions: list[Action]) -> Observed:
        objects = dict(observed.objects)
        touched = {action.ref for action in actions if isinstance(action, Apply | Delete)}
        for ref in (*touched, cluster.pod, cluster.claim):
            body = self._context.mirror.get(ref)
            if body is None:
                objects.pop(ref, None)
            else:
                objects[ref] = body
        return Observed(objects)

    async def _carry_out(self, cluster: Cluster, actions: list[Action]) -> tuple[list[Problem], bool]:
        # the set comes last: its pod needs the others
        before = [action for action in actions if not _is_set(cluster, action)]
        results = await asyncio.gather(*map(self._do, before), return_exceptions=True)
        done = list(zip(before, results, strict=True))
        # a claim that cannot grow keeps nothing else waiting
        if not any(result for action, result in done if not _is_claim(cluster, action)):
            for action in actions:
                if _is_set(cluster, action):
                    done += zip([action], await asyncio.gather(self._do(action), return_exceptions=True), strict=True)
        failures, transient = [], False
        for action, result in done:
            if isinstance(result, ApiError) and not result.transient:
                failures.append(_refused(cluster, action, result))
            elif isinstance(result, OperatorError):
                log.info("KafkaCluster %s/%s: trying again: %s", cluster.namespace, cluster.name, result)
                transient = True
            elif result is not None:
                raise result
        return failures, transient

    async def _do(self, action: Action) -> None:
        client, mirror = self._context.client, self._context.mirror
        if isinstance(action, Apply):
            mirror.put(action.ref.type, await client.apply(action.ref, action.manifest))
            self._contention.note(action.ref, digest(action.manifest))
            log.debug("applied %s", action.ref)
        elif isinstance(action, Delete):
            known = mirror.get(action.ref)
            left = await client.delete(action.ref, action.uid, "Orphan" if action.orphan else "Background")
            if left is not None:
                mirror.put(action.ref.type, left)
            elif known is not None:
                mirror.remove(action.ref.type, known)
        else:
            raise TypeError(f"no plan of a KafkaCluster has {action}")

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


def _is_set(cluster: Cluster, action: Action) -> bool:
    return isinstance(action, Apply | Delete) and action.ref == cluster.stateful_set


def _is_claim(cluster: Cluster, action: Action) -> bool:
    return isinstance(action, Apply) and action.ref == cluster.claim


def _refused(cluster: Cluster, action: Action, error: ApiError) -> Problem:
    if _is_claim(cluster, action):
        return Problem(
            Reason.STORAGE_CANNOT_GROW,
            f"the claim {cluster.claim.name} cannot grow: {error}: use a storage class with allowVolumeExpansion, "
            "or write the former size",
        )
    what = getattr(action, "ref", action)
    return Problem(Reason.REFUSED_BY_API_SERVER, f"{what}: {error}")
