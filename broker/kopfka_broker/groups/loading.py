"""Start: what `__consumer_offsets` says, read back into groups and committed offsets."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from kopfka_broker.coordinators.ports import StateRecord, TransactionEnd
from kopfka_broker.groups.errors import MalformedRecordError
from kopfka_broker.groups.ports import OffsetsRecord
from kopfka_broker.groups.records import GroupKey, OffsetKey, decode_group_value, decode_key, decode_offset_value

if TYPE_CHECKING:
    from kopfka_broker.groups.core import Core
    from kopfka_broker.groups.ports import OffsetsLog
    from kopfka_broker.groups.records import CommittedOffset, GroupMetadata

_RECORDS_A_TURN = 10_000

log = logging.getLogger(__name__)


class _Entry(NamedTuple):
    order: int
    value: bytes | None


@dataclass(slots=True)
class _Found:
    """What a partition says, of each key the last word; and what transactions that are still open have to say."""

    count: int = 0
    last: dict[bytes, _Entry] = field(default_factory=dict)
    open: dict[int, dict[bytes, _Entry]] = field(default_factory=dict)
    """By producer id."""


async def replay(store: OffsetsLog, core: Core) -> None:
    """Load every partition of the log; other work of the event loop goes on meanwhile.

    Of the records of one key only the last one counts, so only that one is decoded: a log full of old commits costs
    little more than reading it.
    """
    groups: dict[str, GroupMetadata] = {}
    offsets: dict[OffsetKey, CommittedOffset] = {}
    unfinished: dict[int, _Found] = {}
    skipped = 0
    for partition in range(store.partition_count):
        found = await _read(store, partition)
        valid = [OffsetsRecord(key, entry.value) for key, entry in found.last.items() if entry.value is not None]
        core.compaction.loaded(partition, found.count, len(valid))
        if found.open:
            unfinished[partition] = found
        others: list[OffsetsRecord] = []
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
                others.append(record)
                continue
            except MalformedRecordError as error:
                log.error("partition %d of __consumer_offsets: a record was left out: %s", partition, error)
            core.foreign.setdefault(partition, []).append(record)
        unknown = core.modern.replay(others)
        skipped += len(unknown)
        core.foreign.setdefault(partition, []).extend(unknown)
        await asyncio.sleep(0)
    core.membership.load(groups)
    core.modern.loaded()
    for key, committed in offsets.items():
        if key.group not in core.modern.groups:
            core.membership.get_or_create(key.group)
        core.offsets.put(key.group, key.topic, key.partition, committed)
    for partition, found in unfinished.items():
        _restore_pending(core, partition, found)
    number_of_groups = len(core.membership.groups) + len(core.modern.groups)
    if number_of_groups:
        log.info("loaded %d groups and %d committed offsets", number_of_groups, len(offsets))
    if skipped:
        log.warning("%d records of __consumer_offsets are of kinds of groups not served here; they are kept", skipped)


async def _read(store: OffsetsLog, partition: int) -> _Found:
    found = _Found()
    last, unfinished = found.last, found.open
    for number, entry in enumerate(store.replay(partition), 1):
        if isinstance(entry, StateRecord):
            last[entry.key] = _Entry(number, entry.value)
            if entry.value is None and unfinished:
                for waiting in unfinished.values():
                    waiting.pop(entry.key, None)  # deleted, so what waits for its transaction is too
        elif isinstance(entry, TransactionEnd):
            ended = unfinished.pop(entry.producer_id, {})
            if entry.commit:
                for key, commit in ended.items():
                    before = last.get(key)
                    if before is None or before.order < commit.order:
                        last[key] = commit  # else something was written later, whichever transaction ended first
        else:
            unfinished.setdefault(entry.producer_id, {})[entry.key] = _Entry(number, entry.value)
        found.count = number
        if number % _RECORDS_A_TURN == 0:
            await asyncio.sleep(0)
    return found


def _restore_pending(core: Core, partition: int, found: _Found) -> None:
    """Have commits of open transactions wait again, in the order they were written in."""
    waiting = [
        (entry, producer_id, raw_key)
        for producer_id, entries in found.open.items()
        for raw_key, entry in entries.items()
    ]
    for entry, producer_id, raw_key in sorted(waiting):
        try:
            key = decode_key(raw_key)
            if not isinstance(key, OffsetKey):
                continue
            committed = decode_offset_value(entry.value or b"")
        except MalformedRecordError as error:
            log.error("partition %d of __consumer_offsets: a record was left out: %s", partition, error)
            continue
        if key.group not in core.modern.groups:
            core.membership.get_or_create(key.group)
        place = (key.group, key.topic, key.partition)
        core.offsets.pending.put(partition, producer_id, place, committed)
    for entry, _, raw_key in waiting:
        now = found.last.get(raw_key)
        if now is not None and now.order > entry.order:
            key = decode_key(raw_key)
            if isinstance(key, OffsetKey):
                core.offsets.pending.committed((key.group, key.topic, key.partition))
