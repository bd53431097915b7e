"""Reading: whole batches from any offset, whatever the segments and whoever read before; look-ups by time and epoch."""

from __future__ import annotations

import pytest

from kopfka_broker.storage import OffsetOutOfRangeError
from kopfka_wire.batches import read_header, split_batches
from kopfka_wire.records import Record, encode_batch
from support.storage import NOW, batch, log_files, new_log, open_manager, records_of, values_of

SMALL_SEGMENTS = {"segment.bytes": "1000", "index.interval.bytes": "100"}


@pytest.fixture
def manager(tmp_path):
    return open_manager(tmp_path / "data")


@pytest.fixture
def log(manager):
    """300 records in 100 batches in many segments."""
    log = new_log(manager, config=SMALL_SEGMENTS)
    for number in range(100):
        values = [b"%d" % (number * 3 + index) for index in range(3)]
        log.append(batch(*values, timestamp=NOW + number * 10), NOW)
    assert len(log_files(log)) > 5
    return log


@pytest.mark.parametrize("max_bytes", [1, 100, 150, 1000, 1 << 20])
def test_from_every_offset(log, max_bytes):
    for offset in range(300):
        data = log.read(offset, max_bytes)
        headers = [header for _, header in split_batches(data)]
        assert headers[0].base_offset <= offset <= headers[0].last_offset
        assert len(data) <= max_bytes or len(headers) == 1
    assert [record.value for record in records_of(log, 0, max_bytes)] == [b"%d" % number for number in range(300)]


def test_at_the_end_there_is_nothing_yet(log):
    assert log.read(300, 1000) == b""
    assert log.bytes_from(300) == 0
    log.append(batch(b"more"), NOW)
    assert read_header(log.read(300, 1000)).base_offset == 300


def test_a_first_batch_that_does_not_fit(log):
    assert log.read(0, 50, min_one=False) == b""
    size = len(log.read(0, 50))
    assert log.read(0, size, min_one=False) == log.read(0, size)
    assert len(log.read(0, size + 1, min_one=False)) == size


def test_outside_of_the_log(log):
    for offset in (-1, 301, 2**62):
        with pytest.raises(OffsetOutOfRangeError):
            log.read(offset, 1000)
        with pytest.raises(OffsetOutOfRangeError):
            log.bytes_from(offset)
    log.delete_records(10)
    with pytest.raises(OffsetOutOfRangeError):
        log.read(9, 1000)


def test_bytes_from_counts_what_reads_give(log):
    for offset in range(0, 301, 3):
        position, total = offset, 0
        while data := log.read(position, 1 << 20):
            total += len(data)
            *_, (_, last) = split_batches(data)
            position = last.next_offset
        assert log.bytes_from(offset) == total
    assert log.bytes_from(0) == log.size


def test_more_readers_than_are_remembered(log):
    places = {reader: reader * 20 for reader in range(14)}
    while any(place < 300 for place in places.values()):
        for reader, place in places.items():
            if place < 300:
                data = log.read(place, 200)
                first, *_ = split_batches(data)
                *_, last = split_batches(data)
                assert first[1].base_offset <= place <= first[1].last_offset
                places[reader] = last[1].next_offset


def test_a_reader_at_the_end_goes_on_in_the_next_segment(manager):
    log = new_log(manager, config=SMALL_SEGMENTS)
    for number in range(100):
        log.append(batch(b"%d" % number), NOW)
        assert [record.value for record in records_of(log, number)] == [b"%d" % number]


def test_by_time(log):
    assert log.offset_for_time(0) == (NOW, 0, 0)
    for number in range(100):
        moment = NOW + number * 10
        assert log.offset_for_time(moment) == (moment, number * 3, 0)
        assert log.offset_for_time(moment + 1) == (moment + 1, number * 3 + 1, 0)
        assert log.offset_for_time(moment + 2) == (moment + 2, number * 3 + 2, 0)
    assert log.offset_for_time(NOW + 990 + 3) is None
    assert log.max_timestamp() == (NOW + 992, 299, 0)


def test_by_time_not_below_the_log_start_offset(log):
    log.delete_records(100)
    assert log.offset_for_time(0) == (NOW + 331, 100, 0)


def test_times_out_of_order(manager):
    log = new_log(manager, config=SMALL_SEGMENTS)
    times = [50, 10, 70, 70, 20, 5, 69] * 10
    for time in times:
        log.append(batch(b"v" * 100, timestamp=time), NOW)
    for wanted in range(72):
        expected = next(((time, offset, 0) for offset, time in enumerate(times) if time >= wanted), None)
        assert log.offset_for_time(wanted) == expected
    assert log.max_timestamp() == (70, 2, 0)


def test_the_largest_time_is_of_a_record_that_is_not_deleted(manager):
    log = new_log(manager, config=SMALL_SEGMENTS)
    times = [100 - number for number in range(80)]
    for time in times[::2]:
        log.append(batch(b"a" * 20, b"b" * 20, timestamp=time), NOW)
    for start in range(0, 80, 3):
        log.delete_records(start)
        alive = [(record.timestamp, -record.offset) for record in records_of(log)]
        largest = max(alive)
        assert log.max_timestamp() == (largest[0], -largest[1], 0)
    log.delete_records(80)
    assert log.max_timestamp() is None


def test_an_empty_log_has_no_times(manager):
    log = new_log(manager)
    assert log.offset_for_time(0) is None
    assert log.max_timestamp() is None
    log.append(encode_batch([Record(0, -1, None, b"no time")]), NOW)
    assert log.max_timestamp() is None


@pytest.mark.parametrize("codec", range(1, 5))
def test_times_are_looked_up_in_compressed_batches(manager, codec):
    log = new_log(manager)
    records = [Record(0, NOW + index, b"k", b"v") for index in range(3)]
    log.append(encode_batch(records, compression=codec), NOW)
    assert log.offset_for_time(NOW + 1) == (NOW + 1, 1, 0)
    assert log.max_timestamp() == (NOW + 2, 2, 0)


def test_records_are_deleted_up_to_an_offset(log):
    assert log.delete_records(100) == 100
    assert log.delete_records(50) == 100
    assert values_of(log)[0] == b"100"
    assert log.delete_records(-1) == 300
    assert values_of(log) == []
    for offset in (-2, 301):
        with pytest.raises(OffsetOutOfRangeError):
            log.delete_records(offset)


def test_epochs(manager):
    log = new_log(manager)
    log.append(batch(b"a", b"b"), NOW)
    log.leader_epoch = 3
    log.append(batch(b"c"), NOW)
    log.leader_epoch = 4
    log.append(batch(b"d"), NOW)
    assert [log.end_offset_for_epoch(epoch) for epoch in (-1, 0, 1, 2, 3, 4, 5)] == [
        (-1, -1), (0, 2), (0, 2), (0, 2), (3, 3), (4, 4), (-1, -1),
    ]  # fmt: skip
    assert [header.partition_leader_epoch for _, header in split_batches(log.read(0, 1000))] == [0, 3, 4]
