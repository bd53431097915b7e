"""What a subject's schema is made of: its text, and the versions of what it refers to. Read once a pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_operator.api.reasons import Reason
from kopfka_operator.kube.resources import CONFIG_MAPS, Ref
from kopfka_operator.registry.model import Reference, Schema
from kopfka_operator.status import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_operator.api.schemasubject import SchemaReference, SchemaSubjectSpec
    from kopfka_operator.kube.client import KubeClient
    from kopfka_operator.kube.resources import Manifest
    from kopfka_operator.registry.client import RegistryClient
    from kopfka_operator.schemasubject.plan import Subject


class LackingError(Exception):
    """A schema cannot be put together yet."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Sources:
    """Texts and versions, as they are in this pass."""

    def __init__(self, kube: KubeClient, registry: RegistryClient, managed: Mapping[str, int | None]) -> None:
        """`managed` has the version of every subject that a SchemaSubject has; None where it has none yet."""
        self._kube = kube
        self._registry = registry
        self._managed = dict(managed)
        self._config_maps: dict[Ref, Manifest | None] = {}

    def registered(self, subject: str, version: int) -> None:
        """Note that a subject that a SchemaSubject has is at a version now."""
        self._managed[subject] = version

    async def schema(self, subject: Subject) -> Schema:
        """Put together the schema that a subject is to have.

        Raises:
            LackingError: its text or something it refers to is not there yet.
        """
        text = await self.text(subject)
        references = tuple([await self._reference(subject, each) for each in subject.spec.references or ()])
        return schema_of(subject.spec, text, references)

    async def text(self, subject: Subject) -> str:
        """Return the text of a subject's schema.

        Raises:
            LackingError: the ConfigMap, or its entry, is not there.
        """
        spec = subject.spec
        if spec.schema_from is None:
            return spec.text or ""
        source = spec.schema_from.config_map_key_ref
        ref = Ref(CONFIG_MAPS, subject.ref.namespace, source.name)
        if ref not in self._config_maps:
            self._config_maps[ref] = await self._kube.get(ref)
        body = self._config_maps[ref]
        if body is None:
            raise LackingError(Problem(Reason.CONFIG_MAP_NOT_FOUND, f"there is no {ref}: create it"))
        text = (body.get("data") or {}).get(source.key)
        if text is None:
            raise LackingError(Problem(Reason.CONFIG_MAP_NOT_FOUND, f"{ref} has no entry {source.key}: write it"))
        return str(text)

    async def _reference(self, subject: Subject, wanted: SchemaReference) -> Reference:
        if wanted.version is None and wanted.subject in self._managed:
            version = self._managed[wanted.subject]
            if version is None:
                said = f"waiting for the SchemaSubject that has {wanted.subject} to be registered"
                raise LackingError(Problem(Reason.REFERENCE_NOT_FOUND, said))
            return Reference(wanted.name, wanted.subject, version)
        versions = await self._registry.versions(wanted.subject)
        version = max(versions, default=None) if wanted.version is None else wanted.version
        if version is None or version not in versions:
            what = f"subject {wanted.subject}" if version is None else f"version {version} of {wanted.subject}"
            said = f"waiting for {what}, which {subject.name} refers to: register it, or correct spec.references"
            raise LackingError(Problem(Reason.REFERENCE_NOT_FOUND, said))
        return Reference(wanted.name, wanted.subject, version)


def schema_of(spec: SchemaSubjectSpec, text: str, references: tuple[Reference, ...]) -> Schema:
    """Return the schema that a spec asks for."""
    metadata = spec.metadata.model_dump(by_alias=True, exclude_none=True) if spec.metadata is not None else None
    return Schema(spec.type, text, references, metadata, spec.rule_set)
