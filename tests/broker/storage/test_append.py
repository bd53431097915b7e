"""What a log takes, what it refuses and with which error code, and what it changes in a batch."""

from __future__ import annotations

import struct

import pytest

from kopfka_broker.storage import (
    CorruptMessageError,
    InvalidRecordError,
    InvalidTimestampError,
    KafkaStorageError,
    MessageTooLargeError,
    RecordListTooLargeError,
    StorageError,
    UnsupportedCompressionTypeError,
)
from kopfka_wire.batches import ATTRIBUTES_OFFSET, CRC_OFFSET, checksum, read_header, split_batches, verify_crc
from kopfka_wire.records import Record, decode_batch, encode_batch
from support.storage import NOW, batch, new_log, open_manager, values_of


@pytest.fixture
def manager(tmp_path):
    return open_manager(tmp_path / "data")


def resealed(data, *, attributes=None, last_offset_delta=None):
    """A batch with other header fields, and the checksum that makes it whole again."""
    data = bytearray(data)
    if attributes is not None:
        struct.pack_into(">h", data, ATTRIBUTES_OFFSET, attributes)
    if last_offset_delta is not None:
        struct.pack_into(">i", data, ATTRIBUTES_OFFSET + 2, last_offset_delta)
    struct.pack_into(">I", data, CRC_OFFSET, checksum(data, 0, len(data)))
    return bytes(data)


def test_offsets_follow_each_other_and_the_rest_of_the_bytes_stay(manager):
    log = new_log(manager)
    sent = batch(b"a", b"b", b"c")
    first, second = log.append(sent, NOW), log.append(bytearray(sent), NOW)
    assert (first.first_offset, first.last_offset) == (0, 2)
    assert (second.first_offset, second.last_offset) == (3, 5)
    assert log.log_end_offset == log.high_watermark == log.last_stable_offset == 6
    stored = log.read(3, 10_000)
    assert stored[12 + 4 :] == sent[12 + 4 :]
    assert read_header(stored).base_offset == 3
    verify_crc(stored, 0, read_header(stored))


def test_several_batches_of_one_append(manager):
    log = new_log(manager)
    done = log.append(memoryview(batch(b"a", b"b") + batch(b"c") + batch(b"d", b"e")), NOW)
    assert (done.first_offset, done.last_offset) == (0, 4)
    assert [header.base_offset for _, header in split_batches(log.read(0, 10_000))] == [0, 2, 3]
    assert values_of(log) == [b"a", b"b", b"c", b"d", b"e"]


def test_more_batches_than_one_system_call_takes(manager):
    log = new_log(manager)
    log.append(b"".join(batch(b"%d" % number) for number in range(700)), NOW)
    assert values_of(log) == [b"%d" % number for number in range(700)]


def test_log_append_time(manager):
    log = new_log(manager, config={"message.timestamp.type": "LogAppendTime"})
    done = log.append(batch(b"a", b"b", timestamp=5), NOW)
    assert done.log_append_time == NOW
    stored = log.read(0, 10_000)
    header = read_header(stored)
    verify_crc(stored, 0, header)
    assert header.is_log_append_time
    assert [record.timestamp for record in decode_batch(stored)] == [NOW, NOW]
    assert log.max_timestamp() == (NOW, 0, 0)


def corrupt(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("data", "config", "error", "number"),
    [
        (b"", {}, InvalidRecordError, 87),
        (batch(b"a")[:-1], {}, CorruptMessageError, 2),
        (batch(b"a") + b"x", {}, CorruptMessageError, 2),
        (corrupt(batch(b"abc"), 70), {}, CorruptMessageError, 2),
        (corrupt(batch(b"abc"), 16), {}, CorruptMessageError, 2),
        (batch(b"a" * 2000), {"max.message.bytes": "1000"}, MessageTooLargeError, 10),
        (batch(b"a" * 2000), {"segment.bytes": "1000"}, RecordListTooLargeError, 18),
        (resealed(batch(b"a"), attributes=0x20), {}, InvalidRecordError, 87),
        (resealed(batch(b"a"), attributes=5), {}, UnsupportedCompressionTypeError, 76),
        (resealed(batch(b"a"), last_offset_delta=7), {}, InvalidRecordError, 87),
        (batch(b"a", producer=3, sequence=-1), {}, InvalidRecordError, 87),
        (batch(b"a", timestamp=NOW + 3_600_001), {}, InvalidTimestampError, 32),
        (batch(b"a", timestamp=NOW - 11), {"message.timestamp.before.max.ms": "10"}, InvalidTimestampError, 32),
        (resealed(batch(b"a"), attributes=8), {}, InvalidTimestampError, 32),
        (encode_batch([Record(0, NOW, None, b"v")]), {"cleanup.policy": "compact"}, InvalidRecordError, 87),
    ],
)
def test_what_is_refused(manager, data, config, error, number):
    log = new_log(manager, config=config)
    with pytest.raises(error) as caught:
        log.append(data, NOW)
    assert (caught.value.number, int(caught.value.code)) == (number, number)
    assert (log.log_end_offset, log.size) == (0, 0)
    assert log.append(batch(b"fine"), NOW).first_offset == 0


def test_records_without_a_key_are_named_by_index(manager):
    log = new_log(manager, config={"cleanup.policy": "compact,delete"})
    with pytest.raises(InvalidRecordError) as caught:
        log.append(encode_batch([Record(0, NOW, b"k", b""), Record(0, NOW, None, b""), Record(0, NOW, None, b"")]), NOW)
    assert [index for index, _ in caught.value.record_errors] == [1, 2]


def test_records_of_yesterday_and_without_a_time_are_taken(manager):
    log = new_log(manager, config={"message.timestamp.before.max.ms": "86400000"})
    log.append(batch(b"a", timestamp=NOW - 86_400_000), NOW)
    log.append(encode_batch([Record(0, -1, None, b"v")]), NOW)


def test_a_closed_log_takes_nothing(manager):
    log = new_log(manager)
    manager.delete_topic("t")
    with pytest.raises(KafkaStorageError, match="t-0 is deleted"):
        log.append(batch(b"a"), NOW)
    with pytest.raises(KafkaStorageError, match="t-0 is deleted"):
        log.read(0, 100)


def test_watchers_are_called_until_they_leave(manager):
    log = new_log(manager)
    called = []

    def first(which):
        called.append(("first", which))

    log.watch(first)
    log.watch(lambda which: called.append(("second", which)))
    log.append(batch(b"a"), NOW)
    log.unwatch(first)
    log.unwatch(first)
    log.append(batch(b"b"), NOW)
    manager.delete_topic("t")
    assert called == [("first", log), ("second", log), ("second", log), ("second", log)]


def test_a_watcher_may_leave_while_it_is_called(manager):
    log = new_log(manager)
    called = []

    def once(which):
        called.append(which.log_end_offset)
        which.unwatch(once)

    log.watch(once)
    log.append(batch(b"a"), NOW)
    log.append(batch(b"b"), NOW)
    assert called == [1]


def test_every_error_has_a_code_of_the_protocol():
    def family(kind):
        return [kind, *(below for child in kind.__subclasses__() for below in family(child))]

    for kind in family(StorageError)[1:]:
        assert kind("x").code.value == kind.number > 0
