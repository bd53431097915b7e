"""One transactional id: what its coordinator knows of its producer and its transaction. Values only, no decisions."""

from __future__ import annotations

import enum
from dataclasses import dataclass

NO_PRODUCER_ID = -1
NO_EPOCH = -1
NO_TIME = -1
LAST_EPOCH = 2**15 - 2
"""The last epoch a client may have; the one after it is the coordinator's, to fence the producer with."""

TopicPartition = tuple[str, int]


class State(enum.IntEnum):
    """What a transactional id is doing, numbered as in `__transaction_state`."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7

    @property
    def title(self) -> str:
        """The name clients see."""
        return self.name.title().replace("_", "")


STATES = {state.title: state for state in State}
"""By the names clients use."""

IDLE = frozenset({State.EMPTY, State.COMPLETE_COMMIT, State.COMPLETE_ABORT})
"""No transaction is open or being ended."""
ENDING = frozenset({State.PREPARE_COMMIT, State.PREPARE_ABORT})
"""How the transaction ends is decided; its partitions are being told."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """What is stored of a transactional id; `last_epoch` alone is not, as in Kafka's own records."""

    producer_id: int
    producer_epoch: int = NO_EPOCH
    timeout_ms: int = 0
    state: State = State.EMPTY
    partitions: frozenset[TopicPartition] = frozenset()
    start_ms: int = NO_TIME
    updated_ms: int = NO_TIME
    previous_producer_id: int = NO_PRODUCER_ID
    """The one before the last change, to know a client again that did not hear of a new one."""
    next_producer_id: int = NO_PRODUCER_ID
    """The one that follows when the transaction that is being ended was the last of the current one."""
    last_epoch: int = NO_EPOCH
    """The epoch before the last bump, where the client asked for the bump itself."""
    client_version: int = 0
    """Level of transaction.version the client spoke: 2 bumps the epoch with each transaction (KIP-890)."""

    @property
    def epoch_exhausted(self) -> bool:
        """Whether the next bump needs a new producer id."""
        return self.producer_epoch >= LAST_EPOCH


class TransactionalId:
    """The current value, and the one that is being written: nothing else may be decided meanwhile."""

    __slots__ = ("current", "name", "pending")

    def __init__(self, name: str, current: Transaction) -> None:
        self.name = name
        self.current = current
        self.pending: Transaction | None = None

    def __repr__(self) -> str:
        return f"TransactionalId({self.name!r}, {self.current}, pending={self.pending})"
