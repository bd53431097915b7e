"""One flow, from one cluster to another: looks at topics, has partitions read and written, the rest emitted."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from kopfka_mirror.copying import copier_of
from kopfka_mirror.emitting import Checkpoints, OffsetSyncs, every
from kopfka_mirror.formats import Position
from kopfka_mirror.metrics import Counters
from kopfka_mirror.parts import Part
from kopfka_mirror.reader import Reader
from kopfka_mirror.store import Store
from kopfka_mirror.topics import Topics
from kopfka_wire.client.errors import ClientError
from kopfka_wire.client.offsets import EARLIEST, LATEST

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from typing import Any

    from kopfka_mirror.settings import FlowSettings
    from kopfka_mirror.topics import Mirrored
    from kopfka_wire.client.cluster import Cluster
    from kopfka_wire.client.metadata import TopicState

_TICK: Final = 1.0
"""Seconds between looks at partitions whose time to be tried again may have come."""
_FOREVER: Final = 3600.0 * 24 * 365

log = logging.getLogger(__name__)


class Flow:
    """Runs until cancelled; whatever is down meanwhile is waited for."""

    def __init__(self, settings: FlowSettings, source: Cluster, target: Cluster) -> None:
        self.settings = settings
        self.counters = Counters()
        self.parts: dict[tuple[str, int], Part] = {}
        self.topics = Topics(settings, source, target)
        self._source = source
        self._target = target
        self._mirrored: Mapping[str, Mirrored] = {}
        self._store = Store(settings, target)
        self._reader = Reader(settings, source, self.counters, self._news)
        self._copier = copier_of(
            settings, target, self._store, self.parts, counters=self.counters, room=self._reader.wake
        )
        self._syncs = OffsetSyncs(settings, source, target, self.parts)
        self._checkpoints = Checkpoints(settings, source, target, self.parts, self.counters)
        self._trouble: str | None = "not started yet"

    def trouble(self) -> str | None:
        """Say what keeps the whole flow from going on; None where nothing does."""
        found = self._trouble or self._copier.trouble or self._reader.trouble
        if found is None and (writing := self._copier.writing_trouble()):
            found = str(next(iter(writing.values())))
        return None if found is None else f"{self.settings.name}: {found}"

    def failed(self) -> str | None:
        """Say which topics and partitions are not mirrored; None where all are."""
        parts = [part for part in self.parts.values() if part.failure is not None and not part.gone]
        if not parts and not self.topics.failures:
            return None
        first = parts[0].failure if parts else next(iter(self.topics.failures.values()))
        return f"{self.settings.name}: {len(parts) + len(self.topics.failures)} not mirrored; {first}"

    async def run(self) -> None:
        """Mirror.

        Raises:
            FencedOutError: another replicator does the same.
        """
        log.info("%s: %s", self.settings.name, "exactly once" if self.settings.exactly_once else "at least once")
        await self._begin()
        work: list[Coroutine[Any, Any, None]] = [
            self._reader.run(),
            self._copier.run(),
            self._refresh_for_ever(),
            self._tick(),
        ]
        flow = self.settings
        if flow.offset_syncs:
            work.append(every(flow.flush_interval, self._syncs.emit, f"{flow.name}: offset syncs"))
        if flow.checkpoints is not None:
            work.append(every(flow.checkpoints, self._checkpoints.emit, f"{flow.name}: checkpoints"))
        if flow.sync_group_offsets is not None:
            work.append(every(flow.sync_group_offsets, self._checkpoints.sync, f"{flow.name}: groups' offsets"))
        if flow.sync_configs is not None:
            work.append(every(flow.sync_configs, self._sync_configs, f"{flow.name}: topics' configs"))
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)

    async def close(self) -> None:
        """End; after `run` was cancelled."""
        await self._syncs.close()
        await self._checkpoints.close()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _news(self, part: Part) -> None:
        self._copier.news(part)

    async def _begin(self) -> None:
        """Learn what is on the target already; waits for both clusters."""
        waits = self._target.backoff()
        while True:
            try:
                await self._store.prepare()
                if not self.settings.exactly_once:  # there the copier loads it, once rivals are fenced
                    self._copier.known = await self._store.load()
                await self._refresh()
            except ClientError as error:
                if str(error) != self._trouble:
                    log.warning("%s cannot start yet: %s", self.settings.name, error)
                self._trouble = str(error)
                await asyncio.sleep(waits.next())
            else:
                self._trouble = None
                return

    async def _refresh_for_ever(self) -> None:
        interval = self.settings.refresh_topics
        while True:
            await asyncio.sleep(_FOREVER if interval is None else interval)
            try:
                await self._refresh()
                self._trouble = None
            except ClientError as error:
                if str(error) != self._trouble:
                    log.warning("%s: refreshing topics: %s", self.settings.name, error)
                self._trouble = str(error)

    async def _refresh(self) -> None:
        mirrored, source = await self.topics.refresh()
        self._mirrored = mirrored
        wanted = {(each.topic, number): each for each in mirrored.values() for number in range(each.partitions)}
        for key, part in self.parts.items():
            part.offsets.prune(part.log_start)
            if part.gone and key in wanted:
                part.gone = False
                self._reader.add(part)
            elif not part.gone and key not in wanted:
                log.info("%s: %s is not there to be mirrored", self.settings.name, part.name)
                part.gone = True
                self._reader.remove(key)
        for key, each in wanted.items():
            if key not in self.parts:
                self._add(key, each, source[each.topic])

    def _add(self, key: tuple[str, int], each: Mirrored, state: TopicState) -> None:
        # partitions that come later begin with their first record, whatever the others began with
        late = self._trouble is None
        start = Position(EARLIEST if late or self.settings.from_earliest else LATEST, -1, state.topic_id)
        part = Part(key[0], key[1], each.remote, state.topic_id, start=start, written=start, kept=start)
        known = self._copier.known
        part.reset(
            known.positions.get(key),
            known.maps.get(key),
            restart_recreated=self.settings.restart_recreated,
        )
        self.parts[key] = part
        self._reader.add(part)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            now = time.monotonic()
            if sum(part.recover(now) for part in self.parts.values()):
                self._reader.wake()

    async def _sync_configs(self) -> None:
        await self.topics.sync_configs(self._mirrored)

    async def drain(self) -> None:
        """Bring what is being written to its end."""
        await self._copier.finish()
