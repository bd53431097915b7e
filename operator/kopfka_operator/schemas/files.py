"""The SchemaSubjects of files, with the texts and registries that stand beside them. Pure."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a field of a dataclass
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kopfka_operator.api.names import API_VERSION
from kopfka_operator.api.schemasubject import SchemaSubjectSpec
from kopfka_operator.kube.resources import CONFIG_MAPS, SCHEMA_REGISTRIES, SCHEMA_SUBJECTS, Ref
from kopfka_operator.schemasubject.plan import Subject
from kopfka_operator.specs import words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_operator.kube.resources import Manifest
    from kopfka_runtime.manifests import Document


@dataclass(frozen=True, slots=True)
class Candidate:
    """A SchemaSubject of a file."""

    source: str
    """File and document."""
    ref: Ref
    subject: Subject | None = None
    """None where its spec is not valid."""
    text: str = ""
    wrong: str = ""
    """Why it cannot be checked, as far as the files tell."""

    @property
    def registry(self) -> Ref | None:
        """The SchemaRegistry it is for."""
        if self.subject is None:
            return None
        return Ref(SCHEMA_REGISTRIES, self.ref.namespace, self.subject.spec.registry)


@dataclass(frozen=True, slots=True)
class Files:
    """What files hold of schemas."""

    candidates: tuple[Candidate, ...] = ()
    registries: Mapping[Ref, Manifest] = field(default_factory=dict)


def files_of(documents: Iterable[Document], namespace: str) -> Files:
    """Sort out what documents hold; those that name no namespace are in `namespace`."""
    config_maps: dict[Ref, Manifest] = {}
    registries: dict[Ref, Manifest] = {}
    subjects: list[Document] = []
    for document in documents:
        body = document.body
        match body["apiVersion"], body["kind"]:
            case "v1", "ConfigMap":
                config_maps[_ref(CONFIG_MAPS, body, namespace)] = body
            case str(version), "SchemaRegistry" if version == API_VERSION:
                ref = _ref(SCHEMA_REGISTRIES, body, namespace)
                registries[ref] = {**body, "metadata": {**body["metadata"], "namespace": ref.namespace}}
            case str(version), "SchemaSubject" if version == API_VERSION:
                subjects.append(document)
            case _:
                pass
    return Files(tuple(_candidate(each, namespace, config_maps) for each in subjects), registries)


def _candidate(document: Document, namespace: str, config_maps: Mapping[Ref, Manifest]) -> Candidate:
    ref = _ref(SCHEMA_SUBJECTS, document.body, namespace)
    try:
        spec = SchemaSubjectSpec.model_validate(document.body.get("spec") or {})
    except ValueError as error:
        return Candidate(document.source, ref, wrong=words(error))
    subject = Subject(ref, spec)
    if spec.schema_from is None:
        return Candidate(document.source, ref, subject, spec.text or "")
    source = spec.schema_from.config_map_key_ref
    body = config_maps.get(Ref(CONFIG_MAPS, ref.namespace, source.name))
    if body is None:
        return Candidate(document.source, ref, subject, wrong=f"its ConfigMap {source.name} is not among the files")
    text = (body.get("data") or {}).get(source.key)
    if not isinstance(text, str):
        return Candidate(document.source, ref, subject, wrong=f"its ConfigMap {source.name} has no entry {source.key}")
    return Candidate(document.source, ref, subject, text)


def _ref(type_: Any, body: Manifest, namespace: str) -> Ref:
    return Ref(type_, body["metadata"].get("namespace") or namespace, body["metadata"]["name"])
