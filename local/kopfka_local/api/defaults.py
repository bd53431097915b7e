"""Defaults of built-in kinds, which Kubernetes has in code and not in its OpenAPI documents.

What an admission plugin or a controller fills in is not here: a Service's cluster IP, a pod's token volume.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from kopfka_local.api import poddefaults

if TYPE_CHECKING:
    from collections.abc import Callable

Object = dict[str, Any]

_RBAC = "rbac.authorization.k8s.io"


def fill(storage: str, obj: Object, live: Object | None) -> None:
    """Fill in the defaults of an object that is created, or updated from `live`, in place."""
    fill_kind = _KINDS.get(storage)
    if fill_kind is not None:
        fill_kind(obj, live)


def setdefaults(target: Object, **given: Any) -> None:
    """Set the fields that are not there."""
    for name, value in given.items():
        target.setdefault(name, value)


def _namespace(obj: Object, live: Object | None) -> None:
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
    if live is None:
        obj["spec"] = {"finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}


def _pod(obj: Object, live: Object | None) -> None:
    spec = obj.setdefault("spec", {})
    poddefaults.fill(spec)
    poddefaults.fill_requests(spec)
    setdefaults(spec, serviceAccountName="default", serviceAccount=spec.get("serviceAccountName", "default"))
    setdefaults(spec, preemptionPolicy="PreemptLowerPriority", priority=0)
    if live is None:
        status = obj.setdefault("status", {})
        setdefaults(status, phase="Pending", qosClass=poddefaults.quality_of_service(spec))


def _template(spec: Object) -> None:
    template = spec.get("template")
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        poddefaults.fill(template.setdefault("spec", {}))


def _deployment(obj: Object, live: Object | None) -> None:
    spec = obj.setdefault("spec", {})
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        setdefaults(strategy.setdefault("rollingUpdate", {}), maxSurge="25%", maxUnavailable="25%")
    setdefaults(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    _template(spec)


def _stateful_set(obj: Object, live: Object | None) -> None:
    spec = obj.setdefault("spec", {})
    strategy = spec.setdefault("updateStrategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    setdefaults(spec, podManagementPolicy="OrderedReady", replicas=1, revisionHistoryLimit=10)
    setdefaults(spec.setdefault("persistentVolumeClaimRetentionPolicy", {}), whenDeleted="Retain", whenScaled="Retain")
    _template(spec)
    for claim in spec.get("volumeClaimTemplates") or []:
        setdefaults(claim, apiVersion="v1", kind="PersistentVolumeClaim")
        claim.setdefault("status", {}).setdefault("phase", "Pending")
        claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")


def _daemon_set(obj: Object, live: Object | None) -> None:
    spec = obj.setdefault("spec", {})
    strategy = spec.setdefault("updateStrategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        setdefaults(strategy.setdefault("rollingUpdate", {}), maxSurge=0, maxUnavailable=1)
    spec.setdefault("revisionHistoryLimit", 10)
    _template(spec)


def _replica_set(obj: Object, live: Object | None) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    _template(spec)


def _job(obj: Object, live: Object | None) -> None:
    spec = obj.setdefault("spec", {})
    if "completions" not in spec and "parallelism" not in spec:
        spec |= {"completions": 1, "parallelism": 1}
    setdefaults(spec, parallelism=1, backoffLimit=6, completionMode="NonIndexed", suspend=False, manualSelector=False)
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed")
    _template(spec)
    if live is not None:
        spec.setdefault("selector", live["spec"].get("selector"))
        if (live["spec"].get("template") or {}).get("metadata", {}).get("labels") and not spec["manualSelector"]:
            labels = spec.get("template", {}).setdefault("metadata", {}).setdefault("labels", {})
            for name, value in live["spec"]["template"]["metadata"]["labels"].items():
                if name.rpartition("/")[2] in ("controller-uid", "job-name"):
                    labels.setdefault(name, value)
    elif not spec["manualSelector"] and isinstance(spec.get("template"), dict):
        uid, name = obj["metadata"]["uid"], obj["metadata"].get("name", "")
        prefix = "batch.kubernetes.io/"
        own = {"controller-uid": uid, "job-name": name, f"{prefix}controller-uid": uid, f"{prefix}job-name": name}
        labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
        labels |= own
        spec.setdefault("selector", {"matchLabels": {f"{prefix}controller-uid": uid}})
    if not spec["manualSelector"]:
        del spec["manualSelector"]


def _cron_job(obj: Object, live: Object | None) -> None:
    spec = obj.setdefault("spec", {})
    setdefaults(spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    _template(spec.get("jobTemplate", {}).get("spec", {}))


def _service(obj: Object, live: Object | None) -> None:
    spec = obj.setdefault("spec", {})
    setdefaults(spec, sessionAffinity="None", type="ClusterIP")
    kind = spec["type"]
    if spec["sessionAffinity"] == "ClientIP":
        spec.setdefault("sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10800}})
    old = live["spec"] if live else {}
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, "", 0):
            port["targetPort"] = port.get("port")
    if kind == "ExternalName":
        return
    # an update that leaves the address out keeps it, as kubectl replace expects
    if not spec.get("clusterIP") and old.get("clusterIP"):
        spec["clusterIP"] = old["clusterIP"]
    spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if live is None:
        obj["status"] = {"loadBalancer": {}}


def settle_addresses(service: Object) -> None:
    """Write what follows from the cluster IP of a Service, in place."""
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return
    setdefaults(spec, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    if spec.get("clusterIP"):
        spec["clusterIPs"] = [spec["clusterIP"], *(spec.get("clusterIPs") or [])[1:]]


def _claim(obj: Object, live: Object | None) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("volumeMode", "Filesystem")
    if live is None:
        obj["status"] = {}
    elif "volumeName" not in spec and "volumeName" in live["spec"]:
        spec["volumeName"] = live["spec"]["volumeName"]


def _volume(obj: Object, live: Object | None) -> None:
    setdefaults(obj.setdefault("spec", {}), persistentVolumeReclaimPolicy="Retain", volumeMode="Filesystem")
    if live is None:
        obj.setdefault("status", {}).setdefault("phase", "Pending")


def _secret(obj: Object, live: Object | None) -> None:
    obj.setdefault("type", "Opaque")
    plain = obj.pop("stringData", None) or {}
    for name, value in plain.items():
        obj.setdefault("data", {})[name] = base64.b64encode(str(value).encode()).decode()


def _storage_class(obj: Object, live: Object | None) -> None:
    setdefaults(obj, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def _binding(obj: Object, live: Object | None) -> None:
    if isinstance(obj.get("roleRef"), dict) and not obj["roleRef"].get("apiGroup"):
        obj["roleRef"]["apiGroup"] = _RBAC
    for subject in obj.get("subjects") or []:
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", _RBAC)


def _network_policy(obj: Object, live: Object | None) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("policyTypes", ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    for rule in [*(spec.get("ingress") or []), *(spec.get("egress") or [])]:
        for port in rule.get("ports") or []:
            port.setdefault("protocol", "TCP")


def _endpoints(obj: Object, live: Object | None) -> None:
    for subset in obj.get("subsets") or []:
        for port in subset.get("ports") or []:
            port.setdefault("protocol", "TCP")


def _endpoint_slice(obj: Object, live: Object | None) -> None:
    for port in obj.get("ports") or []:
        setdefaults(port, name="", protocol="TCP")


def _priority_class(obj: Object, live: Object | None) -> None:
    setdefaults(obj, value=0, preemptionPolicy="PreemptLowerPriority")


def is_base64(text: object) -> bool:
    """Tell whether a value is base64 as Secrets hold it."""
    try:
        return isinstance(text, str) and base64.b64decode(text, validate=True) is not None
    except binascii.Error:
        return False


_KINDS: dict[str, Callable[[Object, Object | None], None]] = {
    "namespaces": _namespace,
    "pods": _pod,
    "deployments.apps": _deployment,
    "statefulsets.apps": _stateful_set,
    "daemonsets.apps": _daemon_set,
    "replicasets.apps": _replica_set,
    "jobs.batch": _job,
    "cronjobs.batch": _cron_job,
    "services": _service,
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _volume,
    "secrets": _secret,
    "storageclasses.storage.k8s.io": _storage_class,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
    "networkpolicies.networking.k8s.io": _network_policy,
    "endpoints": _endpoints,
    "endpointslices.discovery.k8s.io": _endpoint_slice,
    "priorityclasses.scheduling.k8s.io": _priority_class,
}
