"""The topic as a whole: made where it is missing, read from its beginning and then for as long as the process lives.

Everything known is in `state`, which follows the topic; it is another object after the topic itself has become another
one. Writing is the leader's (`kopfka_registry.leadership`).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from typing import TYPE_CHECKING

from kopfka_registry.errors import StoreError, StoreTimeoutError
from kopfka_registry.store.records import UnknownRecordError, decode
from kopfka_registry.store.state import State
from kopfka_wire.batches import CorruptBatchError
from kopfka_wire.client.admin import Admin
from kopfka_wire.client.errors import ClientError, LogTruncatedError, TopicRecreatedError
from kopfka_wire.client.fetcher import EARLIEST, Fetcher
from kopfka_wire.error_codes import InvalidConfigError, OffsetOutOfRangeError, TopicExistsError, UnknownTopicError

if TYPE_CHECKING:
    from kopfka_wire.client.cluster import Cluster
    from kopfka_wire.client.fetcher import Batch

log = logging.getLogger(__name__)

_PAUSE = 1.0


class Store:
    """The topic `_schemas` of one cluster, read."""

    def __init__(self, cluster: Cluster, topic: str, *, timeout: float, replication_factor: int = 3) -> None:
        self.state = State()
        self.topic = topic
        self.skipped = 0
        """Records of the topic that could not be read."""
        self._cluster = cluster
        self._timeout = timeout
        self._replication_factor = replication_factor
        self._fetcher = Fetcher(cluster, topic, 0, EARLIEST)
        self._loaded = False
        self._applied = 0  # the offset after the last record that `state` knows
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._reader: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._next_look: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make the topic where it is missing, and read all that is in it.

        Raises:
            ClientError: the cluster refuses, or cannot be reached for good.
            StoreError: the topic is one in which schemas would be lost.
        """
        await self._make_topic()
        began = time.monotonic()
        end = await self._fetcher.end_offset()
        self._reader = asyncio.create_task(self._read(), name="registry-reader")
        await self._wait_for(end)
        self._loaded = True
        log.info("read %d records of %s in %.1f s", end, self.topic, time.monotonic() - began)

    async def close(self) -> None:
        """End reading."""
        for task in (self._reader, self._looking, self._next_look):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        await self._fetcher.close()

    def unready(self) -> str | None:
        """Return what keeps the topic from being read, if anything does."""
        if self._reader is None or not self._loaded:
            return f"{self.topic} is being read"
        if self._reader.done():
            return f"{self.topic} is no longer read"
        failing = self._fetcher.errors_since
        if failing is not None and time.monotonic() - failing[0] > self._timeout:
            return f"{self.topic} cannot be read: {failing[1]}"
        return None

    async def applied(self, offset: int) -> None:
        """Wait until the record at `offset` is in the state.

        Raises:
            StoreTimeoutError: it was not read in time.
        """
        try:
            async with asyncio.timeout(self._timeout):
                await self._wait_for(offset + 1)
        except TimeoutError:
            raise StoreTimeoutError(f"offset {offset} of {self.topic} was not read within {self._timeout} s") from None

    async def catch_up(self) -> None:
        """Wait until all that was acknowledged to anyone before this call is in the state.

        Raises:
            StoreTimeoutError: the cluster did not answer in time.
        """
        if self._next_look is None:
            self._next_look = asyncio.create_task(self._look(self._looking))
        await asyncio.shield(self._next_look)

    async def _look(self, former: asyncio.Task[None] | None) -> None:
        if former is not None:
            await asyncio.wait([former])
        # whoever comes from here on cannot share this look, as the end is asked for now
        self._looking, self._next_look = self._next_look, None
        try:
            async with asyncio.timeout(self._timeout):
                await self._wait_for(await self._fetcher.end_offset())
        except (TimeoutError, ClientError) as error:
            raise StoreTimeoutError(f"the end of {self.topic} was not reached within {self._timeout} s") from error

    async def _wait_for(self, position: int) -> None:
        if position <= self._applied:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (position, next(self._numbers), future))
        await future

    def _moved(self, position: int) -> None:
        self._applied = position
        while self._waiting and self._waiting[0][0] <= position:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)

    # reading

    async def _read(self) -> None:
        while True:
            try:
                for batch in await self._fetcher.poll():
                    self._apply(batch)
                self._moved(max(self._fetcher.position, 0))
            except OffsetOutOfRangeError:
                start = await self._fetcher.start_offset()
                log.error(
                    "%s: offset %d is gone, the topic begins at %d: what was deleted there is read no more",
                    self.topic, self._applied, start,
                )  # fmt: skip
                self._restart() if start < self._applied else self._fetcher.seek(start)
            except (LogTruncatedError, TopicRecreatedError) as error:
                log.error("%s: %s: all is read anew", self.topic, error)
                self._restart()
            except CorruptBatchError as error:
                log.error("%s: the batch at offset %d is damaged (%s)", self.topic, self._fetcher.position, error)
                await asyncio.sleep(_PAUSE)
            except ClientError as error:
                log.warning("%s cannot be read: %s", self.topic, error)
                await asyncio.sleep(_PAUSE)

    def _restart(self) -> None:
        self.state = State()
        self._applied = 0
        self._fetcher.seek(EARLIEST)

    def _apply(self, batch: Batch) -> None:
        for record in batch.records():
            try:
                entry = decode(record.key, record.value)
            except UnknownRecordError as error:
                self.skipped += 1
                log.warning("%s: the record at offset %d is passed over: %s", self.topic, record.offset, error)
                continue
            self.state.apply(entry)

    # the topic

    async def _make_topic(self) -> None:
        admin = Admin(self._cluster)
        try:
            found = await admin.describe_topic(self.topic)
        except UnknownTopicError:
            await self._create(admin)
            return
        if len(found.partitions) != 1:
            raise StoreError(
                f"{self.topic} has {len(found.partitions)} partitions and must have one, as schemas have an order: "
                "name another topic (kafkastore.topic)"
            )
        policy = (await admin.topic_configs(self.topic, ["cleanup.policy"]))["cleanup.policy"].value
        if policy != "compact":
            raise StoreError(
                f"{self.topic} has cleanup.policy={policy}, which would delete schemas: set cleanup.policy=compact"
            )

    async def _create(self, admin: Admin) -> None:
        for copies in range(self._replication_factor, 0, -1):
            try:
                await admin.create_topic(self.topic, 1, copies, {"cleanup.policy": "compact"})
            except TopicExistsError:
                return
            except InvalidConfigError:  # fewer brokers than copies
                if copies == 1:
                    raise
                continue
            if copies < self._replication_factor:
                log.warning(
                    "%s has %d copies and not the %d of kafkastore.topic.replication.factor: there are no more brokers",
                    self.topic, copies, self._replication_factor,
                )  # fmt: skip
            return
