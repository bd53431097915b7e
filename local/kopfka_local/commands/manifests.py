"""Resources from YAML files, applied in an order that works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_local.api.errors import ApiError
from kopfka_runtime.manifests import ManifestError
from kopfka_runtime.settings import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_local.api.cluster import Cluster
    from kopfka_local.api.resources import Resource
    from kopfka_runtime.manifests import Document

FIELD_MANAGER = "kopfka-up"
_FIRST = (
    "Namespace",
    "CustomResourceDefinition",
    "StorageClass",
    "PriorityClass",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
)


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
