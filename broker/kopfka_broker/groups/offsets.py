"""Offsets that groups committed: what is durable of them, and what of it has expired. No I/O, no clock."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from kopfka_broker.groups.group import State
from kopfka_broker.groups.pending import PendingOffsets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kopfka_broker.groups.group import Group
    from kopfka_broker.groups.records import CommittedOffset

    Partitions = Mapping[int, CommittedOffset]
    Key = tuple[str, int]
    """Topic and partition."""


class CommittedOffsets:
    """The last durable commit of each group for each partition, and which partitions are being committed just now."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, dict[int, CommittedOffset]]] = {}
        self._in_flight: dict[str, Counter[Key]] = {}
        self.pending = PendingOffsets()
        """What was committed in transactions that are open."""

    @contextlib.contextmanager
    def committing(self, group: str, keys: Sequence[Key]) -> Iterator[None]:
        """Take note of commits that are written but not durable yet, for the length of the block."""
        counts = self._in_flight.setdefault(group, Counter())
        counts.update(keys)
        try:
            yield
        finally:
            counts.subtract(keys)
            if not any(counts.values()):
                self._in_flight.pop(group, None)

    def in_flight(self, group: str) -> set[Key]:
        """Return the topic and partition of each commit that is not durable yet, or waits for its transaction."""
        return {key for key, count in self._in_flight.get(group, {}).items() if count} | self.pending.of_group(group)

    def keys(self, group: str) -> set[Key]:
        """Return the topic and partition of each commit, durable or not yet."""
        return {
            (topic, number) for topic, numbers in self.of_group(group).items() for number in numbers
        } | self.in_flight(group)

    def put(self, group: str, topic: str, partition: int, value: CommittedOffset) -> None:
        """Take over a commit outside of transactions."""
        self.pending.committed((group, topic, partition))
        self._put(group, topic, partition, value)

    def end_transaction(self, log: int, producer_id: int, *, commit: bool) -> None:
        """Take over what a producer's transaction has committed in the partition `log`, or forget it."""
        for (group, topic, partition), value in self.pending.end(log, producer_id, commit=commit):
            self._put(group, topic, partition, value)

    def _put(self, group: str, topic: str, partition: int, value: CommittedOffset) -> None:
        self._groups.setdefault(group, {}).setdefault(topic, {})[partition] = value

    def remove(self, group: str, topic: str, partition: int) -> None:
        """Forget a commit, where there is one, and what waits for its transaction."""
        self.pending.drop((group, topic, partition))
        topics = self._groups.get(group, {})
        partitions = topics.get(topic, {})
        partitions.pop(partition, None)
        if not partitions:
            topics.pop(topic, None)
        if not topics:
            self._groups.pop(group, None)

    def get(self, group: str, topic: str, partition: int) -> CommittedOffset | None:
        """Return the last commit."""
        return self._groups.get(group, {}).get(topic, {}).get(partition)

    def of_group(self, group: str) -> Mapping[str, Partitions]:
        """Return every commit of a group by topic and partition."""
        return self._groups.get(group, {})

    def groups(self) -> list[str]:
        """Return the groups that have committed something, durable or not yet."""
        return list(self._groups.keys() | self._in_flight.keys() | self.pending.groups())

    def __iter__(self) -> Iterator[tuple[str, str, int, CommittedOffset]]:
        """Give group, topic, partition and value of every commit."""
        for group, topics in self._groups.items():
            for topic, partitions in topics.items():
                for partition, value in partitions.items():
                    yield group, topic, partition, value


def expired(
    group: Group, commits: Mapping[str, Partitions], now_ms: int, retention_ms: int
) -> Iterator[tuple[str, int]]:
    """Give the topic and partition of each commit that has outlived offsets.retention.minutes (KIP-211).

    The time runs from when the group became empty; in a group without members ever, and for topics its consumers do
    not read any more, from the commit. Nothing expires in a group of another protocol type that has members.
    """
    if group.protocol_type is None:
        since_empty = False
    elif group.state is State.EMPTY:
        since_empty = group.state_timestamp != -1
    elif group.uses_consumer_protocol and group.subscribed_topics is not None and group.state is State.STABLE:
        since_empty = False
    else:
        return
    since = group.state_timestamp if since_empty else None
    yield from outlived(commits, group.subscribes_to, now_ms, retention_ms, since)


def outlived(
    commits: Mapping[str, Partitions],
    subscribed: Callable[[str], bool],
    now_ms: int,
    retention_ms: int,
    since_ms: int | None = None,
) -> Iterator[tuple[str, int]]:
    """Give the topic and partition of each commit for a topic nobody reads that is older than it may be.

    Its age counts from `since_ms`, or from the commit where that is None.
    """
    for topic, partitions in commits.items():
        if subscribed(topic):
            continue
        for partition, value in partitions.items():
            if value.expire_timestamp != -1:
                over = now_ms >= value.expire_timestamp
            else:
                over = now_ms - (value.commit_timestamp if since_ms is None else since_ms) >= retention_ms
            if over:
                yield topic, partition
