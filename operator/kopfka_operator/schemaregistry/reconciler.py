"""Observe, plan, act and report for `SchemaRegistry`."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from kopfka_operator.actions import SetCompatibility, SetMode
from kopfka_operator.api.names import REGISTRY_LABEL
from kopfka_operator.api.reasons import ConditionType, Reason
from kopfka_operator.children.health import is_ready
from kopfka_operator.children.keeper import Family, Keeper
from kopfka_operator.context import Context, is_leaving, is_paused, paused_status
from kopfka_operator.errors import (
    ApiError,
    BrokerRefusedError,
    BrokerUnreachableError,
    RegistryRefusedError,
    RegistryUnreachableError,
    RetryLater,
)
from kopfka_operator.kube.resources import KAFKA_CLUSTERS, PODS, SCHEMA_REGISTRIES, SECRETS, Ref, ref_of
from kopfka_operator.registry.login import LoginError
from kopfka_operator.schemaregistry.around import surroundings
from kopfka_operator.schemaregistry.leader import Leadership, leadership
from kopfka_operator.schemaregistry.plan import Defaults, made, plan, plan_defaults, waited_for
from kopfka_operator.schemaregistry.render import Registry
from kopfka_operator.schemaregistry.report import Facts, pods_of, report
from kopfka_operator.specs import invalid_spec
from kopfka_operator.status import Problem, is_true

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_operator.kafka.brokers import Brokers
    from kopfka_operator.kube.resources import Manifest
    from kopfka_operator.mirror import Mirror
    from kopfka_operator.registry.client import RegistryClient
    from kopfka_operator.registry.registries import Registries
    from kopfka_operator.schemaregistry.plan import Surroundings
    from kopfka_operator.status import StatusDraft

log = logging.getLogger(__name__)

_LOOK_AGAIN_SECONDS = 1.0


class RegistryReconciler:
    """Brings one SchemaRegistry at a time to what its spec says."""

    def __init__(
        self, context: Context, registries: Registries, brokers: Brokers, on_change: Callable[[str, str], None]
    ) -> None:
        self._context = context
        self._brokers = brokers
        self._registries = registries
        self._keeper = Keeper(context)
        self._on_change = on_change  # told namespace and name of a registry that has begun to serve, or has gone

    async def reconcile(self, namespace: str, name: str) -> float | None:
        """Do what is to be done now; return the seconds after which to come back, None to wait for a change.

        Raises:
            RetryLater: the registry does not answer, or the Kubernetes API did not take everything.
        """
        ref = Ref(SCHEMA_REGISTRIES, namespace, name)
        body = self._context.mirror.get(ref)
        if body is None or is_leaving(body):
            await self._registries.forget(namespace, name)
            self._keeper.forget(namespace, name)
            self._on_change(namespace, name)
            return None  # what it owned goes with it, by owner references
        if is_paused(body):
            await self._context.write_status(ref, body, paused_status())
            return None
        try:
            registry = self._registry(body)
            around = await self._surroundings(registry)
        except ValueError as error:
            await self._context.write_status(ref, body, invalid_spec(error))
            return None
        outcome = await self._keeper.act(_family(registry, around))
        failures = list(outcome.failures)
        serving = [pod for pod in pods_of(outcome.observed).values() if is_ready(pod)]
        if registry.spec.engine == "external" or serving:
            failures += await self._tell(registry)
        leader = await self._leader(registry, serving)
        if leader.problem is not None:
            failures.append(leader.problem)
        version = self._context.installation.version if registry.spec.image is None else None
        await self._report(ref, report(registry, around, outcome.observed, failures, Facts(version, leader.pod)))
        if outcome.transient:
            raise RetryLater("the Kubernetes API did not take everything")
        if any(problem.reason is Reason.REGISTRY_UNREACHABLE for problem in failures):
            raise RetryLater(f"the registry {name} does not answer")
        return _LOOK_AGAIN_SECONDS if waited_for(registry, outcome.observed) or not leader.settled else None

    async def _report(self, ref: Ref, draft: StatusDraft) -> None:
        before = self._context.mirror.get(ref)
        if before is None:
            return
        await self._context.write_status(ref, before, draft)
        after = self._context.mirror.get(ref)
        if after is not None and serves(after) and (not serves(before) or _became_ready(before, after)):
            self._on_change(ref.namespace, ref.name)

    def _registry(self, body: Manifest) -> Registry:
        from kopfka_operator.api.schemaregistry import SchemaRegistrySpec  # noqa: PLC0415 - pydantic, at first need

        metadata = body["metadata"]
        spec = SchemaRegistrySpec.model_validate(body.get("spec") or {})
        return Registry(metadata["namespace"], metadata["name"], metadata["uid"], spec, self._context.installation)

    async def _leader(self, registry: Registry, serving: list[Manifest]) -> Leadership:
        """Ask Kafka who leads; nothing is known where it is not a KafkaCluster's, or does not say."""
        cluster = registry.spec.cluster
        if cluster is None or not serving:
            return Leadership()
        try:
            group = await (await self._brokers.of(registry.namespace, cluster)).group(registry.group)
        except (BrokerUnreachableError, BrokerRefusedError) as error:
            log.debug("%s: who leads is not known: %s", registry.ref(SCHEMA_REGISTRIES), error)
            return Leadership()
        return leadership(registry, group, serving)

    async def _surroundings(self, registry: Registry) -> Surroundings:
        names = registry.mounted_secrets
        refs = [Ref(SECRETS, registry.namespace, name) for name in names]
        found = await asyncio.gather(*map(self._context.client.get, refs), return_exceptions=True)
        secrets: dict[str, Manifest | ApiError | None] = {}
        for name, secret in zip(names, found, strict=True):
            if isinstance(secret, BaseException) and not (isinstance(secret, ApiError) and not secret.transient):
                raise secret
            secrets[name] = secret
        cluster = registry.spec.cluster
        ref = Ref(KAFKA_CLUSTERS, registry.namespace, cluster) if cluster is not None else None
        return surroundings(registry, self._context.mirror.get(ref) if ref is not None else None, secrets)

    async def _tell(self, registry: Registry) -> list[Problem]:
        """Make the registry's own defaults as wanted; a registry that is not Kopfka's is asked in any case."""
        spec = registry.spec
        if spec.engine == "bundled" and spec.compatibility is None and spec.mode is None:
            return []
        try:
            client = await self._registries.of(registry.namespace, registry.name)
            await self._bring(registry, client)
        except RegistryUnreachableError as error:
            await self._registries.forget(registry.namespace, registry.name)
            return [Problem(Reason.REGISTRY_UNREACHABLE, str(error))]
        except (RegistryRefusedError, LoginError) as error:
            return [refusal(error)]
        return []

    async def _bring(self, registry: Registry, client: RegistryClient) -> None:
        level = await client.compatibility()
        mode = await client.mode() if registry.spec.mode is not None else None
        for action in plan_defaults(registry, Defaults(level.name if level is not None else None, mode)):
            if isinstance(action, SetCompatibility):
                await client.set_compatibility(action.subject, action.level)
            elif isinstance(action, SetMode):
                await client.set_mode(action.subject, action.mode)
            log.info("%s: %s", registry.ref(SCHEMA_REGISTRIES), action)


def refusal(error: RegistryRefusedError | LoginError) -> Problem:
    """Return the problem that a registry's refusal is."""
    if isinstance(error, LoginError):
        return Problem(Reason.LOGIN_FAILED, str(error))
    if error.status in (401, 403):
        remedy = "write spec.credentials of the SchemaRegistry, with a user that has the right to"
        return Problem(Reason.LOGIN_FAILED, f"the registry says {error.code}: {error}: {remedy}")
    return Problem(Reason.REFUSED_BY_REGISTRY, f"the registry says {error.code}: {error}")


def serves(body: Manifest) -> bool:
    """Tell whether a registry can be asked, as far as its status says."""
    if (body.get("spec") or {}).get("engine") == "external":
        return True
    return bool((body.get("status") or {}).get("readyReplicas"))


def _became_ready(before: Manifest, after: Manifest) -> bool:
    return is_true(after, ConditionType.READY) and not is_true(before, ConditionType.READY)


def _family(registry: Registry, around: Surroundings) -> Family:
    def followed(mirror: Mirror) -> dict[Ref, Manifest]:
        pods = mirror.labelled(PODS, registry.namespace, REGISTRY_LABEL, registry.name)
        return {ref_of(PODS, body): body for body in pods}

    return Family(registry, made(registry), registry.deployment, followed, partial(plan, registry, around))
