"""The kinds of Kubernetes the operator touches, and references to single objects. No requests are made here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kopfka_operator.api.names import GROUP, VERSION

Manifest = dict[str, Any]
"""A Kubernetes object as JSON."""


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A resource of the API: how it is called in paths and in manifests."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """Value of `apiVersion` in manifests."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """Return the URL's path of a collection, an object or a subresource."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root, *(("namespaces", namespace) if namespace else ()), self.plural, name, subresource]
        return "/".join(part for part in parts if part)


CONFIG_MAPS = ResourceType("", "v1", "configmaps", "ConfigMap")
EVENTS = ResourceType("", "v1", "events", "Event")
PODS = ResourceType("", "v1", "pods", "Pod")
SERVICES = ResourceType("", "v1", "services", "Service")
SERVICE_ACCOUNTS = ResourceType("", "v1", "serviceaccounts", "ServiceAccount")
CLAIMS = ResourceType("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
SECRETS = ResourceType("", "v1", "secrets", "Secret")
DEPLOYMENTS = ResourceType("apps", "v1", "deployments", "Deployment")
STATEFUL_SETS = ResourceType("apps", "v1", "statefulsets", "StatefulSet")
BUDGETS = ResourceType("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
LEASES = ResourceType("coordination.k8s.io", "v1", "leases", "Lease")
KAFKA_CLUSTERS = ResourceType(GROUP, VERSION, "kafkaclusters", "KafkaCluster")
KAFKA_TOPICS = ResourceType(GROUP, VERSION, "kafkatopics", "KafkaTopic")
SCHEMA_REGISTRIES = ResourceType(GROUP, VERSION, "schemaregistries", "SchemaRegistry")
SCHEMA_SUBJECTS = ResourceType(GROUP, VERSION, "schemasubjects", "SchemaSubject")

KINDS = (KAFKA_CLUSTERS, KAFKA_TOPICS, SCHEMA_REGISTRIES, SCHEMA_SUBJECTS)
"""Kopfka's own resources."""

CHILDREN = (CONFIG_MAPS, SERVICE_ACCOUNTS, SERVICES, BUDGETS, STATEFUL_SETS, DEPLOYMENTS)
"""What the operator makes, and deletes where it is no longer wanted."""


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """One namespaced object."""

    type: ResourceType
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.type.kind} {self.namespace}/{self.name}"

    def path(self, subresource: str = "") -> str:
        """Return the URL's path of the object or of one of its subresources."""
        return self.type.path(self.namespace, self.name, subresource)

    def manifest(self, **fields: Any) -> Manifest:
        """Return a manifest of the object that has these fields beside apiVersion, kind and its name."""
        metadata = {"name": self.name, "namespace": self.namespace, **fields.pop("metadata", {})}
        return {"apiVersion": self.type.api_version, "kind": self.type.kind, "metadata": metadata, **fields}


def ref_of(type_: ResourceType, body: Manifest) -> Ref:
    """Return the reference to an object that the API sent."""
    return Ref(type_, body["metadata"]["namespace"], body["metadata"]["name"])
