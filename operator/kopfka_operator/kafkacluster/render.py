"""The Kubernetes objects of a `KafkaCluster` with the bundled engine, as manifests. Pure.

Names and ports are those of docs/architecture.md. Mount paths occur only in the container's command line, never in
files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kopfka_operator.api.names import CLUSTER_LABEL
from kopfka_operator.children import pods
from kopfka_operator.children.external import ExternalAddress, external_service, service_port
from kopfka_operator.children.owner import Owner, digest
from kopfka_operator.children.pods import CONFIG, CONFIG_HASH, HEALTH_PORT, USER, Image, Installation
from kopfka_operator.kube.resources import (
    BUDGETS,
    CLAIMS,
    CONFIG_MAPS,
    KAFKA_CLUSTERS,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STATEFUL_SETS,
    Ref,
    ResourceType,
)
from kopfka_runtime.settings import format_properties

if TYPE_CHECKING:
    from kopfka_operator.api.kafkacluster import ExternalListener, KafkaClusterSpec
    from kopfka_operator.kube.resources import Manifest

PLAIN_PORT = 9092
EXTERNAL_PORT = 9094
DATA = "/var/lib/kopfka"
# a broker may take long to recover its logs after a crash; nothing is to kill it meanwhile
START_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Cluster(Owner):
    """A KafkaCluster: who it is and what it wants."""

    TYPE: ClassVar[ResourceType] = KAFKA_CLUSTERS
    LABEL: ClassVar[str] = CLUSTER_LABEL
    APP: ClassVar[str] = "kafka"
    COMPONENT: ClassVar[str] = "broker"

    spec: KafkaClusterSpec
    installation: Installation

    @property
    def config_map(self) -> Ref:
        """The broker's server.properties."""
        return self.ref(CONFIG_MAPS, "-config")

    @property
    def account(self) -> Ref:
        """The account the broker's pod runs as; it has no rights."""
        return self.ref(SERVICE_ACCOUNTS)

    @property
    def brokers(self) -> Ref:
        """The headless service that gives pods their names."""
        return self.ref(SERVICES, "-brokers")

    @property
    def bootstrap(self) -> Ref:
        """The service that clients inside Kubernetes connect to."""
        return self.ref(SERVICES, "-bootstrap")

    @property
    def external(self) -> Ref:
        """The service that clients outside Kubernetes connect to."""
        return self.ref(SERVICES, "-external")

    @property
    def budget(self) -> Ref:
        """The disruption budget."""
        return self.ref(BUDGETS)

    @property
    def stateful_set(self) -> Ref:
        """The set that runs the broker's pod."""
        return self.ref(STATEFUL_SETS, "-broker")

    @property
    def pod(self) -> Ref:
        """The broker's pod."""
        return self.ref(PODS, "-broker-0")

    @property
    def claim(self) -> Ref:
        """The claim of the broker's volume."""
        return Ref(CLAIMS, self.namespace, f"data-{self.name}-broker-0")

    @property
    def bootstrap_servers(self) -> str:
        """Where clients inside Kubernetes connect."""
        return f"{self.bootstrap.name}.{self.namespace}.svc:{PLAIN_PORT}"


def config_map(cluster: Cluster, address: ExternalAddress | None) -> Manifest:
    """Return the ConfigMap with the broker's settings; `address` is None while there is no external listener."""
    return cluster.child(cluster.config_map, data={"server.properties": _server_properties(cluster, address)})


def brokers_service(cluster: Cluster) -> Manifest:
    """Return the headless Service; its pods have names before they are ready, as brokers have to find themselves."""
    ports = [service_port("plain", PLAIN_PORT), service_port("health", HEALTH_PORT)]
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": cluster.selector, "ports": ports}
    return cluster.child(cluster.brokers, spec=spec)


def bootstrap_service(cluster: Cluster) -> Manifest:
    """Return the bootstrap Service."""
    spec = {"type": "ClusterIP", "selector": cluster.selector, "ports": [service_port("plain", PLAIN_PORT)]}
    return cluster.child(cluster.bootstrap, spec=spec)


def outside_service(cluster: Cluster, listener: ExternalListener) -> Manifest:
    """Return the Service for clients outside Kubernetes."""
    return external_service(cluster, cluster.external, listener, "external", EXTERNAL_PORT)


def stateful_set(
    cluster: Cluster, address: ExternalAddress | None, *, storage: str, storage_class: str | None
) -> Manifest:
    """Return the StatefulSet; `storage` and `storage_class` are of its claim template, which never changes in place."""
    template = pod_template(cluster, address)
    claim: Manifest = {
        "metadata": {"name": "data", "labels": cluster.labels},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}},
    }
    if storage_class is not None:
        claim["spec"]["storageClassName"] = storage_class
    spec = {
        "replicas": cluster.spec.replicas,
        "serviceName": cluster.brokers.name,
        # an ordered set would wait for a broken pod to become ready before it rolls out the remedy
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "RollingUpdate"},
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": cluster.selector},
        "template": template,
        "volumeClaimTemplates": [claim],
    }
    return cluster.child(cluster.stateful_set, spec=spec)


def claim_changes(cluster: Cluster, claim: Manifest, storage: str, *, owned: bool) -> Manifest:
    """Return what is said of a claim the StatefulSet has made: its size, and whether it goes with the cluster."""
    metadata: Manifest = {"uid": claim["metadata"]["uid"]}  # never makes a claim, never touches another one
    if owned:
        metadata["ownerReferences"] = [cluster.reference(controller=False)]
    return cluster.claim.manifest(metadata=metadata, spec={"resources": {"requests": {"storage": storage}}})


def pod_template(cluster: Cluster, address: ExternalAddress | None) -> Manifest:
    """Return the template of the broker's pod, annotated with its own hash."""
    spec = cluster.spec
    broker = _container(cluster)
    return pods.pod_template(
        cluster,
        cluster.account,
        [broker],
        [{"name": "config", "configMap": {"name": cluster.config_map.name}}],
        extra=spec.template.pod if spec.template is not None else None,
        annotations={CONFIG_HASH: digest(_server_properties(cluster, address))},
        writes_volumes=True,
        first=[_chown(broker)] if cluster.installation.chown_volumes else (),
    )


def _container(cluster: Cluster) -> Manifest:
    spec = cluster.spec
    ports = [pods.container_port("plain", PLAIN_PORT), pods.container_port("health", HEALTH_PORT)]
    if spec.listeners is not None and spec.listeners.external is not None:
        ports.insert(1, pods.container_port("external", EXTERNAL_PORT))
    arguments = (
        "broker",
        "--data",
        DATA,
        "--config",
        f"{CONFIG}/server.properties",
        "--listen",
        f"0.0.0.0:{PLAIN_PORT}",
        "--health",
        f"0.0.0.0:{HEALTH_PORT}",
    )
    mounts: list[Manifest] = [
        {"name": "data", "mountPath": DATA},
        {"name": "config", "mountPath": CONFIG, "readOnly": True},
    ]
    image = Image.of(spec.image, spec.image_pull_policy, cluster.installation)
    return pods.container(
        "broker", image, arguments, ports, mounts, resources=spec.resources, start_seconds=START_SECONDS
    )


def _chown(broker: Manifest) -> Manifest:
    return {
        **{field: broker[field] for field in ("image", "imagePullPolicy") if field in broker},
        "name": "chown",
        "command": ["chown", f"{USER}:{USER}", DATA],
        "securityContext": {
            **pods.UNPRIVILEGED,
            "runAsUser": 0,
            "runAsGroup": 0,
            "runAsNonRoot": False,
            "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]},
        },
        "volumeMounts": [{"name": "data", "mountPath": DATA}],
    }


def _server_properties(cluster: Cluster, address: ExternalAddress | None) -> str:
    host = f"{cluster.pod.name}.{cluster.brokers.name}.{cluster.namespace}.svc"
    listeners = {"PLAIN": (f"0.0.0.0:{PLAIN_PORT}", f"{host}:{PLAIN_PORT}")}
    if address is not None:
        listeners["EXTERNAL"] = (f"0.0.0.0:{EXTERNAL_PORT}", str(address))
    own = {
        "node.id": "0",
        "listeners": ",".join(f"{name}://{bind}" for name, (bind, _) in listeners.items()),
        "advertised.listeners": ",".join(f"{name}://{told}" for name, (_, told) in listeners.items()),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listeners),
    }
    return format_properties({**(cluster.spec.config or {}), **own})
