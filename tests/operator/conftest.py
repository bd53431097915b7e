"""A real API server (that of local mode) with Kopfka's CRDs, and the operator's parts against it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kopfka_local.api.cluster import Cluster as LocalCluster
from kopfka_local.api.credentials import ensure_credentials, write_kubeconfig
from kopfka_local.api.resources import Gvr
from kopfka_local.api.server import serve
from kopfka_operator.children.pods import Installation
from kopfka_operator.context import Context
from kopfka_operator.events import EventPoster
from kopfka_operator.kube.client import KubeClient, new_session
from kopfka_operator.kube.connection import from_kubeconfig
from kopfka_operator.kube.resources import KAFKA_CLUSTERS, KAFKA_TOPICS, PODS, STATEFUL_SETS, Ref, ResourceType
from kopfka_operator.mirror import Mirror
from kopfka_operator.watches import WATCHED

# this folder is no package (its name is a module of Python's own), so its shared modules are found by path
sys.path.append(str(Path(__file__).parent))

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CRDS = Path(__file__).parents[2] / "crds"
NAMESPACE = "default"


def gvr(type_: ResourceType) -> Gvr:
    return Gvr(type_.group, type_.version, type_.plural)


@dataclass
class Api:
    """The API server: its in-process face, and the kubeconfig of its HTTP one."""

    cluster: LocalCluster
    kubeconfig: Path
    url: str

    gvr = staticmethod(gvr)

    async def create(self, type_: ResourceType, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
        manifest = Ref(type_, NAMESPACE, name).manifest(metadata=metadata, spec=spec)
        return await self.cluster.create(gvr(type_), NAMESPACE, manifest)

    async def get(self, type_: ResourceType, name: str) -> dict[str, Any]:
        return await self.cluster.get(gvr(type_), NAMESPACE, name)

    async def list(self, type_: ResourceType) -> list[dict[str, Any]]:
        return (await self.cluster.list(gvr(type_), NAMESPACE))[0]

    async def patch(self, type_: ResourceType, name: str, patch: dict[str, Any], subresource: str = "") -> None:
        await self.cluster.patch(gvr(type_), NAMESPACE, name, patch, subresource=subresource)

    async def delete(self, type_: ResourceType, name: str) -> None:
        await self.cluster.delete(gvr(type_), NAMESPACE, name)

    async def conditions(self, type_: ResourceType, name: str) -> dict[str, tuple[str, str]]:
        status = (await self.get(type_, name)).get("status") or {}
        return {each["type"]: (each["status"], each["reason"]) for each in status.get("conditions", [])}

    async def message(self, type_: ResourceType, name: str, condition: str) -> str:
        status = (await self.get(type_, name)).get("status") or {}
        return next(each["message"] for each in status["conditions"] if each["type"] == condition)

    async def start_pod(self, cluster: str, *, ready: bool = True) -> None:
        """Do what StatefulSet controller and node do: claim and pod from the set, then a status."""
        stateful_set = await self.get(STATEFUL_SETS, f"{cluster}-broker")
        spec = stateful_set["spec"]
        claim = spec["volumeClaimTemplates"][0]
        await self._ensure(
            Ref(WATCHED_CLAIMS, NAMESPACE, f"data-{cluster}-broker-0"),
            {"metadata": {"labels": claim["metadata"]["labels"]}, "spec": claim["spec"]},
        )
        template = spec["template"]
        owner = {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "name": stateful_set["metadata"]["name"],
            "uid": stateful_set["metadata"]["uid"],
            "controller": True,
        }
        name = f"{cluster}-broker-0"
        with contextlib.suppress(Exception):
            await self.cluster.delete(gvr(PODS), NAMESPACE, name, grace_seconds=0)
        metadata = {**template["metadata"], "ownerReferences": [owner]}
        volume = {"name": "data", "persistentVolumeClaim": {"claimName": f"data-{cluster}-broker-0"}}
        pod = {**template["spec"], "volumes": [*template["spec"]["volumes"], volume]}
        await self._ensure(Ref(PODS, NAMESPACE, name), {"metadata": metadata, "spec": pod})
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        await self.patch(PODS, name, {"status": {"phase": "Running", "conditions": [condition]}}, "status")

    async def _ensure(self, ref: Ref, manifest: dict[str, Any]) -> None:
        metadata = manifest.pop("metadata")
        with contextlib.suppress(Exception):
            await self.cluster.get(gvr(ref.type), ref.namespace, ref.name)
            return
        await self.cluster.create(gvr(ref.type), ref.namespace, ref.manifest(metadata=metadata, **manifest))


WATCHED_CLAIMS = next(type_ for type_ in WATCHED if type_.plural == "persistentvolumeclaims")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    cluster = LocalCluster(tmp_path / "state")
    for path in sorted(CRDS.glob("*.yaml")):
        await cluster.create(
            Gvr("apiextensions.k8s.io", "v1", "customresourcedefinitions"), None, yaml.safe_load(path.read_text())
        )
    credentials = ensure_credentials(tmp_path / "pki")
    server = await serve(cluster, token=credentials.token, certificate=credentials.certificate, key=credentials.key)
    kubeconfig = tmp_path / "kubeconfig"
    write_kubeconfig(kubeconfig, server=server.url, credentials=credentials)
    try:
        yield Api(cluster, kubeconfig, server.url)
    finally:
        await server.close()


@dataclass
class Bench:
    """The operator's reconcilers without kopf: the mirror is fed by the API's own watches, and every write is noted."""

    context: Context
    writes: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
async def bench(api: Api) -> AsyncIterator[Bench]:
    connection = from_kubeconfig([api.kubeconfig])
    session = new_session(connection)
    writes: list[tuple[str, str]] = []
    client = KubeClient(connection, session, lambda method, path: writes.append((method, path)))
    mirror = Mirror()
    events = EventPoster(client, "test")

    async def follow(type_: ResourceType) -> None:
        async for kind, body in api.cluster.watch(gvr(type_), label_selector=WATCHED[type_]):
            if kind == "DELETED":
                mirror.remove(type_, body)
                mirror.saw_end(type_, body)
            else:
                mirror.put(type_, body)
                mirror.saw(type_, body)

    tasks = [asyncio.create_task(follow(type_)) for type_ in WATCHED]
    try:
        yield Bench(Context(client, mirror, events, Installation("kopfka:test", "0.0")), writes)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await session.close()


async def settle() -> None:
    """Let the mirror's watches deliver."""
    for _ in range(20):
        await asyncio.sleep(0)


__all__ = ["KAFKA_CLUSTERS", "KAFKA_TOPICS", "Api", "Bench", "settle"]
