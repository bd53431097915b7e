"""Idempotent producers: what is a duplicate, what is out of order, and that it is still known after a restart."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_broker.storage import InvalidProducerEpochError, OutOfOrderSequenceError
from kopfka_broker.storage.producers import ProducerStates
from kopfka_wire.batches import read_header
from support.storage import NOW, batch, crash, log_files, new_log, open_manager, values_of


@pytest.fixture
def manager(tmp_path):
    return open_manager(tmp_path / "data")


def send(log, sequence, *values, producer=5, epoch=0):
    return log.append(batch(*values or (b"v%d" % sequence,), producer=producer, sequence=sequence, epoch=epoch), NOW)


def test_the_last_five_batches_are_answered_from_memory(manager):
    log = new_log(manager)
    written = [send(log, sequence) for sequence in range(8)]
    size = log.size
    for sequence in range(3, 8):
        assert send(log, sequence) == written[sequence]
    assert (log.size, log.log_end_offset) == (size, 8)
    with pytest.raises(OutOfOrderSequenceError):
        send(log, 2)


def test_a_gap_is_out_of_order(manager):
    log = new_log(manager)
    send(log, 0)
    with pytest.raises(OutOfOrderSequenceError) as caught:
        send(log, 2)
    assert caught.value.number == 45
    assert send(log, 1).first_offset == 1


def test_a_duplicate_must_have_the_same_length(manager):
    log = new_log(manager)
    send(log, 0, b"a", b"b")
    with pytest.raises(OutOfOrderSequenceError):
        send(log, 0, b"a")


def test_a_new_epoch_begins_at_zero_and_an_old_one_is_refused(manager):
    log = new_log(manager)
    send(log, 0)
    with pytest.raises(OutOfOrderSequenceError):
        send(log, 1, epoch=1)
    send(log, 0, epoch=1)
    with pytest.raises(InvalidProducerEpochError) as caught:
        send(log, 1, epoch=0)
    assert caught.value.number == 47
    send(log, 1, epoch=1)


def test_an_unknown_producer_begins_anywhere(manager):
    log = new_log(manager)
    assert send(log, 41).first_offset == 0
    assert send(log, 42).first_offset == 1


def test_sequence_numbers_begin_again_after_the_largest(manager):
    log = new_log(manager)
    send(log, 2**31 - 2, b"a", b"b")
    assert send(log, 0, b"c").first_offset == 2
    assert send(log, 2**31 - 2, b"a", b"b").first_offset == 0


def test_a_sequence_across_the_largest_number(manager):
    log = new_log(manager)
    send(log, 2**31 - 1, b"a", b"b", b"c")
    assert send(log, 2, b"d").first_offset == 3
    assert send(log, 2**31 - 1, b"a", b"b", b"c").last_offset == 2


def test_several_batches_in_one_append_are_checked_one_after_the_other(manager):
    log = new_log(manager)
    log.append(batch(b"a", producer=1, sequence=0) + batch(b"b", producer=1, sequence=1), NOW)
    with pytest.raises(OutOfOrderSequenceError):
        log.append(batch(b"c", producer=1, sequence=2) + batch(b"d", producer=1, sequence=4), NOW)
    assert values_of(log) == [b"a", b"b"]


def test_idle_producers_are_forgotten(manager):
    log = new_log(manager)
    send(log, 0)
    log.producers.expire(NOW)
    assert len(log.producers) == 1
    log.producers.expire(NOW + 1)
    assert len(log.producers) == 0


async def test_after_a_clean_restart_the_last_batch_is_known(manager, tmp_path):
    log = new_log(manager)
    written = [send(log, sequence) for sequence in range(3)]
    await manager.close()
    log = open_manager(tmp_path / "data").topics["t"].partitions[0]
    assert send(log, 2) == written[2]
    assert send(log, 3).first_offset == 3


def test_after_a_crash_the_last_five_batches_are_known(manager, tmp_path):
    log = new_log(manager)
    written = [send(log, sequence) for sequence in range(8)]
    crash(manager)
    log = open_manager(tmp_path / "data").topics["t"].partitions[0]
    for sequence in range(3, 8):
        assert send(log, sequence) == written[sequence]
    assert send(log, 8).first_offset == 8


@pytest.mark.parametrize("damage", ["none", "missing", "cut", "changed"])
def test_after_a_crash_with_segments_and_any_snapshot(manager, tmp_path, damage):
    log = new_log(manager, config={"segment.bytes": "400"})
    for sequence in range(40):
        send(log, sequence)
        send(log, sequence, producer=6)
    snapshots = log_files(log, ".snapshot")
    assert len(snapshots) > 3
    for path in snapshots:
        data = path.read_bytes()
        if damage == "missing":
            path.unlink()
        elif damage == "cut":
            path.write_bytes(data[:-1])
        elif damage == "changed":
            path.write_bytes(data[:20] + bytes([data[20] ^ 1]) + data[21:])
    crash(manager)
    log = open_manager(tmp_path / "data").topics["t"].partitions[0]
    assert send(log, 39).last_offset == 78
    assert send(log, 40, producer=6).first_offset == 80
    with pytest.raises(OutOfOrderSequenceError):
        send(log, 41)


batches_of_producers = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 2**31 - 1), st.integers(1, 5)), max_size=30
)


@given(batches_of_producers)
def test_a_snapshot_gives_back_the_last_batch_of_each_producer(written):
    states, offset = ProducerStates(), 0
    last = {}
    for producer, epoch, sequence, count in written:
        header = read_header(batch(*[b"v"] * count, producer=producer, epoch=epoch, sequence=sequence))
        states.update(header, offset, header.max_timestamp)
        last[producer] = (header, offset)
        offset += count
    restored = ProducerStates()
    assert restored.decode(states.encode())
    assert len(restored) == len(last)
    for header, base in last.values():
        assert restored.duplicate(header).first_offset == base
    assert restored.encode() == states.encode()


@given(st.binary(max_size=120))
def test_a_damaged_snapshot_changes_nothing(data):
    states = ProducerStates()
    states.update(read_header(batch(b"v", producer=1, sequence=0)), 0, NOW)
    before = states.encode()
    assert not states.decode(data)
    assert not states.decode(before[:-1])
    assert not states.decode(struct.pack(">h", 2) + before[2:])
    assert states.encode() == before


def test_a_retry_of_several_batches_in_one_append(manager):
    log = new_log(manager)
    both = batch(b"a", b"b", producer=1, sequence=0) + batch(b"c", producer=1, sequence=2)
    written = log.append(both, NOW)
    assert log.append(both, NOW) == written
    with pytest.raises(OutOfOrderSequenceError):
        log.append(batch(b"c", producer=1, sequence=2) + batch(b"d", producer=1, sequence=3), NOW)
    assert values_of(log) == [b"a", b"b", b"c"]


def test_producers_whose_records_are_deleted_are_still_known_after_a_crash(manager, tmp_path):
    log = new_log(manager)
    written = send(log, 0)
    log.delete_records(-1)
    crash(manager)
    log = open_manager(tmp_path / "data").topics["t"].partitions[0]
    assert send(log, 0).first_offset == written.first_offset
    assert send(log, 1).first_offset == 1
