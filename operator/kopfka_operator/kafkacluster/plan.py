"""What is to be done for a `KafkaCluster`, from what is wanted and what is there. Pure: no I/O, no clock.

A plan brings the cluster one step nearer; once its actions are done, the next observation leads to the next plan,
until a plan is empty. Some steps have to wait for others: the broker is told its NodePort only after Kubernetes has
chosen one, and a StatefulSet whose claim template changes is deleted, its pod left running, before it is made again.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a field of a dataclass
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_operator.actions import Action, Apply, Delete
from kopfka_operator.api.names import API_VERSION, CLUSTER_LABEL, FIELD_MANAGER
from kopfka_operator.api.reasons import Reason
from kopfka_operator.covers import covers
from kopfka_operator.kafkacluster import render
from kopfka_operator.kafkacluster.render import APPLIED, Cluster, ExternalAddress
from kopfka_operator.quantities import parse_quantity
from kopfka_operator.status import Problem

if TYPE_CHECKING:
    from kopfka_operator.api.kafkacluster import ExternalListener
    from kopfka_operator.kube.resources import Manifest, Ref


@dataclass(frozen=True, slots=True)
class Observed:
    """What is there under the names of a cluster's objects."""

    objects: Mapping[Ref, Manifest]

    def get(self, ref: Ref) -> Manifest | None:
        """Return an object, or None where there is none."""
        return self.objects.get(ref)


_FIXED = ("volumeClaimTemplates", "serviceName", "selector", "podManagementPolicy")
"""What a StatefulSet cannot change in place."""


def names(cluster: Cluster) -> tuple[Ref, ...]:
    """Return every object that a plan may want to know of."""
    return (
        cluster.config_map,
        cluster.account,
        cluster.brokers,
        cluster.bootstrap,
        cluster.external,
        cluster.budget,
        cluster.stateful_set,
        cluster.pod,
        cluster.claim,
    )


def plan(cluster: Cluster, observed: Observed) -> list[Action]:
    """Return the next actions; none where all is as wanted, or where something has to be waited for."""
    actions: list[Action] = []
    listener = external_listener(cluster)
    if listener is not None:
        actions += _apply(cluster, observed, cluster.external, render.external_service(cluster, listener))
    else:
        actions += _remove(cluster, observed, cluster.external)
    address = external_address(cluster, observed)
    actions += _apply(cluster, observed, cluster.account, render.account(cluster))
    actions += _apply(cluster, observed, cluster.brokers, render.brokers_service(cluster))
    actions += _apply(cluster, observed, cluster.bootstrap, render.bootstrap_service(cluster))
    actions += _apply(cluster, observed, cluster.budget, render.budget(cluster))
    actions += _claim(cluster, observed)
    if not awaits_port(cluster, observed):
        actions += _apply(cluster, observed, cluster.config_map, render.config_map(cluster, address))
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
    return str(template["metadata"]["annotations"][render.TEMPLATE])


def external_listener(cluster: Cluster) -> ExternalListener | None:
    """Return the external listener that the spec asks for."""
    return cluster.spec.listeners.external if cluster.spec.listeners is not None else None


def external_address(cluster: Cluster, observed: Observed) -> ExternalAddress | None:
    """Return what clients outside Kubernetes are told; None where nothing is wanted or known yet."""
    listener = external_listener(cluster)
    service = observed.get(cluster.external)
    if listener is None or service is None or not mine(cluster, service):
        return None
    port = (service["spec"].get("ports") or [{}])[0]
    if listener.type == "NodePort":
        return ExternalAddress(str(listener.advertised_host), port["nodePort"]) if port.get("nodePort") else None
    balancers = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    host = listener.advertised_host or next((each.get("hostname") or each.get("ip") for each in balancers), None)
    return ExternalAddress(host, port["port"]) if host and port.get("port") else None


def problems(cluster: Cluster, observed: Observed) -> list[Problem]:
    """Return what cannot be done, each with its remedy."""
    found = [
        Problem(
            Reason.NAME_TAKEN,
            f"{ref} exists and is not this cluster's: delete or rename it, or choose another name for the KafkaCluster",
        )
        for ref in names(cluster)
        if ref not in (cluster.pod, cluster.claim) and _taken(cluster, observed.get(ref))
    ]
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


def mine(cluster: Cluster, body: Manifest) -> bool:
    """Tell whether an object belongs to this very KafkaCluster."""
    return any(owner.get("uid") == cluster.uid for owner in _owners(body))


def leaving(cluster: Cluster, observed: Observed) -> list[Ref]:
    """Return the objects that have to be gone before they can be made again."""
    return [
        ref
        for ref in names(cluster)
        if ref not in (cluster.pod, cluster.claim)
        and (body := observed.get(ref)) is not None
        and (body["metadata"].get("deletionTimestamp") or _former(cluster, body))
    ]


def _apply(cluster: Cluster, observed: Observed, ref: Ref, manifest: Manifest) -> list[Action]:
    live = observed.get(ref)
    if live is None:
        return [Apply(ref, manifest)]
    if live["metadata"].get("deletionTimestamp") or _former(cluster, live) or _taken(cluster, live):
        return []
    wanted = manifest["metadata"]["annotations"][APPLIED]
    same = (live["metadata"].get("annotations") or {}).get(APPLIED) == wanted
    return [] if same and covers(live, manifest) else [Apply(ref, manifest)]


def _remove(cluster: Cluster, observed: Observed, ref: Ref) -> list[Action]:
    live = observed.get(ref)
    if live is None or live["metadata"].get("deletionTimestamp") or not mine(cluster, live):
        return []
    return [Delete(ref, live["metadata"]["uid"])]


def _claim(cluster: Cluster, observed: Observed) -> list[Action]:
    claim = observed.get(cluster.claim)
    if claim is None or claim["metadata"].get("deletionTimestamp"):
        return []
    grows = parse_quantity(cluster.spec.storage.size) > parse_quantity(_claim_size(claim))
    owned = cluster.spec.reclaim_policy == "Delete"
    if not grows and owned == mine(cluster, claim):
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
    if live is not None and mine(cluster, live) and not live["metadata"].get("deletionTimestamp"):
        fixed = {name: manifest["spec"][name] for name in _FIXED}
        if not covers(live["spec"], fixed):
            return [Delete(cluster.stateful_set, live["metadata"]["uid"], orphan=True)]
    return _apply(cluster, observed, cluster.stateful_set, manifest)


def _claim_size(claim: Manifest) -> str:
    return str(claim["spec"].get("resources", {}).get("requests", {}).get("storage", "0"))


def _taken(cluster: Cluster, body: Manifest | None) -> bool:
    """Tell whether an object of a wanted name is somebody else's."""
    if body is None or mine(cluster, body) or _former(cluster, body):
        return False
    labels = body["metadata"].get("labels") or {}
    orphan = (
        labels.get("app.kubernetes.io/managed-by") == FIELD_MANAGER
        and labels.get(CLUSTER_LABEL) == cluster.name
        and not any(owner.get("controller") for owner in _owners(body))
    )
    return not orphan


def _former(cluster: Cluster, body: Manifest) -> bool:
    """Tell whether an object belongs to a former KafkaCluster of the same name, so that it is about to go."""
    return not mine(cluster, body) and any(
        owner.get("apiVersion") == API_VERSION
        and owner.get("kind") == "KafkaCluster"
        and owner.get("name") == cluster.name
        for owner in _owners(body)
    )


def _owners(body: Manifest) -> list[Manifest]:
    return body["metadata"].get("ownerReferences") or []
