"""What resources there are: the built-in ones of Kubernetes that local mode serves, and those that CRDs add.

A `Resource` is one resource in one version: names, scope, verbs, subresources, and where its types are found. What its
objects may look like is in `schema` and `kinds`; how it is printed, in `columns`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kopfka_local.api.errors import no_such_resource

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Gvr:
    """Group, version and plural name: what a request's path says."""

    group: str
    version: str
    resource: str

    @property
    def api_version(self) -> str:
        """`v1`, or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def storage(self) -> str:
        """The key objects are stored under, the same for all versions: `pods`, or `statefulsets.apps`."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource in one version."""

    gvr: Gvr
    kind: str
    namespaced: bool = True
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[str, ...] = ()
    #: The name of the type in the OpenAPI document, for built-in kinds.
    definition: str = ""
    #: The entry of `spec.versions` of the CRD, for custom kinds.
    custom: dict[str, Any] | None = field(default=None, compare=False, hash=False)
    #: The version objects are stored in, where that is another one.
    storage_version: str = ""
    #: Stored under another resource's name (`events` of `events.k8s.io`).
    stored_as: str = ""

    @property
    def group(self) -> str:
        """Its API group, empty for the core group."""
        return self.gvr.group

    @property
    def plural(self) -> str:
        """Its name in paths."""
        return self.gvr.resource

    @property
    def storage(self) -> str:
        """The key its objects are stored under."""
        return self.stored_as or self.gvr.storage

    @property
    def stored_api_version(self) -> str:
        """The `apiVersion` of its objects where they are stored."""
        if self.stored_as == "events":
            return "v1"
        return f"{self.group}/{self.storage_version}" if self.storage_version else self.gvr.api_version


class Resources:
    """All resources served now; CRDs come and go."""

    def __init__(self) -> None:
        self._by_gvr = {resource.gvr: resource for resource in builtin()}
        #: Counts changes, so that what is derived from the whole (discovery) knows when it is stale.
        self.generation = 0

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._by_gvr.values())

    def get(self, gvr: Gvr) -> Resource:
        """Return a resource.

        Raises:
            ApiError: 404, there is none.
        """
        try:
            return self._by_gvr[gvr]
        except KeyError:
            raise no_such_resource() from None

    def serves(self, group: str, version: str) -> bool:
        """Tell whether there is anything in a version of a group."""
        return any(gvr.group == group and gvr.version == version for gvr in self._by_gvr)

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """Return the resource of a kind, None where there is none."""
        return next((r for r in self if r.kind == kind and r.gvr.api_version == api_version), None)

    def replace(self, group: str, plural: str, versions: list[Resource]) -> None:
        """Serve exactly these versions of a custom resource from now on."""
        for gvr in [gvr for gvr in self._by_gvr if gvr.group == group and gvr.resource == plural]:
            del self._by_gvr[gvr]
        self._by_gvr.update({resource.gvr: resource for resource in versions})
        self.generation += 1


def builtin() -> list[Resource]:
    """Return the built-in resources, in the order Kubernetes lists their groups."""
    return [_parse(line) for line in _BUILTIN.strip().splitlines()]


def _parse(line: str) -> Resource:
    api_version, plural, kind, scope, short, categories, subresources = line.split()
    group, _, version = api_version.rpartition("/")
    package = {"apiextensions.k8s.io": "apiextensions-apiserver.pkg.apis.apiextensions"}.get(
        group, f"api.{group.partition('.')[0] or 'core'}"
    )
    return Resource(
        Gvr(group, version, plural),
        kind,
        scope == "N",
        kind.lower(),
        _names(short),
        _names(categories),
        subresources=_names(subresources),
        definition=f"io.k8s.{package}.{version}.{kind}",
        stored_as="events" if plural == "events" else "",
        verbs=_verbs(kind),
    )


def _verbs(kind: str) -> tuple[str, ...]:
    if kind.endswith("Review"):
        return ("create",)
    return tuple(verb for verb in ALL_VERBS if verb != "deletecollection" or kind != "Namespace")


def _names(text: str) -> tuple[str, ...]:
    return () if text == "-" else tuple(text.split(","))


_BUILTIN = """
v1 configmaps ConfigMap N cm - -
v1 endpoints Endpoints N ep - -
v1 events Event N ev - -
v1 namespaces Namespace C ns - finalize,status
v1 nodes Node C no - status
v1 persistentvolumeclaims PersistentVolumeClaim N pvc - status
v1 persistentvolumes PersistentVolume C pv - status
v1 pods Pod N po all binding,eviction,log,status
v1 secrets Secret N - - -
v1 serviceaccounts ServiceAccount N sa - token
v1 services Service N svc all status
apps/v1 controllerrevisions ControllerRevision N - - -
apps/v1 daemonsets DaemonSet N ds all status
apps/v1 deployments Deployment N deploy all scale,status
apps/v1 replicasets ReplicaSet N rs all scale,status
apps/v1 statefulsets StatefulSet N sts all scale,status
events.k8s.io/v1 events Event N ev - -
authentication.k8s.io/v1 selfsubjectreviews SelfSubjectReview C - - -
authorization.k8s.io/v1 selfsubjectaccessreviews SelfSubjectAccessReview C - - -
authorization.k8s.io/v1 selfsubjectrulesreviews SelfSubjectRulesReview C - - -
authorization.k8s.io/v1 subjectaccessreviews SubjectAccessReview C - - -
batch/v1 cronjobs CronJob N cj all status
batch/v1 jobs Job N - all status
networking.k8s.io/v1 ingresses Ingress N ing - status
networking.k8s.io/v1 networkpolicies NetworkPolicy N netpol - -
policy/v1 poddisruptionbudgets PodDisruptionBudget N pdb - status
rbac.authorization.k8s.io/v1 clusterrolebindings ClusterRoleBinding C - - -
rbac.authorization.k8s.io/v1 clusterroles ClusterRole C - - -
rbac.authorization.k8s.io/v1 rolebindings RoleBinding N - - -
rbac.authorization.k8s.io/v1 roles Role N - - -
storage.k8s.io/v1 storageclasses StorageClass C sc - -
apiextensions.k8s.io/v1 customresourcedefinitions CustomResourceDefinition C crd,crds api-extensions status
scheduling.k8s.io/v1 priorityclasses PriorityClass C pc - -
coordination.k8s.io/v1 leases Lease N - - -
discovery.k8s.io/v1 endpointslices EndpointSlice N - - -
"""
