"""What plans consist of. An action is data: it says what is to be done, and does nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_operator.kube.resources import Manifest, Ref
    from kopfka_operator.registry.model import Schema


@dataclass(frozen=True, slots=True)
class Apply:
    """Make an object of Kubernetes say what the manifest says (server-side apply)."""

    ref: Ref
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an object of Kubernetes; with `orphan` what it owns stays."""

    ref: Ref
    uid: str
    orphan: bool = False


@dataclass(frozen=True, slots=True)
class HoldDeletion:
    """Put the finalizer on a resource, so that there is time to clean up."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class ReleaseDeletion:
    """Take the finalizer off a resource."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class CreateTopic:
    """Create a topic; None means the cluster's default."""

    topic: str
    partitions: int | None
    replicas: int | None
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AlterConfig:
    """Set some settings of a topic and put others back to their defaults."""

    topic: str
    set: Mapping[str, str]
    unset: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddPartitions:
    """Bring a topic up to this number of partitions."""

    topic: str
    total: int


@dataclass(frozen=True, slots=True)
class DeleteTopic:
    """Delete a topic with its records."""

    topic: str


@dataclass(frozen=True, slots=True)
class RegisterSchema:
    """Register a schema as the newest version of a subject."""

    subject: str
    schema: Schema
    normalize: bool = False


@dataclass(frozen=True, slots=True)
class SetCompatibility:
    """Set the compatibility of a subject, of all that have none of their own (None), or take it away (None)."""

    subject: str | None
    level: str | None


@dataclass(frozen=True, slots=True)
class SetMode:
    """Set the mode of a subject, of all that have none of their own (None), or take it away (None)."""

    subject: str | None
    mode: str | None


@dataclass(frozen=True, slots=True)
class DeleteSubject:
    """Delete a subject with all its versions, for good."""

    subject: str


KubernetesAction = Apply | Delete | HoldDeletion | ReleaseDeletion
KafkaAction = CreateTopic | AlterConfig | AddPartitions | DeleteTopic
RegistryAction = RegisterSchema | SetCompatibility | SetMode | DeleteSubject
Action = KubernetesAction | KafkaAction | RegistryAction
