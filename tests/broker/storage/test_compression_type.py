"""`compression.type` of a topic: batches of other codecs are written in its own, and are the same records."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kopfka_broker.storage import InvalidRecordError, InvalidTimestampError, MessageTooLargeError
from kopfka_wire.batches import HEADER_SIZE, read_header, split_batches, verify_crc
from kopfka_wire.compression import NAMES
from kopfka_wire.records import Record, build_batch, encode_batch
from support.storage import NOW, new_log, open_manager, records_of

OTHER = "uncompressed"
NAMED = [OTHER if name == "none" else name for name in NAMES]


@pytest.fixture
def manager(tmp_path):
    return open_manager(tmp_path / "data")


def headers_of(log):
    data = log.read(0, 1 << 20)
    for position, header in split_batches(data):
        verify_crc(data, position, header)
    return [header for _, header in split_batches(data)]


RECORDS = [Record(0, NOW + index, b"key", b"value %d" % index * 20, (("h", b"x"), ("n", None))) for index in range(5)]


@pytest.mark.parametrize("wanted", range(5))
@pytest.mark.parametrize("given_codec", range(5))
def test_every_codec_becomes_every_other(manager, given_codec, wanted):
    log = new_log(manager, config={"compression.type": NAMED[wanted]})
    fields = {"producer_id": 7, "producer_epoch": 1, "base_sequence": 3}
    sent = encode_batch(RECORDS, compression=given_codec, **fields)
    assert log.append(sent, NOW).last_offset == 4
    log.append(encode_batch(RECORDS, compression=given_codec, **fields | {"base_sequence": 8}), NOW)
    first, second = headers_of(log)
    assert [header.compression for header in (first, second)] == [wanted] * 2
    assert (first.producer_id, first.producer_epoch, first.base_sequence, second.base_sequence) == (7, 1, 3, 8)
    assert (first.base_offset, second.base_offset, first.max_timestamp) == (0, 5, NOW + 4)
    found = records_of(log)
    assert [(r.timestamp, r.key, r.value, r.headers) for r in found] == [
        (r.timestamp, r.key, r.value, r.headers) for r in RECORDS * 2
    ]
    assert [r.offset for r in found] == list(range(10))
    duplicate = log.append(sent, NOW)
    assert (duplicate.first_offset, log.log_end_offset) == (0, 10)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(codecs=st.lists(st.integers(0, 4), min_size=1, max_size=4), wanted=st.integers(0, 4))
def test_several_batches_at_once(manager, codecs, wanted):
    name = f"t{len(manager.topics)}"
    log = new_log(manager, name, config={"compression.type": NAMED[wanted]})
    log.append(b"".join(encode_batch(RECORDS, compression=codec) for codec in codecs), NOW)
    assert [header.compression for header in headers_of(log)] == [wanted] * len(codecs)
    assert [r.value for r in records_of(log)] == [r.value for r in RECORDS] * len(codecs)


def test_a_batch_of_the_same_codec_keeps_its_bytes(manager):
    log = new_log(manager, config={"compression.type": "gzip", "compression.gzip.level": "1"})
    sent = encode_batch(RECORDS, compression=1)
    log.append(sent, NOW)
    assert bytes(log.read(0, 1 << 20))[HEADER_SIZE:] == sent[HEADER_SIZE:]


def test_levels(manager):
    text = [Record(0, NOW, None, b"%d a line of text, %d" % (number * 7919, number)) for number in range(5000)]
    sizes = []
    for level in ("1", "9"):
        log = new_log(manager, f"level-{level}", {"compression.type": "gzip", "compression.gzip.level": level})
        log.append(encode_batch(text), NOW)
        sizes.append(log.size)
    assert sizes[1] < sizes[0] * 0.95


def test_the_append_time_is_kept_with_it(manager):
    log = new_log(manager, config={"compression.type": "zstd", "message.timestamp.type": "LogAppendTime"})
    log.append(encode_batch(RECORDS), NOW + 77)
    assert {r.timestamp for r in records_of(log)} == {NOW + 77}
    assert headers_of(log)[0].is_log_append_time


def test_what_is_too_large_in_the_topics_codec_is_refused(manager):
    log = new_log(manager, config={"compression.type": OTHER, "max.message.bytes": "10000"})
    with pytest.raises(MessageTooLargeError):
        log.append(encode_batch([Record(0, NOW, None, bytes(100_000))], compression=4), NOW)
    assert log.log_end_offset == 0


def test_a_lying_header_and_gaps_are_put_right(manager):
    """Offsets of uncompressed records come from their order, the largest timestamp from the records."""
    plain = encode_batch(RECORDS)
    section = bytearray(plain[HEADER_SIZE:])
    at = section.index(b"key") - 2  # the offset delta of the first record
    assert section[at] == 0
    section[at] = 6
    crooked = build_batch(read_header(plain)._replace(max_timestamp=NOW + 1), section)
    log = new_log(manager, config={"compression.type": "lz4"})
    log.append(crooked, NOW)
    assert headers_of(log)[0].max_timestamp == NOW + 4
    assert [(r.offset, r.value) for r in records_of(log)] == [(index, r.value) for index, r in enumerate(RECORDS)]

    log.append(build_batch(read_header(crooked)._replace(attributes=1), section), NOW)
    assert [(r.offset - 5, r.value) for r in records_of(log, 5)] == [(i, r.value) for i, r in enumerate(RECORDS)]


def test_records_that_cannot_be_written_anew_are_invalid(manager):
    """Found by fuzzing: offsets that have to be put right, in a record whose header has a name that is no text."""
    plain = encode_batch(RECORDS)
    section = bytearray(plain[HEADER_SIZE:])
    section[section.index(b"key") - 2] = 6
    section[section.index(b"h\x02x")] = 0xFF
    log = new_log(manager, config={"compression.type": "lz4"})
    with pytest.raises(InvalidRecordError):
        log.append(build_batch(read_header(plain), section), NOW)
    assert log.log_end_offset == 0


@pytest.mark.parametrize("codec", range(5))
def test_records_of_a_compacted_topic_have_keys_in_any_codec(manager, codec):
    log = new_log(manager, config={"cleanup.policy": "compact"})
    records = [RECORDS[0], Record(0, NOW, None, b"v"), Record(0, NOW, b"k", None)]
    with pytest.raises(InvalidRecordError) as caught:
        log.append(encode_batch(records, compression=codec), NOW)
    assert [index for index, _ in caught.value.record_errors] == [1]
    log.append(encode_batch(records[::2], compression=codec), NOW)


@pytest.mark.parametrize("codec", range(5))
def test_timestamps_are_bounded_in_any_codec(manager, codec):
    log = new_log(manager, config={"message.timestamp.before.max.ms": "1000", "message.timestamp.after.max.ms": "1000"})
    for wrong in (NOW - 1001, NOW + 1001):
        with pytest.raises(InvalidTimestampError):
            log.append(encode_batch([RECORDS[0], Record(0, wrong, b"k", b"v")], compression=codec), NOW)
    log.append(encode_batch([Record(0, NOW - 1000, b"k", b"v"), Record(0, NOW + 1000, b"k", b"v")]), NOW)


@pytest.mark.parametrize("codec", range(1, 5))
def test_damage_inside_is_an_invalid_record(manager, codec):
    log = new_log(manager, config={"compression.type": OTHER})
    whole = encode_batch(RECORDS, compression=codec)
    damaged = build_batch(read_header(whole)._replace(attributes=0), b"\xff" * 40)
    damaged = build_batch_as(codec, damaged)
    with pytest.raises(InvalidRecordError):
        log.append(damaged, NOW)


def build_batch_as(codec, plain):
    """Return the batch with its bytes as they are, said to be of another codec."""
    from crc32c import crc32c

    header = read_header(plain)._replace(attributes=codec)
    from kopfka_wire.batches import ATTRIBUTES_OFFSET, HEADER

    packed = HEADER.pack(*header)
    crc = crc32c(plain[HEADER_SIZE:], crc32c(packed[ATTRIBUTES_OFFSET:]))
    return HEADER.pack(*header._replace(crc=crc)) + plain[HEADER_SIZE:]
