"""Transactions in one log: what is refused, how far committed records go, which transactions were aborted."""

from __future__ import annotations

import os

import pytest

from kopfka_broker.storage import (
    InvalidProducerEpochError,
    InvalidTxnStateError,
    KafkaStorageError,
    OutOfOrderSequenceError,
    TransactionCoordinatorFencedError,
)
from kopfka_broker.storage.transactions import AbortedTransaction, Marker, decode_marker, encode_marker
from kopfka_wire.batches import read_header
from support.storage import (
    NOW,
    append_in_transaction,
    batch,
    committed_records,
    crash,
    log_files,
    new_log,
    open_manager,
    values_of,
)


@pytest.fixture
def manager(tmp_path):
    return open_manager(tmp_path / "data")


@pytest.fixture
def log(manager):
    return new_log(manager)


def send(log, sequence, *values, producer=5, epoch=0):
    return append_in_transaction(
        log, *values or (b"v%d" % sequence,), producer=producer, sequence=sequence, epoch=epoch
    )


def end(log, *, commit, producer=5, epoch=0, coordinator_epoch=0, version=0):
    return log.append_marker(
        producer, epoch, commit=commit, coordinator_epoch=coordinator_epoch, now_ms=NOW, transaction_version=version
    )


def reopened(manager, **how):
    crash(manager, **how)
    return open_manager(manager.directory).topics["t"].partitions[0]


def committed(log):
    return [record.value for record in committed_records(log)]


def test_committed_records_end_before_the_oldest_open_transaction(log):
    log.append(batch(b"plain"), NOW)
    send(log, 0, producer=5)
    send(log, 0, producer=6)
    assert (log.last_stable_offset, log.high_watermark) == (1, 3)
    end(log, commit=True, producer=6)
    assert log.last_stable_offset == 1
    end(log, commit=False, producer=5)
    assert log.last_stable_offset == log.high_watermark == 5
    assert committed(log) == [b"plain", b"v0"]
    assert log.aborted_transactions(0, 5) == [AbortedTransaction(5, 1, 4, 5)]


def test_an_aborted_transaction_tells_what_was_stable_after_it(log):
    for producer in (1, 2, 3):
        send(log, 0, producer=producer)
    end(log, commit=False, producer=2)
    end(log, commit=False, producer=1)
    end(log, commit=False, producer=3)
    wanted = [AbortedTransaction(2, 1, 3, 0), AbortedTransaction(1, 0, 4, 2), AbortedTransaction(3, 2, 5, 6)]
    assert log.aborted_transactions(0, 6) == wanted
    assert log.aborted_transactions(4, 6) == wanted[1:]
    assert log.aborted_transactions(0, 1) == [wanted[1]]


def test_a_batch_is_read_only_below_the_bound(log):
    log.append(batch(b"x" * 100), NOW)
    log.append(batch(b"y" * 100), NOW)
    send(log, 0)
    assert log.bytes_from(0, log.last_stable_offset) == len(log.read(0, 1 << 20, before=log.last_stable_offset))
    assert len(log.read(0, 10, before=2)) == len(batch(b"x" * 100))
    assert log.read(0, 10, before=2, min_one=False) == b""
    assert log.read(2, 1 << 20, before=2) == log.read(3, 1 << 20, before=2) == b""
    assert log.bytes_from(2, 2) == log.bytes_from(3, 2) == 0


def test_a_transaction_begins_with_a_pass_that_the_coordinator_gave(log):
    data = batch(b"v", producer=5, sequence=0, transactional=True)
    with pytest.raises(InvalidTxnStateError) as caught:
        log.append(data, NOW)
    assert caught.value.number == 48
    verified = log.producers.begin_verification(5, 0, 0, NOW, bumps_epoch=False)
    assert log.append(data, NOW, verified=verified).first_offset == 0
    follows = batch(b"w", producer=5, sequence=1, transactional=True)
    assert log.append(follows, NOW).first_offset == 1


def test_a_pass_is_void_once_the_transaction_has_ended(log):
    verified = log.producers.begin_verification(5, 0, 0, NOW, bumps_epoch=False)
    end(log, commit=False)
    with pytest.raises(InvalidTxnStateError):
        log.append(batch(b"late", producer=5, sequence=0, transactional=True), NOW, verified=verified)
    assert log.last_stable_offset == log.log_end_offset


def test_the_lowest_sequence_that_was_asked_about_comes_first(log):
    log.producers.begin_verification(5, 0, 3, NOW, bumps_epoch=False)
    verified = log.producers.begin_verification(5, 0, 1, NOW, bumps_epoch=False)
    with pytest.raises(OutOfOrderSequenceError):
        log.append(batch(b"v", producer=5, sequence=3, transactional=True), NOW, verified=verified)
    assert log.append(batch(b"v", producer=5, sequence=1, transactional=True), NOW, verified=verified).first_offset == 0


def test_a_producer_with_an_epoch_for_each_transaction_begins_at_zero(log):
    verified = log.producers.begin_verification(5, 0, 1, NOW, bumps_epoch=True)
    with pytest.raises(OutOfOrderSequenceError):
        log.append(batch(b"v", producer=5, sequence=1, transactional=True), NOW, verified=verified)


def test_no_record_outside_of_a_transaction_that_is_open(log):
    send(log, 0)
    with pytest.raises(InvalidTxnStateError):
        log.append(batch(b"outside", producer=5, sequence=1), NOW)
    end(log, commit=True)
    assert log.append(batch(b"outside", producer=5, sequence=1), NOW).first_offset == 2


def test_a_duplicate_in_a_transaction_that_has_ended_is_answered(log):
    written = send(log, 0)
    end(log, commit=True)
    assert log.append(batch(b"v0", producer=5, sequence=0, transactional=True), NOW) == written


def test_markers_of_old_epochs_and_old_coordinators_are_refused(log):
    send(log, 0, epoch=2)
    with pytest.raises(InvalidProducerEpochError):
        end(log, commit=True, epoch=1)
    end(log, commit=True, epoch=2, coordinator_epoch=4)
    with pytest.raises(TransactionCoordinatorFencedError) as caught:
        end(log, commit=True, epoch=2, coordinator_epoch=3)
    assert caught.value.number == 52
    with pytest.raises(InvalidProducerEpochError):
        send(log, 1, epoch=1)


def test_with_transaction_version_2_a_marker_has_the_next_epoch(log):
    send(log, 0, epoch=2)
    with pytest.raises(InvalidProducerEpochError):
        end(log, commit=True, epoch=2, version=2)
    end(log, commit=True, epoch=3, version=2)
    end(log, commit=True, epoch=3, version=2)  # a coordinator that was restarted does so: nothing is open
    with pytest.raises(InvalidProducerEpochError):
        send(log, 1, epoch=2)
    with pytest.raises(OutOfOrderSequenceError):
        send(log, 1, epoch=3)
    send(log, 0, epoch=3)
    with pytest.raises(InvalidProducerEpochError):
        end(log, commit=True, epoch=3, version=2)


def test_a_marker_without_records_aborts_nothing(log):
    end(log, commit=False)
    assert (log.aborted_transactions(0, 1), log.last_stable_offset) == ([], 1)
    assert log_files(log, ".txnindex") == []


def test_a_marker_is_written_as_kafka_writes_it(log):
    end(log, commit=True, coordinator_epoch=7, epoch=3)
    data = bytes(log.read(0, 1000))
    header = read_header(data)
    assert (header.is_control, header.is_transactional, header.base_sequence, header.record_count) == (
        True,
        True,
        -1,
        1,
    )
    assert decode_marker(header, data) == Marker(5, 3, 7, commit=True)
    assert data.endswith(bytes.fromhex("0000 0001 0c 0000 00000007 00"))


def test_a_coordinator_writes_without_sequence_numbers(log):
    data = batch(b"offset", producer=5, sequence=-1, transactional=True)
    log.append(data, NOW, coordinator=True)
    log.append(data, NOW, coordinator=True)
    assert (log.log_end_offset, log.last_stable_offset) == (2, 0)
    end(log, commit=True)
    assert log.last_stable_offset == 3


@pytest.mark.parametrize("how", [{}, {"system": True}])
def test_everything_is_known_after_a_crash(manager, log, how):
    send(log, 0, producer=1)
    send(log, 0, producer=2)
    end(log, commit=False, producer=2, coordinator_epoch=6)
    send(log, 0, producer=3)
    log = reopened(manager, **how)
    assert log.last_stable_offset == 0
    assert log.producers.open_transaction(1) == 0
    assert log.producers.open_transaction(2) is None
    assert log.aborted_transactions(0, 4) == [AbortedTransaction(2, 1, 2, 0)]
    assert dict(log.producers)[2].coordinator_epoch == 6
    end(log, commit=False, producer=1)
    end(log, commit=True, producer=3)
    assert committed(log) == [b"v0"]


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_an_index_of_aborted_transactions_that_is_damaged_is_made_anew(manager, log, damage):
    for round_ in range(4):
        send(log, round_)
        end(log, commit=False)
    wanted = log.aborted_transactions(0, 8)
    [path] = log_files(log, ".txnindex")
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-5] if damage == "cut" else data[:34] + bytes(34) + data[68:])
    log = reopened(manager, system=damage == "missing")
    assert log.aborted_transactions(0, 8) == wanted
    assert log_files(log, ".txnindex")[0].read_bytes() == data


def test_a_kill_between_index_and_marker_leaves_no_trace(manager, log):
    send(log, 0)
    log.aborted.add(0, AbortedTransaction(5, 0, 1, 2))
    log = reopened(manager)
    assert log.aborted_transactions(0, 9) == []
    assert log.last_stable_offset == 0
    end(log, commit=True)
    assert committed(log) == [b"v0"]


def test_a_cut_through_a_marker_leaves_the_transaction_open(manager, log):
    send(log, 0)
    size = log.size
    end(log, commit=False)
    [file] = log_files(log)
    os.truncate(file, size + 20)
    log = reopened(manager, system=True)
    assert (log.log_end_offset, log.last_stable_offset) == (1, 0)
    assert log.aborted_transactions(0, 9) == []


def test_a_cut_through_the_first_batch_leaves_nothing_open(manager, log):
    log.append(batch(b"before"), NOW)
    size = log.size
    send(log, 0)
    [file] = log_files(log)
    os.truncate(file, size + 20)
    log = reopened(manager)
    assert (log.log_end_offset, log.last_stable_offset) == (1, 1)


def test_an_index_goes_with_its_segment(manager, tmp_path):
    log = new_log(manager, config={"segment.bytes": "250", "retention.bytes": "300", "file.delete.delay.ms": "0"})
    for round_ in range(12):
        send(log, round_)
        end(log, commit=False)
    assert len(log_files(log, ".txnindex")) > 3
    manager.apply_retention()
    kept = {path.stem for path in log_files(log)}
    assert {path.stem for path in log_files(log, ".txnindex")} <= kept
    assert all(each.last_offset >= log.log_start_offset for each in log.aborted_transactions(0, 99))
    assert committed(log) == []


def test_deleted_records_of_an_open_transaction(manager, log):
    send(log, 0, b"a", b"b")
    send(log, 2, b"c")
    assert log.delete_records(1) == 1
    assert log.last_stable_offset == 1
    log.delete_records(-1)
    assert log.last_stable_offset == log.log_end_offset == 3
    end(log, commit=False)
    log = reopened(manager)
    assert log.last_stable_offset == log.log_end_offset == 4


async def test_a_clean_restart_keeps_what_is_open(manager, log, tmp_path):
    send(log, 0)
    send(log, 0, producer=6)
    end(log, commit=False, producer=6)
    await manager.close()
    log = open_manager(tmp_path / "data").topics["t"].partitions[0]
    assert log.last_stable_offset == 0
    assert log.aborted_transactions(0, 9) == [AbortedTransaction(6, 1, 2, 0)]
    assert send(log, 1).first_offset == 3


def test_a_marker_that_cannot_be_written_aborts_nothing(log, monkeypatch):
    send(log, 0)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("kopfka_broker.storage.segment.os.pwritev", full)
        with pytest.raises(KafkaStorageError):
            end(log, commit=False)
    assert (log.aborted_transactions(0, 9), log.last_stable_offset, log.log_end_offset) == ([], 0, 1)
    end(log, commit=True)
    assert committed(log) == values_of(log)[:1]


def test_producers_are_saved_while_a_segment_grows(manager, monkeypatch):
    monkeypatch.setattr("kopfka_broker.storage.snapshots._WORTH_BYTES", 500)
    log = new_log(manager)
    for sequence in range(10):
        send(log, sequence)
        manager.save_checkpoints()
    [snapshot] = log_files(log, ".snapshot")
    assert 4 < int(snapshot.stem) <= 10
    log = reopened(manager)
    assert send(log, 10).first_offset == 10
    assert log.last_stable_offset == 0


def test_idle_verifications_are_forgotten(log):
    verified = log.producers.begin_verification(5, 0, 0, NOW, bumps_epoch=False)
    log.producers.expire(NOW + 1)
    with pytest.raises(InvalidTxnStateError):
        log.append(batch(b"v", producer=5, sequence=0, transactional=True), NOW, verified=verified)


def test_an_open_transaction_keeps_its_producer(log):
    send(log, 0)
    log.producers.expire(NOW + 1)
    assert log.last_stable_offset == 0
    end(log, commit=True)
    log.producers.expire(NOW + 1)
    assert len(log.producers) == 0


def test_a_control_batch_of_another_kind_ends_nothing():
    data = bytearray(encode_marker(Marker(1, 0, 0, commit=True), NOW))
    at = data.index(bytes.fromhex("08 0000 0001"))
    data[at + 4] = 2  # LEADER_CHANGE
    assert decode_marker(read_header(data), bytes(data)) is None
