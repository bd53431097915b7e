"""`kubectl logs`: from what the API asks for to what the node kept."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from kopfka_local.api.errors import ApiError, bad_request
from kopfka_local.kinds import PODS
from kopfka_local.node.logs import LogRequest, read_entries, render, runs
from kopfka_local.times import now, parse_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from kopfka_local.kinds import Object
    from kopfka_local.node.agent import Agent
    from kopfka_local.watching import Informers


class NodeLogs:
    """Reads logs of the pods of one node; `kopfka_local.api.logs.LogReader` is its call."""

    def __init__(self, agent: Agent, informers: Informers) -> None:
        self._agent = agent
        self._pods = informers[PODS]

    def __call__(
        self, namespace: str, pod: str, container: str, *, follow: bool = False, tail_lines: int | None = None,
        previous: bool = False, since_seconds: int | None = None, since_time: str | None = None,
        timestamps: bool = False, limit_bytes: int | None = None,
    ) -> AsyncIterator[bytes]:  # fmt: skip
        """Yield chunks of a container's log.

        Raises:
            ApiError: 404, no such pod; 400, nothing to read (yet).
        """
        found = self._pods.get(namespace, pod)
        if found is None:
            raise ApiError(404, "NotFound", f'pods "{pod}" not found', {"name": pod, "kind": "pods"})
        since = parse_time(since_time) if since_time else None
        if since_seconds is not None:
            since = now() - timedelta(seconds=since_seconds)
        request = LogRequest(tail_lines, since, timestamps, limit_bytes)
        log = self._agent.log_of(found, container)
        present = runs(log.path.parent)
        restarts = _restarts(found, container)
        if previous:
            if restarts - 1 not in present:
                raise bad_request(f'previous terminated container "{container}" in pod "{pod}" not found')
            return self._finished(log.path.parent, restarts - 1, request)
        if not present:
            reason = _waiting_reason(found, container)
            raise bad_request(f'container "{container}" in pod "{pod}" is waiting to start: {reason}')
        return log.follow(request) if follow else self._finished(log.path.parent, present[-1], request)

    @staticmethod
    async def _finished(folder: Path, run: int, request: LogRequest) -> AsyncIterator[bytes]:
        for piece in render(read_entries(folder, run), request):
            yield piece


def _status(pod: Object, container: str) -> Object:
    status = pod.get("status") or {}
    statuses = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
    return next((one for one in statuses if one["name"] == container), {})


def _restarts(pod: Object, container: str) -> int:
    return int(_status(pod, container).get("restartCount") or 0)


def _waiting_reason(pod: Object, container: str) -> str:
    waiting = (_status(pod, container).get("state") or {}).get("waiting") or {}
    return str(waiting.get("message") or waiting.get("reason") or "ContainerCreating")
