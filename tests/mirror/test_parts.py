"""What of a batch goes to the target as it is, what is written anew, and what a partition knows of itself."""

from __future__ import annotations

import pytest

from kopfka_mirror.formats import Position
from kopfka_mirror.parts import Part, piece_of
from kopfka_wire.batches import ATTRIBUTES_OFFSET, CRC_OFFSET, HEADER, checksum, read_header, verify_crc
from kopfka_wire.client.fetching import Batch
from kopfka_wire.client.offsets import EARLIEST
from kopfka_wire.records import Record, decode_batch, encode_batch

RECORDS = [Record(0, 1000 + at, b"k%d" % at, None if at == 2 else b"v%d" % at, (("h", b"x"),)) for at in range(5)]


def batch(data, wanted_from=0):
    return Batch(read_header(data), memoryview(data), wanted_from)


def made(compression=0, base=100):
    return encode_batch(RECORDS, base_offset=base, compression=compression)


def thinned(compression=0):
    """Return a batch as compaction leaves it: without its second and fourth record, deltas as they were."""
    whole = made(compression)
    header = read_header(whole)
    one_by_one = [encode_batch([each]) for each in RECORDS]
    assert one_by_one
    from kopfka_wire.records import build_batch, records_section, walk_records

    section = records_section(whole, 0, header)
    kept = [raw for at, raw in enumerate(walk_records(section, 5)) if at not in (1, 3)]
    body = b"".join(section[raw.start : raw.end] for raw in kept)
    return build_batch(header._replace(record_count=3), body)


@pytest.mark.parametrize("compression", range(5))
def test_a_whole_batch_goes_as_it_is(compression):
    data = made(compression)
    piece = piece_of(batch(data))
    assert piece.data == data
    assert (piece.runs, piece.next_offset) == (((100, 0, 5),), 105)


@pytest.mark.parametrize("compression", range(5))
def test_a_thinned_batch_is_written_anew_without_gaps(compression):
    piece = piece_of(batch(thinned(compression)))
    verify_crc(piece.data, 0, piece.header)
    assert piece.header.record_count == piece.header.last_offset_delta + 1 == 3
    assert piece.header.compression == compression
    assert contents(piece.data) == [contents(made())[at] for at in (0, 2, 4)]
    assert (piece.runs, piece.next_offset) == (((100, 0, 1), (102, 1, 1), (104, 2, 1)), 105)


def test_a_batch_that_is_wanted_in_part():
    piece = piece_of(batch(made(), wanted_from=103))
    assert contents(piece.data) == contents(made())[3:]
    assert piece.runs == ((103, 0, 2),)


def test_times_of_the_log_become_the_records_own():
    data = bytearray(made())
    data[ATTRIBUTES_OFFSET + 1] |= 0x08
    header = read_header(data)._replace(max_timestamp=777)
    data[: HEADER.size] = HEADER.pack(*header)
    data[CRC_OFFSET : CRC_OFFSET + 4] = checksum(data, 0, len(data)).to_bytes(4, "big")
    piece = piece_of(batch(bytes(data)))
    assert not piece.header.is_log_append_time
    assert {record.timestamp for record in decode_batch(piece.data)} == {777}


def test_nothing_goes_where_nothing_is_left():
    assert piece_of(batch(made(), wanted_from=105)) is None


def contents(data):
    return [(each.timestamp, each.key, each.value, each.headers) for each in decode_batch(data)]


def part():
    start = Position(EARLIEST)
    found = Part("t", 0, "a.t", None, start=start, written=start, kept=start)
    found.read_to = 100
    found.written = Position(100)
    return found


def test_a_partition_knows_how_far_it_is():
    one = part()
    one.high_watermark = 110
    piece = piece_of(batch(made()))
    one.begin()
    one.take(piece)
    one.read_to, one.read_epoch = 107, 4  # a marker came behind it
    assert one.lag() == 10
    one.wrote(one.waiting.popleft(), 50)
    assert (one.written, one.lag(), one.records) == (Position(107, 4), 10, 0), "nobody sees it yet"
    one.show()
    assert (one.lag(), one.records) == (3, 5)
    assert one.offsets.translate(103, 107) == 53
    one.pass_over(110, 4)
    assert (one.lag(), one.behind_since) == (0, None)


def test_a_failure_is_tried_again_when_it_is_time(caplog):
    one = part()
    one.fail("the disk is full", 30.0)
    one.fail("the disk is full", 30.0)
    assert len(caplog.records) == 1
    assert not one.may_read()
    assert not one.recover(one.retry_at - 1)
    assert one.recover(one.retry_at)
    assert one.may_read()
    one.fail("it is another topic", None)
    assert not one.recover(1e12)
