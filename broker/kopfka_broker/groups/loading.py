"""Start: what `__consumer_offsets` says, read back into groups and committed offsets."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kopfka_broker.groups.errors import MalformedRecordError
from kopfka_broker.groups.ports import OffsetsRecord
from kopfka_broker.groups.records import GroupKey, OffsetKey, decode_group_value, decode_key, decode_offset_value

if TYPE_CHECKING:
    from kopfka_broker.groups.core import Core
    from kopfka_broker.groups.ports import OffsetsLog
    from kopfka_broker.groups.records import CommittedOffset, GroupMetadata

_RECORDS_A_TURN = 10_000

log = logging.getLogger(__name__)


async def replay(store: OffsetsLog, core: Core) -> None:
    """Load every partition of the log; other work of the event loop goes on meanwhile.

    Of the records of one key only the last one counts, so only that one is decoded: a log full of old commits costs
    little more than reading it.
    """
    groups: dict[str, GroupMetadata] = {}
    offsets: dict[OffsetKey, CommittedOffset] = {}
    skipped = 0
    for partition in range(store.partition_count):
        last: dict[bytes, bytes | None] = {}
        number = 0
        for number, record in enumerate(store.read_all(partition), 1):
            last[record.key] = record.value
            if number % _RECORDS_A_TURN == 0:
                await asyncio.sleep(0)
        valid = [OffsetsRecord(key, value) for key, value in last.items() if value is not None]
        core.compaction.loaded(partition, number, len(valid))
        for record in valid:
            try:
                key = decode_key(record.key)
                if isinstance(key, OffsetKey):
                    offsets[key] = decode_offset_value(record.value or b"")
                    continue
                if isinstance(key, GroupKey):
                    groups[key.group] = decode_group_value(record.value or b"")
                    core.generations[key.group] = record.value or b""
                    continue
                skipped += 1
            except MalformedRecordError as error:
                log.error("partition %d of __consumer_offsets: a record was left out: %s", partition, error)
            core.foreign.setdefault(partition, []).append(record)
        await asyncio.sleep(0)
    core.membership.load(groups)
    for key, committed in offsets.items():
        core.membership.get_or_create(key.group)
        core.offsets.put(key.group, key.topic, key.partition, committed)
    if groups or offsets:
        log.info("loaded %d groups and %d committed offsets", len(core.membership.groups), len(offsets))
    if skipped:
        log.warning("%d records of __consumer_offsets are of kinds of groups not served here; they are kept", skipped)
