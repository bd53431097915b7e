"""The Kubernetes objects of a `KafkaCluster` with the bundled engine, as manifests. Pure.

Names and ports are those of docs/architecture.md. Mount paths occur only in the container's command line, never in
files.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kopfka_operator.api.names import API_VERSION, CLUSTER_LABEL, FIELD_MANAGER, GROUP
from kopfka_operator.kube.resources import (
    BUDGETS,
    CLAIMS,
    CONFIG_MAPS,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STATEFUL_SETS,
    Ref,
)
from kopfka_runtime.settings import format_properties

if TYPE_CHECKING:
    from kopfka_operator.api.kafkacluster import ExternalListener, KafkaClusterSpec
    from kopfka_operator.kube.resources import Manifest

PLAIN_PORT = 9092
EXTERNAL_PORT = 9094
HEALTH_PORT = 9404
DATA = "/var/lib/kopfka"
CONFIG = "/etc/kopfka"
USER = 1000
GRACE_SECONDS = 30

APPLIED = f"{GROUP}/applied-hash"
"""Annotation of every child: the hash of the manifest it was last made from, so that dropped fields are noticed."""

TEMPLATE = f"{GROUP}/template-hash"
"""Annotation of the pod: the hash of the template it was made from, so that an outdated pod is known as one."""

CONFIG_HASH = f"{GROUP}/config-hash"
"""Annotation of the pod: the hash of its server.properties, so that a changed setting rolls it."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What holds for all clusters of one operator: its image is theirs, unless their resource names another."""

    image: str
    version: str
    pull_policy: str | None = None
    chown_volumes: bool = False
    """Whether volumes have to be handed to the broker's user by root, since their storage class ignores fsGroup."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A KafkaCluster: who it is and what it wants."""

    namespace: str
    name: str
    uid: str
    spec: KafkaClusterSpec
    installation: Installation

    def ref(self, type_: Any, suffix: str = "") -> Ref:
        """Return the reference to one of its objects."""
        return Ref(type_, self.namespace, self.name + suffix)

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
    def selector(self) -> dict[str, str]:
        """The labels that pick the broker's pods; they never change."""
        return {"app.kubernetes.io/component": "broker", CLUSTER_LABEL: self.name}

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object."""
        return {
            "app.kubernetes.io/name": "kafka",
            "app.kubernetes.io/instance": self.name,
            "app.kubernetes.io/part-of": "kopfka",
            "app.kubernetes.io/managed-by": FIELD_MANAGER,
            **self.selector,
        }

    @property
    def bootstrap_servers(self) -> str:
        """Where clients inside Kubernetes connect."""
        return f"{self.bootstrap.name}.{self.namespace}.svc:{PLAIN_PORT}"


@dataclass(frozen=True, slots=True)
class ExternalAddress:
    """What clients outside Kubernetes are told to connect to."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def owner_reference(cluster: Cluster, *, controller: bool = True) -> Manifest:
    """Return the reference that makes the garbage collector delete an object with its KafkaCluster."""
    reference = {"apiVersion": API_VERSION, "kind": "KafkaCluster", "name": cluster.name, "uid": cluster.uid}
    return {**reference, "controller": True, "blockOwnerDeletion": True} if controller else reference


def config_map(cluster: Cluster, address: ExternalAddress | None) -> Manifest:
    """Return the ConfigMap with the broker's settings; `address` is None while there is no external listener."""
    return _child(cluster, cluster.config_map, data={"server.properties": _server_properties(cluster, address)})


def account(cluster: Cluster) -> Manifest:
    """Return the ServiceAccount."""
    return _child(cluster, cluster.account, automountServiceAccountToken=False)


def brokers_service(cluster: Cluster) -> Manifest:
    """Return the headless Service; its pods have names before they are ready, as brokers have to find themselves."""
    ports = [_port("plain", PLAIN_PORT), _port("health", HEALTH_PORT)]
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": cluster.selector, "ports": ports}
    return _child(cluster, cluster.brokers, spec=spec)


def bootstrap_service(cluster: Cluster) -> Manifest:
    """Return the bootstrap Service."""
    spec = {"type": "ClusterIP", "selector": cluster.selector, "ports": [_port("plain", PLAIN_PORT)]}
    return _child(cluster, cluster.bootstrap, spec=spec)


def external_service(cluster: Cluster, listener: ExternalListener) -> Manifest:
    """Return the Service for clients outside Kubernetes."""
    port = _port("external", listener.port or EXTERNAL_PORT)
    if listener.node_port is not None:
        port["nodePort"] = listener.node_port
    return _child(
        cluster, cluster.external, spec={"type": listener.type, "selector": cluster.selector, "ports": [port]}
    )


def budget(cluster: Cluster) -> Manifest:
    """Return the PodDisruptionBudget: one broker may be away, or draining a node would wait for ever."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": cluster.selector}}
    return _child(cluster, cluster.budget, spec=spec)


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
    return _child(cluster, cluster.stateful_set, spec=spec)


def claim_changes(cluster: Cluster, claim: Manifest, storage: str, *, owned: bool) -> Manifest:
    """Return what is said of a claim the StatefulSet has made: its size, and whether it goes with the cluster."""
    metadata: Manifest = {"uid": claim["metadata"]["uid"]}  # never makes a claim, never touches another one
    if owned:
        metadata["ownerReferences"] = [owner_reference(cluster, controller=False)]
    return cluster.claim.manifest(metadata=metadata, spec={"resources": {"requests": {"storage": storage}}})


def pod_template(cluster: Cluster, address: ExternalAddress | None) -> Manifest:
    """Return the template of the broker's pod, annotated with its own hash."""
    spec = cluster.spec
    extra = spec.template.pod if spec.template is not None else None
    pod: Manifest = {
        "serviceAccountName": cluster.account.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(cluster)],
        "volumes": [{"name": "config", "configMap": {"name": cluster.config_map.name}}],
    }
    if cluster.installation.chown_volumes:
        pod["initContainers"] = [_chown(pod["containers"][0])]
    annotations = {CONFIG_HASH: digest(_server_properties(cluster, address))}
    labels = dict(cluster.labels)
    if extra is not None:
        pod.update(extra.model_dump(by_alias=True, exclude_none=True, include={"node_selector", "affinity"}))
        if extra.tolerations is not None:
            pod["tolerations"] = [each.model_dump(by_alias=True, exclude_none=True) for each in extra.tolerations]
        annotations = {**(extra.annotations or {}), **annotations}
        labels = {**(extra.labels or {}), **labels}
    template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod}
    annotations[TEMPLATE] = digest(template)
    return template


def digest(value: Any) -> str:
    """Return a short hash of any JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _container(cluster: Cluster) -> Manifest:
    spec = cluster.spec
    ports = [_container_port("plain", PLAIN_PORT), _container_port("health", HEALTH_PORT)]
    if spec.listeners is not None and spec.listeners.external is not None:
        ports.insert(1, _container_port("external", EXTERNAL_PORT))
    container: Manifest = {
        "name": "broker",
        "image": spec.image or cluster.installation.image,
        "args": [
            "broker",
            "--data",
            DATA,
            "--config",
            f"{CONFIG}/server.properties",
            "--listen",
            f"0.0.0.0:{PLAIN_PORT}",
            "--health",
            f"0.0.0.0:{HEALTH_PORT}",
        ],
        "ports": ports,
        # a broker may take long to recover its logs after a crash; nothing is to kill it meanwhile
        "startupProbe": {
            "httpGet": {"path": "/healthz", "port": "health"},
            "periodSeconds": 1,
            "failureThreshold": 600,
        },
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": "health"},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": "health"},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # the broker's last words become the pod's status, and so the condition
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "data", "mountPath": DATA},
            {"name": "config", "mountPath": CONFIG, "readOnly": True},
        ],
    }
    pull_policy = spec.image_pull_policy or (cluster.installation.pull_policy if spec.image is None else None)
    if pull_policy is not None:
        container["imagePullPolicy"] = pull_policy
    if spec.resources is not None:
        container["resources"] = spec.resources.model_dump(exclude_none=True)
    return container


def _chown(broker: Manifest) -> Manifest:
    return {
        **{field: broker[field] for field in ("image", "imagePullPolicy") if field in broker},
        "name": "chown",
        "command": ["chown", f"{USER}:{USER}", DATA],
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "runAsNonRoot": False,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
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


def _child(cluster: Cluster, ref: Ref, **fields: Any) -> Manifest:
    metadata: Manifest = {"labels": cluster.labels, "ownerReferences": [owner_reference(cluster)]}
    manifest = ref.manifest(metadata=metadata, **fields)
    manifest["metadata"]["annotations"] = {APPLIED: digest(manifest)}
    return manifest


def _port(name: str, number: int) -> Manifest:
    return {"name": name, "port": number, "targetPort": name, "protocol": "TCP"}


def _container_port(name: str, number: int) -> Manifest:
    return {"name": name, "containerPort": number, "protocol": "TCP"}
