"""One pod on this node: gets its address and volumes, runs its containers, says how they are, goes when told to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from kopfka_local.api.errors import ApiError
from kopfka_local.kinds import PODS, Object, deleting, key_of, name_of, uid_of
from kopfka_local.node.addresses import Unavailable
from kopfka_local.node.containers import Container, Launch
from kopfka_local.node.environment import MissingReferenceError, container_environment
from kopfka_local.node.images import command_line
from kopfka_local.node.paths import MountPaths
from kopfka_local.node.podstatus import ContainerStatus, Situation, render_status
from kopfka_local.node.volumes import WRITTEN, payload, write_files
from kopfka_local.podstate import named_port, tcp_ports
from kopfka_local.times import now, rfc3339
from kopfka_runtime.network import HOSTS_FILE, POD_IP

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from kopfka_local.node.logs import ContainerLog
    from kopfka_local.node.surroundings import Services

log = logging.getLogger(__name__)

_INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
_RETRY_SECONDS = 2.0


class PodWorker:
    """Brings one pod to life and to its end. `Surroundings` of its containers."""

    def __init__(self, pod: Object, services: Services) -> None:
        self.pod = pod
        self.processes = services.processes
        self.policy = pod["spec"].get("restartPolicy") or "Always"
        self.grace = float(pod["spec"].get("terminationGracePeriodSeconds", 30))
        self.address = ""
        self.gone = asyncio.Event()
        self._services = services
        self._init = [
            self._container_status(spec, "initContainerStatuses") for spec in pod["spec"].get("initContainers") or ()
        ]
        self._statuses = [self._container_status(spec, "containerStatuses") for spec in pod["spec"]["containers"]]
        self._containers: list[Container] = []
        self._folders: dict[str, Path] = {}
        self._paths: dict[str, MountPaths] = {}
        self._initialized = False
        self._ended = False
        self._reason = self._message = self._unscheduled = ""
        self._started_at = (pod.get("status") or {}).get("startTime") or rfc3339(now())
        self._inputs = asyncio.Event()
        self._dirty = asyncio.Event()
        self._finished = False  # nothing more is to be published
        self._tasks: list[asyncio.Task[None]] = []
        self._stop_task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """`namespace/name`."""
        return "/".join(key_of(self.pod))

    # what the node calls

    def start(self, after: asyncio.Event | None = None) -> None:
        """Begin; `after` is the end of an earlier pod of the same name."""
        self._tasks = [
            asyncio.create_task(self._guarded(self._live(after)), name=f"pod {self.name}"),
            asyncio.create_task(self._guarded(self._publish()), name=f"status of {self.name}"),
        ]

    async def publish_now(self) -> None:
        """Write the status as it is now: before anyone reads the one an earlier `kopfka up` left."""
        await self._write_status()

    def update(self, pod: Object) -> None:
        """Take over a newer state of the pod; a deletion mark ends it, a shorter grace ends it sooner."""
        sooner = pod["metadata"].get("deletionGracePeriodSeconds") != self.pod["metadata"].get(
            "deletionGracePeriodSeconds"
        )
        self.pod = pod
        if deleting(pod) and (self._stop_task is None or sooner):
            self.end(float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))
        self._dirty.set()

    def end(self, grace: float, *, delete: bool = True) -> asyncio.Task[None]:
        """End the pod's processes; with `delete` the pod itself goes too."""
        before = self._stop_task
        self._stop_task = asyncio.create_task(
            self._guarded(self._stop(grace, delete, before)), name=f"end of {self.name}"
        )
        return self._stop_task

    def inputs_may_have_changed(self) -> None:
        """Something the pod refers to changed: write its volumes again, and let go on what waited for it."""
        self._inputs.set()
        self._inputs = asyncio.Event()
        if self._folders:
            with contextlib.suppress(MissingReferenceError):
                self._write_volumes()

    # life

    async def _live(self, after: asyncio.Event | None) -> None:
        if after is not None:
            await after.wait()
        if any(status.exit_code is not None for status in self._statuses):  # it ran before, and runs only once
            self._initialized = True
            await self._finish()
            return
        if not await self._take_address() or not await self._mount():
            return
        for spec, status in zip(self.pod["spec"].get("initContainers") or (), self._init, strict=True):
            container = Container(spec, status, self, init=True)
            self._containers.append(container)
            if spec.get("restartPolicy") == "Always":  # a sidecar: the others start once it has
                self._spawn(container.run())
                await container.started.wait()
                continue
            code = await container.run()
            if self._stop_task is not None:
                return
            if code != 0:
                await self._finish()
                return
        self._initialized = True
        main = [
            Container(spec, status, self)
            for spec, status in zip(self.pod["spec"]["containers"], self._statuses, strict=True)
        ]
        sidecars = self._containers[:]
        self._containers += main
        for status in self._statuses:
            status.state = {"waiting": {"reason": "ContainerCreating"}}
        await asyncio.gather(*(container.run() for container in main))
        if self._stop_task is None:
            await asyncio.gather(*(container.stop(self.grace) for container in sidecars))
            await self._finish()

    def _spawn(self, coroutine: Coroutine[None, None, object]) -> None:
        async def run() -> None:
            await coroutine

        self._tasks.append(asyncio.create_task(self._guarded(run())))

    async def _finish(self) -> None:
        self._ended = True
        await self._write_status()
        self._services.addresses.release(self.name)

    async def _take_address(self) -> bool:
        while True:
            got = await self._services.addresses.take(self.name, tcp_ports(self.pod), self._services.reserved)
            if not isinstance(got, Unavailable):
                self.address, self._unscheduled = got, ""
                await self._write_status()
                self._services.announce()
                return True
            if self._unscheduled != str(got):
                self._unscheduled = str(got)
                await self._write_status()
                await self._event("FailedScheduling", f"no address for this pod: {got}", warning=True)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _mount(self) -> bool:
        while True:
            try:
                self._write_volumes()
            except (MissingReferenceError, OSError) as error:
                await self._event("FailedMount", f"MountVolume.SetUp failed: {error}", warning=True)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.inputs_changed(), 60)
                continue
            return True

    def _write_volumes(self) -> None:
        folder = self._services.place.pod_folder(uid_of(self.pod))
        sources = self._services.sources(self.pod["metadata"]["namespace"])
        folders = {}
        for volume in self.pod["spec"].get("volumes") or ():
            name = volume["name"]
            if any(kind in volume for kind in WRITTEN):
                folders[name] = folder / "volumes" / name
                write_files(folders[name], payload(volume, self.pod, sources))
            elif "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                folders[name] = self._services.claim_folder(self.pod["metadata"]["namespace"], claim)
            elif "hostPath" in volume:
                folders[name] = Path(volume["hostPath"]["path"])
            elif "emptyDir" in volume:
                folders[name] = folder / "volumes" / name
                folders[name].mkdir(parents=True, exist_ok=True)
            else:
                kind = next((key for key in volume if key != "name"), "none")
                raise MissingReferenceError(f'volume "{name}" is of kind {kind}, which this node does not have')
        self._folders = folders

    # `Surroundings`

    def launch(self, container: Object) -> Launch:
        """Return what to start for a container."""
        paths = self._mount_paths(container)
        env = self._variables(container, paths)
        return Launch(command_line(container, paths, env), env, self._working_folder(container, paths))

    def environment(self, container: Object, command: list[str]) -> Launch:
        """Return how to run another command in a container's surroundings."""
        return self.launch(container | {"command": command, "args": []})

    def log_of(self, container: str) -> ContainerLog:
        """Return the log of a container."""
        return self._services.log_of(self.pod, container)

    def port_of(self, container: Object, port: int | str) -> int | None:
        """Return the number of a port; names are looked up in the container first."""
        if isinstance(port, int) or port.isdigit():
            return int(port)
        own = named_port({"spec": {"containers": [container]}}, port)
        return own if own is not None else named_port(self.pod, port)

    def changed(self) -> None:
        """Have the status written soon."""
        self._dirty.set()

    async def inputs_changed(self) -> None:
        """Wait until something the pod refers to may have appeared."""
        await self._inputs.wait()

    async def event(self, container: str, reason: str, message: str, *, warning: bool = False) -> None:
        """Record an event about a container."""
        await self._event(reason, message, warning=warning, field_path=f"spec.containers{{{container}}}")

    def _mount_paths(self, container: Object) -> MountPaths:
        folders = {}
        for mount in container.get("volumeMounts") or ():
            folder = self._folders[mount["name"]]
            inner = mount.get("subPath") or ""
            folders[mount["mountPath"]] = str(folder / inner) if inner else str(folder)
        return MountPaths(folders)

    def _variables(self, container: Object, paths: MountPaths) -> dict[str, str]:
        sources = self._services.sources(self.pod["metadata"]["namespace"])
        given = container_environment(container, self._with_address(), sources, paths)
        base = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        base |= {
            "HOSTNAME": self.pod["spec"].get("hostname") or name_of(self.pod),
            "PYTHONUNBUFFERED": "1",
            POD_IP: self.address,
            HOSTS_FILE: str(self._services.place.hosts_file),
        }
        if self.pod["spec"].get("automountServiceAccountToken", True):
            base["KUBECONFIG"] = str(self._services.place.kubeconfig)
        return base | given

    def _with_address(self) -> Object:
        status = (self.pod.get("status") or {}) | {
            "podIP": self.address, "podIPs": [{"ip": self.address}],
            "hostIP": "127.0.0.1", "hostIPs": [{"ip": "127.0.0.1"}],
        }  # fmt: skip
        return self.pod | {"status": status}

    def _working_folder(self, container: Object, paths: MountPaths) -> Path:
        if container.get("workingDir"):
            folder = Path(paths.replace(container["workingDir"]))
            if folder.is_dir():
                return folder
        folder = self._services.place.pod_folder(uid_of(self.pod))
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    # status

    def _container_status(self, spec: Object, field: str) -> ContainerStatus:
        before = (self.pod.get("status") or {}).get(field) or ()
        found = next((one for one in before if one.get("name") == spec["name"]), None)
        return ContainerStatus.of(spec, found, restarts=self.policy != "Never")

    async def _publish(self) -> None:
        while not self._finished:
            await self._dirty.wait()
            await self._write_status()

    async def _write_status(self) -> None:
        self._dirty.clear()
        situation = Situation(
            init=self._init, containers=self._statuses, initialized=self._initialized, ended=self._ended,
            address=self.address, started_at=self._started_at, reason=self._reason, message=self._message,
            unscheduled=self._unscheduled,
        )  # fmt: skip
        status = render_status(self.pod, situation, rfc3339(now()))
        current = self.pod.get("status") or {}
        if all(current.get(field) == value for field, value in status.items()):
            return
        namespace, name = key_of(self.pod)
        try:
            written = await self._services.cluster.patch(
                PODS, namespace, name, {"status": status}, subresource="status"
            )
        except ApiError as error:
            if error.status != 404:
                log.warning("the status of pod %s was refused: %s", self.name, error)
            return
        if written["metadata"]["uid"] == uid_of(self.pod):
            self.pod = written

    async def _event(self, reason: str, message: str, *, warning: bool = False, field_path: str = "") -> None:
        await self._services.recorder.record(
            self.pod, "v1", "Pod", reason, message, warning=warning, field_path=field_path
        )

    # end

    async def _stop(self, grace: float, delete: bool, before: asyncio.Task[None] | None) -> None:
        if before is None and self._containers:
            await self._event("Killing", f"Stopping pod {name_of(self.pod)}")
        await asyncio.gather(*(container.stop(grace) for container in self._containers))
        if before is not None:
            before.cancel()
        self._finished = True
        self._dirty.set()
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                # the processes have ended; what still runs waits for an address, a volume or an image
                await _ended_soon(task)
        await self._write_final(delete)

    async def _write_final(self, delete: bool) -> None:
        self._services.addresses.release(self.name)
        if not delete:
            await self._write_status()
            self.gone.set()
            return
        self._ended = True
        namespace, name = key_of(self.pod)
        await self._write_status()
        shutil.rmtree(self._services.place.pod_folder(uid_of(self.pod)), ignore_errors=True)
        try:
            await self._services.cluster.delete(
                PODS, namespace, name, grace_seconds=0, preconditions={"uid": uid_of(self.pod)}
            )
        except ApiError as error:
            if error.status not in (404, 409):
                log.warning("pod %s could not be removed: %s", self.name, error)
        self.gone.set()

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("pod %s: a step failed", self.name)
            self._reason, self._message = "NodeError", "the node failed to run this pod; its log says more"
            self._dirty.set()


async def _ended_soon(task: asyncio.Task[None]) -> None:
    await asyncio.wait([task], timeout=0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
