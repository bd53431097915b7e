"""Fetch sessions (KIP-227): what a client said once about its partitions needs not to be said again, nor answered
unchanged.

Sessions are kept for as long as the process runs, at most max.incremental.fetch.session.cache.slots of them; a client
whose session is gone starts another one.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kopfka_broker.metrics.counters import TopicTraffic
    from kopfka_broker.storage import PartitionLog
    from kopfka_wire.fetch import FetchedPartition, TopicKey
    from kopfka_wire.fetch_request import WantedPartition

    Key = tuple[TopicKey, int]

_FIRST_EPOCH = 1
_LAST_EPOCH = 2**31 - 1
# min.incremental.fetch.session.eviction.ms is no setting in Kafka either (FetchSession.scala): two minutes
_EVICTION_SECONDS = 120.0


@dataclass(slots=True)
class FetchPosition:
    """Where a client reads one partition, and what it was last told of it."""

    offset: int
    max_bytes: int
    leader_epoch: int = -1
    last_fetched_epoch: int = -1
    told_high_watermark: int = -1
    told_log_start: int = -1
    told_error: bool = False
    log: PartitionLog | None = None
    """The partition's log as it was last found; once it is closed another may have taken its place."""
    traffic: TopicTraffic = field(init=False, repr=False, compare=False)
    """The counters of its topic, found with the log."""

    def is_at_end(self, log: PartitionLog) -> bool:
        """Tell whether there is nothing to read and nothing to complain of, with the fewest looks."""
        return (
            self.offset == log.log_end_offset
            and self.last_fetched_epoch < 0
            and self.leader_epoch in (-1, log.leader_epoch)
        )

    def knows(self, log: PartitionLog) -> bool:
        """Tell whether the client was told of the log as it is now."""
        return (
            self.told_high_watermark == log.log_end_offset
            and self.told_log_start == log.log_start_offset
            and not self.told_error
        )

    def is_news(self, answer: FetchedPartition) -> bool:
        """Tell whether an answer says anything the client does not know, and take it as told."""
        news = (
            bool(answer.records)
            or answer.diverging is not None
            or answer.code != 0
            or self.told_error
            or answer.high_watermark != self.told_high_watermark
            or answer.log_start_offset != self.told_log_start
        )
        self.told_high_watermark = answer.high_watermark
        self.told_log_start = answer.log_start_offset
        self.told_error = answer.code != 0
        return news


class FetchSession:
    """One client's session with this broker."""

    __slots__ = ("by_id", "epoch", "id", "positions", "used_at")

    def __init__(self, session_id: int, by_id: bool, positions: dict[Key, FetchPosition], now: float) -> None:
        self.id = session_id
        self.by_id = by_id
        self.positions = positions
        self.epoch = _FIRST_EPOCH
        self.used_at = now

    def change(self, wanted: Iterable[WantedPartition], forgotten: Iterable[Key]) -> None:
        """Apply what an incremental request says."""
        for topic, partition, offset, max_bytes, leader_epoch, last_fetched_epoch in wanted:
            known = self.positions.get((topic, partition))
            if known is None:
                self.positions[topic, partition] = FetchPosition(offset, max_bytes, leader_epoch, last_fetched_epoch)
            else:
                known.offset, known.max_bytes = offset, max_bytes
                known.leader_epoch, known.last_fetched_epoch = leader_epoch, last_fetched_epoch
        for key in forgotten:
            self.positions.pop(key, None)

    def step(self, now: float) -> None:
        """Go on to the epoch of the next request."""
        self.epoch = self.epoch + 1 if self.epoch < _LAST_EPOCH else _FIRST_EPOCH
        self.used_at = now

    def rotate(self, answered: Iterable[Key]) -> None:
        """Put partitions that gave records behind the others, so that none starves where answers are full."""
        if len(self.positions) == 1:
            return
        for key in answered:
            position = self.positions.pop(key, None)
            if position is not None:
                self.positions[key] = position


class FetchSessions:
    """The sessions of all clients."""

    def __init__(self, slots: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = slots
        self._clock = clock
        self._sessions: dict[int, FetchSession] = {}  # least recently used first

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, session_id: int) -> FetchSession | None:
        """Return a session."""
        return self._sessions.get(session_id)

    def touch(self, session: FetchSession) -> None:
        """Note that a session was used."""
        session.step(self._clock())
        self._sessions[session.id] = self._sessions.pop(session.id)

    def remove(self, session_id: int) -> None:
        """End a session, if there is such."""
        self._sessions.pop(session_id, None)

    def create(self, by_id: bool, positions: dict[Key, FetchPosition]) -> FetchSession | None:
        """Start a session, or return None where there is no room."""
        now = self._clock()
        if len(self._sessions) >= self._slots():
            oldest = next(iter(self._sessions.values()), None)
            if oldest is None or now - oldest.used_at < _EVICTION_SECONDS:
                return None
            self.remove(oldest.id)
        session_id = 0
        while session_id == 0 or session_id in self._sessions:
            session_id = int.from_bytes(os.urandom(4), "big") >> 1
        session = self._sessions[session_id] = FetchSession(session_id, by_id, positions, now)
        return session
