"""Record batches: what is encoded is read back; what is damaged or foreign is refused, and nothing else is raised."""

from __future__ import annotations

import gzip
import struct

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from kopfka_wire.batches import (
    ATTRIBUTES_OFFSET,
    CRC_OFFSET,
    HEADER_SIZE,
    LENGTH_OFFSET,
    CorruptBatchError,
    UnsupportedBatchError,
    increment_sequence,
    read_header,
    split_batches,
    verify_crc,
)
from kopfka_wire.records import Record, decode_batch, encode_batch

optional_bytes = st.none() | st.binary(max_size=80)
headers = st.lists(st.tuples(st.text(max_size=8), optional_bytes), max_size=3).map(tuple)
records = st.builds(Record, st.just(0), st.integers(0, 2**53), optional_bytes, optional_bytes, headers)
batches = st.lists(records, min_size=1, max_size=12)


def verify_all(data):
    for position, header in split_batches(data):
        verify_crc(data, position, header)


@given(batches, st.integers(0, 2**50))
def test_what_is_encoded_is_decoded(given_records, base_offset):
    data = encode_batch(given_records, base_offset=base_offset, producer_id=7, producer_epoch=3, base_sequence=11)
    header = read_header(data)
    verify_crc(data, 0, header)
    assert header.size == len(data)
    assert (header.base_offset, header.last_offset) == (base_offset, base_offset + len(given_records) - 1)
    assert header.max_timestamp == max(record.timestamp for record in given_records)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (7, 3, 11)
    assert header.last_sequence == 10 + len(given_records)
    decoded = list(decode_batch(data))
    assert [record.offset for record in decoded] == list(range(base_offset, header.next_offset))
    assert [(r.timestamp, r.key, r.value, r.headers) for r in decoded] == [
        (r.timestamp, r.key, r.value, r.headers) for r in given_records
    ]


def test_every_byte_is_where_the_message_format_has_it():
    data = encode_batch([Record(0, 5, b"k", b"v", (("h", b"x"),))], base_offset=1, leader_epoch=2)
    assert data[:CRC_OFFSET] == struct.pack(">qiib", 1, len(data) - 12, 2, 2)
    assert data[ATTRIBUTES_OFFSET:HEADER_SIZE] == struct.pack(">hiqqqhii", 0, 0, 5, 5, -1, -1, -1, 1)
    assert data[HEADER_SIZE:] == bytes.fromhex("18 00 00 00 02 6b 02 76 02 02 68 02 78".replace(" ", ""))


@given(st.lists(batches, min_size=1, max_size=4))
def test_batches_are_walked_one_after_the_other(several):
    data = b"".join(encode_batch(one, base_offset=index * 100) for index, one in enumerate(several))
    found = list(split_batches(data))
    assert [header.base_offset for _, header in found] == [index * 100 for index in range(len(several))]
    assert found[-1][0] + found[-1][1].size == len(data)


@given(batches, st.data())
def test_a_cut_batch_is_refused(given_records, data):
    whole = encode_batch(given_records)
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    with pytest.raises(CorruptBatchError):
        list(split_batches(cut))
    with pytest.raises(CorruptBatchError):
        list(decode_batch(cut))


@given(batches, st.data())
def test_one_wrong_bit_under_the_checksum_is_noticed(given_records, data):
    whole = bytearray(encode_batch(given_records))
    at = data.draw(st.integers(CRC_OFFSET, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CorruptBatchError):
        verify_all(bytes(whole))


@given(st.binary(max_size=400))
def test_random_bytes_are_no_batch_and_raise_nothing_else(data):
    if not data:
        assert list(split_batches(data)) == []
        return
    with pytest.raises(CorruptBatchError):
        verify_all(data)


@given(st.binary(max_size=200), st.integers(0, 5))
def test_random_bytes_for_records_raise_nothing_else(body, count):
    checked = struct.pack(">hiqqqhii", 0, max(count - 1, 0), 0, 0, -1, -1, -1, count)
    data = struct.pack(">qiibI", 0, 49 + len(body), 0, 2, crc32c(checked + body)) + checked + body
    try:
        decoded = list(decode_batch(data))
    except CorruptBatchError:
        return
    assert len(decoded) == count


@pytest.mark.parametrize("magic", [0, 1, 3, 127])
def test_other_format_versions_are_refused_by_number(magic):
    data = bytearray(encode_batch([Record(0, 0, None, b"v")]))
    data[16] = magic
    with pytest.raises(UnsupportedBatchError, match=f"version {magic} "):
        read_header(data)
    with pytest.raises(UnsupportedBatchError):
        read_header(data[:30])


@pytest.mark.parametrize("length", [-(2**31), -1, 0, 48])
def test_impossible_lengths_are_refused(length):
    data = bytearray(encode_batch([Record(0, 0, None, b"v")]))
    struct.pack_into(">i", data, LENGTH_OFFSET, length)
    with pytest.raises(CorruptBatchError):
        read_header(data)


def test_compressed_records_are_read_and_damaged_ones_refused():
    data = bytearray(encode_batch([Record(0, 9, b"k", b"v" * 100), Record(0, 9, None, None)]))
    packed = gzip.compress(bytes(data[HEADER_SIZE:]))
    struct.pack_into(">i", data, LENGTH_OFFSET, HEADER_SIZE - 12 + len(packed))
    struct.pack_into(">h", data, ATTRIBUTES_OFFSET, 1)
    compressed = bytes(data[:HEADER_SIZE]) + packed
    assert [record.value for record in decode_batch(compressed)] == [b"v" * 100, None]
    with pytest.raises(CorruptBatchError, match="gzip"):
        list(decode_batch(compressed[:-6] + b"\0" * 6))
    for number, name in ((2, "snappy"), (3, "lz4"), (4, "zstd"), (7, "number 7")):
        struct.pack_into(">h", data, ATTRIBUTES_OFFSET, number)
        with pytest.raises(CorruptBatchError, match=name):
            list(decode_batch(bytes(data[:HEADER_SIZE]) + packed))


def test_the_time_of_the_append_is_every_records_time():
    data = bytearray(encode_batch([Record(0, 5, None, b"a"), Record(0, 7, None, b"b")]))
    struct.pack_into(">h", data, ATTRIBUTES_OFFSET, 8)
    assert [record.timestamp for record in decode_batch(bytes(data))] == [7, 7]


def test_sequence_numbers_begin_again_after_the_largest():
    assert increment_sequence(2**31 - 1, 1) == 0
    assert increment_sequence(2**31 - 2, 5) == 3
    assert increment_sequence(3, -5) == 2**31 - 2


def test_a_batch_holds_at_least_one_record():
    with pytest.raises(ValueError, match="at least one"):
        encode_batch([])
