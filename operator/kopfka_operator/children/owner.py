"""A resource that owns objects of Kubernetes: their names, labels and references, and whose an object is. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kopfka_operator.api.names import API_VERSION, FIELD_MANAGER, GROUP
from kopfka_operator.kube.resources import Ref

if TYPE_CHECKING:
    from kopfka_operator.kube.resources import Manifest, ResourceType

APPLIED = f"{GROUP}/applied-hash"
"""Annotation of every child: the hash of the manifest it was last made from, so that dropped fields are noticed."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A resource: who it is. Its kind says what it wants, and the labels of what it owns."""

    TYPE: ClassVar[ResourceType]
    LABEL: ClassVar[str]
    """The label that says to which resource of the kind an object belongs."""
    APP: ClassVar[str]
    """Value of `app.kubernetes.io/name`."""
    COMPONENT: ClassVar[str]
    """Value of `app.kubernetes.io/component`."""

    namespace: str
    name: str
    uid: str

    def ref(self, type_: ResourceType, suffix: str = "") -> Ref:
        """Return the reference to one of its objects."""
        return Ref(type_, self.namespace, self.name + suffix)

    @property
    def selector(self) -> dict[str, str]:
        """The labels that pick its pods; they never change."""
        return {"app.kubernetes.io/component": self.COMPONENT, self.LABEL: self.name}

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object."""
        return {
            "app.kubernetes.io/name": self.APP,
            "app.kubernetes.io/instance": self.name,
            "app.kubernetes.io/part-of": "kopfka",
            "app.kubernetes.io/managed-by": FIELD_MANAGER,
            **self.selector,
        }

    def reference(self, *, controller: bool = True) -> Manifest:
        """Return the owner reference by which the garbage collector deletes an object with this resource."""
        reference = {"apiVersion": API_VERSION, "kind": self.TYPE.kind, "name": self.name, "uid": self.uid}
        return {**reference, "controller": True, "blockOwnerDeletion": True} if controller else reference

    def child(self, ref: Ref, **fields: Any) -> Manifest:
        """Return the manifest of an owned object, annotated with its own hash."""
        metadata: Manifest = {"labels": self.labels, "ownerReferences": [self.reference()]}
        manifest = ref.manifest(metadata=metadata, **fields)
        manifest["metadata"]["annotations"] = {APPLIED: digest(manifest)}
        return manifest

    def owns(self, body: Manifest) -> bool:
        """Tell whether an object belongs to this very resource."""
        return any(owner.get("uid") == self.uid for owner in _owners(body))

    def owned_before(self, body: Manifest) -> bool:
        """Tell whether an object belongs to a former resource of the same name, so that it is about to go."""
        return not self.owns(body) and any(
            owner.get("apiVersion") == API_VERSION
            and owner.get("kind") == self.TYPE.kind
            and owner.get("name") == self.name
            for owner in _owners(body)
        )

    def is_kept_from(self, body: Manifest) -> bool:
        """Tell whether an object of a wanted name is somebody else's."""
        if self.owns(body) or self.owned_before(body):
            return False
        labels = body["metadata"].get("labels") or {}
        orphan = (
            labels.get("app.kubernetes.io/managed-by") == FIELD_MANAGER
            and labels.get(self.LABEL) == self.name
            and not any(owner.get("controller") for owner in _owners(body))
        )
        return not orphan


def digest(value: Any) -> str:
    """Return a short hash of any JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _owners(body: Manifest) -> list[Manifest]:
    return body["metadata"].get("ownerReferences") or []
