"""Kubernetes Events about the operator's resources: said when something happens, never while something lasts.

The same words about the same object within ten minutes are counted, not repeated, and not even that within half a
minute. An event that cannot be posted is logged and forgotten: conditions are what counts.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kopfka_operator.api.names import FIELD_MANAGER
from kopfka_operator.errors import OperatorError
from kopfka_operator.kube.resources import EVENTS, Ref

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_operator.kube.client import KubeClient
    from kopfka_operator.kube.resources import Manifest

log = logging.getLogger(__name__)

_REPEAT_SECONDS = 600.0
_SPAM_SECONDS = 30.0
_REMEMBERED = 1024
_LONGEST = 1000


class EventPoster:
    """Posts events in the background; `run` has to be running."""

    def __init__(self, client: KubeClient, instance: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._instance = instance
        self._clock = clock
        self._queue: asyncio.Queue[tuple[Ref, Manifest]] = asyncio.Queue(maxsize=_REMEMBERED)
        self._known: OrderedDict[tuple[str, str, str], tuple[Ref, int, float]] = OrderedDict()

    def normal(self, body: Manifest, reason: str, message: str) -> None:
        """Say that something went as it should."""
        self._post(body, "Normal", reason, message)

    def warning(self, body: Manifest, reason: str, message: str) -> None:
        """Say that something needs attention."""
        self._post(body, "Warning", reason, message)

    async def run(self) -> None:
        """Post until cancelled."""
        while True:
            ref, event = await self._queue.get()
            try:
                if event["count"] == 1:
                    await self._client.create(EVENTS, ref.namespace, event)
                else:
                    await self._client.merge(ref, {key: event[key] for key in ("count", "lastTimestamp")})
            except OperatorError as error:
                log.warning("an event about %s could not be posted: %s", event["involvedObject"]["name"], error)

    def _post(self, body: Manifest, type_: str, reason: str, message: str) -> None:
        metadata = body["metadata"]
        key = (metadata["uid"], reason, message)
        now = self._clock()
        ref, count, at = self._known.pop(key, (None, 0, 0.0))
        if ref is not None and now - at < _SPAM_SECONDS:
            self._known[key] = (ref, count, at)
            return
        if ref is None or now - at > _REPEAT_SECONDS:
            ref, count = Ref(EVENTS, metadata["namespace"], f"{metadata['name'][:200]}.{uuid.uuid4().hex[:16]}"), 0
        self._known[key] = (ref, count + 1, now)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        level = logging.WARNING if type_ == "Warning" else logging.INFO
        log.log(level, "%s %s/%s: %s: %s", body["kind"], metadata["namespace"], metadata["name"], reason, message)
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        event = ref.manifest(
            involvedObject={
                "apiVersion": body["apiVersion"],
                "kind": body["kind"],
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
            type=type_,
            reason=reason,
            message=message[:_LONGEST],
            count=count + 1,
            firstTimestamp=stamp,
            lastTimestamp=stamp,
            source={"component": FIELD_MANAGER},
            reportingComponent=FIELD_MANAGER,
            reportingInstance=self._instance[:128],
        )
        try:
            self._queue.put_nowait((ref, event))
        except asyncio.QueueFull:
            log.warning("too many events at once: one about %s is dropped", metadata["name"])
