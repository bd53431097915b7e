"""What happened, as the clients saw it: every send, acknowledgement, transaction, poll and commit, in order.

Threads of many clients write into one history. The order of its events is the order in which they were noted, so an
operation is noted when it begins and when its outcome is known.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

Place = tuple[str, int, int]
"""Topic, partition, offset."""


class Outcome(Enum):
    """How an operation ended, as far as its client knows."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"
    UNKNOWN = "unknown"
    """It was asked for, and no answer said what became of it."""


@dataclass(slots=True, eq=False)
class Transaction:
    """One transaction: which records it wrote, and how it ended."""

    name: str
    producer: str
    sent: list[str] = field(default_factory=list)
    """Values, in the order they were sent."""
    outcome: Outcome = Outcome.OPEN
    commit_began: int | None = None
    """When commit was asked for, None where it never was."""


@dataclass(frozen=True, slots=True)
class Poll:
    """One record as a consumer got it."""

    at: int
    reader: str
    """One position of one consumer: a new assignment or a seek begins another."""
    place: Place
    value: str
    committed_only: bool
    group: str | None = None
    """Whose committed offset says where the position began, None where the client said so itself."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One acknowledged commit of an offset, outside of transactions."""

    at: int
    group: str
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Found:
    """One record of the log as it was when everything was over."""

    place: Place
    value: str


class History:
    """Everything noted, thread-safe."""

    def __init__(self) -> None:
        self.transactions: list[Transaction] = []
        self.acknowledged: dict[str, Place] = {}
        """Values sent outside of transactions whose acknowledgement came, and where they are."""
        self.sent: list[tuple[str, str]] = []
        """Producer and value of each record sent outside of transactions."""
        self.polls: list[Poll] = []
        self.commits: list[Commit] = []
        self.doubly_acknowledged: list[str] = []
        self.counts: Counter[str] = Counter()
        self._clock = itertools.count(1)
        self._lock = threading.Lock()

    def begin(self, name: str, producer: str) -> Transaction:
        """Note the begin of a transaction."""
        with self._lock:
            transaction = Transaction(name, producer)
            self.transactions.append(transaction)
            self.counts["transactions"] += 1
            return transaction

    def send_in(self, transaction: Transaction, value: str) -> None:
        """Note a record sent in a transaction."""
        with self._lock:
            transaction.sent.append(value)
            self.counts["sends"] += 1

    def committing(self, transaction: Transaction) -> None:
        """Note that commit is asked for; from here on nobody knows, until `ended`."""
        with self._lock:
            transaction.commit_began = next(self._clock)
            transaction.outcome = Outcome.UNKNOWN

    def ended(self, transaction: Transaction, outcome: Outcome) -> None:
        """Note what the coordinator said."""
        with self._lock:
            transaction.outcome = outcome
            self.counts[outcome.value] += 1

    def send(self, producer: str, value: str) -> None:
        """Note a record sent outside of transactions."""
        with self._lock:
            self.sent.append((producer, value))
            self.counts["sends"] += 1

    def acknowledge(self, value: str, place: Place) -> None:
        """Note an acknowledgement."""
        with self._lock:
            if value in self.acknowledged:
                self.doubly_acknowledged.append(value)
            self.acknowledged[value] = place
            self.counts["acknowledgements"] += 1

    def poll(self, reader: str, place: Place, value: str, *, committed_only: bool, group: str | None = None) -> None:
        """Note a record a consumer got."""
        with self._lock:
            self.polls.append(Poll(next(self._clock), reader, place, value, committed_only, group))
            self.counts["polls"] += 1

    def commit_offset(self, group: str, topic: str, partition: int, offset: int) -> None:
        """Note an offset commit that succeeded."""
        with self._lock:
            self.commits.append(Commit(next(self._clock), group, topic, partition, offset))
            self.counts["offset commits"] += 1
