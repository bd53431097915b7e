"""The right to write, from the moment an instance leads until it does not: records into the topic, ids not given yet.

Two instances may both believe that they lead. The topic decides: each leader writes with the next epoch of one
producer id, so that what a former leader writes after the new one's first record is refused by the broker.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from kopfka_registry.errors import RegistryError, SchemaTooLargeError, StoreError, StoreTimeoutError, UnknownLeaderError
from kopfka_registry.names import SchemaId
from kopfka_registry.store.records import Entry, NoopKey, encode
from kopfka_wire.client.errors import ClientError, ClosedError, DeliveryTimeoutError
from kopfka_wire.client.producer import Producer
from kopfka_wire.error_codes import FencedError, RecordTooLargeError
from kopfka_wire.records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_registry.store.store import Store
    from kopfka_wire.client.cluster import Cluster

KEEP_SECONDS: Final = 6 * 3600.0
"""A record is written at least so often: a partition forgets a producer that wrote nothing for a day
(`producer.id.expiration.ms`), and with it which epochs it would refuse."""

log = logging.getLogger(__name__)


class Lead:
    """One leadership."""

    def __init__(self, cluster: Cluster, store: Store, *, group: str, timeout: float) -> None:
        self._store = store
        self._producer = Producer(cluster, transactional_id=f"{group}-{store.topic}", delivery_timeout=timeout)
        self._writer = self._producer.partition(store.topic, 0)
        self._reserved: dict[tuple[str, bytes], SchemaId] = {}
        self._last_ids: dict[str, int] = {}
        self._ended = False
        self._keeping: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Shut out former leaders, and read all that they wrote.

        Raises:
            StoreError: that did not succeed; this instance does not lead.
        """
        try:
            await self._producer.start()
            await self._send([Entry(NoopKey(), self._store.state.last_ids())])
        except ClientError as error:
            raise StoreError(f"writing to {self._store.topic} cannot begin: {error}") from error
        self._last_ids = self._store.state.last_ids()
        self._keeping = asyncio.create_task(self._keep(), name="registry-lead")

    async def close(self) -> None:
        """End it; writes that are on their way may still succeed."""
        self._ended = True
        if self._keeping is not None:
            self._keeping.cancel()
        await self._producer.close()

    @property
    def ended(self) -> bool:
        """Whether another instance has taken over, or this one gave up."""
        return self._ended

    def id_for(self, context: str, fingerprint: bytes) -> SchemaId:
        """Return the id of a content, a new one where it has none; an id that was given once is not given again."""
        known = self._store.state.id_of(context, fingerprint)
        if known is not None:
            self._reserved.pop((context, fingerprint), None)
            return known
        if (context, fingerprint) in self._reserved:
            return self._reserved[context, fingerprint]
        last = max(self._last_ids.get(context, 0), self._store.state.last_ids().get(context, 0))
        found = SchemaId(last + 1)
        self._last_ids[context] = found
        self._reserved[context, fingerprint] = found
        return found

    async def write(self, entries: Sequence[Entry]) -> int:
        """Write records, all or none, and wait until the state has them; return the offset of the last.

        Raises:
            UnknownLeaderError: another instance leads now; nothing was written.
            SchemaTooLargeError: they do not fit into a batch of the topic; nothing was written.
            StoreTimeoutError: whether they were written is not known.
            StoreError: they were refused.
        """
        if self._ended:
            raise UnknownLeaderError("this instance does not lead any more; ask again")
        try:
            return await self._send(entries)
        except (FencedError, ClosedError) as error:
            self._ended = True
            raise UnknownLeaderError("another instance leads now; ask again") from error
        except RecordTooLargeError as error:
            raise SchemaTooLargeError(
                f"the schema does not fit into a record of {self._store.topic}: make it smaller, split it by "
                "references, or raise the topic's max.message.bytes"
            ) from error
        except DeliveryTimeoutError as error:
            raise StoreTimeoutError(f"{self._store.topic} did not answer in time: {error}") from error
        except ClientError as error:
            raise StoreError(f"{self._store.topic} cannot be written: {error}") from error

    async def _keep(self) -> None:
        while not self._ended:
            await asyncio.sleep(KEEP_SECONDS)
            try:
                await self.write([Entry(NoopKey(), self._store.state.last_ids())])
            except RegistryError as error:
                log.warning("the leader's mark was not written: %s", error)

    async def _send(self, entries: Sequence[Entry]) -> int:
        now = int(time.time() * 1000)
        records = []
        for index, entry in enumerate(entries):
            key, value = encode(entry)
            records.append(Record(offset=index, timestamp=now, key=key, value=value, headers=()))
        sent = await self._writer.send_records(records)
        last = sent.offset + len(records) - 1
        await self._store.applied(last)
        return last
