"""The node: a Node object that stays Ready, and a worker for each pod that is placed here. Every pod is: it is the
only one.

Also what a cluster's network gives to pods: the hosts file, and proxies for the addresses of services.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from kopfka_local.api.errors import ApiError
from kopfka_local.kinds import (
    CLAIMS,
    CONFIG_MAPS,
    LEASES,
    NODES,
    PODS,
    SECRETS,
    SERVICES,
    SLICES,
    STATEFUL_SETS,
    VOLUMES,
    Object,
    condition_of,
    deleting,
    key_of,
    name_of,
    uid_of,
)  # fmt: skip
from kopfka_local.node.addresses import Addresses
from kopfka_local.node.environment import Machine, MissingReferenceError, Sources
from kopfka_local.node.hosts import render_hosts, write_hosts
from kopfka_local.node.logs import ContainerLog
from kopfka_local.node.pod import PodWorker
from kopfka_local.node.processes import Processes
from kopfka_local.node.proxy import Frontend, Proxies
from kopfka_local.node.routes import frontends
from kopfka_local.node.surroundings import Place, Services
from kopfka_local.podstate import is_ended
from kopfka_local.recorder import Recorder
from kopfka_local.times import micro, now, rfc3339

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from kopfka_local.api.cluster import Cluster
    from kopfka_local.watching import Informers

log = logging.getLogger(__name__)

_LEASE_NAMESPACE = "kube-node-lease"
_LEASE_SECONDS = 40
_HEARTBEAT_SECONDS = 10.0
_STOP_SECONDS = 5.0
_RETRY_SECONDS = 5.0
_NODE_READY = {
    True: ("KubeletReady", "kopfka up posts ready status"),
    False: ("KubeletStopped", "kopfka up was stopped"),
}


def machine() -> Machine:
    """Return what this machine has."""
    return Machine(os.cpu_count() or 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def node_name() -> str:
    """Return this machine's name as a Kubernetes name."""
    host = socket.gethostname().partition(".")[0].lower()
    name = "".join(char if char.isascii() and char.isalnum() else "-" for char in host).strip("-")
    return name or "laptop"


class Agent:
    """Runs the pods of a cluster on this machine."""

    def __init__(
        self, cluster: Cluster, informers: Informers, state: Path, kubeconfig: Path, *, token: str = ""
    ) -> None:
        self.name = node_name()
        self.processes = Processes(state / "up.log")
        self._cluster = cluster
        self._informers = informers
        self._place = Place(state, kubeconfig)
        self._token = token
        self._machine = machine()
        self._addresses = Addresses(state / "addresses.json")
        self._recorder = Recorder(cluster, "kubelet", self.name)
        self._workers: dict[str, PodWorker] = {}  # by uid
        self._logs: dict[tuple[str, str], ContainerLog] = {}
        self._proxies = Proxies()
        self._proxied: dict[tuple[str, str], str] = {}
        self._network = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._begun = False
        self._services = Services(
            cluster, self._place, self.processes, self._addresses, self._recorder, self._sources, self._claim_folder,
            self._reserved, self.write_hosts, self.log_of,
        )  # fmt: skip
        informers[PODS].on_change(self._pod_changed)
        for gvr in (CONFIG_MAPS, SECRETS):
            informers[gvr].on_change(self._input_changed)
        for gvr in (CLAIMS, VOLUMES):
            informers[gvr].on_change(self._storage_changed)
        for gvr in (SERVICES, SLICES):
            informers[gvr].on_change(lambda _before, _after: self._network.set())

    async def start(self) -> None:
        """Begin. The informers have seen everything that is there."""
        self._place.state.mkdir(parents=True, exist_ok=True)
        await self._register()
        self._begun = True
        for pod in self._informers[PODS].all():
            self._pod_changed(None, pod)
        await asyncio.gather(*(worker.publish_now() for worker in self._workers.values()))
        self.write_hosts()
        self._sweep()
        self._tasks = [
            asyncio.create_task(self._heartbeat(), name="node lease"),
            asyncio.create_task(self._keep_network(), name="hosts and proxies"),
        ]

    async def stop(self) -> None:
        """End every pod's processes, keeping the pods."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._begun = False
        ends = [worker.end(min(worker.grace, _STOP_SECONDS), delete=False) for worker in self._workers.values()]
        await asyncio.gather(*ends, return_exceptions=True)
        await self._proxies.close()
        with contextlib.suppress(ApiError):
            await self._write_node(ready=False)
        self.processes.close()

    def log_of(self, pod: Object, container: str) -> ContainerLog:
        """Return the log of a container of a pod."""
        key = (uid_of(pod), container)
        if key not in self._logs:
            self._logs[key] = ContainerLog(self._place.log_folder(pod, container))
        return self._logs[key]

    def write_hosts(self) -> None:
        """Make the hosts file say what is."""
        pods = [worker.pod for worker in self._workers.values() if not is_ended(worker.pod)]
        write_hosts(self._place.hosts_file, render_hosts(self._informers[SERVICES].all(), pods, self._proxied))

    # pods

    def _pod_changed(self, before: Object | None, after: Object | None) -> None:
        if not self._begun:
            return
        self._network.set()
        if after is None:
            assert before is not None
            self._pod_removed(before)
            return
        worker = self._workers.get(uid_of(after))
        if worker is not None:
            worker.update(after)
            return
        if before is not None and uid_of(before) != uid_of(after):
            self._pod_removed(before)
        if not after["spec"].get("nodeName"):
            if not deleting(after):
                self._spawn(self._bind(after))
        elif not is_ended(after) and after["spec"]["nodeName"] == self.name:
            self._adopt(after)
        elif deleting(after):
            self._spawn(self._forget(after))

    def _adopt(self, pod: Object) -> None:
        earlier = [worker for worker in self._workers.values() if key_of(worker.pod) == key_of(pod)]
        worker = self._workers[uid_of(pod)] = PodWorker(pod, self._services)
        worker.start(after=earlier[-1].gone if earlier else None)
        if deleting(pod):
            worker.end(0)

    def _pod_removed(self, pod: Object) -> None:
        worker = self._workers.get(uid_of(pod))
        if worker is None:
            return
        if not worker.gone.is_set():
            worker.end(0)  # removed by force

        async def bury() -> None:
            await worker.gone.wait()
            self._workers.pop(uid_of(pod), None)
            self._network.set()
            for key in [key for key in self._logs if key[0] == uid_of(pod)]:
                del self._logs[key]
            shutil.rmtree(self._place.log_folder(pod, ""), ignore_errors=True)

        self._spawn(bury())

    async def _bind(self, pod: Object) -> None:
        namespace, name = key_of(pod)
        with contextlib.suppress(ApiError):  # gone again
            bound = await self._cluster.patch(PODS, namespace, name, {"spec": {"nodeName": self.name}})
            self._informers[PODS].remember(bound)
            message = f"Successfully assigned {namespace}/{name} to {self.name}"
            await self._recorder.record(bound, "v1", "Pod", "Scheduled", message)

    async def _forget(self, pod: Object) -> None:
        namespace, name = key_of(pod)
        with contextlib.suppress(ApiError):
            await self._cluster.delete(PODS, namespace, name, grace_seconds=0, preconditions={"uid": uid_of(pod)})

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks = [one for one in self._tasks if not one.done()] + [task]

    async def _reserved(self, pod: str) -> bool:
        namespace, _, name = pod.partition("/")
        owner, _, ordinal = name.rpartition("-")
        if not ordinal.isdigit():
            return False
        try:
            found = await self._cluster.get(STATEFUL_SETS, namespace, owner)
        except ApiError:
            return False
        start = (found["spec"].get("ordinals") or {}).get("start", 0)
        return not deleting(found) and int(ordinal) < start + int(found["spec"].get("replicas", 1))

    # what pods refer to

    def _sources(self, namespace: str) -> Sources:
        return Sources(
            lambda name: self._informers[CONFIG_MAPS].get(namespace, name),
            lambda name: self._informers[SECRETS].get(namespace, name),
            self._machine,
            self._token,
        )

    def _claim_folder(self, namespace: str, name: str) -> Path:
        claim = self._informers[CLAIMS].get(namespace, name)
        if claim is None:
            raise MissingReferenceError(f'persistentvolumeclaim "{name}" not found')
        volume = self._informers[VOLUMES].get("", claim["spec"].get("volumeName") or "")
        if volume is None or (claim.get("status") or {}).get("phase") != "Bound":
            raise MissingReferenceError(f'persistentvolumeclaim "{name}" is not bound')
        source = volume["spec"].get("hostPath") or volume["spec"].get("local")
        if not source:
            raise MissingReferenceError(f'persistentvolume "{name_of(volume)}" is not a folder of this machine')
        folder = Path(source["path"])
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _input_changed(self, before: Object | None, after: Object | None) -> None:
        namespace = ((after or before) or {})["metadata"]["namespace"]
        for worker in self._workers.values():
            if worker.pod["metadata"]["namespace"] == namespace:
                worker.inputs_may_have_changed()

    def _storage_changed(self, _before: Object | None, _after: Object | None) -> None:
        for worker in self._workers.values():
            worker.inputs_may_have_changed()

    # node and network

    async def _register(self) -> None:
        self.processes.open()
        await self._write_node(ready=True)

    async def _write_node(self, *, ready: bool) -> None:
        labels = {
            "kubernetes.io/hostname": self.name, "kubernetes.io/os": platform.system().lower(),
            "kubernetes.io/arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        }  # fmt: skip
        try:
            node = await self._cluster.get(NODES, None, self.name)
        except ApiError:
            node = await self._cluster.create(
                NODES, None, {"metadata": {"name": self.name, "labels": labels}, "spec": {}}
            )
        time = rfc3339(now())
        conditions = [
            _node_condition(node, kind, value, reason=reason, message=message, time=time)
            for kind, value, reason, message in (
                ("MemoryPressure", False, "KubeletHasSufficientMemory", "enough memory"),
                ("DiskPressure", False, "KubeletHasNoDiskPressure", "enough disk"),
                ("PIDPressure", False, "KubeletHasSufficientPID", "enough process ids"),
                ("Ready", ready, *_NODE_READY[ready]),
            )
        ]
        amounts = {"cpu": str(self._machine.cpus), "memory": f"{self._machine.memory // 1024}Ki", "pods": "110"}
        status = {
            "capacity": amounts, "allocatable": amounts, "conditions": conditions,
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": self.name}],
            "nodeInfo": {
                "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": platform.release(),
                "osImage": f"{platform.system()} {platform.release()}", "containerRuntimeVersion": f"process://{platform.python_version()}",
                "kubeletVersion": "v1.34.0", "kubeProxyVersion": "", "operatingSystem": platform.system().lower(),
                "architecture": labels["kubernetes.io/arch"],
            },
        }  # fmt: skip
        await self._cluster.patch(NODES, None, self.name, {"status": status}, subresource="status")

    async def _heartbeat(self) -> None:
        while True:
            spec = {"holderIdentity": self.name, "leaseDurationSeconds": _LEASE_SECONDS, "renewTime": micro(now())}
            try:
                await self._cluster.patch(LEASES, _LEASE_NAMESPACE, self.name, {"spec": spec})
            except ApiError:
                with contextlib.suppress(ApiError):
                    lease = {"metadata": {"name": self.name, "namespace": _LEASE_NAMESPACE}, "spec": spec}
                    await self._cluster.create(LEASES, _LEASE_NAMESPACE, lease)
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    async def _keep_network(self) -> None:
        while True:
            self._network.clear()
            refused: dict[Frontend, str] = {}
            services = self._informers[SERVICES].all()
            wanted = frontends(services, self._informers[SLICES].all())
            try:
                refused = await self._proxies.serve(wanted)
                self._proxied = {
                    key_of(service): service["spec"]["clusterIP"]
                    for service in services
                    if self._proxies.listening(service["spec"].get("clusterIP") or "")
                }
                self.write_hosts()
            except Exception:
                log.exception("the network of services could not be updated")
            with contextlib.suppress(TimeoutError):
                # what another process holds may come free; an address this machine does not have does not come
                await asyncio.wait_for(self._network.wait(), _RETRY_SECONDS if refused else None)

    def _sweep(self) -> None:
        """Remove folders and logs of pods that are no more."""
        uids = {uid_of(pod) for pod in self._informers[PODS].all()}
        for folder in (self._place.state / "pods").glob("*"):
            if folder.name not in uids:
                shutil.rmtree(folder, ignore_errors=True)
        for folder in (self._place.state / "logs").glob("*"):
            if folder.name.rpartition("_")[2] not in uids:
                shutil.rmtree(folder, ignore_errors=True)


def _node_condition(node: Object, kind: str, value: bool, *, reason: str, message: str, time: str) -> Object:
    before = condition_of(node, kind) or {}
    status = "True" if value else "False"
    since = before.get("lastTransitionTime", time) if before.get("status") == status else time
    return {
        "type": kind, "status": status, "reason": reason, "message": message, "lastHeartbeatTime": time,
        "lastTransitionTime": since,
    }  # fmt: skip
