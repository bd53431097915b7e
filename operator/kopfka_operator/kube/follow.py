"""Follows ConfigMaps that are not the operator's own, by their metadata, in the namespaces where some are of concern.

kopf's watches see only what carries our label; a schema's text is in a ConfigMap of the user's. Nothing is kept of it
but the version: whoever is told reads it then. What is missed while a watch is broken is found at the next resync.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kopfka_operator.errors import ApiError, OperatorError
from kopfka_operator.kube.resources import CONFIG_MAPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_operator.kube.client import KubeClient
    from kopfka_operator.kube.resources import Manifest

log = logging.getLogger(__name__)

WATCH_SECONDS = 290
RETRY_SECONDS = 1.0
_GONE = 410


class ConfigMapFollower:
    """Tells namespace and name of ConfigMaps that have changed, once `follow` was called for their namespace."""

    def __init__(self, client: KubeClient, tell: Callable[[str, str], None]) -> None:
        self._client = client
        self._tell = tell
        self._wanted: asyncio.Queue[str] = asyncio.Queue()
        self._followed: set[str] = set()

    def follow(self, namespace: str) -> None:
        """Follow the ConfigMaps of a namespace from now on."""
        if namespace not in self._followed:
            self._followed.add(namespace)
            self._wanted.put_nowait(namespace)

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                namespace = await self._wanted.get()
                group.create_task(self._watch(namespace), name=f"config maps of {namespace}")

    async def _watch(self, namespace: str) -> None:
        known: dict[str, str] = {}
        version = ""
        while True:
            try:
                events = self._client.watch_metadata(CONFIG_MAPS, namespace, version, WATCH_SECONDS)
                async for kind, body in events:
                    version = str(body["metadata"].get("resourceVersion") or version)
                    if kind != "BOOKMARK":
                        self._saw(namespace, known, kind, body)
            except OperatorError as error:
                log.info("the watch of the ConfigMaps in %s begins anew: %s", namespace, error)
                if isinstance(error, ApiError) and error.status == _GONE:
                    version = ""
            # nothing is missed meanwhile: the next watch goes on from where this one ended
            await asyncio.sleep(RETRY_SECONDS)

    def _saw(self, namespace: str, known: dict[str, str], kind: str, body: Manifest) -> None:
        name, version = str(body["metadata"]["name"]), str(body["metadata"].get("resourceVersion") or "")
        if kind == "DELETED":
            known.pop(name, None)
        elif known.get(name) == version:
            return  # told before a watch that began anew
        else:
            known[name] = version
        self._tell(namespace, name)
