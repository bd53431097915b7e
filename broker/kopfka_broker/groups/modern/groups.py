"""Every modern group of this coordinator: how a change of one is stored, applied, replayed and kept through compaction.

What the groups are like is no business of this module: it knows changes, their records, and the order of things.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from kopfka_broker.groups.errors import MalformedRecordError
from kopfka_broker.groups.modern.keys import decode_key, kind_of, tombstone_order
from kopfka_broker.groups.ports import OffsetsRecord

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from uuid import UUID

    from kopfka_broker.coordinators.journal import Journal, Write
    from kopfka_broker.lazily import Lazy

log = logging.getLogger(__name__)


class Change(Protocol):
    """One change of one group: it knows its record, and what it does to the group."""

    def record(self, group_id: str) -> OffsetsRecord:
        """Return what is written for it."""
        ...

    def apply(self, group: Any) -> None:
        """Change the group."""
        ...


class ModernGroup(Protocol):
    """What every kind of group tells those who need not know the kind."""

    group_id: str
    group_type: str
    """`consumer`, `share` or `streams`: what clients see as the group's type."""
    protocol_type: str

    @property
    def state(self) -> str:
        """What the group is doing, in the word that clients see."""
        ...

    @property
    def is_empty(self) -> bool:
        """Whether it has no members."""
        ...

    @property
    def expires(self) -> bool:
        """Whether it is forgotten when it has neither members nor committed offsets."""
        ...

    def validate_commit(
        self, member_id: str, instance_id: str | None, epoch: int, version: int, *, transactional: bool
    ) -> Callable[[UUID, int], None] | None:
        """Check that offsets may be committed; `version` is that of OffsetCommit.

        Returns:
            A check that each topic id and partition has to pass too, raising GroupError; None where there is none.

        Raises:
            GroupError: they may not.
        """
        ...

    def validate_fetch(self, member_id: str | None, epoch: int) -> None:
        """Check that committed offsets may be fetched.

        Raises:
            GroupError: they may not.
        """
        ...

    def subscribes_to(self, topic: str) -> bool:
        """Tell whether members read the topic."""
        ...


class Kind(Protocol):
    """One kind of modern groups: what the coordinator asks of it besides its APIs."""

    def restore(self, kind: int, names: list[str], value: bytes, group: Any) -> tuple[Any, Change] | None:
        """Read a record that was found at the start.

        `group` is the group of the name in the key, as far as there is one. Returns the group, a new one where there
        was none, and the change to apply to it; None for a record of another kind.

        Raises:
            MalformedRecordError: the record is not in its schema.
        """
        ...

    def loaded(self) -> None:
        """Go on with the groups that were found at the start."""
        ...

    def topics_changed(self, names: Iterable[str], *, created: bool) -> None:
        """Take note that topics came (`created`), went or grew."""
        ...


@dataclass(slots=True)
class Work:
    """What one request does to one group."""

    group: ModernGroup
    changes: list[Any] = field(default_factory=list)
    before: list[OffsetsRecord] = field(default_factory=list)
    """Records of the group of another kind that this one takes the place of."""
    applied: list[Callable[[], object]] = field(default_factory=list)
    """Called once the changes are made, before they are durable: timers, the old group's end."""
    ends: bool = False
    """The group is no more: `before` has its tombstones, and what takes its place."""
    durable: list[Callable[[], object]] = field(default_factory=list)
    """Called once they are durable, in the order in which things were written."""


class ModernGroups:
    """Modern groups by id, and their records."""

    def __init__(self, journal: Journal, partition: Callable[[str], int]) -> None:
        self.groups: dict[str, Any] = {}
        self.kinds: list[Lazy[Any]] = []
        """The kinds of groups that are served (`Kind`); one that is not made has no groups."""
        self._journal = journal
        self._partition = partition
        self._records: dict[str, dict[bytes, bytes]] = {}
        """What is stored of each group, by key, as it is in the log."""
        self._last: dict[int, Write] = {}
        """The last write to each partition that is not durable yet."""
        self._settling: set[asyncio.Task[None]] = set()

    # ---- changes

    def write(self, work: Work) -> Awaitable[None]:
        """Store and apply changes now.

        Returns:
            What to await before anyone is told: until the changes, or those an answer without any rests on, are
            durable. It raises KopfkaError if they cannot be made so.

        Raises:
            KopfkaError: nothing was stored, nothing has changed.
        """
        group_id = work.group.group_id
        records = [*work.before, *(change.record(group_id) for change in work.changes)]
        partition = self._partition(group_id)
        if not records:
            self._apply(work)
            _call(work.durable)
            return self._settle(partition, self._last.get(partition))
        write = self._journal.append(partition, records, partial(_call, work.durable))
        self._last[partition] = write
        if work.ends:
            self.forget(group_id)
        else:
            self.groups[group_id] = work.group
            self._note(group_id, records[len(work.before) :])
        self._apply(work)
        return self._settle(partition, write)

    def write_later(self, work: Work, why: str) -> None:
        """Store and apply changes that nobody waits for; failing to store them is logged, and nothing changes then."""
        try:
            settled = self.write(work)
        except Exception as error:
            log.warning("group %s: %s, which could not be stored: %s", work.group.group_id, why, error)
            return
        task = asyncio.get_running_loop().create_task(self._logged(settled, work.group.group_id, why))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    def tombstones(self, group_id: str) -> list[OffsetsRecord]:
        """Return the records that end a group."""
        stored = self._records.get(group_id, {})
        return [OffsetsRecord(key, None) for key in sorted(stored, key=tombstone_order)]

    def forget(self, group_id: str) -> ModernGroup:
        """Forget a group whose tombstones were written, and return it."""
        self._records.pop(group_id, None)
        group: ModernGroup = self.groups.pop(group_id)
        return group

    def restore(self, group: ModernGroup, records: Mapping[bytes, bytes]) -> None:
        """Take a forgotten group back whose tombstones could not be stored."""
        self.groups[group.group_id] = group
        self._records[group.group_id] = dict(records)

    def stored(self, group_id: str) -> Mapping[bytes, bytes]:
        """Return what is stored of a group, by key."""
        return dict(self._records.get(group_id, {}))

    def settled(self, group_id: str) -> Awaitable[None]:
        """Return what to await until all that was written about a group is durable."""
        partition = self._partition(group_id)
        return self._settle(partition, self._last.get(partition))

    # ---- start and compaction

    def replay(self, records: Iterable[OffsetsRecord]) -> list[OffsetsRecord]:
        """Apply the last record of each key, as found at the start; return those that no kind knows."""
        unknown = []
        for record in sorted(records, key=lambda each: kind_of(each.key)):
            found = None
            try:
                found = self._restored(*decode_key(record.key), record.value or b"")
            except MalformedRecordError as error:
                log.error("a record of __consumer_offsets was left out: %s", error)
            if found is None:
                unknown.append(record)
                continue
            group, change = found
            self.groups[group.group_id] = group
            change.apply(group)
            self._note(group.group_id, [record])
        return unknown

    def _restored(self, kind: int, names: list[str], value: bytes) -> tuple[Any, Change] | None:
        for each in self.kinds if names else ():
            found: tuple[Any, Change] | None = each().restore(kind, names, value, self.groups.get(names[0]))
            if found is not None:
                return found
        return None

    def loaded(self) -> None:
        """Go on with the groups that were found at the start."""
        for kind in self.kinds:
            if kind.made is not None:
                kind.made.loaded()

    def topics_changed(self, names: Iterable[str], *, created: bool) -> None:
        """Take note that topics came (`created`), went or grew."""
        for kind in self.kinds:
            if kind.made is not None:
                kind.made.topics_changed(names, created=created)

    def live(self, partition: int) -> list[OffsetsRecord]:
        """Return the records of a partition that still count."""
        return [
            OffsetsRecord(key, stored[key])
            for group_id, stored in self._records.items()
            if self._partition(group_id) == partition
            for key in sorted(stored, key=kind_of)
        ]

    # ---- inside

    def _apply(self, work: Work) -> None:
        for change in work.changes:
            change.apply(work.group)
        _call(work.applied)

    def _note(self, group_id: str, records: Sequence[OffsetsRecord]) -> None:
        stored = self._records.setdefault(group_id, {})
        for record in records:
            if record.value is None:
                stored.pop(record.key, None)
            else:
                stored[record.key] = record.value

    async def _settle(self, partition: int, write: Write | None) -> None:
        if write is None:
            return
        try:
            await self._journal.settle(write)
        finally:
            if self._last.get(partition) is write:
                del self._last[partition]

    async def _logged(self, settled: Awaitable[None], group_id: str, why: str) -> None:
        try:
            await settled
        except Exception as error:
            log.warning("group %s: %s, which could not be made durable: %s", group_id, why, error)


def _call(calls: Iterable[Callable[[], object]]) -> None:
    for call in calls:
        call()
