"""One running local cluster: API server, controllers and node in one process, over one state folder.

The order of `start` is the order of what takes longest: the operator's process first, because its imports take longer
than all the rest; the API server's own imports run while it starts.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from kopfka_local.api.cluster import Cluster
from kopfka_local.api.credentials import ensure_credentials, write_kubeconfig
from kopfka_local.api.errors import ApiError
from kopfka_local.controllers.manager import Manager
from kopfka_local.kinds import DEFINITIONS, DEPLOYMENTS, NAMESPACES, Object
from kopfka_local.node.addresses import try_bind
from kopfka_local.node.agent import Agent
from kopfka_local.node.logreader import NodeLogs
from kopfka_local.ports import choose_port
from kopfka_local.watching import Informers

if TYPE_CHECKING:
    from kopfka_local.api.resources import Gvr
    from kopfka_local.api.server import Server

MANAGER = "kopfka-up"
SYSTEM_NAMESPACE = "kopfka-system"
OPERATOR = "kopfka-operator"
_OPERATOR_HEAD_START = 0.5  # seconds
_OPERATOR_HEALTH = 9403  # not 9404: where there is one loopback address only, that one is the first broker's

OPERATOR_DEPLOYMENT: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": OPERATOR,
        "namespace": SYSTEM_NAMESPACE,
        "labels": {"app.kubernetes.io/name": "kopfka", "app.kubernetes.io/component": "operator"},
    },
    "spec": {
        "replicas": 1,
        "strategy": {"type": "Recreate"},  # one at a time, and so no Lease to wait for
        "selector": {"matchLabels": {"app.kubernetes.io/name": "kopfka", "app.kubernetes.io/component": "operator"}},
        "template": {
            "metadata": {"labels": {"app.kubernetes.io/name": "kopfka", "app.kubernetes.io/component": "operator"}},
            "spec": {
                "terminationGracePeriodSeconds": 15,
                "containers": [
                    {
                        "name": "operator",
                        "image": "kopfka",
                        "args": ["operator", "--leader-election=off", f"--health=0.0.0.0:{_OPERATOR_HEALTH}"],
                        "env": [
                            {"name": "KOPFKA_IMAGE", "value": "kopfka"},
                            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                            {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
                        ],
                        "ports": [{"name": "health", "containerPort": _OPERATOR_HEALTH}],
                        "livenessProbe": {
                            "httpGet": {"path": "/healthz", "port": "health"},
                            "initialDelaySeconds": 10,
                            "timeoutSeconds": 5,
                        },
                        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "health"}, "timeoutSeconds": 5},
                    }
                ],
            },
        },
    },
}


def definition_files() -> list[Path]:
    """Return the files of the CRDs: those of the installed package, or those of the repository this runs from."""
    here = Path(__file__).parent
    for folder in (here / "crds", here.parents[1] / "crds"):
        if files := sorted(folder.glob("*.yaml")):
            return files
    return []


class Session:
    """Everything `kopfka up` runs."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self.cluster = Cluster(folder)
        self._folder = folder
        self._kubeconfig = kubeconfig
        self._credentials = ensure_credentials(folder)
        self._informers = Informers(self.cluster)
        self._manager = Manager(self.cluster, self._informers, folder)
        self._agent = Agent(self.cluster, self._informers, folder, kubeconfig, token=self._credentials.token)
        self._logs = NodeLogs(self._agent, self._informers)
        self._server: Server | None = None

    async def start(self, *, port: int | None = None, operator: bool = True) -> None:
        """Start everything; what is in the state comes back.

        Raises:
            AddressInUseError: `port` is taken.
        """
        chosen = choose_port(self._folder / "port", port, try_bind)
        write_kubeconfig(self._kubeconfig, server=f"https://127.0.0.1:{chosen}", credentials=self._credentials)
        self._agent.processes.open()
        await self._furnish_operator(wanted=operator)
        await self._informers.start()
        await self._manager.start()
        await self._agent.start()
        if operator:
            with contextlib.suppress(TimeoutError):  # what follows keeps this process busy: not before that one is
                await asyncio.wait_for(self._agent.processes.busy.wait(), _OPERATOR_HEAD_START)
        await self._furnish_definitions()
        from kopfka_local.api.server import serve  # noqa: PLC0415 - while the operator starts

        self._server = await serve(
            self.cluster, port=chosen, token=self._credentials.token, certificate=self._credentials.certificate,
            key=self._credentials.key, log_reader=self._logs,
        )  # fmt: skip

    async def stop(self) -> None:
        """Stop everything; the state stays."""
        # the controllers first: a pod that ends now is not to be made again
        await self._manager.stop()
        await self._agent.stop()
        if self._server is not None:
            await self._server.close()
        await self._informers.stop()
        self.cluster.close()

    async def _furnish_operator(self, *, wanted: bool) -> None:
        if not wanted:
            with contextlib.suppress(ApiError):
                await self.cluster.delete(DEPLOYMENTS, SYSTEM_NAMESPACE, OPERATOR)
            return
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}}
        await self._apply(NAMESPACES, None, namespace)
        await self._apply(DEPLOYMENTS, SYSTEM_NAMESPACE, OPERATOR_DEPLOYMENT)

    async def _furnish_definitions(self) -> None:
        import yaml  # noqa: PLC0415 - while the operator starts

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for file in definition_files():
            definition = yaml.load(file.read_bytes(), loader)
            await self._apply(DEFINITIONS, None, definition)

    async def _apply(self, gvr: Gvr, namespace: str | None, obj: Object) -> None:
        name = obj["metadata"]["name"]
        await self.cluster.patch(gvr, namespace, name, obj, kind="apply", field_manager=MANAGER, force=True)
