"""The parts that every pod of Kopfka has: its security, its probes, what the user adds, its hashes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kopfka_operator.api.names import GROUP
from kopfka_operator.children.owner import digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kopfka_operator.api.pods import PodTemplate, Resources
    from kopfka_operator.children.owner import Owner
    from kopfka_operator.kube.resources import Manifest, Ref

HEALTH_PORT = 9404
CONFIG = "/etc/kopfka"
USER = 1000
GRACE_SECONDS = 30

TEMPLATE = f"{GROUP}/template-hash"
"""Annotation of a pod: the hash of the template it was made from, so that an outdated pod is known as one."""

CONFIG_HASH = f"{GROUP}/config-hash"
"""Annotation of a pod: the hash of its settings, so that a changed setting rolls it."""

SECRETS_HASH = f"{GROUP}/secrets-hash"
"""Annotation of a pod: the hash of what it takes from Secrets, so that a rotated one rolls it."""

UNPRIVILEGED: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


@dataclass(frozen=True, slots=True)
class Installation:
    """What holds for all pods of one operator: its image is theirs, unless their resource names another."""

    image: str
    version: str
    pull_policy: str | None = None
    chown_volumes: bool = False
    """Whether volumes have to be handed to the pod's user by root, since their storage class ignores fsGroup."""


@dataclass(frozen=True, slots=True)
class Image:
    """Image and pull policy of a container."""

    name: str
    pull_policy: str | None

    @staticmethod
    def of(image: str | None, pull_policy: str | None, installation: Installation) -> Image:
        """Return what a spec says, or the operator's own image where it names none."""
        return Image(image or installation.image, pull_policy or (installation.pull_policy if image is None else None))

    def fields(self) -> Manifest:
        """Return the container's fields."""
        return {"image": self.name, **({} if self.pull_policy is None else {"imagePullPolicy": self.pull_policy})}


def account(owner: Owner, ref: Ref) -> Manifest:
    """Return the ServiceAccount that pods run as; it has no rights."""
    return owner.child(ref, automountServiceAccountToken=False)


def budget(owner: Owner, ref: Ref) -> Manifest:
    """Return the PodDisruptionBudget: one pod may be away, or draining a node would wait for ever."""
    return owner.child(ref, spec={"maxUnavailable": 1, "selector": {"matchLabels": owner.selector}})


def container(
    name: str,
    image: Image,
    arguments: Sequence[str],
    ports: Sequence[Manifest],
    mounts: Sequence[Manifest],
    *,
    resources: Resources | None,
    start_seconds: int,
    environment: Sequence[Manifest] = (),
) -> Manifest:
    """Return a container of one of Kopfka's processes; nothing kills it while it starts for `start_seconds`."""
    out: Manifest = {
        "name": name,
        "image": image.name,
        "args": list(arguments),
        "ports": list(ports),
        "startupProbe": {
            "httpGet": {"path": "/healthz", "port": "health"},
            "periodSeconds": 1,
            "failureThreshold": start_seconds,
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
        "securityContext": dict(UNPRIVILEGED),
        # the process's last words become the pod's status, and so the condition
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": list(mounts),
        **image.fields(),
    }
    if environment:
        out["env"] = list(environment)
    if resources is not None:
        out["resources"] = resources.model_dump(exclude_none=True)
    return out


def container_port(name: str, number: int) -> Manifest:
    """Return a port of a container."""
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def pod_template(
    owner: Owner,
    runs_as: Ref,
    containers: Sequence[Manifest],
    volumes: Sequence[Manifest],
    *,
    extra: PodTemplate | None,
    annotations: Mapping[str, str],
    writes_volumes: bool = False,
    first: Sequence[Manifest] = (),
) -> Manifest:
    """Return the template of a pod, annotated with its own hash; `first` are its init containers."""
    security: Manifest = {"runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER}
    if writes_volumes:
        security |= {"fsGroup": USER, "fsGroupChangePolicy": "OnRootMismatch"}
    pod: Manifest = {
        "serviceAccountName": runs_as.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {**security, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": list(containers),
        "volumes": list(volumes),
    }
    if first:
        pod["initContainers"] = list(first)
    notes, labels = dict(annotations), dict(owner.labels)
    if extra is not None:
        pod.update(extra.model_dump(by_alias=True, exclude_none=True, include={"node_selector", "affinity"}))
        if extra.tolerations is not None:
            pod["tolerations"] = [each.model_dump(by_alias=True, exclude_none=True) for each in extra.tolerations]
        notes = {**(extra.annotations or {}), **notes}
        labels = {**(extra.labels or {}), **labels}
    template = {"metadata": {"labels": labels, "annotations": notes}, "spec": pod}
    notes[TEMPLATE] = digest(template)
    return template


def template_of(pod: Manifest) -> str:
    """Return the hash of the template that a pod, or the template itself, says it was made from."""
    return str((pod["metadata"].get("annotations") or {}).get(TEMPLATE) or "")
