"""What is to be done for a `KafkaCluster`, from what is wanted and what is there. Pure: no I/O, no clock.

A plan brings the cluster one step nearer; once its actions are done, the next observation leads to the next plan,
until a plan is empty. Some steps have to wait for others: the broker is told its NodePort only after Kubernetes has
chosen one, and a StatefulSet whose claim template changes is deleted, its pod left running, before it is made again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_operator.actions import Action, Apply, Delete
from kopfka_operator.api.reasons import Reason
from kopfka_operator.children import pods
from kopfka_operator.children.external import ExternalAddress
from kopfka_operator.children.external import external_address as address_of
from kopfka_operator.children.plan import Observed, apply, leaving, remove, taken
from kopfka_operator.covers import covers
from kopfka_operator.kafkacluster import render
from kopfka_operator.quantities import parse_quantity
from kopfka_operator.status import Problem

if TYPE_CHECKING:
    from kopfka_operator.api.kafkacluster import ExternalListener
    from kopfka_operator.kafkacluster.render import Cluster
    from kopfka_operator.kube.resources import Manifest, Ref

_FIXED = ("volumeClaimTemplates", "serviceName", "selector", "podManagementPolicy")
"""What a StatefulSet cannot change in place."""


def made(cluster: Cluster) -> tuple[Ref, ...]:
    """Return every object that the operator makes for a cluster, or may have made."""
    return (
        cluster.config_map,
        cluster.account,
        cluster.brokers,
        cluster.bootstrap,
        cluster.external,
        cluster.budget,
        cluster.stateful_set,
    )


def plan(cluster: Cluster, observed: Observed) -> list[Action]:
    """Return the next actions; none where all is as wanted, or where something has to be waited for."""
    actions: list[Action] = []
    listener = external_listener(cluster)
    if listener is not None:
        actions += apply(cluster, observed, cluster.external, render.outside_service(cluster, listener))
    else:
        actions += remove(cluster, observed, cluster.external)
    address = external_address(cluster, observed)
    actions += apply(cluster, observed, cluster.account, pods.account(cluster, cluster.account))
    actions += apply(cluster, observed, cluster.brokers, render.brokers_service(cluster))
    actions += apply(cluster, observed, cluster.bootstrap, render.bootstrap_service(cluster))
    actions += apply(cluster, observed, cluster.budget, pods.budget(cluster, cluster.budget))
    actions += _claim(cluster, observed)
    if not awaits_port(cluster, observed):
        actions += apply(cluster, observed, cluster.config_map, render.config_map(cluster, address))
        actions += _stateful_set(cluster, observed, address)
    return actions


def awaits_port(cluster: Cluster, observed: Observed) -> bool:
    """Tell whether the broker is better started a moment later, when Kubernetes has chosen its node port.

    A broker that runs already is not kept from anything; nor is one behind a load balancer, which may never come.
    """
    listener = external_listener(cluster)
    if listener is None or listener.type != "NodePort" or observed.get(cluster.stateful_set) is not None:
        return False
    return external_address(cluster, observed) is None


def wanted_template(cluster: Cluster, observed: Observed) -> str:
    """Return the hash of the template that the pod is to be made from."""
    template = render.pod_template(cluster, external_address(cluster, observed))
    return pods.template_of(template)


def external_listener(cluster: Cluster) -> ExternalListener | None:
    """Return the external listener that the spec asks for."""
    return cluster.spec.listeners.external if cluster.spec.listeners is not None else None


def external_address(cluster: Cluster, observed: Observed) -> ExternalAddress | None:
    """Return what clients outside Kubernetes are told; None where nothing is wanted or known yet."""
    listener = external_listener(cluster)
    host = listener.advertised_host if listener is not None else None
    return address_of(cluster, observed.get(cluster.external), listener, host=host)


def problems(cluster: Cluster, observed: Observed) -> list[Problem]:
    """Return what cannot be done, each with its remedy."""
    found = taken(cluster, observed, made(cluster))
    claim = observed.get(cluster.claim)
    if claim is None:
        return found
    size, storage = _claim_size(claim), cluster.spec.storage
    if parse_quantity(storage.size) < parse_quantity(size):
        found.append(
            Problem(
                Reason.STORAGE_CANNOT_SHRINK,
                f"the claim {cluster.claim.name} has {size} and cannot shrink to {storage.size}: "
                f"write storage.size: {size} or more",
            )
        )
    present = claim["spec"].get("storageClassName")
    if storage.storage_class_name is not None and present is not None and present != storage.storage_class_name:
        found.append(
            Problem(
                Reason.STORAGE_CLASS_IMMUTABLE,
                f"the claim {cluster.claim.name} is of class {present} and stays so: "
                f"write storageClassName: {present}, or delete the claim, with its data, while the cluster is deleted",
            )
        )
    return found


def waited_for(cluster: Cluster, observed: Observed) -> list[Ref]:
    """Return the objects that have to be gone before they can be made again."""
    return leaving(cluster, observed, made(cluster))


def _claim(cluster: Cluster, observed: Observed) -> list[Action]:
    claim = observed.get(cluster.claim)
    if claim is None or claim["metadata"].get("deletionTimestamp"):
        return []
    grows = parse_quantity(cluster.spec.storage.size) > parse_quantity(_claim_size(claim))
    owned = cluster.spec.reclaim_policy == "Delete"
    if not grows and owned == cluster.owns(claim):
        return []
    storage = cluster.spec.storage.size if grows else _claim_size(claim)
    return [Apply(cluster.claim, render.claim_changes(cluster, claim, storage, owned=owned))]


def _stateful_set(cluster: Cluster, observed: Observed, address: ExternalAddress | None) -> list[Action]:
    live = observed.get(cluster.stateful_set)
    claim = observed.get(cluster.claim)
    storage = _claim_size(claim) if claim is not None else cluster.spec.storage.size
    storage_class = cluster.spec.storage.storage_class_name
    if live is not None:
        template = (live["spec"].get("volumeClaimTemplates") or [{}])[0].get("spec", {})
        # the claim's class never changes, and which is the default one is not known here
        storage_class = template.get("storageClassName")
    manifest = render.stateful_set(cluster, address, storage=storage, storage_class=storage_class)
    if live is not None and cluster.owns(live) and not live["metadata"].get("deletionTimestamp"):
        fixed = {name: manifest["spec"][name] for name in _FIXED}
        if not covers(live["spec"], fixed):
            return [Delete(cluster.stateful_set, live["metadata"]["uid"], orphan=True)]
    return apply(cluster, observed, cluster.stateful_set, manifest)


def _claim_size(claim: Manifest) -> str:
    return str(claim["spec"].get("resources", {}).get("requests", {}).get("storage", "0"))
