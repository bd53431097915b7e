"""Resources from YAML files: read with the file and document each comes from, and applied in an order that works."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from kopfka_local.api.errors import ApiError
from kopfka_runtime.errors import KopfkaError
from kopfka_runtime.settings import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kopfka_local.api.cluster import Cluster
    from kopfka_local.api.resources import Resource
    from kopfka_local.kinds import Object

FIELD_MANAGER = "kopfka-up"
_SUFFIXES = (".yaml", ".yml", ".json")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FIRST = (
    "Namespace",
    "CustomResourceDefinition",
    "StorageClass",
    "PriorityClass",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
)


class ManifestError(KopfkaError):
    """A file cannot be read, is not YAML, or holds something that is not a resource or is refused."""


@dataclass(frozen=True, slots=True)
class Document:
    """One resource as written, and where."""

    source: str  # file and document
    body: Object

    def __str__(self) -> str:
        return f"{self.source} ({self.body['kind']} {self.body['metadata']['name']})"


def read_documents(names: Sequence[str]) -> list[Document]:
    """Read resources from files, from the YAML files of folders, or from standard input (`-`).

    Raises:
        ManifestError: with the file, the document and the line.
    """
    return [document for name in names for file, text in _texts(name) for document in parse_documents(file, text)]


def _texts(name: str) -> Iterator[tuple[str, str]]:
    if name == "-":
        yield "standard input", sys.stdin.read()
        return
    path = Path(name)
    try:
        files = sorted(one for one in path.iterdir() if one.suffix in _SUFFIXES) if path.is_dir() else [path]
        if not files:
            raise ManifestError(f"{name}: no file there ends in {', '.join(_SUFFIXES)}")
        for file in files:
            yield str(file), file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{name}: {getattr(error, 'strerror', None) or error}") from error


def parse_documents(file: str, text: str) -> list[Document]:
    """Return the resources of one YAML text; a `List` gives its items.

    Raises:
        ManifestError: with the file, the document and the line.
    """
    found: list[Document] = []
    loader = _Loader(text)
    number = 0
    try:
        while True:
            number += 1
            if not loader.check_data():
                return found
            body = loader.get_data()
            if body is not None:
                found += _resources(f"{file}: document {number}", body)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).partition("\n")[0]
        raise ManifestError(f"{file}: document {number}{where}: not YAML: {problem}") from None
    finally:
        loader.dispose()


def _resources(source: str, body: Any) -> list[Document]:
    if not isinstance(body, dict):
        raise ManifestError(f"{source}: this is no resource: a resource has apiVersion, kind and metadata")
    if str(body.get("kind", "")).endswith("List") and isinstance(body.get("items"), list):
        return [one for at, item in enumerate(body["items"], 1) for one in _resources(f"{source}, item {at}", item)]
    for field in ("apiVersion", "kind"):
        if not isinstance(body.get(field), str) or not body[field]:
            raise ManifestError(f"{source}: {field} is missing")
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise ManifestError(f"{source}: metadata.name is missing")
    return [Document(source, body)]


@dataclass(frozen=True, slots=True)
class Reference:
    """A resource by where the API has it."""

    api_version: str
    kind: str
    namespace: str
    name: str


async def apply_documents(
    cluster: Cluster, documents: Sequence[Document], namespace: str = "default"
) -> list[Reference]:
    """Apply resources server-side, those that others need first.

    Raises:
        ManifestError: the API refuses one; it says which and why.
    """
    applied = []
    rank = {kind: number for number, kind in enumerate(_FIRST)}
    for document in sorted(documents, key=lambda one: rank.get(one.body["kind"], len(rank))):
        body = document.body
        resource = find_resource(cluster, document)
        where = (body["metadata"].get("namespace") or namespace) if resource.namespaced else None
        try:
            await cluster.patch(
                resource.gvr,
                where,
                body["metadata"]["name"],
                body,
                kind="apply",
                field_manager=FIELD_MANAGER,
                force=True,
            )
        except ApiError as error:
            raise ManifestError(f"{document}: {error}") from None
        applied.append(Reference(body["apiVersion"], body["kind"], where or "", body["metadata"]["name"]))
    return applied


def find_resource(cluster: Cluster, document: Document) -> Resource:
    """Return the resource that serves a document's kind.

    Raises:
        ManifestError: there is none; with the nearest name there is.
    """
    api_version, kind = document.body["apiVersion"], document.body["kind"]
    resource = cluster.objects.resources.of_kind(api_version, kind)
    if resource is not None:
        return resource
    known = {f"{one.kind} in {one.gvr.api_version}" for one in cluster.objects.resources}
    close = nearest(f"{kind} in {api_version}", known)
    hint = f"did you mean {close}?" if close else "kubectl api-resources lists what there is"
    raise ManifestError(f'{document.source}: no matches for kind "{kind}" in version "{api_version}": {hint}')
