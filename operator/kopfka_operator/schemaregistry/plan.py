"""What is to be done for a `SchemaRegistry`, from what is wanted and what is there. Pure: no I/O, no clock.

With the bundled engine it becomes objects of Kubernetes; with either, the registry itself is told the settings that
hold for all subjects. Pods are made once their Kafka cluster is Ready and their Secrets are there; from then on they
are kept whatever becomes of these.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a field of a dataclass
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kopfka_operator.actions import Action, SetCompatibility, SetMode
from kopfka_operator.api.reasons import Reason
from kopfka_operator.children import pods
from kopfka_operator.children.external import external_address
from kopfka_operator.children.plan import Observed, apply, leaving, remove, taken
from kopfka_operator.schemaregistry import render

if TYPE_CHECKING:
    from kopfka_operator.children.external import ExternalAddress
    from kopfka_operator.kube.resources import Ref
    from kopfka_operator.schemaregistry.render import Registry
    from kopfka_operator.status import Problem


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the pods need that others make."""

    bootstrap: str | None = None
    """Where Kafka is; None where that is not known."""
    waits: Problem | None = None
    """Why Kafka cannot be used yet, or is not there."""
    secrets: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    """Entries of the Secrets that are there."""
    missing: tuple[Problem, ...] = ()
    """What the Secrets lack."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds in the registry for subjects that have none of their own."""

    compatibility: str | None
    mode: str | None


def made(registry: Registry) -> tuple[Ref, ...]:
    """Return every object that the operator makes for a registry, or may have made."""
    return (
        registry.config_map,
        registry.account,
        registry.service,
        registry.external,
        registry.budget,
        registry.deployment,
    )


def plan(registry: Registry, around: Surroundings, observed: Observed) -> list[Action]:
    """Return the next actions in Kubernetes; none where all is as wanted, or where something has to be waited for."""
    if registry.spec.engine == "external":
        # what serves goes; the rest is idle, and goes with the resource
        return [
            action
            for ref in (registry.deployment, registry.external, registry.service)
            for action in remove(registry, observed, ref)
        ]
    actions: list[Action] = []
    if registry.spec.external is not None:
        wanted = render.outside_service(registry, registry.spec.external)
        actions += apply(registry, observed, registry.external, wanted)
    else:
        actions += remove(registry, observed, registry.external)
    actions += apply(registry, observed, registry.account, pods.account(registry, registry.account))
    actions += apply(registry, observed, registry.service, render.service(registry))
    actions += apply(registry, observed, registry.budget, pods.budget(registry, registry.budget))
    if around.bootstrap is None or around.missing or not may_run(registry, around, observed):
        return actions
    config_map = render.config_map(registry, around.bootstrap, around.secrets)
    actions += apply(registry, observed, registry.config_map, config_map)
    deployment = render.deployment(registry, around.bootstrap, around.secrets)
    return actions + apply(registry, observed, registry.deployment, deployment)


def may_run(registry: Registry, around: Surroundings, observed: Observed) -> bool:
    """Tell whether pods may be made now; those that are there already are kept up whatever happens around."""
    return around.waits is None or observed.get(registry.deployment) is not None


def plan_defaults(registry: Registry, live: Defaults) -> list[Action]:
    """Return what is to be told to the registry itself; what the spec does not name stays as it is."""
    actions: list[Action] = []
    spec = registry.spec
    if spec.compatibility is not None and spec.compatibility != live.compatibility:
        actions.append(SetCompatibility(None, spec.compatibility))
    if spec.mode is not None and spec.mode != live.mode:
        actions.append(SetMode(None, spec.mode))
    return actions


def problems(registry: Registry, around: Surroundings, observed: Observed) -> list[Problem]:
    """Return what cannot be done, each with its remedy."""
    if registry.spec.engine == "external":
        return []
    found = taken(registry, observed, made(registry))
    lost = around.waits is not None and around.waits.reason is Reason.CLUSTER_NOT_FOUND
    return [*found, *around.missing, *([around.waits] if lost and around.waits is not None else [])]


def waited_for(registry: Registry, observed: Observed) -> list[Ref]:
    """Return the objects that have to be gone before they can be made again."""
    return leaving(registry, observed, made(registry))


def outside_address(registry: Registry, observed: Observed) -> ExternalAddress | None:
    """Return the address of the Service for clients outside; None where nothing is wanted or known yet."""
    wanted = registry.spec.external
    host = wanted.advertised_host if wanted is not None else None
    return external_address(registry, observed.get(registry.external), wanted, host=host)


def external_url(registry: Registry, observed: Observed) -> str | None:
    """Return the URL that clients outside Kubernetes are told."""
    wanted = registry.spec.external
    if wanted is None:
        return None
    address = outside_address(registry, observed)
    return wanted.advertised_url or (f"{registry.scheme}://{address}" if address is not None else None)


def wanted_template(registry: Registry, around: Surroundings) -> str | None:
    """Return the hash of the template that pods are to be made from; None where that is not known."""
    if around.bootstrap is None or around.missing:
        return None
    return pods.template_of(render.pod_template(registry, around.bootstrap, around.secrets))
