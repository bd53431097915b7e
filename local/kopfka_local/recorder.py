"""Events about objects (`kubectl describe` shows them). The same thing said again counts up instead of piling up."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

from kopfka_local.api.errors import ApiError
from kopfka_local.kinds import EVENTS, Object, name_of, uid_of
from kopfka_local.times import now, rfc3339

if TYPE_CHECKING:
    from kopfka_local.api.cluster import Cluster

log = logging.getLogger(__name__)

_MOST_REMEMBERED = 1000
_LONGEST_MESSAGE = 1024


class Recorder:
    """Writes events in the name of one component."""

    def __init__(self, cluster: Cluster, component: str, host: str = "") -> None:
        self._cluster = cluster
        self._source = {"component": component} | ({"host": host} if host else {})
        self._known: dict[tuple[str, str, str, str], tuple[str, int]] = {}

    async def record(
        self,
        obj: Object,
        api_version: str,
        kind: str,
        reason: str,
        message: str,
        *,
        warning: bool = False,
        field_path: str = "",
    ) -> None:
        """Say something about an object. Never raises: an event is a courtesy."""
        namespace = obj["metadata"].get("namespace") or "default"
        message = message[:_LONGEST_MESSAGE]
        time = rfc3339(now())
        key = (uid_of(obj), reason, message, field_path)
        try:
            if key in self._known:
                name, count = self._known[key]
                patch = {"count": count + 1, "lastTimestamp": time}
                try:
                    await self._cluster.patch(EVENTS, namespace, name, patch)
                except ApiError as error:
                    if error.status != 404:
                        raise
                    del self._known[key]
                else:
                    self._known[key] = (name, count + 1)
                    return
            involved = {
                "apiVersion": api_version, "kind": kind, "name": name_of(obj), "uid": uid_of(obj),
                "resourceVersion": obj["metadata"].get("resourceVersion", ""),
            }  # fmt: skip
            if "namespace" in obj["metadata"]:
                involved["namespace"] = namespace
            if field_path:
                involved["fieldPath"] = field_path
            name = f"{name_of(obj)}.{secrets.token_hex(8)}"
            event = {
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": involved, "reason": reason, "message": message, "source": self._source,
                "firstTimestamp": time, "lastTimestamp": time, "count": 1, "type": "Warning" if warning else "Normal",
                "eventTime": None, "reportingComponent": self._source["component"],
                "reportingInstance": self._source.get("host", ""),
            }  # fmt: skip
            await self._cluster.create(EVENTS, namespace, event)
        except ApiError as error:
            log.debug("no event for %s: %s", name_of(obj), error)
            return
        if len(self._known) >= _MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = (name, 1)
