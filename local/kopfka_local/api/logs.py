"""`pods/log`: from the request's parameters to the reader of logs that the node brings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kopfka_local.api.errors import bad_request
from kopfka_local.api.requests import flag, number

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


class LogReader(Protocol):
    """Reads what a container wrote; raises `ApiError` where there is nothing to read."""

    def __call__(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool = False,
        tail_lines: int | None = None,
        previous: bool = False,
        since_seconds: int | None = None,
        since_time: str | None = None,
        timestamps: bool = False,
        limit_bytes: int | None = None,
    ) -> AsyncIterator[bytes]:
        """Yield chunks; with `follow`, as they are written, until the container ends."""
        ...


@dataclass(frozen=True, slots=True)
class LogRequest:
    """What `kubectl logs` asks for."""

    container: str
    follow: bool
    tail_lines: int | None
    previous: bool
    since_seconds: int | None
    since_time: str | None
    timestamps: bool
    limit_bytes: int | None


def log_request(pod: Mapping[str, Any], parameters: Mapping[str, str]) -> LogRequest:
    """Read the parameters of a request for a pod's log.

    Raises:
        ApiError: 400, no such container, or several and none named.
    """
    name = pod["metadata"]["name"]
    spec = pod.get("spec", {})
    names = [container["name"] for container in spec.get("containers", [])]
    inits = [container["name"] for container in spec.get("initContainers") or []]
    container = parameters.get("container") or (names[0] if len(names) == 1 else "")
    if not container:
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]")
    if container not in names + inits:
        raise bad_request(f"container {container} is not valid for pod {name}")
    return LogRequest(
        container,
        flag(parameters.get("follow")),
        number(parameters.get("tailLines"), "tailLines"),
        flag(parameters.get("previous")),
        number(parameters.get("sinceSeconds"), "sinceSeconds"),
        parameters.get("sinceTime") or None,
        flag(parameters.get("timestamps")),
        number(parameters.get("limitBytes"), "limitBytes"),
    )


def read_log(reader: LogReader, namespace: str, pod: str, wanted: LogRequest) -> AsyncIterator[bytes]:
    """Start reading."""
    return reader(
        namespace,
        pod,
        wanted.container,
        follow=wanted.follow,
        tail_lines=wanted.tail_lines,
        previous=wanted.previous,
        since_seconds=wanted.since_seconds,
        since_time=wanted.since_time,
        timestamps=wanted.timestamps,
        limit_bytes=wanted.limit_bytes,
    )
