"""Codecs: what one writes is read back, frames of other libraries are read, and damage or bombs are refused."""

from __future__ import annotations

import contextlib
import gzip
import struct
import zlib

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_wire.batches import HEADER_SIZE, CorruptBatchError, read_header, verify_crc
from kopfka_wire.compression import GZIP, LZ4, SNAPPY, ZSTD, CorruptCompressionError, compress, decompress
from kopfka_wire.records import Record, build_batch, decode_batch, encode_batch, moved_in_time, walk_records

CODECS = (GZIP, SNAPPY, LZ4, ZSTD)
repetitive = st.builds(lambda part, times: part * times, st.binary(max_size=200), st.integers(0, 3000))
data = st.binary(max_size=2000) | repetitive


@pytest.mark.parametrize("codec", CODECS)
@given(content=data)
def test_what_is_compressed_is_decompressed(codec, content):
    assert decompress(codec, compress(codec, content)) == content


@pytest.mark.parametrize(
    ("codec", "level"), [(GZIP, -1), (GZIP, 1), (GZIP, 9), (LZ4, 1), (LZ4, 9), (LZ4, 17), (ZSTD, -7), (ZSTD, 22)]
)
def test_levels(codec, level):
    content = b"some text that repeats itself, more or less; " * 5000
    assert decompress(codec, compress(codec, content, level)) == content


@given(content=data.filter(len))
def test_frames_of_other_libraries_are_read(content):
    assert decompress(GZIP, gzip.compress(content)) == content
    assert decompress(SNAPPY, bytes(cramjam.snappy.compress_raw(content))) == content
    assert decompress(ZSTD, bytes(cramjam.zstd.compress(content))) == content
    linked = bytes(cramjam.lz4.compress(content))
    assert not linked[4] & 0x20, "this library is here for its linked blocks"
    assert decompress(LZ4, linked) == content


@given(first=data.filter(len), second=data.filter(len))
def test_several_members_are_one_content(first, second):
    for codec in (GZIP, SNAPPY, ZSTD):
        assert decompress(codec, compress(codec, first) + compress(codec, second)) == first + second


def test_zeros_after_a_gzip_member_are_passed_over():
    assert decompress(GZIP, gzip.compress(b"content") + bytes(8)) == b"content"


def test_the_checksum_of_an_lz4_descriptor_is_passed_over():
    """Clients of before Kafka 0.10 reckon it over the magic number as well."""
    frame = bytearray(compress(LZ4, b"content" * 100))
    frame[6] ^= 0xFF
    assert decompress(LZ4, bytes(frame)) == b"content" * 100


def test_an_lz4_frame_is_the_one_kafka_writes():
    assert compress(LZ4, b"x" * 10)[:7] == bytes.fromhex("04224d18 60 40 82")
    assert compress(SNAPPY, b"x")[:16] == b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)


@pytest.mark.parametrize("codec", CODECS)
def test_nothing_grows_beyond_the_limit(codec):
    bomb = compress(codec, bytes(4_000_000))
    assert len(decompress(codec, bomb, 5_000_000)) == 4_000_000
    with pytest.raises(CorruptCompressionError, match="larger than 1000000 bytes"):
        decompress(codec, bomb, 1_000_000)


def test_nothing_grows_beyond_the_limit_in_other_framings():
    for codec, bomb in (
        (LZ4, bytes(cramjam.lz4.compress(bytes(4_000_000)))),
        (SNAPPY, bytes(cramjam.snappy.compress_raw(bytes(4_000_000)))),
        (GZIP, zlib.compress(bytes(4_000_000), wbits=31) * 2),
    ):
        with pytest.raises(CorruptCompressionError):
            decompress(codec, bomb, 1_000_000)


def test_a_snappy_block_that_claims_much_allocates_nothing():
    with pytest.raises(CorruptCompressionError):
        decompress(SNAPPY, b"\xff\xff\xff\xff\x0f" + bytes(20))


@pytest.mark.parametrize("codec", CODECS)
@given(noise=st.binary(max_size=300), cut=st.integers(0, 200), flip=st.integers(0, 100_000))
def test_damage_raises_nothing_else(codec, noise, cut, flip):
    whole = bytearray(compress(codec, b"content " * 50 + noise))
    for damaged in (noise, bytes(whole[:cut]), flipped(whole, flip)):
        with contextlib.suppress(CorruptCompressionError):
            decompress(codec, damaged)


def flipped(content, at):
    content = bytearray(content)
    content[at % len(content)] ^= 1 << at % 8
    return bytes(content)


def test_no_codec_has_a_higher_number():
    with pytest.raises(CorruptCompressionError):
        decompress(5, b"")
    with pytest.raises(ValueError, match="number 5"):
        compress(5, b"")


# -- batches --------------------------------------------------------------------------------------------------------

optional = st.none() | st.binary(max_size=300)
headers = st.lists(st.tuples(st.text(max_size=8), optional), max_size=3).map(tuple)
record = st.builds(Record, st.just(0), st.integers(0, 2**50), optional, optional, headers)
records = st.lists(record, min_size=1, max_size=9)


@given(records, st.sampled_from((0, *CODECS)))
def test_a_batch_in_any_codec(given_records, codec):
    batch = encode_batch(given_records, compression=codec, base_offset=10)
    header = read_header(batch)
    verify_crc(batch, 0, header)
    assert header.compression == codec
    found = list(decode_batch(batch))
    assert [(r.timestamp, r.key, r.value, r.headers) for r in found] == [
        (r.timestamp, r.key, r.value, r.headers) for r in given_records
    ]


@given(records, st.integers(-(2**40), 2**40))
def test_raw_records_are_walked_and_moved(given_records, by):
    batch = encode_batch(given_records)
    header, section = read_header(batch), batch[HEADER_SIZE:]
    raw = list(walk_records(section, header.record_count))
    assert [(r.key, r.has_value, header.base_timestamp + r.timestamp_delta) for r in raw] == [
        (r.key, r.value is not None, r.timestamp) for r in given_records
    ]
    assert b"".join(section[r.start : r.end] for r in raw) == section
    moved = b"".join(moved_in_time(section, record, -by) for record in raw)
    again = build_batch(header._replace(base_timestamp=header.base_timestamp + by), moved)
    verify_crc(again, 0, read_header(again))
    assert list(decode_batch(again)) == list(decode_batch(batch))


@given(records, st.integers(0, 100_000), st.integers(0, 255))
def test_damaged_records_are_refused_by_walking_as_by_decoding(given_records, at, value):
    batch = bytearray(encode_batch(given_records))
    batch[HEADER_SIZE + at % (len(batch) - HEADER_SIZE)] = value
    header = read_header(batch)
    try:
        decoded = list(decode_batch(bytes(batch)))
    except CorruptBatchError:
        return  # the walk takes names that are not UTF-8, or reads what it does not look at
    walked = list(walk_records(bytes(batch[HEADER_SIZE:]), header.record_count))
    assert [(r.key, r.has_value) for r in walked] == [(r.key, r.value is not None) for r in decoded]
