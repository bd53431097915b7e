"""What the node has for its pods: folders, and everything it does for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_local.kinds import key_of, uid_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from kopfka_local.api.cluster import Cluster
    from kopfka_local.kinds import Object
    from kopfka_local.node.addresses import Addresses
    from kopfka_local.node.environment import Sources
    from kopfka_local.node.logs import ContainerLog
    from kopfka_local.node.processes import Processes
    from kopfka_local.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Place:
    """Where pods of this node live, and what they are told."""

    state: Path
    kubeconfig: Path

    @property
    def hosts_file(self) -> Path:
        """Names of services and pods."""
        return self.state / "hosts"

    def pod_folder(self, uid: str) -> Path:
        """What goes with the pod."""
        return self.state / "pods" / uid

    def log_folder(self, pod: Object, container: str) -> Path:
        """Logs of one container."""
        namespace, name = key_of(pod)
        return self.state / "logs" / f"{namespace}_{name}_{uid_of(pod)}" / container


@dataclass(frozen=True, slots=True)
class Services:
    """What the node gives to each of its pods."""

    cluster: Cluster
    place: Place
    processes: Processes
    addresses: Addresses
    recorder: Recorder
    sources: Callable[[str], Sources]  # of a namespace
    claim_folder: Callable[[str, str], Path]  # of a claim by namespace and name; raises MissingReferenceError
    reserved: Callable[[str], Awaitable[bool]]
    announce: Callable[[], None]  # the hosts file is to be current when it returns
    log_of: Callable[[Object, str], ContainerLog]
