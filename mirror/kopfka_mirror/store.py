"""What the replicator knows, kept on the target: positions in the source, and the exact map of offsets.

Positions are in MM2's own topic and format, so either can go on where the other stopped. The map is in a topic beside
it, which MM2 passes over. In exactly-once mode both are written in the transaction that holds the data.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kopfka_mirror.formats import Position, partition_of, position_record, read_position
from kopfka_mirror.offset_map import OffsetMap, map_key, read_map_key
from kopfka_mirror.topic_making import ensure_internal
from kopfka_wire.client.fetcher import EARLIEST, Fetcher, Isolation
from kopfka_wire.records import Record, encode_batch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from kopfka_mirror.parts import Part
    from kopfka_mirror.settings import FlowSettings
    from kopfka_wire.client.cluster import Cluster

_BATCH_RECORDS: Final = 500

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """What was kept, by topic and partition of the source."""

    positions: dict[tuple[str, int], Position] = field(default_factory=dict)
    maps: dict[tuple[str, int], OffsetMap] = field(default_factory=dict)


class Store:
    """The two topics of one flow."""

    def __init__(self, flow: FlowSettings, target: Cluster) -> None:
        self._flow = flow
        self._target = target
        self._partitions = 1

    async def prepare(self) -> None:
        """Create the topics where they are not there."""
        factor = self._flow.replication_factors.get("offset.storage.")
        offsets, kept = self._flow.offsets_topic, self._flow.map_topic
        self._partitions = await ensure_internal(self._target, offsets, self._flow.offset_partitions, factor)
        await ensure_internal(self._target, kept, 1, factor)

    async def load(self) -> Known:
        """Read everything that was kept."""
        known = Known()
        for partition in range(self._partitions):
            async for record in self._records(self._flow.offsets_topic, partition):
                found = read_position(record.key, record.value)
                if found is not None and found[2] is not None:
                    known.positions[found[0], found[1]] = found[2]
                elif found is not None:
                    known.positions.pop(found[:2], None)
        chunks: dict[tuple[str, int, int], bytes] = {}
        async for record in self._records(self._flow.map_topic, 0):
            if record.key is None:
                continue
            key = read_map_key(record.key)
            chunks.pop(key, None)  # the order of loading is that of the last writing
            if record.value is not None:
                chunks[key] = record.value
        for (topic, partition, start), chunk in chunks.items():
            known.maps.setdefault((topic, partition), OffsetMap()).load(start, chunk)
        return known

    async def _records(self, topic: str, partition: int) -> AsyncIterator[Record]:
        async with Fetcher(
            self._target, topic, partition, EARLIEST, isolation=Isolation.READ_COMMITTED, max_wait=0.1
        ) as fetcher:
            async for record in fetcher.records_until(await fetcher.end_offset()):
                yield record

    def batches(self, parts: Iterable[Part]) -> list[tuple[str, int, bytes]]:
        """Return topic, partition and batch of what is to be written down of these partitions now, the map first:
        where only a part of it comes to be, positions are those before.
        """
        chunks: list[Record] = []
        positions: dict[int, list[Record]] = {}
        for part in parts:
            for start, chunk in part.offsets.dirty_chunks():
                chunks.append(Record(0, -1, map_key(part.topic, part.partition, start), chunk))
            if part.written.next_offset >= 0:
                key, value = position_record(self._flow.source, part.topic, part.partition, part.written)
                positions.setdefault(partition_of(key, self._partitions), []).append(Record(0, -1, key, value))
        made = [(self._flow.map_topic, 0, batch) for batch in _batches(chunks)]
        for partition, records in positions.items():
            made += [(self._flow.offsets_topic, partition, batch) for batch in _batches(records)]
        return made


def _batches(records: list[Record]) -> list[bytes]:
    now = time.time_ns() // 1_000_000
    return [
        encode_batch(records[at : at + _BATCH_RECORDS], timestamp=now) for at in range(0, len(records), _BATCH_RECORDS)
    ]
