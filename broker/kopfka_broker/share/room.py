"""Share groups as the rest of the broker sees them. What they are made of is imported and made at their first use."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from kopfka_broker.features import SHARE_VERSION
from kopfka_broker.lazily import Lazy, LazyHandler
from kopfka_wire.apis import ApiKey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.share.api import ShareApis
    from kopfka_broker.share.coordinator import ShareCoordinator
    from kopfka_broker.share.manager import SharePartitions
    from kopfka_broker.share.parts import ShareParts
    from kopfka_broker.share.state_api import ShareStateApis
    from kopfka_broker.share.states import SharePartitionKey

NAME = "__share_group_state"

_STATE_APIS: Final = (
    ApiKey.INITIALIZE_SHARE_GROUP_STATE,
    ApiKey.READ_SHARE_GROUP_STATE,
    ApiKey.WRITE_SHARE_GROUP_STATE,
    ApiKey.DELETE_SHARE_GROUP_STATE,
    ApiKey.READ_SHARE_GROUP_STATE_SUMMARY,
)


class ShareRoom:
    """Life: construct, serve the handlers, `await run(stop)` as a task, `close()` before the connections."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lazy_parts: Lazy[ShareParts] = Lazy("kopfka_broker.share.parts", "ShareParts", cluster, NAME)
        self._used = asyncio.Event()

    def handlers(self) -> dict[int, Any]:
        """Return the handler of each API key served here, but for ShareFetch, which reads its frames itself."""
        return {
            ApiKey.SHARE_ACKNOWLEDGE: LazyHandler(lambda: self.apis, "acknowledge"),
            **dict.fromkeys(_STATE_APIS, LazyHandler(lambda: self._state_apis, "handle")),
        }

    def raw_handlers(self) -> dict[int, Any]:
        """Return the handler of ShareFetch."""
        return {ApiKey.SHARE_FETCH: LazyHandler(lambda: self.apis, "fetch")}

    @property
    def enabled(self) -> bool:
        """Whether the cluster has share groups: the feature `share.version` may be off."""
        return bool(self._cluster.features.finalized.get(SHARE_VERSION))

    @property
    def coordinator(self) -> ShareCoordinator:
        """Who keeps the states."""
        return self._parts.coordinator

    @property
    def partitions(self) -> SharePartitions:
        """Who has them in memory."""
        return self._parts.partitions

    @property
    def apis(self) -> ShareApis:
        """What consumers ask for."""
        return self._parts.apis

    @property
    def _state_apis(self) -> ShareStateApis:
        return self._parts.state_apis

    @property
    def _parts(self) -> ShareParts:
        self._used.set()  # so that `run` loads them
        return self._lazy_parts()

    def end_offset(self, key: SharePartitionKey) -> int:
        """Return the offset after the last record of the partition that a share partition is of."""
        topic = self._cluster.topic(key.topic_id)
        return 0 if topic is None else topic.partitions[key.partition].high_watermark

    async def run(self, stop: asyncio.Event) -> None:
        """Replay `__share_group_state` and keep it short until `stop` is set; from the first use on."""
        if NAME not in self._cluster.logs.topics:
            first = [asyncio.create_task(event.wait()) for event in (stop, self._used)]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            for each in first:
                each.cancel()
            if stop.is_set():
                return
        await self.coordinator.load()
        await self.coordinator.run(stop)

    def close(self) -> None:
        """Let no lock end any more."""
        if self._lazy_parts.made is not None:
            self.partitions.close()

    async def topics_deleted(self, topic_ids: Sequence[UUID]) -> None:
        """Forget everything about these topics."""
        if self._lazy_parts.made is not None:
            self.partitions.topics_deleted(topic_ids)
            await self.coordinator.topics_deleted(topic_ids)
