"""The rules of one transactional id that no client of a test broker gets to: used-up epochs, and all of TV2's table."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kopfka_broker.coordinators.errors import MalformedRecordError
from kopfka_broker.transactions import decisions
from kopfka_broker.transactions.errors import TransactionError
from kopfka_broker.transactions.records import decode_key, decode_value, encode_key, encode_value
from kopfka_broker.transactions.state import IDLE, LAST_EPOCH, NO_EPOCH, State, Transaction, TransactionalId

PID, OTHER, NEW = 7, 8, 9
PLACE = ("t", 0)
NOW = 1000


def known(state: State, epoch: int = 5, **fields) -> TransactionalId:
    places = frozenset({PLACE}) if state in {State.ONGOING, State.PREPARE_COMMIT, State.PREPARE_ABORT} else frozenset()
    return TransactionalId("id", Transaction(PID, epoch, 60_000, state, places, **fields))


def end(it: TransactionalId, epoch: int, *, commit: bool, version: int = 2, producer_id: int = PID):
    try:
        return decisions.ended(
            it, producer_id, epoch, commit=commit, client_version=version, now_ms=NOW, new_producer_id=lambda: NEW
        )
    except TransactionError as refused:
        return refused.code


def init(it: TransactionalId, expected: tuple[int, int] | None = None):
    try:
        return decisions.initialised(it, 30_000, expected, NOW, lambda: NEW)
    except TransactionError as refused:
        return refused.code


FENCED, WRONG = ErrorCode.producer_fenced, ErrorCode.invalid_txn_state


@pytest.mark.parametrize(
    ("state", "again_abort", "abort", "again_commit", "commit"),
    [
        (State.EMPTY, FENCED, State.PREPARE_ABORT, FENCED, WRONG),
        (State.COMPLETE_ABORT, None, State.PREPARE_ABORT, WRONG, WRONG),
        (State.COMPLETE_COMMIT, WRONG, State.PREPARE_ABORT, None, WRONG),
    ],
)
def test_the_table_of_kip_890(state, again_abort, abort, again_commit, commit):
    it = known(state, epoch=5)
    assert end(it, 4, commit=False) is again_abort
    assert end(it, 4, commit=True) is again_commit
    ended = end(it, 5, commit=False)
    assert (ended.state, ended.producer_epoch, ended.start_ms) == (abort, 6, NOW)
    assert end(it, 5, commit=True) is commit
    assert end(it, 6, commit=True) is FENCED
    assert end(it, 3, commit=True) is FENCED


def test_an_epoch_that_is_used_up_is_followed_by_a_new_producer_id():
    it = known(State.ONGOING, epoch=LAST_EPOCH)
    prepared = end(it, LAST_EPOCH, commit=True)
    assert (prepared.producer_id, prepared.producer_epoch, prepared.next_producer_id) == (PID, LAST_EPOCH + 1, NEW)
    after = decisions.completed(prepared, NOW)
    assert (after.producer_id, after.producer_epoch, after.previous_producer_id) == (NEW, 0, PID)
    it.current = after
    assert end(it, LAST_EPOCH, commit=True) is None  # asked again by who did not hear of it
    assert end(it, LAST_EPOCH, commit=False) is WRONG
    assert end(it, LAST_EPOCH - 1, commit=True) is ErrorCode.invalid_producer_id_mapping
    assert end(it, 0, commit=False, producer_id=NEW).producer_epoch == 1


def test_a_used_up_epoch_is_followed_by_a_new_producer_id_at_init():
    it = known(State.EMPTY, epoch=LAST_EPOCH)
    assert init(it) == Transaction(NEW, 0, 30_000, State.EMPTY, updated_ms=NOW, previous_producer_id=PID)
    given_ = init(it, (PID, LAST_EPOCH))
    assert (given_.producer_id, given_.producer_epoch, given_.last_epoch) == (NEW, 0, LAST_EPOCH)
    it.current = given_
    again = init(it, (PID, LAST_EPOCH))
    assert (again.producer_id, again.producer_epoch) == (NEW, 0)
    assert init(it, (PID, LAST_EPOCH - 1)) is FENCED
    assert init(it, (OTHER, LAST_EPOCH)) is FENCED


@pytest.mark.parametrize("version", [0, 2])
def test_the_coordinator_fences_with_the_next_epoch(version):
    it = known(State.ONGOING, epoch=5)
    aborted = decisions.fenced(it, version, NOW, lambda: NEW)
    assert (aborted.state, aborted.producer_epoch) == (State.PREPARE_ABORT, 6)
    it.current = decisions.completed(aborted, NOW)
    assert init(it).producer_epoch == 7
    # with transaction version 2 the producer that was fenced by a timeout alone may go on
    goes_on = init(it, (PID, 5))
    assert goes_on is FENCED if version == 0 else goes_on.producer_epoch == 6


def test_the_last_epoch_of_all_still_fences():
    aborted = decisions.fenced(known(State.ONGOING, epoch=LAST_EPOCH + 1), 2, NOW, lambda: NEW)
    assert aborted.producer_epoch == LAST_EPOCH + 1
    assert decisions.completed(aborted, NOW).producer_id == NEW


def test_nothing_else_is_decided_while_something_is_being_written():
    it = known(State.ONGOING)
    it.pending = replace(it.current, state=State.PREPARE_COMMIT)
    assert init(it) is ErrorCode.concurrent_transactions
    assert end(it, 5, commit=True) is ErrorCode.concurrent_transactions
    assert end(it, 5, commit=True, version=0) is ErrorCode.concurrent_transactions
    with pytest.raises(TransactionError) as refused:
        decisions.with_partitions(it, PID, 5, [PLACE], now_ms=NOW, client_version=0)
    assert refused.value.code is ErrorCode.concurrent_transactions


def test_a_transaction_begins_with_its_first_partition():
    it = known(State.COMPLETE_COMMIT, start_ms=1)
    opened = decisions.with_partitions(it, PID, 5, [PLACE], now_ms=NOW, client_version=2)
    assert (opened.state, opened.start_ms, opened.partitions) == (State.ONGOING, NOW, {PLACE})
    it.current = opened
    assert decisions.with_partitions(it, PID, 5, [PLACE], now_ms=NOW + 1, client_version=2) is None
    grown = decisions.with_partitions(it, PID, 5, [("t", 1)], now_ms=NOW + 1, client_version=2)
    assert (grown.start_ms, grown.updated_ms, len(grown.partitions)) == (NOW, NOW + 1, 2)


int64, epochs = st.integers(-1, 2**63 - 1), st.integers(-1, 2**15 - 1)
names = st.text(min_size=1, max_size=20).filter(lambda name: name.isprintable())


@given(
    st.builds(
        Transaction,
        producer_id=int64,
        producer_epoch=epochs,
        timeout_ms=st.integers(0, 2**31 - 1),
        state=st.sampled_from([state for state in State if state is not State.EMPTY]),
        partitions=st.frozensets(st.tuples(names, st.integers(0, 2**31 - 1)), max_size=9),
        start_ms=int64,
        updated_ms=int64,
        previous_producer_id=int64,
        next_producer_id=int64,
        client_version=st.integers(0, 2),
    ),
    names,
)
def test_what_is_stored_comes_back(transaction, name):
    assert decode_value(encode_value(transaction)) == transaction
    assert decode_key(encode_key(name)) == name


@given(st.binary(max_size=80))
def test_any_bytes_are_a_value_or_malformed(data):
    for decode in (decode_key, decode_value):
        with contextlib.suppress(MalformedRecordError):
            decode(data)


def test_empty_has_no_partitions_at_all():
    empty = Transaction(PID, 0, 1, State.EMPTY)
    assert decode_value(encode_value(empty)) == empty


def test_version_0_of_a_value_is_read():
    stored = (
        b"\0\0" + (7).to_bytes(8, "big") + b"\0\5" + (60_000).to_bytes(4, "big") + b"\1" + b"\0\0\0\1" + b"\0\1t"
        + b"\0\0\0\1\0\0\0\0" + (2).to_bytes(8, "big") + (1).to_bytes(8, "big")
    )  # fmt: skip
    expected = Transaction(PID, 5, 60_000, State.ONGOING, frozenset({PLACE}), 1, 2)
    assert decode_value(stored) == expected


def test_idle_is_what_may_be_forgotten():
    for state in State:
        it = known(state)
        if state in IDLE:
            assert decisions.forgotten(it.current).state is State.DEAD
        else:
            with pytest.raises(AssertionError):
                decisions.forgotten(it.current)
    assert known(State.EMPTY, epoch=NO_EPOCH).current.epoch_exhausted is False
