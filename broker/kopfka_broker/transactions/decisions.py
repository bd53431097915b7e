"""What a transactional id becomes by a request: each function returns the next value, or raises what is answered.

The rules are those of Apache Kafka's coordinator (KIP-98, KIP-360, KIP-890). No I/O, no clock, and nothing is changed
here: a value takes effect when it is durable.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from kio.schema.errors import ErrorCode

from kopfka_broker.transactions.errors import TransactionError
from kopfka_broker.transactions.state import (
    ENDING,
    IDLE,
    LAST_EPOCH,
    NO_EPOCH,
    NO_PRODUCER_ID,
    NO_TIME,
    State,
    Transaction,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from kopfka_broker.transactions.state import TopicPartition, TransactionalId

EPOCH_BUMPS = 2
"""The level of transaction.version from which on each transaction has an epoch of its own (KIP-890)."""

_MAX_EPOCH = LAST_EPOCH + 1


def initialised(
    known: TransactionalId,
    timeout_ms: int,
    expected: tuple[int, int] | None,
    now_ms: int,
    new_producer_id: Callable[[], int],
) -> Transaction | None:
    """Return what InitProducerId makes of a transactional id; None where its open transaction is to be aborted first.

    Args:
        known: the transactional id.
        timeout_ms: the client's transaction.timeout.ms.
        expected: producer id and epoch the client has, where it goes on after an error (KIP-360).
        now_ms: the time.
        new_producer_id: called where the epochs of the current one are used up.

    Raises:
        TransactionError: CONCURRENT_TRANSACTIONS or PRODUCER_FENCED.
    """
    current = known.current
    if known.pending is not None:
        _refuse(ErrorCode.concurrent_transactions)
    if expected is not None and not _may_go_on(current, expected):
        _refuse(ErrorCode.producer_fenced)
    if current.state in ENDING:
        _refuse(ErrorCode.concurrent_transactions)
    if current.state is State.ONGOING:
        return None
    idle = replace(
        current, previous_producer_id=current.producer_id, timeout_ms=timeout_ms, state=State.EMPTY,
        partitions=frozenset(), start_ms=NO_TIME, updated_ms=now_ms,
    )  # fmt: skip
    if current.epoch_exhausted and (expected is None or expected[1] == current.producer_epoch):
        last = NO_EPOCH if expected is None else current.producer_epoch
        return replace(idle, producer_id=new_producer_id(), producer_epoch=0, last_epoch=last)
    bumped = current.producer_epoch + 1
    if expected is None:
        return replace(idle, producer_epoch=bumped, last_epoch=NO_EPOCH)
    if current.producer_epoch in (NO_EPOCH, expected[1]):
        return replace(idle, producer_epoch=bumped, last_epoch=current.producer_epoch)
    if expected[1] != current.last_epoch:
        _refuse(ErrorCode.producer_fenced)
    return idle  # asked again by a client that did not hear of the bump


def _may_go_on(current: Transaction, expected: tuple[int, int]) -> bool:
    producer_id, epoch = expected
    if current.producer_epoch == NO_EPOCH or producer_id == current.producer_id:
        return True
    # asked again by a client that did not hear of its new producer id
    return producer_id == current.previous_producer_id and epoch >= LAST_EPOCH


def with_partitions(
    known: TransactionalId,
    producer_id: int,
    epoch: int,
    partitions: Collection[TopicPartition],
    *,
    now_ms: int,
    client_version: int,
) -> Transaction | None:
    """Return the transaction with partitions added, which opens it where none is; None where they are in it already.

    Raises:
        TransactionError: CONCURRENT_TRANSACTIONS, INVALID_PRODUCER_ID_MAPPING or PRODUCER_FENCED.
    """
    current = known.current
    if known.pending is not None:
        # first: the client may already use the producer id of the value that is being written
        _refuse(ErrorCode.concurrent_transactions)
    _check_producer(current, producer_id, epoch)
    if current.state is State.ONGOING and current.partitions.issuperset(partitions):
        return None
    return replace(
        current,
        previous_producer_id=current.producer_id,
        state=State.ONGOING,
        partitions=current.partitions.union(partitions),
        start_ms=now_ms if current.state in IDLE else current.start_ms,
        updated_ms=now_ms,
        client_version=client_version,
    )


def verified(
    known: TransactionalId, producer_id: int, epoch: int, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, ErrorCode]:
    """Tell which partitions are in the open transaction of a producer.

    Raises:
        TransactionError: CONCURRENT_TRANSACTIONS, INVALID_PRODUCER_ID_MAPPING or PRODUCER_FENCED.
    """
    _check_producer(known.current, producer_id, epoch)
    within = known.current.partitions
    return {each: ErrorCode.none if each in within else ErrorCode.transaction_abortable for each in partitions}


def _check_producer(current: Transaction, producer_id: int, epoch: int) -> None:
    if current.producer_id != producer_id:
        _refuse(ErrorCode.invalid_producer_id_mapping)
    if current.producer_epoch != epoch:
        _refuse(ErrorCode.producer_fenced)
    if current.state in ENDING:
        _refuse(ErrorCode.concurrent_transactions)


def ended(
    known: TransactionalId,
    producer_id: int,
    epoch: int,
    *,
    commit: bool,
    client_version: int,
    now_ms: int,
    new_producer_id: Callable[[], int],
) -> Transaction | None:
    """Return what EndTxn makes of a transactional id: PREPARE_COMMIT or PREPARE_ABORT; None where it was done before.

    Raises:
        TransactionError: CONCURRENT_TRANSACTIONS, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED or INVALID_TXN_STATE.
    """
    if client_version < EPOCH_BUMPS:
        return _ended_classic(known, producer_id, epoch, commit, now_ms)
    current = known.current
    if known.pending is not None:
        _refuse(ErrorCode.concurrent_transactions)
    new_id_unheard = current.previous_producer_id == producer_id and epoch == LAST_EPOCH and current.producer_epoch == 0
    again = new_id_unheard or current.producer_epoch == epoch + 1
    if current.producer_id != producer_id and not new_id_unheard:
        _refuse(ErrorCode.invalid_producer_id_mapping)
    same = current.producer_epoch == epoch
    state = current.state
    if state in ENDING:
        if current.producer_epoch != epoch + 1:
            _refuse(ErrorCode.producer_fenced)
        _refuse(_while_ending(state, commit))
    if not same and not (again and state in (State.COMPLETE_COMMIT, State.COMPLETE_ABORT)):
        _refuse(ErrorCode.producer_fenced)
    if state is not State.ONGOING:
        if again:
            if (state is State.COMPLETE_COMMIT) is commit:
                return None
            _refuse(ErrorCode.invalid_txn_state)
        if commit:
            _refuse(ErrorCode.invalid_txn_state)
    return _prepared(current, commit, client_version, now_ms, new_producer_id)


def _ended_classic(
    known: TransactionalId, producer_id: int, epoch: int, commit: bool, now_ms: int
) -> Transaction | None:
    current = known.current
    if current.producer_id != producer_id:
        _refuse(ErrorCode.invalid_producer_id_mapping)
    if current.producer_epoch != epoch:
        _refuse(ErrorCode.producer_fenced)
    if known.pending is not None:
        _refuse(ErrorCode.concurrent_transactions)
    if current.state in ENDING:
        _refuse(_while_ending(current.state, commit))
    if current.state is not State.ONGOING:
        if current.state is (State.COMPLETE_COMMIT if commit else State.COMPLETE_ABORT):
            return None
        _refuse(ErrorCode.invalid_txn_state)
    return replace(
        current,
        previous_producer_id=current.producer_id,
        state=State.PREPARE_COMMIT if commit else State.PREPARE_ABORT,
        updated_ms=now_ms,
        client_version=0,
    )


def _while_ending(state: State, commit: bool) -> ErrorCode:
    same = (state is State.PREPARE_COMMIT) is commit
    return ErrorCode.concurrent_transactions if same else ErrorCode.invalid_txn_state


def fenced(known: TransactionalId, server_version: int, now_ms: int, new_producer_id: Callable[[], int]) -> Transaction:
    """Return the abort of an open transaction by the coordinator itself, after which its producer may write no more."""
    current = known.current
    assert current.state is State.ONGOING
    assert known.pending is None
    if server_version >= EPOCH_BUMPS:
        return _prepared(current, False, server_version, now_ms, new_producer_id)
    return replace(
        current,
        previous_producer_id=current.producer_id,
        producer_epoch=min(current.producer_epoch + 1, _MAX_EPOCH),
        last_epoch=NO_EPOCH,
        state=State.PREPARE_ABORT,
        updated_ms=now_ms,
        client_version=0,
    )


def _prepared(
    current: Transaction, commit: bool, client_version: int, now_ms: int, new_producer_id: Callable[[], int]
) -> Transaction:
    return replace(
        current,
        previous_producer_id=current.producer_id,
        next_producer_id=new_producer_id() if current.epoch_exhausted else NO_PRODUCER_ID,
        producer_epoch=min(current.producer_epoch + 1, _MAX_EPOCH),
        last_epoch=current.producer_epoch,
        state=State.PREPARE_COMMIT if commit else State.PREPARE_ABORT,
        # an abort of nothing is allowed, and then this is all there ever is of the transaction
        start_ms=current.start_ms if current.state is State.ONGOING else now_ms,
        updated_ms=now_ms,
        client_version=client_version,
    )


def completed(current: Transaction, now_ms: int) -> Transaction:
    """Return a transaction whose partitions were all told how it ended."""
    assert current.state in ENDING
    done = replace(
        current,
        previous_producer_id=current.producer_id,
        next_producer_id=NO_PRODUCER_ID,
        state=State.COMPLETE_COMMIT if current.state is State.PREPARE_COMMIT else State.COMPLETE_ABORT,
        partitions=frozenset(),
        updated_ms=now_ms,
    )
    if current.client_version >= EPOCH_BUMPS and current.next_producer_id != NO_PRODUCER_ID:
        return replace(done, producer_id=current.next_producer_id, producer_epoch=0)
    return done


def forgotten(current: Transaction) -> Transaction:
    """Return a transactional id that nobody uses any more."""
    assert current.state in IDLE
    return replace(current, state=State.DEAD, partitions=frozenset())


def _refuse(code: ErrorCode) -> NoReturn:
    raise TransactionError(code)
