"""What tells others how a flow is doing, in MM2's formats: heartbeats, offset syncs, and checkpoints of groups; and,
where that is wanted, groups' offsets on the target itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from kopfka_mirror.formats import checkpoint, heartbeat, offset_sync
from kopfka_mirror.policy import HEARTBEATS
from kopfka_mirror.topic_making import ensure_internal
from kopfka_wire.client.errors import ClientError
from kopfka_wire.client.groups import GroupOffset, Groups
from kopfka_wire.client.producer import Producer
from kopfka_wire.error_codes import MembershipError
from kopfka_wire.records import Record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kopfka_mirror.metrics import Counters
    from kopfka_mirror.parts import Part
    from kopfka_mirror.settings import FlowSettings
    from kopfka_wire.client.cluster import Cluster

_RECORDS: Final = 500

log = logging.getLogger(__name__)


async def every(interval: float, step: Callable[[], Awaitable[None]], what: str) -> None:
    """Do a step now and at every interval, whatever came of the one before; until cancelled."""
    said = ""
    while True:
        try:
            await step()
            said = ""
        except ClientError as error:
            if str(error) != said:
                log.warning("%s: %s", what, error)
            said = str(error)
        await asyncio.sleep(interval)


class Heartbeats:
    """Records in `heartbeats` of the target that say that this flow's replicator lives."""

    def __init__(self, source: str, target: str, cluster: Cluster, factor: int | None) -> None:
        self._source = source
        self._target = target
        self._cluster = cluster
        self._factor = factor
        self._producer = Producer(cluster)
        self._prepared = False

    async def beat(self) -> None:
        """Write one."""
        if not self._prepared:
            await ensure_internal(self._cluster, HEARTBEATS, 1, self._factor)
            self._prepared = True
        key, value = heartbeat(self._source, self._target, time.time_ns() // 1_000_000)
        await self._producer.partition(HEARTBEATS, 0).send(value, key)

    async def close(self) -> None:
        """End."""
        await self._producer.close()


class OffsetSyncs:
    """MM2's sparse map of offsets. Nothing here reads it: it lets MM2 itself take over a flow."""

    def __init__(
        self, flow: FlowSettings, source: Cluster, target: Cluster, parts: Mapping[tuple[str, int], Part]
    ) -> None:
        self._flow = flow
        at_source = flow.offset_syncs_at_source
        self._cluster = source if at_source else target
        self._topic = flow.policy.offset_syncs_topic(flow.target if at_source else flow.source)
        self._parts = parts
        self._producer = Producer(self._cluster)
        self._prepared = False

    async def emit(self) -> None:
        """Write one for every partition that has come far enough since its last one."""
        due = []
        for part in self._parts.values():
            latest = part.offsets.latest()
            if latest is not None and part.kept.next_offset > latest[0]:
                far = latest[0] - part.sync_at
                if part.sync_at < 0 or far > self._flow.offset_lag_max or far < 0:
                    due.append((part, *latest))
        if not due:
            return
        if not self._prepared:
            await ensure_internal(
                self._cluster, self._topic, 1, self._flow.replication_factors.get("offset-syncs.topic.")
            )
            self._prepared = True
        records = [Record(0, -1, *offset_sync(part.topic, part.partition, *where)) for part, *where in due]
        for at in range(0, len(records), _RECORDS):
            await self._producer.partition(self._topic, 0).send_records(records[at : at + _RECORDS])
        for part, upstream, _ in due:
            part.sync_at = upstream

    async def close(self) -> None:
        """End."""
        await self._producer.close()


class Checkpoints:
    """Where each group of the source goes on, on the target."""

    def __init__(
        self,
        flow: FlowSettings,
        source: Cluster,
        target: Cluster,
        parts: Mapping[tuple[str, int], Part],
        counters: Counters,
    ) -> None:
        self._flow = flow
        self._target = target
        self._source_groups = Groups(source)
        self._target_groups = Groups(target)
        self._parts = parts
        self._counters = counters
        self._topic = flow.policy.checkpoints_topic(flow.source)
        self._producer = Producer(target)
        self._prepared = False
        self._emitted: dict[tuple[str, str, int], tuple[int, int, str]] = {}

    async def translate(self) -> dict[str, dict[tuple[str, int], tuple[int, GroupOffset]]]:
        """Return, by group and partition of the target, the offset at the source and what it is on the target."""
        found: dict[str, dict[tuple[str, int], tuple[int, GroupOffset]]] = {}
        for group, listed in (await self._source_groups.list()).items():
            if not listed.has_offsets or not self._flow.groups.takes(group):
                continue
            for key, committed in (await self._source_groups.offsets(group)).items():
                part = self._parts.get(key)
                if part is None or part.gone or (part.failure is not None and part.retry_at is None):
                    continue
                at = part.offsets.translate(max(committed.offset, part.log_start), part.kept.next_offset)
                if at is not None:
                    place = committed.offset, GroupOffset(at, -1, committed.metadata)
                    found.setdefault(group, {})[part.remote, part.partition] = place
        return found

    async def emit(self) -> None:
        """Write a checkpoint wherever one has changed."""
        due: dict[tuple[str, str, int], tuple[int, int, str]] = {}
        for group, offsets in (await self.translate()).items():
            for (topic, partition), (upstream, where) in offsets.items():
                value = upstream, where.offset, where.metadata
                if self._emitted.get((group, topic, partition)) != value:
                    due[group, topic, partition] = value
        if not due:
            return
        if not self._prepared:
            factor = self._flow.replication_factors.get("checkpoints.topic.")
            await ensure_internal(self._target, self._topic, 1, factor)
            self._prepared = True
        records = [
            Record(0, -1, *checkpoint(group, (topic, partition), *value))
            for (group, topic, partition), value in due.items()
        ]
        for at in range(0, len(records), _RECORDS):
            await self._producer.partition(self._topic, 0).send_records(records[at : at + _RECORDS])
        self._emitted |= due
        self._counters.checkpoints += len(records)

    async def sync(self) -> None:
        """Commit translated offsets for groups that nobody uses on the target; forward only, as MM2 does."""
        translated = await self.translate()
        listed = await self._target_groups.list()
        for group, offsets in translated.items():
            there = listed.get(group)
            if there is not None and (not there.is_idle or not there.has_offsets):
                continue
            known = {} if there is None else await self._target_groups.offsets(group)
            ahead = {
                key: where
                for key, (_, where) in offsets.items()
                if key not in known or known[key].offset < where.offset
            }
            try:
                await self._target_groups.commit(group, ahead)
            except MembershipError:
                continue  # it has members since
            self._counters.group_offsets += len(ahead)

    async def close(self) -> None:
        """End."""
        await self._producer.close()
