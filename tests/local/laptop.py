"""A local cluster in this process: controllers and node over one state folder, without API server and operator."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kopfka_local.api.cluster import Cluster
from kopfka_local.api.errors import ApiError
from kopfka_local.controllers.manager import Manager
from kopfka_local.kinds import EVENTS, PODS, condition_is_true
from kopfka_local.node.agent import Agent
from kopfka_local.node.logreader import NodeLogs
from kopfka_local.watching import Informers
from support.waiting import eventually_async

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kopfka_local.api.resources import Gvr

Object = dict[str, Any]


class Laptop:
    """What `kopfka up` runs, less the server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = Cluster(folder)
        self.informers = Informers(self.cluster)
        self.manager = Manager(self.cluster, self.informers, folder)
        self.agent = Agent(self.cluster, self.informers, folder, folder / "kubeconfig")
        self.logs = NodeLogs(self.agent, self.informers)

    async def start(self) -> None:
        await self.informers.start()
        await self.manager.start()
        await self.agent.start()

    async def stop(self) -> None:
        await self.manager.stop()
        await self.agent.stop()
        await self.informers.stop()
        self.cluster.close()

    async def apply(self, gvr: Gvr, obj: Object, namespace: str | None = "default") -> Object:
        return await self.cluster.patch(
            gvr, namespace, obj["metadata"]["name"], obj, kind="apply", field_manager="test", force=True
        )

    async def find(self, gvr: Gvr, name: str, namespace: str | None = "default") -> Object | None:
        try:
            return await self.cluster.get(gvr, namespace, name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def until(
        self, gvr: Gvr, name: str, check: Callable[[Object], Any], namespace: str | None = "default"
    ) -> Object:
        """Wait until an object is there and `check` holds; return it."""

        async def look() -> Object | None:
            obj = await self.find(gvr, name, namespace)
            return obj if obj is not None and check(obj) else None

        found: Object = await eventually_async(look, what=f"{gvr.resource} {name}")
        return found

    async def until_gone(self, gvr: Gvr, name: str, namespace: str | None = "default") -> None:
        async def look() -> bool:
            return await self.find(gvr, name, namespace) is None

        await eventually_async(look, what=f"{gvr.resource} {name} to be gone")

    async def ready(self, name: str, check: Callable[[Object], Any] = lambda _pod: True) -> Object:
        return await self.until(PODS, name, lambda pod: condition_is_true(pod, "Ready") and check(pod))

    async def events(self, name: str) -> list[str]:
        found, _ = await self.cluster.list(EVENTS)
        return [event["reason"] for event in found if event["involvedObject"]["name"] == name]

    async def log(self, pod: str, container: str = "c", **options: Any) -> str:
        return b"".join([chunk async for chunk in self.logs("default", pod, container, **options)]).decode()


def container_status(pod: Object, field: str = "containerStatuses", index: int = 0) -> Object:
    """Return one container's status; an empty one where there is none yet."""
    statuses = (pod.get("status") or {}).get(field) or ()
    status: Object = statuses[index] if index < len(statuses) else {"state": {}, "restartCount": 0, "ready": True}
    return status


def process_id(pod: Object) -> int:
    return int(container_status(pod)["containerID"].removeprefix("process://"))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


WAIT = "import signal; signal.pause()"


def container(script: str = WAIT, **more: Any) -> Object:
    """A container that runs a Python script."""
    return {"name": "c", "image": "kopfka", "command": ["python3", "-uc", script]} | more


def pod(name: str, *containers: Object, **spec: Any) -> Object:
    spec = {"terminationGracePeriodSeconds": 5, "containers": list(containers) or [container()]} | spec
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def stateful_set(name: str, a_container: Object, replicas: int = 1, **spec: Any) -> Object:
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [a_container], "terminationGracePeriodSeconds": 5},
    }
    spec = {
        "replicas": replicas,
        "serviceName": f"{name}s",
        "selector": {"matchLabels": labels},
        "template": template,
    } | spec
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": spec}


def claim_template(name: str = "data") -> Object:
    return {
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
